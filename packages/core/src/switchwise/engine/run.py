"""A flow seen from outside, as a small state machine: make `.call`, tell what you `hear`, say it `ended` or `failed`; repeat.

run.call is a Call    make it; then exactly one of ended, failed
run.call is None      finished: `run.outcome` is the result, `run.held` what was not shown yet
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from switchwise.engine.policy import Steps
from switchwise.nouns.call import Call, Outcome
from switchwise.nouns.errors import Interrupted, TargetError
from switchwise.nouns.exchange.reply import Reply


class Run:
    """One model step of one agent.

    Parameters:
        flow: what `route` gives.

    Raises:
        NoTarget: already the first decision left nothing to call.
    """

    __slots__ = ("_again", "_chunks", "_flow", "_heard", "_outcome", "_unshown", "call")
    call: Call | None
    _heard: bool
    _chunks: list[Any]

    def __init__(self, flow: Steps[Outcome]) -> None:
        self._flow = flow
        self._again: Call | None = None
        self._outcome: Outcome | None = None
        self._unshown: list[tuple[Reply, list[Any]]] = []
        self._resume(flow.send, None)

    def hear(self, chunk: Any) -> bool:
        """Take in a chunk of the reply to `call`; True if it may be shown now."""
        self._heard = True
        if self._shown:
            return True
        self._chunks.append(chunk)
        return False

    def ended(self, reply: Reply) -> None:
        """The reply to `call` is complete.

        Raises:
            NoTarget, AllTargetsFailed: it was rejected, and nothing else can be called.
        """
        if self._chunks:
            self._unshown.append((reply, self._chunks))
        self._resume(self._flow.send, reply)

    def failed(self, error: TargetError) -> None:
        """The target of `call` failed. If its connection was dead before it was used, `call` stays: make it once more, uncounted.

        Raises:
            Interrupted: part of its reply was already shown.
            AllTargetsFailed: it was the last one.
        """
        if error.is_stale and not self._heard and self.call is not self._again:
            self._again = self.call
            return
        error.partial = self._heard
        if self._heard and self._shown:
            broken = Interrupted(f"{self._calling.target.name} broke off after part of its reply was shown: {error}")
            broken.__cause__ = error
            self._resume(self._flow.throw, broken)
        else:
            self._resume(self._flow.throw, error)

    def close(self) -> None:
        """Give up. An open call counts as abandoned. Closing twice, or after the end, is harmless."""
        self.call = None
        self._flow.close()

    @property
    def outcome(self) -> Outcome:
        """The result of a finished run."""
        if self._outcome is None:
            raise RuntimeError("the run has no outcome: it is not finished, or it was closed")
        return self._outcome

    @property
    def held(self) -> list[Any]:
        """The chunks of the answer that had to wait for its verdict and so were not shown."""
        answer = self.outcome.reply
        for reply, chunks in self._unshown:
            if reply is answer:
                return chunks
        return []

    @property
    def _calling(self) -> Call:
        if self.call is None:
            raise RuntimeError("the run is finished or closed: there is no call to tell about")
        return self.call

    @property
    def _shown(self) -> bool:
        call = self._calling
        return call.live and call.ask is None

    def _resume(self, step: Callable[[Any], Call], told: Any) -> None:
        self.call, self._heard, self._chunks = None, False, []
        try:
            self.call = step(told)
        except StopIteration as done:
            self._outcome = done.value
