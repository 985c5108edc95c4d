"""Cascades with a simulated verifier: benefit and harm of a check by its accuracy. Needs numpy.

Verifiers err independently here; one judge over all answers does not: these are upper bounds.

Source: cascade routing as in J. Dekoninck, M. Baader, M. Vechev, arXiv 2410.10347.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

from switchwise.evaluation.measures.curves import Sweep
from switchwise.evaluation.outcomes.table import Outcomes
from switchwise.evaluation.trials.predict import Predicted
from switchwise.quality.fitting.item_response import logit, sigmoid
from switchwise.quality.sequential import AtLeast

CANDIDATES, NODES, GRID = 8, 15, 41
SETTINGS = 48
PSEUDO = 20.0  # outcomes that a target's own rate is worth compared to its rate where another target failed
ACCURACIES = (100, 90, 80, 70)
ORDERS = 20
OUT_OF_LINE = 0.75  # share of the expected rate of accepted results below which a cascade stops


class SimulatedVerifier:
    """Scores that are normal, with means 0 for wrong and `d` for right answers, so that their AUC is `auc`.

    Parameters:
        auc: from 0.5 to 1, without these.
    """

    def __init__(self, auc: float) -> None:
        import numpy as np

        self.d = 2**0.5 * NormalDist().inv_cdf(auc)
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        self.nodes, self.weights = nodes, weights / weights.sum()

    def posterior(self, p: Any, score: Any) -> Any:
        """P(right) after a score, from P(right) before it."""
        import numpy as np

        p = np.clip(p, 1e-4, 1 - 1e-4)
        return 1 / (1 + (1 - p) / p * np.exp(-self.d * score + self.d**2 / 2))

    def after(self, p: Any) -> tuple[Any, Any]:
        """Possible posteriors of P(right) `p` and their weights, each with a new last axis."""
        import numpy as np

        right, wrong = self.posterior(p[..., None], self.nodes + self.d), self.posterior(p[..., None], self.nodes)
        chance = p[..., None] * np.ones(NODES)
        return np.concatenate([right, wrong], -1), np.concatenate([chance * self.weights, (1 - chance) * self.weights], -1)

    def best_of(self) -> Any:
        """(p, b) -> expected larger one of a new answer's posterior and `b`, on a grid."""
        import numpy as np

        grid = np.linspace(0, 1, GRID)
        values, weights = self.after(grid)
        return (np.maximum(values[:, None, :], grid[None, :, None]) * weights[:, None, :]).sum(-1)


def cascade_routing(outcomes: Outcomes, predicted: Predicted, prices: Any, auc: float, check: float, seed: int = 0) -> Sweep:
    """At each price of cost: ask the target of most expected gain, check, ask another one or stop; three answers at most.

    The first target is chosen for what may follow it. After a bad score the other targets' chances are those where this one failed.
    An answer may also go out unchecked. Of several the one that is most probably right is kept.

    Parameters:
        auc: of the verifier.
        check: cost of one check.
        seed: of the verifier's scores.
    """
    import numpy as np

    success = predicted.table if predicted.text is None else predicted.text
    count = np.where(predicted.candidates, 1, 0).sum(axis=0)
    chosen = np.argsort(-count, kind="stable")[: min(CANDIDATES, int((count > 0).sum()))]
    p, base, costs = success[:, chosen], predicted.table[:, chosen], predicted.costs[:, chosen]
    scores, paid = outcomes.scores[:, chosen], outcomes.costs[:, chosen]
    given = _given(outcomes, predicted, chosen)
    verifier = SimulatedVerifier(auc)
    noise = np.random.default_rng(seed).normal(size=scores.shape) + verifier.d * scores
    table = verifier.best_of()
    quality, spent = [], []
    for price in np.concatenate([[0.0], np.geomspace(prices[1], prices[-1], SETTINGS)]):
        got, cost = _cascaded(p, base, costs, given, scores, paid, verifier, table, noise, price, check)
        quality.append(got)
        spent.append(cost)
    return Sweep(np.array(quality), np.array(spent))


