"""A flow as a small state machine for its driver: make `.call`, report chunks by `hear`, then `ended` or `failed`; repeat.

run.call is a Call       say that it is `started` and make it; then exactly one of ended, failed
run.call.queued          make nothing: when its delay is over, say that it has `waited`
run.several is not None  `run.several.calls` are to be live: start and make those that are new, cancel those that are gone, tell what comes of each
both are None            finished: `run.outcome` is the result, `run.held` what was not shown yet
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from typing import Any

from switchwise.engine.batches.several import Several
from switchwise.engine.policy import NotMade, Steps
from switchwise.failures.effort import effort_refused
from switchwise.nouns.call import Call, CallEvent, Live, Outcome
from switchwise.nouns.errors import AllTargetsFailed, Broken, Interrupted, NoTarget, TargetError, failed_as
from switchwise.nouns.exchange.on_broken import Continue, OnBroken
from switchwise.nouns.exchange.reply import Reply
from switchwise.observe.observer import NOBODY, Observers, tell

_NO_CALL = "the run is finished or closed: there is no open call"


class Run:
    """One model step of one agent.

    Parameters:
        flow: result of `route`.
        clock: the router's clock in seconds, for deadlines.
        observers: observers of the router.
        resend: reserves a second time for a call that is sent again after a dead connection; False: it may not be sent.
        on_broken: what to do when a reply breaks off after part of it was shown.

    An adapter that streams sets `text_of` (chunk -> its text) and `signals` (`Broken` -> signal chunks), and `on_broken` to "raise" if
    its stream cannot retract shown text. `held` has the chunks of the answer that waited for its verdict and were not shown.

    Raises:
        NoTarget: the first decision left no target.
    """

    __slots__ = (
        "_again",
        "_batch",
        "_begun",
        "_broken",
        "_chunks",
        "_flow",
        "_heard",
        "_observers",
        "_outcome",
        "_resend",
        "_shown_texts",
        "_unshown",
        "_unsignalled",
        "call",
        "clock",
        "held",
        "on_broken",
        "several",
        "signals",
        "text_of",
    )
    call: Call | None
    several: Several | None
    _batch: Several | None
    _heard: bool
    _chunks: list[Any]

    def __init__(
        self,
        flow: Steps[Outcome],
        clock: Callable[[], float],
        observers: Observers = NOBODY,
        resend: Callable[[Call], bool] = lambda _: True,
        on_broken: OnBroken = "raise",
    ) -> None:
        self.on_broken = on_broken
        self.text_of: Callable[[Any], str] = _text
        self.signals: Callable[[Broken], Iterable[Any]] = _none
        self._shown_texts: list[str] = []
        self._broken: Broken | None = None
        self._unsignalled = False
        self._flow, self.clock, self._observers, self._resend = flow, clock, observers, resend
        self.several = self._batch = None
        self._again: Call | None = None
        self._begun = False
        self._outcome: Outcome | None = None
        self.held: list[Any] = []
        self._unshown: list[tuple[Reply, list[Any]]] = []
        self._resume(flow.send, None)

    def waited(self) -> None:
        """Report that the delay of a `queued` call is over: the router decides again.

        Raises:
            NoTarget: its wait is over, and no other target may be called.
        """
        self._resume(self._flow.send, None)

    def started(self, call: Call) -> None:
        """Report that `call` is sent now: if the run is closed from now on, the call may be billed.

        A call that is sent again after a dead connection has started already.
        """
        self._begun = True
        if self._observers.started and call is not self._again:
            tell(self._observers.started, call)

    def hear(self, chunk: Any, call: Call | None = None) -> bool:
        """Report a chunk of the reply to `call`; True if it may be shown now.

        Parameters:
            call: its call, for adapters that show chunks themselves, from any thread; None: the only call.
        """
        if call is not None and call is not self.call:
            batch = self._batch
            shown = batch is not None and batch.claim(call)
            if shown:
                self._note(chunk)
            return shown
        self._heard = True
        if self._shown:
            self._note(chunk)
            return True
        self._chunks.append(chunk)
        return False

    def ended(self, reply: Reply) -> None:
        """Report the complete reply to `call`.

        Raises:
            NoTarget, AllTargetsFailed: it was rejected, and no other target may be called.
        """
        if self.call is None:
            raise RuntimeError(_NO_CALL)
        if self._chunks:
            self._unshown.append((reply, self._chunks))
        self._resume(self._flow.send, reply)

    def failed(self, error: TargetError) -> None:
        """Report that the target of `call` failed. If its connection was dead before use, `call` stays: make it once more, uncounted.

        Raises:
            Interrupted: part of its reply was shown, and `on_broken` is "raise".
            AllTargetsFailed: it was the last one.
        """
        if error.is_stale and not self._heard and self.call is not self._again and self._resend(self._calling):
            self._again = self.call
            return
        error = effort_refused(error, self._calling.target)
        error.partial = self._heard
        if self._heard and self._shown:
            self._resume(self._flow.throw, self._broken_off(self._calling, error))
        else:
            self._resume(self._flow.throw, error)

    def close(self) -> None:
        """Close the run. An open call counts as abandoned, an unstarted one as never made. May be called twice, or after the end."""
        if self.several is not None:
            self.several.close()
        unmade = (self.call is not None or self.several is not None) and not self._begun and not self._heard
        self.call = self.several = None
        if unmade:
            with suppress(NotMade):
                self._flow.throw(NotMade())
        self._flow.close()

    def __del__(self) -> None:
        """Close a run that is never driven, such as an unread stream, to cancel its reservations."""
        if getattr(self, "call", None) is not None or getattr(self, "several", None) is not None:
            self.close()

    def pending_signals(self) -> Iterable[Any]:
        """Signal chunks of a broken reply, to show before the next chunk; usually none."""
        if not self._unsignalled or self._broken is None:
            return ()
        self._unsignalled = False
        return self.signals(self._broken)

    @property
    def outcome(self) -> Outcome:
        """The result of a finished run."""
        if self._outcome is None:
            raise RuntimeError("the run has no outcome: it is not finished, or it was closed")
        return self._outcome

    @property
    def _calling(self) -> Call:
        if self.call is None:
            raise RuntimeError(_NO_CALL)
        return self.call

    @property
    def _shown(self) -> bool:
        call = self._calling
        return call.live and call.ask is None

    def _resume(self, step: Callable[[Any], Call | Live], result: Any) -> None:
        """Let the flow go on to its next call, or to its end."""
        several, begun = self.several, self._begun
        self.call, self.several, self._heard, self._begun, self._chunks = None, None, False, False, []
        try:
            made = step(result)
            if isinstance(made, Call):
                self.call = made
            elif several is not None and several.goes_on(made):
                self.several, self._begun = several, begun
            else:
                self.several = Several(made, self._event, self._interrupted, self._unshown, self._resend, self._note)
        except StopIteration as done:
            outcome: Outcome = done.value
            self._outcome = outcome
            if self._unshown:
                self.held = next((chunks for reply, chunks in self._unshown if reply is outcome.reply), [])
        except (AllTargetsFailed, NoTarget) as error:
            if (broken := self._broken) is None:
                raise
            errors = error.exceptions if isinstance(error, AllTargetsFailed) else [error]
            said = f"{broken.target} broke off after part of its reply was shown, and no target took over: {error}"
            raise failed_as(Interrupted, errors, said) from error
        finally:
            if several is not None and self.several is not several:
                several.close()
            self._batch = self.several

    def _report(self, step: Callable[[Any], Call | Live], result: Any) -> None:
        """As `_resume`, for a batch: a thread that wants to show a chunk waits to hear what has become of its call."""
        with self._batch.lock if self._batch is not None else nullcontext():
            self._resume(step, result)

    def _event(self, event: CallEvent | None) -> Several | None:
        self._report(self._flow.send, event)
        return self.several

    def _interrupted(self, call: Call, error: TargetError) -> None:
        broken = self._broken_off(call, error)
        self._report(
            self._flow.throw if broken is not error else self._flow.send,
            broken if broken is not error else CallEvent(call, error),
        )

    def _note(self, chunk: Any) -> None:
        """Keep the text of a shown chunk, if another target may have to continue it."""
        if isinstance(self.on_broken, Continue):
            self._shown_texts.append(self.text_of(chunk))

    def _broken_off(self, call: Call, error: TargetError) -> TargetError | Interrupted:
        """The failure of a reply that broke off after part of it was shown."""
        if self.on_broken == "raise":
            broken = Interrupted(f"{call.target.name} broke off after part of its reply was shown: {error}")
            broken.__cause__ = error
            return broken
        before = self._broken.text if self._broken is not None else ""
        self._broken = error.broken = Broken(call.target.name, error.kind, before + "".join(self._shown_texts))
        self._shown_texts, self._unsignalled = [], True
        return error


def _text(chunk: Any) -> str:
    return chunk if isinstance(chunk, str) else ""


def _none(broken: Broken) -> Iterable[Any]:  # noqa: ARG001  (a run whose adapter shows no signal)
    return ()
