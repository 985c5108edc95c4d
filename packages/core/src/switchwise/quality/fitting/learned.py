"""Fit graded outcomes: a shrunk table by label, and a text model on top of it.

Two targets: ridge regression of the residual difference after the table on the text. More: one difficulty per question (an item
response model), predicted from the text, with a slope per target fitted on predictions that did not see the outcomes. Needs
numpy.

Sources: docs/guide/quality.md names the measurements behind each constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switchwise.quality.fitting.item_response import adjustments, difficulties, logit, sigmoid
from switchwise.quality.fitting.shrinkage import pseudo_outcomes, shrunk
from switchwise.quality.fitting.sparse import ridge
from switchwise.quality.text.dense import NAMES
from switchwise.quality.text.featuriser import Read, Scale

ENOUGH = 1_000  # graded calls below which a text model loses more than it gains; for two targets, as many texts
ENOUGH_TEXTS = 500  # texts that many targets must share, so that the difficulty of each is known from all of them
INNER = 5  # folds inside the training part
PENALTIES = (4.0, 8.0, 16.0)  # of the ridge for two targets, chosen by the inner folds
SURE = 2.0  # standard errors by which the inner correlation must exceed 0
PENALTY = 20.0  # of the ridge on difficulties
STRANGER_PENALTY = 300.0  # of the dense features alone, for labels without data
STRANGER_LABELS = 10  # labels needed to judge whether the weights carry over
PAIR_WEIGHT, MANY_WEIGHT = 0.3, len(NAMES) ** -0.5  # of a dense feature, relative to the words


@dataclass(frozen=True, slots=True)
class FittedTable:
    """Success and cost by label and target.

    Parameters:
        labels, targets: names, in the order of rows and columns.
        success: (labels, targets) probabilities, shrunk.
        costs: (labels, targets) mean cost of one task.
        counts: (labels, targets) outcomes behind each cell.
        mean_success, mean_costs: (targets,) over all labels, for a label without data.
        k: outcomes that the mean over all labels is worth.
    """

    labels: tuple[str, ...]
    targets: tuple[str, ...]
    success: Any
    costs: Any
    counts: Any
    mean_success: Any
    mean_costs: Any
    k: float

    def rows(self, labels: Sequence[str]) -> tuple[Any, Any, Any]:
        """Success and costs for tasks of these labels, and a mask of those with data."""
        import numpy as np

        at = {label: i for i, label in enumerate(self.labels)}
        row = np.array([at.get(label, -1) for label in labels], int)
        known = row >= 0
        success = np.where(known[:, None], self.success[row], self.mean_success)
        return success, np.where(known[:, None], self.costs[row], self.mean_costs), known


def fit_table(labels: Sequence[str], targets: Sequence[str], scores: Any, costs: Any) -> FittedTable:
    """Fit a table from outcomes.

    Parameters:
        labels: one per task.
        targets: names.
        scores, costs: (tasks, targets), NaN where not known.
    """
    import numpy as np

    names, row = np.unique(np.array(labels), return_inverse=True)
    size = len(names)

    def by_label(values: Any) -> tuple[Any, Any]:
        known = ~np.isnan(values)
        counts, sums = np.zeros((size, values.shape[1])), np.zeros((size, values.shape[1]))
        np.add.at(counts, row, known)
        np.add.at(sums, row, np.where(known, values, 0.0))
        return counts, sums

    counts, sums = by_label(scores)
    means = sums / np.maximum(counts, 1)
    total = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    within = np.nansum((scores - means[row]) ** 2) / max(np.isfinite(scores).sum() - size, 1)
    k = pseudo_outcomes(counts, means, total, float(within))
    priced, spent = by_label(costs)
    mean_costs = spent.sum(axis=0) / np.maximum(priced.sum(axis=0), 1)
    ratio = (spent + 5 * mean_costs) / (priced + 5)
    return FittedTable(
        tuple(names.tolist()), tuple(targets), shrunk(counts, means, total, k), ratio, counts, total, mean_costs, k
    )


@dataclass(frozen=True, slots=True)
class TextModel:
    """One score per text, and its effect on each target.

    Parameters:
        scale: of the features.
        words, dense: weights of the two kinds of features.
        middle: score of an average text.
        limit: largest absolute score of a text outside the training; scores are clipped to it.
        on_logit: `sigmoid(logit(table) + offset + slope * number)`; False: `table + slope * number`.
        offsets, slopes: one per target.
        strangers: weights of the dense features alone, for labels without data; None: the table is used alone there.
    """

    scale: Scale
    words: Any
    dense: Any
    middle: float
    limit: float
    on_logit: bool
    offsets: Any
    slopes: Any
    strangers: Any = None

    def numbers(self, read: Read) -> Any:
        """The score of each text."""
        import numpy as np

        rows, dense = self.scale.rows(read)
        return np.clip(rows.times(self.words) + dense @ self.dense - self.middle, -self.limit, self.limit)

    def adjusted(self, success: Any, numbers: Any) -> Any:
        """The table's (texts, targets) probabilities, adjusted by the text."""
        import numpy as np

        x = numbers[:, None]
        if self.on_logit:
            return sigmoid(logit(success) + self.offsets + self.slopes * x)
        return np.clip(success + self.slopes * x, 0.0, 1.0)

    def predict(self, read: Read, success: Any, known: Any) -> Any:
        """Probabilities for texts; a label without data uses only the dense features.

        Parameters:
            read: the texts.
            success, known: result of `FittedTable.rows` for their labels.
        """
        import numpy as np

        found = np.where(known[:, None], self.adjusted(success, self.numbers(read)), success)
        if self.strangers is not None and not known.all():
            far = self.scale.scaled(read) @ self.strangers
            found = np.where(known[:, None], found, np.clip(success + self.slopes * far[:, None], 0.0, 1.0))
        return found


