"""Curves of quality against cost over a router's settings, and the usual measures of such curves.

| metric | definition |
|---|---|
| `aiq` | mean quality over all budgets from the cheapest to the most expensive single target, on the upper hull of the settings |
| `log_aiq` | the same with budgets on a logarithmic scale: the cheap half counts as much as the expensive one |
| `saving_98` | 1 - cost / cost of the best single target, where the hull reaches 98 % of its quality; 0 where it never does |
| `saving_98_deployable` | the same, with the setting chosen on one half of the tasks and used on the other, without mixing; mean of 200 halves |
| `dollars_per_solved` | cost per solved task at 98 % of the best single target's quality |
| `apgr` | two targets: mean recovered share of the gap between them, over all shares of calls to the better one |
| `cpt50`, `cpt80` | two targets: the least share of calls, in %, that recovers 50 and 80 % of the gap |

Everything is computed for many resamples at once: a resample is one weight per group of tasks. Needs numpy.

Sources: RouterBench (arXiv 2403.12031) for AIQ, RouteLLM (arXiv 2406.18665) for APGR and CPT.
"""

from __future__ import annotations

from typing import Any, NamedTuple

HALVES = 200


class Sweep(NamedTuple):
    """What a router does at each of its settings.

    Parameters:
        quality, cost: (settings, tasks) expected score and cost.
    """

    quality: Any
    cost: Any


