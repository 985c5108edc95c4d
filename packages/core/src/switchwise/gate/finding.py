"""Results of a check of finished work, with four values: a check that could not judge is not a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from switchwise.nouns.signals import Turn


class Standing(Enum):
    """Standing of finished work after a check."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNJUDGED = "cannot be judged"
    BROKEN = "the check broke"


@dataclass(frozen=True, slots=True)
class Work:
    """The finished work of an agent, sub-agent or task.

    Parameters:
        text: its last answer.
        conversation: the conversation of the run.
        session: session of the run.
        root: folder of the work; empty: unknown.
        begun: result of `Begins.begin` at the start of the work, as JSON types.
        decision: id of the decision that made the last answer; empty: unknown, and the verdict grades no target.
    """

    text: str = ""
    conversation: Sequence[Turn] = ()
    session: str = ""
    root: str = ""
    begun: Any = None
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Parameters:
        standing: one of four values; only a rejection uses up a try.
        because: the reason in one line.
        details: text shown to the model; empty: `because`.
        score: quality from 0 to 1.
        cost: cost of the check in USD; None: unknown.
        seconds: duration of the check.
    """

    standing: Standing
    because: str = ""
    details: str = ""
    score: float = 0.0
    cost: float | None = 0.0
    seconds: float = 0.0

    @property
    def accepted(self) -> bool:
        """Whether the work is accepted."""
        return self.standing is Standing.ACCEPTED


class Check(Protocol):
    """Check of finished work. It may take minutes; an exception counts as `Standing.BROKEN`."""

    def __call__(self, work: Work) -> Finding:
        """Return the finding for `work`."""


@runtime_checkable
class Begins(Protocol):
    """A check that records something before the work begins, such as digests of files."""

    def begin(self, root: str) -> Any:
        """Return what the check needs at the end, as JSON types; it is passed as `Work.begun`."""


@runtime_checkable
class ChecksAsync(Protocol):
    """A check that does not block an event loop."""

    async def acheck(self, work: Work) -> Finding:
        """Async form of `__call__`."""