def _given(outcomes: Outcomes, predicted: Predicted, chosen: Any) -> Any:
    """(tasks, target, right or wrong, other target) rates of the others where one was wrong or right, from the other folds."""
    import numpy as np

    labels, scores = outcomes.label_ids, outcomes.scores[:, chosen]
    size = len(chosen)
    found = np.zeros((len(labels), size, 2, size), np.float32)
    for left_out in np.unique(predicted.fold):
        fit = predicted.fold != left_out
        for label in np.unique(labels):
            test = np.flatnonzero(~fit & (labels == label))
            own = scores[fit & (labels == label)] if (fit & (labels == label)).any() else scores[fit]
            for right in (0, 1):
                mask = own if right else 1 - own
                rates = (mask.T @ own + PSEUDO * own.mean(axis=0)) / (mask.sum(axis=0)[:, None] + PSEUDO)
                found[test, :, right] = rates
    return found


def _cascaded(
    p: Any,
    base: Any,
    costs: Any,
    given: Any,
    scores: Any,
    paid: Any,
    verifier: SimulatedVerifier,
    table: Any,
    noise: Any,
    price: float,
    check: float,
) -> tuple[Any, Any]:
    import numpy as np

    n, size = p.shape
    at = np.arange(n)
    shift = logit(p) - logit(base)

    def after(target: int, posterior: Any) -> Any:
        """(tasks, targets) chances of the others once `target` is right with probability `posterior`."""
        right, wrong = (sigmoid(logit(given[:, target, r]) + shift) for r in (1, 0))
        return posterior[:, None] * right + (1 - posterior[:, None]) * wrong

    checked = np.full((n, size), -np.inf)
    for target in range(size):
        values, weights = verifier.after(p[:, target])
        right, wrong = (sigmoid(logit(given[:, target, r]) + shift) - price * costs for r in (1, 0))
        right[:, target] = wrong[:, target] = -np.inf
        go_on = (values[:, None, :] * right[:, :, None] + (1 - values[:, None, :]) * wrong[:, :, None]) if size > 1 else None
        best = values if go_on is None else np.maximum(values, np.nanmax(np.where(np.isfinite(go_on), go_on, -9.0), axis=1))
        checked[:, target] = (weights * best).sum(axis=1) - price * (costs[:, target] + check)
    plain = p - price * costs
    first = np.maximum(checked, plain).argmax(axis=1)
    verified = checked[at, first] > plain[at, first]
    cost = paid[at, first] + np.where(verified, check, 0.0)
    answer, belief = first.copy(), np.where(verified, verifier.posterior(p[at, first], noise[at, first]), 1.1)
    tried = np.zeros((n, size), bool)
    tried[at, first] = True
    chances = p.copy()
    for target in range(size):
        mine = first == target
        chances[mine] = after(target, np.minimum(belief, 1.0))[mine]
    for _ in range(2):
        open_ = belief <= 1
        expected = _lookup(table, chances, np.minimum(belief, 1.0))
        with_check = np.where(tried, -np.inf, expected - price * (costs + check))
        without = np.where(tried, -np.inf, chances - price * costs)
        best_check, best_plain = with_check.argmax(axis=1), without.argmax(axis=1)
        gain_check, gain_plain = with_check[at, best_check], without[at, best_plain]
        go = open_ & (np.maximum(gain_check, gain_plain) > belief)
        check_it = go & (gain_check > gain_plain)
        pick = np.where(check_it, best_check, best_plain)
        cost += np.where(go, paid[at, pick] + np.where(check_it, check, 0.0), 0.0)
        seen = verifier.posterior(chances[at, pick], noise[at, pick])
        better = go & (~check_it | (seen > belief))
        answer = np.where(better, pick, answer)
        belief = np.where(go & ~check_it, 1.1, np.where(better, seen, belief))
        tried[at[go], pick[go]] = True
    return scores[at, answer], cost


