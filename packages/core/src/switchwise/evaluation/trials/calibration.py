"""Find the value of a solved task that meets a goal of cost, quality or share. Needs numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from switchwise.display.figures import percent, usd
from switchwise.display.tables import card, table
from switchwise.evaluation.measures.curves import HALVES, Resamples
from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.outcomes.table import Outcomes
from switchwise.evaluation.trials import assignments
from switchwise.evaluation.trials.predict import folds, predict
from switchwise.nouns.errors import ConfigurationError
from switchwise.quality.text.featuriser import Read


@dataclass(frozen=True, slots=True)
class Calibration:
    """The value of a solved task at which `Worth` meets a goal.

    Parameters:
        value: USD; as a parameter of `Worth` and `Explore`.
        cost: USD per task on the half of the tasks that the value was not chosen on; mean and 95 % interval of 200 halves.
        quality: success there, likewise.
        share: of the tasks that go to the best single target, likewise.
        met: share of the halves on which the goal was met.
    """

    value: float
    cost: Interval
    quality: Interval
    share: Interval
    met: float

    def _repr_html_(self) -> str:
        rows = [
            ["USD per task", str(self.cost)],
            ["success", str(self.quality)],
            ["to the best single target", str(self.share)],
        ]
        title = f"A solved task is worth {usd(self.value)}; the goal is met on {percent(self.met)} of the halves kept aside"
        return card(title, table(("on tasks kept aside", "mean and 95 % interval"), rows, numbers=(1,)))

    def as_dict(self) -> dict[str, Any]:
        """In JSON types."""
        intervals = {name: getattr(self, name).as_dict() for name in ("cost", "quality", "share")}
        return {"value": self.value, **intervals, "met": self.met}


def calibrate(
    outcomes: Outcomes,
    *,
    cost: float | None = None,
    quality: float | None = None,
    share: float | None = None,
    seed: int = 0,
    jobs: int | None = None,
) -> Calibration:
    """The value of `Worth` for one goal, chosen on one half of the tasks and tried on the other.

    Parameters:
        outcomes: complete, costs in USD.
        cost: at most so many USD per task, at the best quality.
        quality: at least this share of the best single target's success, at the least cost.
        share: at most this share of the tasks to the best single target.
        seed: of folds and halves.
        jobs: processes, as in `each`.

    Raises:
        ConfigurationError: not exactly one goal, or costs are not in USD.
    """
    import numpy as np

    goals = {"cost": cost, "quality": quality, "share": share}
    if sum(goal is not None for goal in goals.values()) != 1:
        raise ConfigurationError("calibrate: give exactly one of cost=, quality= and share=")
    whole = outcomes.complete()
    if whole.unit not in ("usd", "calls to the strong model"):
        raise ConfigurationError(f"calibrate: the costs of {outcomes.name} are in {whole.unit or 'nothing'}; a value needs USD")
    prices = assignments.trades(whole.costs)
    read = Read(whole.texts) if whole.texts is not None and not whole.agentic else None
    predicted = predict(whole, read, folds(whole, False, seed), prices, jobs)
    success = predicted.table if predicted.text is None else predicted.text
    sweep, chosen = assignments.choose(whole, success, predicted.costs, prices)
    best = int(whole.scores.mean(axis=0).argmax())
    draws = Resamples(whole.groups(), 0, seed)
    sums = {
        name: draws.sums(values) for name, values in (("q", sweep.quality), ("c", sweep.cost), ("s", (chosen == best) * 1.0))
    }
    alone = draws.sums(whole.scores.T[best : best + 1])

    def means(half: Any) -> dict[str, Any]:
        size = (half @ draws.tasks)[:, None]
        return {name: half @ values.T / size for name, values in sums.items()} | {"alone": half @ alone.T / size}

    def pick(found: dict[str, Any]) -> Any:
        if cost is not None:
            return np.where(found["c"] <= cost, found["q"], found["q"] - 10 - found["c"] / found["c"].max()).argmax(axis=1)
        if quality is not None:
            good = found["q"] >= quality * found["alone"] - 1e-12
            return np.where(good, found["c"], found["c"].max() + 1 - found["q"]).argmin(axis=1)
        return np.where(found["s"] <= (share or 0.0), found["q"], found["q"] - 10 - found["s"]).argmax(axis=1)

    first, second = means(draws.halves), means(1 - draws.halves)
    at, picked = np.arange(HALVES), pick(first)
    got = {name: second[name][at, picked] for name in ("q", "c", "s")}
    met = {
        "cost": got["c"] <= (cost or 0) * 1.0,
        "quality": got["q"] >= (quality or 0) * second["alone"][:, 0] - 1e-12,
        "share": got["s"] <= (share or 0),
    }[next(name for name, goal in goals.items() if goal is not None)]
    price = float(prices[pick(means(np.ones((1, draws.size))))[0]])
    spent, solved, strong = (Interval.of(np.concatenate([[got[name].mean()], got[name]])) for name in ("c", "q", "s"))
    return Calibration(1 / price if price else 1e9, spent, solved, strong, float(met.mean()))
