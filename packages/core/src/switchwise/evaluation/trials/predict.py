"""What each estimator predicts for tasks that it has not seen: cross-fitted, near duplicates never split. Needs numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from switchwise.evaluation.outcomes.table import Outcomes
from switchwise.quality.fitting.learned import fit_table, fit_text, on_hull
from switchwise.quality.text.featuriser import Read

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Predicted:
    """For every task what was known of it from the other folds.

    Parameters:
        means, mean_costs: (tasks, targets) over all labels.
        table, costs: by label.
        text: table and text; None: no texts, or too few.
        candidates: (tasks, targets) targets on the hull of the label's table.
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
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    if by_label:
        labels = outcomes.label_ids
        count = int(labels.max()) + 1
        return rng.permutation(count)[labels] % min(count, 2 * FOLDS)
    unit = np.arange(len(outcomes)) if outcomes.duplicates is None else np.unique(outcomes.duplicates, return_inverse=True)[1]
    return (rng.permutation(int(unit.max()) + 1) % FOLDS)[unit]


def predict(outcomes: Outcomes, read: Read | None, fold: Any, prices: Any) -> Predicted:
    """Fit on all folds but one, predict that one, for each.

    Parameters:
        outcomes: complete, costs included.
        read: features of the texts; None: there are none.
        fold: one per task.
        prices: what a unit of cost is traded for, for the hull of candidates.
    """
    import numpy as np

    scores, costs = outcomes.scores, outcomes.costs
    labels = np.array(outcomes.labels)
    groups = np.arange(len(outcomes)) if outcomes.duplicates is None else outcomes.duplicates
    shape = scores.shape
    means, mean_costs, table, label_costs, text = (np.zeros(shape) for _ in range(5))
    candidates, known = np.zeros(shape, bool), np.zeros(shape[0], bool)
    found = read is not None
    for left_out in np.unique(fold):
        fit, test = np.flatnonzero(fold != left_out), np.flatnonzero(fold == left_out)
        own = fit_table(labels[fit].tolist(), outcomes.targets, scores[fit], costs[fit])
        success, spent, seen = own.rows(labels[test].tolist())
        means[test], mean_costs[test] = own.mean_success, own.mean_costs
        table[test], label_costs[test], known[test] = success, spent, seen
        at = {label: i for i, label in enumerate(own.labels)}
        candidates[test] = on_hull(own, prices)[[at.get(label, len(at)) for label in labels[test].tolist()]]
        model = fit_text(read.part(fit), labels[fit].tolist(), own, scores[fit], groups[fit]) if read is not None else None
        if model is None or read is None:
            text[test], found = success, found and model is not None
        else:
            text[test] = model.predict(read.part(test), success, seen)
    return Predicted(means, mean_costs, table, label_costs, text if found else None, candidates, known, fold)