def _lookup(table: Any, p: Any, best: Any) -> Any:
    """Bilinear look-up of (tasks, targets) p and (tasks,) best on the grid."""
    import numpy as np

    x, y = np.clip(p, 0, 1) * (GRID - 1), np.clip(best, 0, 1)[:, None] * (GRID - 1) * np.ones_like(p)
    i, j = np.minimum(x.astype(int), GRID - 2), np.minimum(y.astype(int), GRID - 2)
    a, b = x - i, y - j
    return (
        (1 - a) * (1 - b) * table[i, j]
        + a * (1 - b) * table[i + 1, j]
        + (1 - a) * b * table[i, j + 1]
        + a * b * table[i + 1, j + 1]
    )


def pair_of(outcomes: Outcomes, fit: Any) -> tuple[int, int]:
    """(first, then): on these tasks the best single target, and before it the one whose cascade, checked rightly, earns most.

    What is earned is counted at the price at which the best target's own cost is a tenth of a solved task.
    """
    import numpy as np

    scores, costs = outcomes.scores[fit], outcomes.costs[fit]
    then = int(scores.mean(axis=0).argmax())
    dear = float(costs[:, then].mean())
    either = np.maximum(scores, scores[:, then : then + 1]).mean(axis=0)
    spent = (costs + (1 - scores) * costs[:, then : then + 1]).mean(axis=0)
    worth = either - 0.1 * spent / dear
    worth[then] = -np.inf
    return int(worth.argmax()), then


def whole_tasks(outcomes: Outcomes, fold: Any, accuracy: float) -> Sweep:
    """First one target, and where the verifier rejects its result, the best one from the beginning; both are paid, the check is free.

    Parameters:
        fold: one per task; the pair is chosen on the other folds.
        accuracy: the share of right and of wrong results that the verifier calls so.
    """
    import numpy as np

    quality, cost = np.zeros(len(outcomes)), np.zeros(len(outcomes))
    for left_out in np.unique(fold):
        test = fold == left_out
        first, then = pair_of(outcomes, np.flatnonzero(~test))
        quality[test], cost[test] = _expected(outcomes, test, first, then, accuracy, outcomes.scores[:, first])
    return Sweep(quality[None], cost[None])


def _expected(outcomes: Outcomes, part: Any, first: int, then: int, accuracy: float, scores: Any) -> tuple[Any, Any]:
    a, b = scores[part], outcomes.scores[part, then]
    rejected = (1 - accuracy) * a + accuracy * (1 - a)
    return accuracy * a + rejected * b, outcomes.costs[part, first] + rejected * outcomes.costs[part, then]


def broken_first(outcomes: Outcomes, fold: Any, accuracy: float, guarded: bool, kept: float = 0.15, seed: int = 0) -> Sweep:
    """The cascade of `whole_tasks` with a first target that fails, as under a harness that it cannot work with.

    Half of the tasks choose the pair, the other half come in a random order, 20 times over. The guard watches the share of accepted results,
    and calls the second target alone once that is shown to be below three quarters of what the first target's rate lets expect.

    Parameters:
        kept: the share of its successes that the first target is left.
        guarded: with the guard.
        seed: of the order.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    quality, cost = np.zeros(len(outcomes)), np.zeros(len(outcomes))
    half = fold % 2
    for side in (0, 1):
        test, fit = np.flatnonzero(half == side), np.flatnonzero(half != side)
        first, then = pair_of(outcomes, fit)
        rate = float(outcomes.scores[fit, first].mean())
        usual = accuracy * rate + (1 - accuracy) * (1 - rate)
        for _ in range(ORDERS):
            broken = outcomes.scores[:, first] * (rng.random(len(outcomes)) < kept)
            good, paid = _expected(outcomes, test, first, then, accuracy, broken)
            accepted = accuracy * broken[test] + (1 - accuracy) * (1 - broken[test])
            guard = AtLeast(OUT_OF_LINE * usual)
            for i in rng.permutation(len(test)):
                if guarded and guard.rejected:
                    good[i], paid[i] = outcomes.scores[test[i], then], outcomes.costs[test[i], then]
                else:
                    guard.observe(float(rng.random() < accepted[i]))
            quality[test] += good / ORDERS
            cost[test] += paid / ORDERS
    return Sweep(quality[None], cost[None])
