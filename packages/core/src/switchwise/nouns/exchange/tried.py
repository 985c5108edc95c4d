"""What a view keeps of an earlier attempt at the same request. One with neither reply nor error was cancelled: another call was chosen."""

from __future__ import annotations

from dataclasses import dataclass

from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.fast_init import fast_init
from switchwise.nouns.target import Target


@fast_init
@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt that failed, was rejected or cancelled, without the view and the decision that it was made with.

    Parameters:
        target: whom it went to.
        started, ended: on the router's clock, in seconds.
        reply: the rejected answer; None: it failed.
        error: the target's failure; None: it did not fail.
        verdict: what the verifier said of the reply; None: not judged.
        cost: USD; None: usage or price is unknown.
        latency: seconds that it took, on the router's timer.
    """

    target: Target
    started: float = 0.0
    ended: float = 0.0
    reply: Reply | None = None
    error: TargetError | None = None
    verdict: Verdict | None = None
    cost: float | None = None
    latency: float = 0.0

    @property
    def kind(self) -> FailureKind | None:
        """How it failed; None: it did not."""
        return self.error.kind if self.error else None

    @property
    def accepted(self) -> bool:
        """It gave a reply that nobody rejected."""
        return self.reply is not None and (self.verdict is None or self.verdict.accepted)