class Resamples:
    """Weights of groups of tasks: all ones first, then bootstrap draws.

    Parameters:
        groups: one whole number per task.
        samples: draws; 0: only the data as they are.
        seed: the same seed gives the same draws, so that differences between routers are paired.
    """

    def __init__(self, groups: Any, samples: int, seed: int = 0) -> None:
        import numpy as np

        self.groups = np.unique(groups, return_inverse=True)[1]
        self.size = int(self.groups.max()) + 1
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(self.size, np.full(self.size, 1 / self.size), samples) if samples else np.zeros((0, self.size))
        self.weights = np.vstack([np.ones((1, self.size)), drawn]).astype(float)
        self.tasks = np.bincount(self.groups, minlength=self.size).astype(float)
        halves = np.zeros((HALVES, self.size))
        for half in halves:
            half[rng.permutation(self.size)[: self.size // 2]] = 1
        self.halves = halves

    def means(self, values: Any, weights: Any = None) -> Any:
        """(resamples, settings) mean of (settings, tasks) values."""
        weights = self.weights if weights is None else weights
        return (weights @ self.sums(values).T) / (weights @ self.tasks)[:, None]

    def sums(self, values: Any) -> Any:
        """(settings, groups) sums of (settings, tasks) values."""
        import numpy as np

        order = np.argsort(self.groups, kind="stable")
        starts = np.searchsorted(self.groups[order], np.arange(self.size))
        return np.add.reduceat(values[:, order], starts, axis=1)

    def by_task(self) -> Any:
        """(resamples, tasks) weights."""
        return self.weights[:, self.groups]


class Bounds(NamedTuple):
    """The single targets in each resample: ends of the budget axis, and the one to beat.

    Parameters:
        cheapest, dearest: mean cost of the cheapest and dearest single target.
        floor: quality of the cheapest.
        best, best_cost: quality and cost of the best single target.
    """

    cheapest: Any
    dearest: Any
    floor: Any
    best: Any
    best_cost: Any


def bounds(quality: Any, cost: Any) -> Bounds:
    """From (resamples, targets) mean quality and cost of the single targets."""
    import numpy as np

    at = np.arange(len(quality))
    cheap, best = cost.argmin(axis=1), quality.argmax(axis=1)
    return Bounds(cost[at, cheap], cost.max(axis=1), quality[at, cheap], quality[at, best], cost[at, best])


def hull(cost: Any, quality: Any) -> tuple[list[float], list[float]]:
    """The corners of the upper hull: rising cost, rising quality, falling return.

    >>> hull([1, 2, 3, 4], [0.5, 0.4, 0.9, 0.8])
    ([1, 3], [0.5, 0.9])
    """
    xs: list[float] = []
    ys: list[float] = []
    for x, y in sorted(zip(cost, quality, strict=True)):
        if ys and y <= ys[-1]:
            continue
        if xs and x == xs[-1]:
            xs.pop()
            ys.pop()
        while len(xs) > 1 and (ys[-1] - ys[-2]) * (x - xs[-2]) <= (y - ys[-2]) * (xs[-1] - xs[-2]):
            xs.pop()
            ys.pop()
        xs.append(x)
        ys.append(y)
    return xs, ys


def curve_metrics(sweep: Sweep, draws: Resamples, limits: Bounds) -> dict[str, Any]:
    """(resamples,) of `aiq`, `log_aiq` (where every cost is above 0), `saving_95`, `_98`, `_100` and `dollars_per_solved`."""
    import numpy as np

    quality, cost = draws.means(sweep.quality), draws.means(sweep.cost)
    names = ["aiq", "log_aiq", "saving_95", "saving_98", "saving_100", "dollars_per_solved"]
    found = {name: np.full(len(quality), np.nan) for name in names}
    for row, (y, x) in enumerate(zip(quality, cost, strict=True)):
        low, high = float(limits.cheapest[row]), float(limits.dearest[row])
        xs, ys = hull([*x.tolist(), low], [*y.tolist(), float(limits.floor[row])])
        found["aiq"][row] = _area(xs, ys, low, high, logarithmic=False)
        if low > 0:
            found["log_aiq"][row] = _area(xs, ys, low, high, logarithmic=True)
        best, spent = float(limits.best[row]), float(limits.best_cost[row])
        for share in (95, 98, 100):
            needed = _cost_of(xs, ys, best * share / 100)
            found[f"saving_{share}"][row] = 0.0 if needed is None or spent <= 0 else round(1 - needed / spent, 9)
        at = _cost_of(xs, ys, 0.98 * best)
        solved = 0.0 if at is None else max(0.98 * best, float(np.interp(at, xs, ys)))
        found["dollars_per_solved"][row] = np.nan if at is None or solved <= 0 else at / solved
    return found


def _area(xs: list[float], ys: list[float], low: float, high: float, *, logarithmic: bool) -> float:
    """Mean of the hull between two costs; level beyond its last corner, the first corner's quality before it."""
    from math import log

    if high <= low:
        return _interpolated([high], xs, ys)[0]
    points = [low, *[x for x in xs if low < x < high], high]
    total = 0.0
    values = _interpolated(points, xs, ys)
    for a, b, p, q in zip(points, points[1:], values, values[1:], strict=False):
        if logarithmic:
            slope = (q - p) / (b - a)
            total += (p - slope * a) * log(b / a) + slope * (b - a)
        else:
            total += (p + q) / 2 * (b - a)
    return total / (log(high / low) if logarithmic else high - low)


def _interpolated(points: list[float], xs: list[float], ys: list[float]) -> list[float]:
    import numpy as np

    return [float(value) for value in np.interp(points, xs, ys)]


def _cost_of(xs: list[float], ys: list[float], wanted: float) -> float | None:
    wanted -= 1e-12
    for i, y in enumerate(ys):
        if y >= wanted:
            if i == 0:
                return xs[0]
            return xs[i - 1] + (wanted - ys[i - 1]) / (y - ys[i - 1]) * (xs[i] - xs[i - 1])
    return None


def deployable(sweep: Sweep, draws: Resamples, scores: Any, costs: Any, share: float = 0.98) -> tuple[Any, Any]:
    """(halves + 1,) of the saving and the realised quality, as a share of the best single target's; the mean stands first.

    Parameters:
        scores, costs: (tasks, targets) of the single targets.
        share: of the best single target's quality that is asked for on the first half.
    """
    import numpy as np

    first, second = draws.halves, 1 - draws.halves
    quality, cost = draws.sums(sweep.quality), draws.sums(sweep.cost)
    single, spent = draws.sums(scores.T), draws.sums(costs.T)
    size = first @ draws.tasks
    enough = (first @ quality.T) >= share * (first @ single.T).max(axis=1)[:, None] - 1e-9
    dear = np.where(enough, first @ cost.T, np.inf)
    at = np.arange(len(first))
    best, pick = (first @ single.T).argmax(axis=1), dear.argmin(axis=1)
    reached = enough.any(axis=1) & (size > 0)
    paid, got = (second @ cost.T)[at, pick], (second @ quality.T)[at, pick]
    alone, alone_got = (second @ spent.T)[at, best], (second @ single.T)[at, best]
    saving = np.where(reached, 1 - paid / np.maximum(alone, 1e-12), 0.0)
    realised = np.where(reached, got / np.maximum(alone_got, 1e-12), 1.0)
    return np.concatenate([[saving.mean()], saving]), np.concatenate([[realised.mean()], realised])


def pair_metrics(ranking: Any, strong: Any, weak: Any, draws: Resamples) -> dict[str, Any]:
    """(resamples,) of `apgr`, `cpt50` and `cpt80`.

    Parameters:
        ranking: (tasks,) the higher, the sooner the task goes to the strong target.
        strong, weak: (tasks,) scores.
    """
    import numpy as np

    shuffled = np.random.default_rng(0).permutation(len(ranking))  # ties in no particular order
    order = shuffled[np.argsort(-ranking[shuffled], kind="stable")]
    weights = draws.by_task()[:, order]
    gains = np.cumsum(weights * (strong - weak)[order], axis=1)
    share = np.cumsum(weights, axis=1)
    share /= share[:, -1:]
    gap = gains[:, -1:]
    recovered = gains / np.where(np.abs(gap) > 1e-9, gap, np.nan)  # no gap, nothing to recover
    before = np.hstack([np.zeros((len(gains), 1)), recovered[:, :-1]])
    steps = np.diff(share, axis=1, prepend=0)
    found = {"apgr": ((before + recovered) / 2 * steps).sum(axis=1)}
    for wanted in (50, 80):
        enough = recovered >= wanted / 100
        found[f"cpt{wanted}"] = np.where(enough.any(axis=1), 100 * share[np.arange(len(share)), enough.argmax(axis=1)], np.nan)
    return found


def calibration(p: Any, y: Any) -> dict[str, float]:
    """Brier score, expected calibration error (ten bins of equal size) and AUC of probabilities.

    Parameters:
        p: probabilities.
        y: what happened, from 0 to 1.

    >>> import numpy as np
    >>> {name: round(value, 2) for name, value in calibration(np.array([0.9, 0.8, 0.2]), np.array([1.0, 1.0, 0.0])).items()}
    {'brier': 0.03, 'ece': 0.17, 'auc': 1.0}
    """
    import numpy as np

    order = np.argsort(p, kind="stable")
    bins = np.array_split(order, min(10, len(order)))
    error = sum(len(part) * abs(float(p[part].mean() - y[part].mean())) for part in bins) / len(p)
    at = np.unique(p, return_inverse=True)[1]
    size = np.bincount(at)
    ranks = (np.cumsum(size) - (size - 1) / 2)[at]
    right = y >= 0.5
    wins = ranks[right].sum() - right.sum() * (right.sum() + 1) / 2
    pairs = right.sum() * (~right).sum()
    return {"brier": float(((p - y) ** 2).mean()), "ece": error, "auc": float(wins / pairs) if pairs else float("nan")}
