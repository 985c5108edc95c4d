"""What the finished runs of a target say of its trajectories: where failing runs part from solved ones, and how laborious it usually is.

Source: docs/evaluation.md#when-a-run-goes-wrong; pairs of runs are compared at the same step only, among those that were still going.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from switchwise.reading.trajectory import Trajectory

MARKS: Final = (3, 5, 10, 15, 20, 30)
"""Steps at which the suspicion of a run is noted."""
ENOUGH: Final = 40
"""Finished runs from which on a measured AUC counts; with fewer its error is above 0.1."""
EACH: Final = 8  # failed and solved runs among them, each
KEPT: Final = 300  # of the latest runs
ARMED: Final = 0.6
"""The AUC below which a channel is disarmed."""
UNKNOWN: Final = -1.0


class Finished(NamedTuple):
    """One finished run.

    Parameters:
        solved: from 0 to 1; from 0.5 on it counts as solved.
        effort: as `Trajectory.effort`.
        marks: the suspicion at each of `MARKS` that it reached.
        peak: the highest suspicion.
    """

    solved: float
    effort: Sequence[int]
    marks: Sequence[float]
    peak: float


class Profile(NamedTuple):
    """What is known of a target's runs.

    Parameters:
        runs: how many finished ones.
        failures: AUC of the suspicion for "this run will fail", pairs at the same step; -1: not known.
        laborious: AUC of the effort for the same; -1: not known.
        peak: what one of five of its solved runs exceeds in suspicion; a higher threshold than the usual one for a target that stumbles and
            arrives all the same.
        limit: the effort that one of five of its runs exceeds, as a mean of ranks from 0 to 1.
        quantiles: of each number of the effort, in steps of 5 %.
    """

    runs: int = 0
    failures: float = UNKNOWN
    laborious: float = UNKNOWN
    peak: float = 0.0
    limit: float = 1.0
    quantiles: Sequence[Sequence[float]] = ()

    @property
    def failures_predict(self) -> bool:
        """The failure channel is armed: failures predict failure here, or nobody has measured it."""
        return self.failures == UNKNOWN or self.failures >= ARMED

    @property
    def effort_predicts(self) -> bool:
        """The effort channel is armed: it was measured, and it predicts failure."""
        return self.laborious >= ARMED

    def rank(self, effort: Sequence[float]) -> float:
        """How laborious a run is among the finished ones, as a mean of ranks from 0 to 1."""
        ranks = [_rank(cuts, value) for cuts, value in zip(self.quantiles, effort, strict=True)]
        return sum(ranks) / len(ranks) if ranks else 0.0


def profile(runs: Sequence[Finished], enough: int = ENOUGH) -> Profile:
    """What these runs of one target come to.

    Parameters:
        runs: at least one.
        enough: runs from which on an AUC counts.

    >>> stumbling = [Finished(0.0, (9, 2, 50, 200), (4.0, 5.0), 6.0)] * 20 + [Finished(1.0, (9, 2, 50, 200), (0.0, 0.0), 0.0)] * 20
    >>> found = profile(stumbling)
    >>> found.failures, found.failures_predict, found.laborious, found.effort_predicts
    (1.0, True, 0.5, False)
    """
    failed = [run for run in runs if run.solved < 0.5]
    solved = [run for run in runs if run.solved >= 0.5]
    columns = [sorted(run.effort[i] for run in runs) for i in range(len(runs[0].effort))]
    quantiles = [[float(column[min(len(column) - 1, i * len(column) // 20)]) for i in range(20)] for column in columns]
    found = Profile(len(runs), quantiles=quantiles)
    scores = sorted(found.rank(run.effort) for run in runs)
    peaks = sorted(run.peak for run in solved) or [0.0]
    found = found._replace(limit=scores[(len(scores) * 4) // 5], peak=peaks[(len(peaks) * 4) // 5])
    if len(runs) < enough or min(len(failed), len(solved)) < EACH:
        return found
    strata = [
        ([run.marks[i] for run in failed if len(run.marks) > i], [run.marks[i] for run in solved if len(run.marks) > i])
        for i in range(len(MARKS))
    ]
    efforts = [([found.rank(run.effort) for run in failed], [found.rank(run.effort) for run in solved])]
    return found._replace(failures=auc(strata), laborious=auc(efforts))


def auc(strata: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    """The share of pairs (positive, negative) of the same stratum in which the positive is higher, ties by half; -1: there is no pair.

    >>> auc([([2.0, 3.0], [1.0, 3.0]), ([], [1.0])])
    0.625
    """
    won, pairs = 0.0, 0
    for positives, negatives in strata:
        ordered = sorted(negatives)
        won += sum((bisect_left(ordered, value) + bisect_right(ordered, value)) / 2 for value in positives)
        pairs += len(positives) * len(ordered)
    return won / pairs if pairs else UNKNOWN


class Marks(NamedTuple):
    """What is noted of a run while it goes on, to make a `Finished` of it."""

    marks: tuple[float, ...] = ()
    peak: float = 0.0
    steps: int = 0

    def after(self, run: Trajectory) -> Marks:
        """With the run as it is now."""
        if run.steps == self.steps:
            return self
        noted = (*self.marks, run.suspicion) if run.steps in MARKS else self.marks
        return Marks(noted, max(self.peak, run.suspicion), run.steps)

    def finished(self, run: Trajectory, solved: float) -> Finished:
        """The run, ended."""
        return Finished(solved, run.effort, self.marks, self.peak)


def dump(runs: Sequence[Finished], found: Profile) -> dict[str, Any]:
    """Runs and their profile as JSON data."""
    return {
        "runs": [[run.solved, list(run.effort), list(run.marks), run.peak] for run in runs],
        "profile": [*found[:-1], [list(cuts) for cuts in found.quantiles]],
    }


def load(state: Mapping[str, Any]) -> tuple[list[Finished], Profile]:
    """What `dump` gave."""
    return [Finished(*row) for row in state["runs"]], Profile(*state["profile"])


def _rank(cuts: Sequence[float], value: float) -> float:
    return (bisect_left(cuts, value) + bisect_right(cuts, value)) / 2 / len(cuts)
