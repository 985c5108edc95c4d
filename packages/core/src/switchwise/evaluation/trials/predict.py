"""What each estimator predicts for tasks that it has not seen: cross-fitted, near duplicates never split. Needs numpy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from switchwise.evaluation.measures.parallel import each
from switchwise.evaluation.outcomes.table import Outcomes
from switchwise.nouns.errors import ConfigurationError
from switchwise.quality.fitting.learned import fit_table, fit_text, on_hull
from switchwise.quality.text.featuriser import Read

FOLDS = (
    20  # with five, a table learns from a fifth less than it will have, and the draw of the folds moves savings by four points
)
LABEL_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Predicted:
    """For every task what was known of it from the other folds.

    Parameters:
        means, mean_costs: (tasks, targets) over all labels.
        table, costs: by label.
        text: table and text; None: no texts, or too few.
        candidates: (tasks, targets) targets on the hull of the label's table, for cascades.
        known: (tasks,) the label has data.
        fold: (tasks,) which fold was left out.
    """

    means: Any
    mean_costs: Any
    table: Any
    costs: Any
    text: Any
    candidates: Any
    known: Any
    fold: Any


def folds(outcomes: Outcomes, by_label: bool, seed: int = 0) -> Any:
    """One fold per task.

    Parameters:
        by_label: labels are left out as a whole (one at a time where there are few); False: near duplicates stay together.
        seed: of the draw.

    Raises:
        ConfigurationError: all tasks are near duplicates of each other.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    if by_label:
        labels = outcomes.label_ids
        count = int(labels.max()) + 1
        return rng.permutation(count)[labels] % min(count, LABEL_FOLDS)
    unit = np.arange(len(outcomes)) if outcomes.duplicates is None else np.unique(outcomes.duplicates, return_inverse=True)[1]
    if unit.max() == 0:
        raise ConfigurationError(
            f"{outcomes.name}: all {len(outcomes)} tasks have nearly the same text, so none can be left out; give only what differs as the text"
        )
    return (rng.permutation(int(unit.max()) + 1) % FOLDS)[unit]


def predict(outcomes: Outcomes, read: Read | None, fold: Any, prices: Any, jobs: int | None = None) -> Predicted:
    """Fit on all folds but one, predict that one, for each.

    Parameters:
        outcomes: complete, costs included.
        read: features of the texts; None: there are none.
        fold: one per task.
        prices: what a unit of cost is traded for, for the hull of candidates.
        jobs: processes, as in `each`; each fold is one piece of work.
    """
    import numpy as np

    shape = outcomes.scores.shape
    means, mean_costs, table, label_costs, text = (np.zeros(shape) for _ in range(5))
    candidates, known = np.zeros(shape, bool), np.zeros(shape[0], bool)
    found = read is not None
    fitted = each(partial(_left_out, outcomes, read, fold, prices), np.unique(fold).tolist(), jobs)
    for left_out, own in zip(np.unique(fold), fitted, strict=True):
        test = np.flatnonzero(fold == left_out)
        means[test], mean_costs[test], table[test], label_costs[test], known[test], candidates[test], moved = own
        text[test], found = table[test] if moved is None else moved, found and moved is not None
    return Predicted(means, mean_costs, table, label_costs, text if found else None, candidates, known, fold)


def _left_out(outcomes: Outcomes, read: Read | None, fold: Any, prices: Any, left_out: int) -> tuple[Any, ...]:
    """For the tasks of one fold what the others teach: means, mean costs, table, costs, known, candidates, text (None: not read)."""
    import numpy as np

    scores, costs = outcomes.scores, outcomes.costs
    labels = np.array(outcomes.labels)
    groups = np.arange(len(outcomes)) if outcomes.duplicates is None else outcomes.duplicates
    fit, test = np.flatnonzero(fold != left_out), np.flatnonzero(fold == left_out)
    own = fit_table(labels[fit].tolist(), outcomes.targets, scores[fit], costs[fit])
    success, spent, seen = own.rows(labels[test].tolist())
    at = {label: i for i, label in enumerate(own.labels)}
    hull = on_hull(own, prices)[[at.get(label, len(at)) for label in labels[test].tolist()]]
    model = fit_text(read.part(fit), labels[fit].tolist(), own, scores[fit], groups[fit]) if read is not None else None
    text = None if model is None or read is None else model.predict(read.part(test), success, seen)
    return own.mean_success, own.mean_costs, success, spent, seen, hull, text
