"""The live calls of a run for its driver: which calls to make or cancel, and which chunks to show.

several.calls   make those that are new, cancel those that are no longer among them
several.wait    seconds after which to say that one has `waited`, where nothing has come; None: as long as it takes

For each call report chunks by `hear`, then exactly one of `ended` and `failed`, unless it was cancelled. After each report read
`run.several` again: it is the same object during one batch. Reports about calls that are no longer live are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from switchwise.failures.effort import effort_refused
from switchwise.nouns.call import Call, CallEvent, Live
from switchwise.nouns.errors import TargetError
from switchwise.nouns.exchange.reply import Reply
from switchwise.state.forking import rlock


def no_reply(call: Call) -> RuntimeError:
    """The error of an adapter whose call ended without a reply."""
    return RuntimeError(f"perform ended without a Reply for {call.target.name}: yield the complete reply last")


class Several:
    """The live calls of one batch.

    Parameters:
        live: the calls requested by the flow.
        tell: reports an event to the flow, and returns its next calls.
        interrupt: reports that the shown call broke off.
        unshown: takes complete replies whose chunks were not shown.
        resend: as of `Run`.
        note: takes each chunk that is shown.
    """

    def __init__(
        self,
        live: Live,
        tell: Callable[[CallEvent | None], Several | None],
        interrupt: Callable[[Call, TargetError], None],
        unshown: list[tuple[Reply, list[Any]]],
        resend: Callable[[Call], bool],
        note: Callable[[Any], None],
    ) -> None:
        self.live = live
        self.wake: Callable[[], object] = lambda: None
        """Called, from any thread, when a call was chosen outside the driver, which must then call `looked`."""
        self._tell, self._interrupt, self._unshown, self._resend, self._note = tell, interrupt, unshown, resend, note
        self.lock = rlock()
        """Held while the flow advances: `claim` waits for it, as the batch may be about to change."""
        self._claimed: Call | None = None
        self._closed = False
        self._chunks: dict[int, list[Any]] = {}
        self._again: list[Call] = []

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that should be live now."""
        return self.live.calls

    @property
    def wait(self) -> float | None:
        """Seconds after which to say that one has `waited`."""
        return self.live.wait

    def goes_on(self, live: Live) -> bool:
        """Update to the flow's next calls; False if they are another batch."""
        if not any(call is known for call in live.calls for known in self.live.calls):
            return False
        self.live = live
        return True

    def claim(self, call: Call) -> bool:
        """Return whether chunks of `call` may be shown, if the first call with content is chosen. Thread-safe."""
        with self.lock:
            if not self.live.first or not call.live:
                return False
            new = self._claim(call)
        if new:
            self.wake()
        return self._claimed is call

    def _claim(self, call: Call) -> bool:
        with self.lock:
            new = self._claimed is None and not self._closed
            if new:
                self._claimed = call
        return new

    def close(self) -> None:
        """End the batch: no further chunks may be shown."""
        with self.lock:
            self._closed = True

    def looked(self) -> None:
        """Choose the call claimed meanwhile."""
        claimed = self._claimed
        if claimed is not None and self.live.chosen is None and self._is_live(claimed):
            self._tell(CallEvent(claimed))

    def hear(self, call: Call, chunk: Any) -> list[Any]:
        """Report a chunk of the reply to `call`; return the chunks to show."""
        self.looked()
        if not self._is_live(call):
            return []
        chunks = self._chunks.setdefault(id(call), [])
        chunks.append(chunk)
        if self.live.first and self.live.chosen is None:
            self._claim(call)
            self.looked()
        if self.live.chosen is call and call.live:
            shown = chunks[:]
            chunks.clear()
            for each in shown:
                self._note(each)
            return shown
        return []

    def ended(self, call: Call, reply: Reply) -> None:
        """Report the complete reply to `call`.

        Raises:
            NoTarget, AllTargetsFailed: it was rejected, and no other target may be called.
        """
        self.looked()
        if not self._is_live(call):
            return
        if chunks := self._chunks.get(id(call)):
            self._unshown.append((reply, chunks))
        self._tell(CallEvent(call, reply))

    def failed(self, call: Call, error: TargetError) -> bool:
        """Report that the target of `call` failed; True if its connection was dead before use: make it once more, uncounted.

        Raises:
            Interrupted: part of its reply was already shown.
            AllTargetsFailed: it was the last one.
        """
        error = effort_refused(error, call.target)
        self.looked()
        if not self._is_live(call):
            return False
        heard = id(call) in self._chunks or self._claimed is call
        if error.is_stale and not heard and not any(call is again for again in self._again) and self._resend(call):
            self._again.append(call)
            return True
        error.partial = heard
        if heard and call.live and self.live.chosen is call:
            self._interrupt(call, error)
        else:
            self._tell(CallEvent(call, error))
        return False

    def waited(self) -> None:
        """Report that nothing arrived for `wait` seconds."""
        self._tell(None)

    def _is_live(self, call: Call) -> bool:
        return any(call is live for live in self.live.calls)
