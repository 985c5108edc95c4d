"""Several effects at once: yielded by a policy or verifier, or by a plan in which several targets answer one request.

    first, second = yield Gather([Ask.text(prompt, to="haiku"), Ask.text(prompt, to="luna")])

Never more calls are live than requested. It ends when `until` is satisfied; calls that are still live are then cancelled, settled and paid for: a
budget counts a cancelled call at its upper bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.ask import Ask
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.target import Target
from switchwise.nouns.view import View

Until = int | Callable[[Sequence[Reply]], bool]
"""When to stop: after this many replies, or when the predicate accepts the replies so far. It always stops when no call is live."""

Ranking = Sequence[tuple[Reply, Verdict]]
"""Replies with their verdicts, best first."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Repeat the caller's own request, tools included, optionally with an added note.

    For the `choose` of a `Together` that makes further rounds, and for verifiers that compare with a second answer.

    Parameters:
        to: the target, by name or role; empty, in a verifier: the target whose reply is judged.
        note: appended as a last user turn; empty if there is none.
    """

    to: str = ""
    note: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Gather:
    """Effects to perform at once. The generator receives for each, in order: its `Reply`, its `TargetError`, or None if it was cancelled.

    Parameters:
        effects: questions; in a verifier or in `Together.choose`, also repeats of the caller's request.
        until: when to stop; None: when all have finished.

    Raises:
        ConfigurationError: no effects, an object of another type, or an `until` that is neither number nor predicate.
    """

    effects: Sequence[Ask | Repeat]
    until: Until | None = None

    def __post_init__(self) -> None:
        if not self.effects or not all(isinstance(effect, Ask | Repeat) for effect in self.effects):
            raise ConfigurationError(f"Gather({self.effects!r:.80}): give one or more of Ask and Repeat")
        until = self.until
        if not (until is None or callable(until) or (isinstance(until, int) and not isinstance(until, bool) and until > 0)):
            raise ConfigurationError(
                f"Gather(until={until!r:.80}): give a number of replies from 1 on, or a predicate on the replies so far"
            )


@dataclass(frozen=True, slots=True)
class Together:
    """A plan by which several targets answer one request; set by a policy with `Shortlist.together`. The first plan counts.

    The targets are the first ones of the finished shortlist, so every requirement holds for each of them.

    Parameters:
        policy: name of the policy, for the records.
        most: maximum number of called targets.
        because: the reason, for the records.
        after: seconds without a first chunk or reply before the next target is called, as a function of the first one;
            0: all at once; None: call it alone.
        until: number of replies, or a predicate on them, that ends the plan; None: when all have finished.
        choose: ranks the replies, as a value or as a generator that asks first, of different models (several keys of one model are one); None: the
            first target that sends a chunk answers, and its chunks may be shown at once.
        grant: called just before each further call; False: make none.
        among: predicate: targets that a further call may use.
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
    """Return whether these replies satisfy `until`."""
    if until is None:
        return False
    return len(replies) >= until if isinstance(until, int) else until(replies)