def fit_text(
    read: Read, labels: Sequence[str], table: FittedTable, scores: Any, groups: Any, seed: int = 0
) -> TextModel | None:
    """Fit a text model on top of a table; None if there are too few outcomes or the inner folds show no gain.

    Parameters:
        read: the texts of the tasks.
        labels: one per task.
        table: fitted on the same tasks.
        scores: (tasks, targets), NaN where not known.
        groups: one whole number per task; inner folds keep a group together.
        seed: of the inner folds.
    """
    import numpy as np

    graded = int((~np.isnan(scores)).sum())
    if len(read) < (ENOUGH if len(table.targets) == 2 else ENOUGH_TEXTS) or graded < ENOUGH:
        return None
    success, _, _ = table.rows(labels)
    rng = np.random.default_rng(seed)
    _, group = np.unique(groups, return_inverse=True)
    fold = rng.integers(0, INNER, group.max() + 1)[group]
    if len(table.targets) == 2:
        return _pair(read, labels, success, scores, fold)
    return _many(read, labels, table, scores, fold)


def _pair(read: Read, labels: Sequence[str], success: Any, scores: Any, fold: Any) -> TextModel | None:
    import numpy as np

    left = (scores[:, 0] - scores[:, 1]) - (success[:, 0] - success[:, 1])
    known = np.flatnonzero(~np.isnan(left))
    if len(known) < ENOUGH:  # few texts that both targets tried
        return None
    seen = {penalty: np.zeros(len(left)) for penalty in PENALTIES}
    for inner in range(INNER):
        fit, test = known[fold[known] != inner], known[fold[known] == inner]
        own, other = read.part(fit), read.part(test)
        scale = Scale(own, PAIR_WEIGHT)
        rows, unseen = scale.rows(own), scale.rows(other)
        for penalty in PENALTIES:
            words, dense = ridge(*rows, left[fit], penalty)
            seen[penalty][test] = unseen[0].times(words) + unseen[1] @ dense
    agree = {penalty: float(np.corrcoef(found[known], left[known])[0, 1]) for penalty, found in seen.items()}
    best = max(agree, key=agree.__getitem__)
    if not agree[best] > SURE / len(known) ** 0.5:
        return None
    whole = read.part(known)
    scale = Scale(whole, PAIR_WEIGHT)
    words, dense = ridge(*scale.rows(whole), left[known], best)
    slopes = np.array([0.5, -0.5])
    gain = scores[known, 0] - scores[known, 1]
    strangers = _strangers(whole, np.array(labels)[known], gain, scale)
    limit = float(np.abs(seen[best][known]).max())
    return TextModel(scale, words, dense, 0.0, limit, False, np.zeros(2), slopes, strangers)


def _strangers(read: Read, labels: Any, gain: Any, scale: Scale) -> Any:
    """Dense weights that transfer to labels outside their training; None if they do not or if it is unknown."""
    import numpy as np

    names, row = np.unique(labels, return_inverse=True)
    if len(names) < STRANGER_LABELS:
        return None
    x = scale.scaled(read)

    def weights(chosen: Any) -> Any:
        y = gain[chosen] - gain[chosen].mean()
        return np.linalg.solve(x[chosen].T @ x[chosen] + STRANGER_PENALTY * np.eye(x.shape[1]), x[chosen].T @ y)

    fold = np.random.default_rng(0).permutation(len(names))[row] % INNER
    seen = np.zeros(len(gain))
    for inner in range(INNER):
        seen[fold == inner] = x[fold == inner] @ weights(fold != inner)
    if not float(np.corrcoef(seen, gain)[0, 1]) > 0:
        return None
    return weights(np.ones(len(gain), bool))


