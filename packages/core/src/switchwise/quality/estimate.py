"""What an estimator is: it says how likely each target solves a call, with how much is known and from where.

An estimator is asked with the view, the targets, and what is known of them so far (`given`): it moves those estimates as far as its own
evidence goes, and leaves the others as they are. So several are joined by asking one after the other, the most general first (`Shrunk`).
Rules:
1. The same view, targets and memory give the same estimates; it does no I/O and learns nothing while it is asked.
2. It never keeps text: digests and numbers only.
3. What it does not know it says with `n = 0`, and `p` is then nobody's opinion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View

# How much one grade of each kind counts, as a share of an outcome that was checked.
WEIGHTS: Mapping[str, float] = {
    "task": 1.0,  # the end of a task: its tests pass, its change was accepted
    "gate": 1.0,  # a check of a whole run
    "evaluation": 1.0,  # a graded run of an evaluation
    "feedback": 1.0,  # a user or an application said so
    "langsmith": 1.0,  # feedback that was given there
    "edited": 0.5,  # a person changed it before it was used
    "verdict": 0.5,  # a verifier's opinion of one reply
    "recorded": 0.5,  # a recorded set: other prompts, another time
    "user_turn": 0.1,  # what the user said next: weak
}


class Estimate(NamedTuple):
    """What is known of one target for one call.

    Parameters:
        p: probability that it solves the call.
        n: how many outcomes that is worth; 0: nothing is known, and `p` is nobody's opinion.
        dollars: mean cost of one task; None: not known.
        seconds: mean duration of one task; None: not known.
        source: where it is from, in a few words.
        base: the probability without what is special to this very text; None: the same.
    """

    p: float = 0.5
    n: float = 0.0
    dollars: float | None = None
    seconds: float | None = None
    source: str = "nothing is known"
    base: float | None = None


UNKNOWN = Estimate()
Filed = Any
"""What an estimator files a view under: JSON data, without text."""


@dataclass(frozen=True, slots=True)
class Grade:
    """How well a call or task turned out.

    Parameters:
        solved: from 0 (failed) to 1 (solved).
        kind: what said so, one of `WEIGHTS`.
        dollars: cost of the task; None: not known.
        seconds: its duration; None: not known.

    Raises:
        ConfigurationError: `solved` is out of range, or nobody knows the kind.
    """

    solved: float
    kind: str = "feedback"
    dollars: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        number("Grade", "solved", self.solved, most=1)
        if self.kind not in WEIGHTS:
            raise ConfigurationError(f"Grade(kind={self.kind!r}): the kinds are {', '.join(WEIGHTS)}")

    @property
    def weight(self) -> float:
        """How much it counts, as a share of an outcome that was checked."""
        return WEIGHTS[self.kind]


class Estimator(Protocol):
    """Says how likely each target solves a call."""

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:
        """One estimate per target, in their order.

        Parameters:
            view: the request.
            targets: whom it is asked about.
            given: what is known of them so far, in the same order.
        """


@runtime_checkable
class Observes(Protocol):
    """It learns from grades."""

    def filed(self, view: View) -> Filed:
        """What it will need of the view once the outcome is known, as JSON data without text."""

    def observe(self, filed: Filed, target: str, grade: Grade) -> None:
        """Take in how well a target did.

        Parameters:
            filed: what `filed` gave for the view.
            target: its name.
            grade: how well, and who says so.
        """


def estimate(estimator: Estimator, view: View, targets: Sequence[Target]) -> Sequence[Estimate]:
    """One estimate per target, from nothing."""
    return estimator.estimate(view, targets, [UNKNOWN] * len(targets))
