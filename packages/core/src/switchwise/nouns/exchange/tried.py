"""The part of an earlier attempt that a view keeps. Without reply and error, it was cancelled: another call was chosen."""

from __future__ import annotations

from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.target import Target


@dataclass(frozen=True, slots=True)
class Tried:
    """A failed, rejected or cancelled attempt, without its view and decision.

    Parameters:
        target: the called target.
        started, ended: on the router's clock, in seconds.
        reply: the rejected answer; None if it failed.
        error: the target's failure; None if it did not fail.
        verdict: the verifier's verdict on the reply; None: not judged.
        cost: USD; None if usage or price is unknown.
        latency: seconds on the router's timer.
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
        """The kind of its failure; None if it did not fail."""
        return self.error.kind if self.error else None

    @property
    def accepted(self) -> bool:
        """Whether it has a reply that was not rejected."""
        return self.reply is not None and (self.verdict is None or self.verdict.accepted)