def _many(read: Read, labels: Sequence[str], table: FittedTable, scores: Any, fold: Any) -> TextModel:
    import numpy as np

    def fitted(chosen: Any) -> tuple[Scale, Any, Any]:
        own = read.part(chosen)
        scale = Scale(own, MANY_WEIGHT)
        words, dense = ridge(*scale.rows(own), difficulties(scores[chosen]), PENALTY)
        return scale, words, dense

    seen = np.zeros(len(read))
    for inner in range(INNER):
        scale, words, dense = fitted(np.flatnonzero(fold != inner))
        rows, features = scale.rows(read.part(np.flatnonzero(fold == inner)))
        seen[fold == inner] = rows.times(words) + features @ dense
    middle = float(seen.mean())
    success, _, _ = table.rows(labels)
    offsets, slopes = adjustments(scores, logit(success), seen - middle)
    scale, words, dense = fitted(np.arange(len(read)))
    return TextModel(scale, words, dense, middle, float(np.abs(seen - middle).max()), True, offsets, slopes)


def on_hull(table: FittedTable, prices: Any) -> Any:
    """(labels + 1, targets) mask of the targets on the convex hull of success and cost; the last row is for labels without
    data.
    """
    import numpy as np

    success = np.vstack([table.success, table.mean_success])
    costs = np.vstack([table.costs, table.mean_costs])
    chosen = np.zeros(success.shape, bool)
    for price in prices:
        best = (success - price * costs).argmax(axis=1)
        chosen[np.arange(len(success)), best] = True
    return chosen


def as_arrays(table: FittedTable, text: TextModel | None) -> Mapping[str, Any]:
    """All numbers as arrays for `numpy.savez`."""
    import numpy as np

    found: dict[str, Any] = {
        "success": table.success,
        "costs": table.costs,
        "counts": table.counts,
        "mean_success": table.mean_success,
        "mean_costs": table.mean_costs,
        "k": np.array(table.k),
    }
    if text is not None:
        found |= {
            "idf": text.scale.idf.astype(np.float32),
            "dense_mean": text.scale.mean,
            "dense_spread": text.scale.spread,
            "dense_weight": np.array(text.scale.weight),
            "words": text.words.astype(np.float32),
            "dense": text.dense,
            "middle": np.array(text.middle),
            "limit": np.array(text.limit),
            "on_logit": np.array(text.on_logit),
            "offsets": text.offsets,
            "slopes": text.slopes,
        }
        if text.strangers is not None:
            found["strangers"] = text.strangers
    return found


def from_arrays(
    labels: Sequence[str], targets: Sequence[str], found: Mapping[str, Any]
) -> tuple[FittedTable, TextModel | None]:
    """Restore a result of `as_arrays`."""
    import numpy as np

    success, costs, counts, mean_success, mean_costs = (
        found[name] for name in ("success", "costs", "counts", "mean_success", "mean_costs")
    )
    table = FittedTable(tuple(labels), tuple(targets), success, costs, counts, mean_success, mean_costs, float(found["k"]))
    if "words" not in found:
        return table, None
    scale = object.__new__(Scale)
    scale.idf = found["idf"].astype(np.float64)
    scale.mean, scale.spread, scale.weight = found["dense_mean"], found["dense_spread"], float(found["dense_weight"])
    text = TextModel(
        scale,
        found["words"].astype(np.float64),
        found["dense"],
        float(found["middle"]),
        float(found["limit"]),
        bool(found["on_logit"]),
        found["offsets"],
        found["slopes"],
        found.get("strangers"),
    )
    return table, text


def example_model() -> TextModel:
    """A model of two targets that reacts to the words easy and hard, for examples and checks."""
    import numpy as np

    read = Read(
        [f"{word} {word} {number}" for number in range(40) for word in ("easy", "hard", "other", "more", "some", "any")]
    )
    gain = np.array([{0: -0.4, 1: 0.4}.get(i % 6, 0.0) for i in range(len(read))])
    scale = Scale(read, PAIR_WEIGHT)
    words, dense = ridge(*scale.rows(read), gain, 1.0)
    return TextModel(scale, words, dense, 0.0, 1.0, False, np.zeros(2), np.array([0.5, -0.5]))
