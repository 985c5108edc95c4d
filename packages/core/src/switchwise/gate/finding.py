"""The result of a check of finished work. It has four values: a check that could not judge is not a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from switchwise.nouns.signals import Turn


class Standing(Enum):
    """How finished work stands after a check."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNJUDGED = "cannot be judged"
    BROKEN = "the check broke"


@dataclass(frozen=True, slots=True)
class Work:
    """What an agent, sub-agent or task hands in when it says that it is done.

    Parameters:
        text: its last answer.
        conversation: how it came there.
        session: whose work it is.
        root: the folder in which it worked; empty: none is known.
        begun: what the check noted when the work began (`Begins.begin`), as JSON types.
    """

    text: str = ""
    conversation: Sequence[Turn] = ()
    session: str = ""
    root: str = ""
    begun: Any = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says.

    Parameters:
        standing: one of four; only a rejection spends a try.
        because: why, in a line.
        details: what the model is shown of it; empty: `because`.
        score: how good it is, from 0 to 1.
        cost: USD that the check cost; None: unknown.
        seconds: how long it took.
    """

    standing: Standing
    because: str = ""
    details: str = ""
    score: float = 0.0
    cost: float | None = 0.0
    seconds: float = 0.0

    @property
    def accepted(self) -> bool:
        """The work is good."""
        return self.standing is Standing.ACCEPTED


class Check(Protocol):
    """Judges finished work. It may take minutes; what it raises counts as `Standing.BROKEN`."""

    def __call__(self, work: Work) -> Finding:
        """What is to be said of `work`."""


@runtime_checkable
class Begins(Protocol):
    """A check that notes something before the work begins, such as what its files are."""

    def begin(self, root: str) -> Any:
        """What it needs to know at the end, as JSON types; it stands in `Work.begun` then."""


@runtime_checkable
class ChecksAsync(Protocol):
    """A check that does not hold up an event loop."""

    async def acheck(self, work: Work) -> Finding:
        """As the call."""
