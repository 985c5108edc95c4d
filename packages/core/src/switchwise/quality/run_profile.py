"""Profile of a target's finished runs: how well failures and effort predict a failing run, and its usual effort.

Source: docs/evaluation.md#when-a-run-goes-wrong; pairs of runs are compared at the same step only, among runs still active.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from switchwise.reading.trajectory import Trajectory

MARKS: Final = (3, 5, 10, 15, 20, 30)
"""Steps at which the suspicion of a run is recorded."""
ENOUGH: Final = 40
"""Finished runs needed before a measured AUC counts; with fewer its error is above 0.1."""
EACH: Final = 8  # least number of failed and of solved runs among them
KEPT: Final = 300  # latest runs kept
ARMED: Final = 0.6
"""AUC below which a channel is disarmed."""
UNKNOWN: Final = -1.0


class FinishedRun(NamedTuple):
    """One finished run.

    Parameters:
        solved: from 0 to 1; counts as solved from 0.5.
        effort: as `Trajectory.effort`.
        marks: suspicion at each of the reached `MARKS`.
        peak: highest suspicion.
    """

    solved: float
    effort: Sequence[int]
    marks: Sequence[float]
    peak: float


class Profile(NamedTuple):
    """Statistics of a target's runs.

    Parameters:
        runs: number of finished runs.
        failures: AUC of the suspicion for "this run will fail", pairs at the same step; -1: unknown.
        laborious: AUC of the effort for the same; -1: unknown.
        peak: suspicion that one in five solved runs exceeds; a higher threshold for a target that often recovers.
        limit: effort that one in five runs exceeds, as a mean of ranks from 0 to 1.
        quantiles: quantiles of each number of the effort, in steps of 5 %.
    """

    runs: int = 0
    failures: float = UNKNOWN
    laborious: float = UNKNOWN
    peak: float = 0.0
    limit: float = 1.0
    quantiles: Sequence[Sequence[float]] = ()

    @property
    def failures_predict(self) -> bool:
        """Whether the failure channel is armed: failures predict a failing run, or that is not measured yet."""
        return self.failures == UNKNOWN or self.failures >= ARMED

    @property
    def effort_predicts(self) -> bool:
        """Whether the effort channel is armed: effort is measured to predict a failing run."""
        return self.laborious >= ARMED

    def rank(self, effort: Sequence[float]) -> float:
        """Effort of a run relative to the finished ones, as a mean of ranks from 0 to 1."""
        ranks = [_rank(cuts, value) for cuts, value in zip(self.quantiles, effort, strict=True)]
        return sum(ranks) / len(ranks) if ranks else 0.0


def profile(runs: Sequence[FinishedRun], enough: int = ENOUGH) -> Profile:
    """Return the profile of the runs of one target.

    Parameters:
        runs: at least one.
        enough: runs needed before an AUC counts.

    >>> stumbling = [FinishedRun(0.0, (9, 2, 50, 200), (4.0, 5.0), 6.0)] * 20 + [FinishedRun(1.0, (9, 2, 50, 200), (0.0, 0.0), 0.0)] * 20
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
    """Share of pairs (positive, negative) of the same stratum in which the positive is higher, ties counting half; -1 without
    pairs.

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
    """State of an active run, to make a `FinishedRun` of it."""

    marks: tuple[float, ...] = ()
    peak: float = 0.0
    steps: int = 0

    def after(self, run: Trajectory) -> Marks:
        """Return the state after one more step."""
        if run.steps == self.steps:
            return self
        noted = (*self.marks, run.suspicion) if run.steps in MARKS else self.marks
        return Marks(noted, max(self.peak, run.suspicion), run.steps)

    def finished(self, run: Trajectory, solved: float) -> FinishedRun:
        """Return the finished run."""
        return FinishedRun(solved, run.effort, self.marks, self.peak)


def dump(runs: Sequence[FinishedRun], found: Profile) -> dict[str, Any]:
    """Runs and their profile as JSON data."""
    return {
        "runs": [[run.solved, list(run.effort), list(run.marks), run.peak] for run in runs],
        "profile": [*found[:-1], [list(cuts) for cuts in found.quantiles]],
    }


def load(state: Mapping[str, Any]) -> tuple[list[FinishedRun], Profile]:
    """Restore a result of `dump`."""
    return [FinishedRun(*row) for row in state["runs"]], Profile(*state["profile"])


def _rank(cuts: Sequence[float], value: float) -> float:
    return (bisect_left(cuts, value) + bisect_right(cuts, value)) / 2 / len(cuts)
