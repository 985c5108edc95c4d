"""Protocol of estimators: each target's chance to solve a call, with evidence and source.

An estimator receives the view, the targets, and the estimates so far (`given`): it changes them as far as its own evidence
goes, and returns the others unchanged. So several estimators run one after the other, the most general first (`Shrunk`). Rules:
1. The same view, targets and state give the same estimates; estimating does no I/O and does not learn.
2. It never keeps text, only digests and numbers.
3. Without evidence `n` is 0, and `p` has no meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.feedback import WEIGHTS
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View


class Estimate(NamedTuple):
    """Estimate for one target and one call.

    Parameters:
        p: probability that it solves the call.
        n: evidence, in outcomes; 0: none, and `p` has no meaning.
        dollars: mean cost of one task in USD; None: unknown.
        seconds: mean duration of one task; None: unknown.
        source: origin of the estimate, in a few words.
        base: probability without the effect of the text; None: equal to `p`.
    """

    p: float = 0.5
    n: float = 0.0
    dollars: float | None = None
    seconds: float | None = None
    source: str = "no evidence"
    base: float | None = None


UNKNOWN = Estimate()
Filed = Any
"""What an estimator keeps of a view until its outcome: JSON data, without text."""


@dataclass(frozen=True, slots=True)
class Grade:
    """Outcome of a call or task.

    Parameters:
        solved: from 0 (failed) to 1 (solved).
        kind: source of the grade, one of `WEIGHTS`.
        dollars: cost of the task in USD; None: unknown.
        seconds: duration of the task; None: unknown.

    Raises:
        ConfigurationError: `solved` is out of range, or `kind` is unknown.
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
        """Its weight, as a share of a checked outcome."""
        return WEIGHTS[self.kind]


class Estimator(Protocol):
    """Protocol of estimators of each target's chance to solve a call."""

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:
        """One estimate per target, in their order.

        Parameters:
            view: the request.
            targets: targets to estimate.
            given: estimates so far, in the same order.
        """


@runtime_checkable
class Observes(Protocol):
    """Protocol of estimators that learn from grades."""

    def filed(self, view: View) -> Filed:
        """What is needed of the view when the outcome arrives, as JSON data without text."""

    def observe(self, filed: Filed, target: str, grade: Grade) -> None:
        """Learn an outcome of a target.

        Parameters:
            filed: result of `filed` for the view.
            target: name of the target.
            grade: the outcome and its source.
        """


def estimate(estimator: Estimator, view: View, targets: Sequence[Target]) -> Sequence[Estimate]:
    """Return one estimate per target, without given estimates."""
    return estimator.estimate(view, targets, [UNKNOWN] * len(targets))
