"""Routers as sweeps: the assignment of tasks at each trade between success and cost. Needs numpy."""

from __future__ import annotations

from typing import Any

from switchwise.evaluation.measures.curves import Sweep
from switchwise.evaluation.outcomes.table import Outcomes

SETTINGS = 300


def trades(costs: Any) -> Any:
    """What one unit of cost is traded for, from nothing to far more than any difference in success."""
    import numpy as np

    usual = costs.mean(axis=0)
    least, most = float(usual[usual > 0].min(initial=1.0)), float(usual.max()) or 1.0
    return np.concatenate([[0.0], np.geomspace(1e-3 / most, 3 / min(least, most), SETTINGS)])


def choose(outcomes: Outcomes, success: Any, costs: Any, prices: Any) -> tuple[Sweep, Any]:
    """The target of most success minus price x cost, for each task at each price; the sweep and the (prices, tasks) choices."""
    import numpy as np

    chosen = np.array([(success - price * costs).argmax(axis=1) for price in prices])
    return taken(outcomes, chosen), chosen


def taken(outcomes: Outcomes, chosen: Any) -> Sweep:
    """The sweep of (settings, tasks) choices."""
    import numpy as np

    at = np.arange(len(outcomes))
    return Sweep(outcomes.scores[at, chosen], outcomes.costs[at, chosen])


def singles(outcomes: Outcomes) -> Sweep:
    """Each target alone is one setting: the Zero router that knows the test set."""
    return Sweep(outcomes.scores.T, outcomes.costs.T)


def single(outcomes: Outcomes, target: int) -> Sweep:
    """One target for everything."""
    return Sweep(outcomes.scores.T[target : target + 1], outcomes.costs.T[target : target + 1])


def at_random(outcomes: Outcomes) -> Sweep:
    """Any target, with equal chances."""
    return Sweep(outcomes.scores.mean(axis=1)[None], outcomes.costs.mean(axis=1)[None])


def shuffled(outcomes: Outcomes, chosen: Any) -> Sweep:
    """The same shares of the targets, handed out blindly: what the choice of tasks adds is the distance to this."""
    import numpy as np

    size = outcomes.scores.shape[1]
    shares = np.array([np.bincount(row, minlength=size) / len(row) for row in chosen])
    return Sweep(shares @ outcomes.scores.T, shares @ outcomes.costs.T)


def oracle(outcomes: Outcomes, prices: Any) -> Sweep:
    """Knows the outcome of the same run: half of its gain is luck."""
    return choose(outcomes, outcomes.scores, outcomes.costs, prices)[0]


def remembering(outcomes: Outcomes, prices: Any, table: Any, pseudo: float, runs: int | None = None) -> Sweep | None:
    """Knows the outcomes of other runs of the same task, and is scored on a fresh one; None: there are no repeats.

    Parameters:
        table: (tasks, targets) what is known without them.
        pseudo: runs that this is worth; 0: only the other runs count, which is the ceiling that repeated runs allow.
        runs: how many other runs it has seen; None: all but the one that it is scored on.
    """
    import numpy as np

    repeats = outcomes.runs.shape[2]
    usable = (~np.isnan(outcomes.runs)).sum(axis=2).min(axis=1) >= 2
    if repeats < 2 or not usable.any():
        return None
    quality, cost = [], []
    for fresh in range(repeats):
        order = [(fresh + i + 1) % repeats for i in range(repeats - 1)]
        others = outcomes.runs[:, :, order[: runs or repeats]]
        count = (~np.isnan(others)).sum(axis=2)
        total = np.nansum(others, axis=2)
        prior = table + task_effect(total, count, table)
        believed = (total + max(pseudo, 1e-6) * prior) / (count + max(pseudo, 1e-6))
        _, chosen = choose(outcomes, believed, outcomes.costs, prices)
        at = np.arange(len(outcomes))
        got = outcomes.runs[:, :, fresh][at, chosen]
        quality.append(np.where(np.isnan(got), outcomes.scores[at, chosen], got))
        cost.append(outcomes.costs[at, chosen])
    return Sweep(np.mean(quality, axis=0), np.mean(cost, axis=0))


def task_effect(total: Any, count: Any, table: Any) -> Any:
    """(tasks, 1) how much easier a task was than the table says, over all targets, shrunk by four outcomes."""
    surplus = (total - count * table).sum(axis=1)
    return (surplus / (count.sum(axis=1) + 4.0))[:, None]
