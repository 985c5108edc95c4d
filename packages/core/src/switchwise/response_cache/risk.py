"""Estimate from labels the risk that the stored answer of the nearest question is wrong for a new one, and whether a hit is allowed.

1. A pooled logistic score `z` of the features of a pair (ridge 0.5, refitted every 50 labels on the last 4,000).
2. Each answer has an offset: `P(right | z, t, g) = sigmoid(g (z - t))` on a grid of t and g. Its prior is the mean of all answers' posteriors, so that
   an answer with few labels borrows from the others (empirical Bayes). Then `risk = 1 - E[P]`.
3. Labels may be wrong: an equal pair is labelled different with probability `false_different`, a different one equal with `false_equal`.
4. Traffic changes: where questions come up that nobody asked before, the nearest answer is wrong more often than the labels so far say, and first
   where it looks right. So the log odds are lowered by what explains the last 50 labels best.
5. Serve if there are 300 labels, the risk of this one is at most 5 times the bound, and the mean risk of the last n that were served stays at most
   0.9 of the bound; both divided by how well the risks of the last 400 labelled candidates matched what came.
6. Of those n (300, or 3 / bound where that is more), one wrong answer more than expected must fit into the bound: the finite-sample correction of
   conformal risk control. Without it half of the orders of one set ended above a bound of 1 %.

Source: the idea of a bound set by the user is from vCache (2025); this bounds wrong hits over hits, which is stricter than wrong hits
over requests. A. Angelopoulos et al., "Conformal Risk Control" (2022). Needs numpy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import ceil, exp, log
from typing import Any

RIDGE, EVERY, LAST = 0.5, 50, 4_000
SERVED, JUDGED, DOUBTFUL = 300, 400, 5.0
AIM = 0.9  # share of the bound that the mean risk may come to: the lowest of many estimates are too low
FEWEST = 3.0  # wrong answers that the bound allows among the last served
RECENT, STEADINESS = (
    50,
    3.0,
)  # labels that show where the traffic stands, and the weight (a precision) of its standing where it stood
_WEAK = 0.02  # of the prior that is uniform


class Risk:
    """Learned risk of stored answers.

    Parameters:
        bound: bound on wrong hits over hits.
        warm_up: labels needed before the first hit.
        false_equal, false_different: error rates of the labels.
    """

    def __init__(self, bound: float, warm_up: int = 300, false_equal: float = 0.0, false_different: float = 0.0) -> None:
        import numpy as np

        t, g = np.meshgrid(np.linspace(-6.0, 12.0, 37), [0.5, 1.0, 2.0])
        self._t, self._g = t.ravel(), g.ravel()
        self.bound, self.warm_up = bound, warm_up
        self._errs = (false_equal, false_different)
        self._prior = np.full(len(self._t), 1.0 / len(self._t))
        self._groups: dict[Any, Any] = {}  # the log-likelihood over the grid
        self._rows: deque[tuple[tuple[float, ...], bool, Any]] = deque(maxlen=LAST)
        self._weights: Any = None
        served = max(SERVED, ceil(FEWEST / bound))
        self._served: deque[float] = deque(maxlen=served)
        self._aim = min(AIM, 1.0 - 1.0 / (bound * served))
        self._judged: deque[tuple[float, bool]] = deque(maxlen=JUDGED)
        self._recent: deque[tuple[float, bool]] = deque(maxlen=RECENT)  # log odds, before they are lowered, and the label
        self._lowered = 0.0
        self._shifts = np.linspace(-4.0, 0.0, 33)
        self.labels = 0

    def of(self, found: Sequence[float], group: Any) -> float:
        """The probability that the answer of `group` is wrong, by the features of the pair."""
        return 1.0 / (1.0 + exp(self._odds(found, group) + self._lowered))

    def may(self, risk: float) -> bool:
        """Return whether an answer of that risk may be served."""
        if self.labels < self.warm_up:
            return False
        trust = self._trust()
        if risk / trust > DOUBTFUL * self.bound:
            return False
        return (sum(self._served) + risk) / trust <= self._aim * self.bound * (len(self._served) + 1)

    def serve(self, risk: float) -> None:
        """Count a served answer of that risk."""
        self._served.append(risk)

    def label(self, found: Sequence[float], group: Any, risk: float, same: bool) -> None:
        """Learn a label: whether the answer of `group` was right."""
        import numpy as np

        self._recent.append((self._odds(found, group), same))
        self._lowered = self._shift()
        likelihood = self._likelihood(np.array([self._score(found)]), np.array([same]))[0]
        self._groups[group] = self._groups.get(group, 0.0) + likelihood
        if risk <= DOUBTFUL * self.bound:
            self._judged.append((risk, not same))
        self._rows.append((tuple(found), same, group))
        self.labels += 1
        if self.labels % EVERY == 0:
            self._fit()

    def _odds(self, found: Sequence[float], group: Any) -> float:
        """The log odds that the answer of `group` is right, if the traffic is that of all labels."""
        right = min(max(float(self._posterior(group) @ self._right(self._score(found))), 1e-6), 1 - 1e-6)
        return log(right / (1.0 - right))

    def _shift(self) -> float:
        """By how much the log odds are lowered: what explains the last labels best, against a normal prior around 0."""
        import numpy as np

        odds, same = np.array([odds for odds, _ in self._recent]), np.array([same for _, same in self._recent])
        explained = self._seen(1.0 / (1.0 + np.exp(-(odds[:, None] + self._shifts))), same).sum(axis=0)
        return float(self._shifts[(explained - STEADINESS / 2 * self._shifts**2).argmax()])

    def _score(self, found: Sequence[float]) -> float:
        return 0.0 if self._weights is None else float(self._weights @ found)

    def _right(self, score: float) -> Any:
        import numpy as np

        return 1.0 / (1.0 + np.exp(-np.clip(self._g * (score - self._t), -30, 30)))

    def _likelihood(self, scores: Any, same: Any) -> Any:
        """The log-likelihood of labels over the grid, one row for each."""
        import numpy as np

        return self._seen(1.0 / (1.0 + np.exp(-np.clip(self._g * (scores[:, None] - self._t), -30, 30))), same)

    def _seen(self, right: Any, same: Any) -> Any:
        """The log-likelihood of labels, one row for each, by whoever gives them, where the probability that an answer is right is `right`."""
        import numpy as np

        fe, fd = self._errs
        seen = (1 - fd) * right + fe * (1 - right)
        return np.log(np.maximum(np.where(same[:, None], seen, 1.0 - seen), 1e-9))

    def _posterior(self, group: Any) -> Any:
        import numpy as np

        likelihood = self._groups.get(group)
        if likelihood is None:
            return self._prior
        odds = self._prior * np.exp(likelihood - likelihood.max())
        return odds / odds.sum()

    def _trust(self) -> float:
        """Share of the errors predicted by the risks, at most 1."""
        expected, wrong = sum(risk for risk, _ in self._judged), sum(bad for _, bad in self._judged)
        return min(1.0, (expected + 2.0) / (wrong + 2.0))

    def _fit(self) -> None:
        import numpy as np

        x, y = np.array([row for row, _, _ in self._rows]), np.array([same for _, same, _ in self._rows])
        weights = np.zeros(x.shape[1]) if self._weights is None else self._weights
        for _ in range(6):
            p = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -30, 30)))
            slope = x.T @ (y - p) - RIDGE * weights
            curve = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(x.shape[1])
            weights = weights + np.linalg.solve(curve, slope)
        self._weights = weights
        numbers: dict[Any, int] = {}
        owners = np.array([numbers.setdefault(group, len(numbers)) for _, _, group in self._rows])
        likelihood = np.zeros((len(numbers), len(self._t)))
        np.add.at(
            likelihood, owners, self._likelihood(x @ weights, y)
        )  # recomputed by the new scores: the first ones were uninformative
        self._groups = dict(zip(numbers, likelihood, strict=True))
        odds = self._prior * np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        mean = (odds / odds.sum(axis=1, keepdims=True)).mean(axis=0)
        self._prior = (1 - _WEAK) * mean + _WEAK / len(mean)
