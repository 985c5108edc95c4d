"""Several effects at once: what a policy or verifier yields for that, and how a policy lets several targets answer one request.

    first, second = yield Gather([Ask.text(prompt, to="haiku"), Ask.text(prompt, to="luna")])

What is live at once is never more than what was asked for. It ends when `until` says so; what is still live then is cancelled, settled and
paid for: a budget counts a cancelled call with the most that it can have used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.target import Target
from switchwise.nouns.view import View

Until = int | Callable[[Sequence[Reply]], bool]
"""When it ends: after so many replies, or when the replies so far are enough. It ends in any case when nothing is live."""

Ranking = Sequence[tuple[Reply, Verdict]]
"""Replies with a verdict for each, best first."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The caller's own request once more, tools and all, perhaps with a note after it.

    For what chooses among answers (`Together.choose`), where it makes further rounds, and for verifiers, where it gives another answer to
    compare with.

    Parameters:
        to: the target that answers, by name or role; empty, of a verifier: the one whose reply is judged.
        note: sent as a last turn of the user; empty: nothing is.
    """

    to: str = ""
    note: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Gather:
    """Effects that are performed at once. What is sent back: of each, in order, its `Reply`, its `TargetError`, or None: cancelled.

    Parameters:
        effects: questions; of a verifier, and where a policy chooses among answers, also repeats of the caller's request.
        until: when it ends; None: all have come.

    Raises:
        ConfigurationError: no effect, or something else.
    """

    effects: Sequence[Ask | Repeat]
    until: Until | None = None

    def __post_init__(self) -> None:
        if not self.effects or not all(isinstance(effect, Ask | Repeat) for effect in self.effects):
            raise ConfigurationError(f"Gather({self.effects!r:.80}): give one or more of Ask and Repeat")


@dataclass(frozen=True, slots=True)
class Together:
    """Several targets answer one request. A policy says so by `Shortlist.together`; the first that does counts.

    The targets are the first ones of the finished shortlist, so every requirement holds for each of them.

    Parameters:
        policy: who says so, for the records.
        most: how many targets are called at most.
        because: why, for the records.
        after: seconds without a first chunk or reply from the targets called so far before the next one is called, given the one called first;
            0: all at once; None: that target is called alone.
        until: how many replies end it, or whether those so far do; None: all have come.
        choose: ranks the replies, as a value or as a generator that asks first; None: the first that speaks is the answer, and what it
            says may be shown at once.
        grant: asked just before each further call; False: no more of them.
        among: which targets a further call may go to.
    """

    policy: str
    most: int
    because: str | Callable[[Target, float], str]
    after: Callable[[Target], float | None]
    until: Until | None = 1
    choose: Callable[[View, Sequence[tuple[Target, Reply]]], Any] | None = None
    grant: Callable[[], bool] = lambda: True
    among: Callable[[Target], bool] = lambda _: True


def enough(until: Until | None, replies: Sequence[Reply]) -> bool:
    """Whether these replies end it."""
    if until is None:
        return False
    return len(replies) >= until if isinstance(until, int) else until(replies)
