"""Train an estimator on recorded outcomes, find the value that meets a goal, compare two routers. Needs numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from switchwise.display.figures import percent, usd
from switchwise.display.tables import card, table
from switchwise.evaluation.measures.curves import HALVES, Resamples
from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.measures.parallel import each
from switchwise.evaluation.outcomes.table import Outcomes
from switchwise.evaluation.trials import routers
from switchwise.evaluation.trials.evaluate import evaluate_in_domain
from switchwise.evaluation.trials.predict import folds, predict
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.scope import Scope
from switchwise.nouns.signals import Signals, StepKind, Turn
from switchwise.nouns.view import Needs, View
from switchwise.quality.fitting.learned import fit_table, fit_text
from switchwise.quality.saved import save_quality
from switchwise.quality.text.featuriser import Read
from switchwise.router import Router

MEASURED = ("apgr", "aiq", "log_aiq", "saving_98_deployable", "brier")


@dataclass(frozen=True, slots=True)
class Fitted:
    """What `fit` made.

    Parameters:
        folder: where it stands.
        tasks, targets, labels: how many it was trained on.
        text: whether it reads the text.
        measured: router -> metric -> value on tasks that were left out; empty: not measured.
    """

    folder: Path
    tasks: int
    targets: int
    labels: int
    text: bool
    measured: Mapping[str, Mapping[str, float]]

    def _repr_html_(self) -> str:
        read = "a table by label and a model of the text" if self.text else "a table by label"
        title = f"Fitted on {self.tasks:,} tasks, {self.targets} targets and {self.labels} labels: {read}"
        metrics = list(dict.fromkeys(metric for values in self.measured.values() for metric in values))
        rows = [
            [name, *(f"{values[each]:.4g}" if each in values else "-" for each in metrics)]
            for name, values in self.measured.items()
        ]
        return card(title, table(("router", *metrics), rows, numbers=range(1, 1 + len(metrics))) if rows else "Not measured.")


def fit(outcomes: Outcomes, folder: str | Path, *, measure: bool = True, seed: int = 0, jobs: int | None = None) -> Fitted:
    """Train a table by label, and a model of the text where there are 1,000 graded tasks; write them as `quality.json` and `quality.npz`.

    Parameters:
        outcomes: as read; targets and tasks with gaps are kept.
        folder: made if it is not there.
        measure: say what it is worth on tasks that were left out.
        seed: of folds.
        jobs: processes that measure, as in `each`.
    """
    import numpy as np

    scores, costs = outcomes.scores, outcomes.costs
    table = fit_table(
        outcomes.labels, outcomes.targets, scores, costs if outcomes.unit == "usd" else np.full_like(costs, np.nan)
    )
    groups = np.arange(len(outcomes)) if outcomes.duplicates is None else outcomes.duplicates
    text = None
    if outcomes.texts is not None and not outcomes.agentic:
        text = fit_text(Read(outcomes.texts), outcomes.labels, table, scores, groups, seed)
    measured: dict[str, dict[str, float]] = {}
    if measure and outcomes.unit:
        found = evaluate_in_domain(outcomes, samples=0, seed=seed, jobs=jobs).routers
        for router in ("best_single", "zero_train", "label_table", "default"):
            values = {name: found[router][name].value for name in MEASURED if name in found[router]}
            measured[router] = {name: value for name, value in values.items() if value is not None}
    about = {"set": outcomes.name, "tasks": len(outcomes), "k": table.k, "reads_text": text is not None, "measured": measured}
    save_quality(folder, table, text, about)
    return Fitted(Path(folder), len(outcomes), len(outcomes.targets), len(table.labels), text is not None, measured)


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
    prices = routers.trades(whole.costs)
    read = Read(whole.texts) if whole.texts is not None and not whole.agentic else None
    predicted = predict(whole, read, folds(whole, False, seed), prices, jobs)
    success = predicted.table if predicted.text is None else predicted.text
    sweep, chosen = routers.choose(whole, success, predicted.costs, prices)
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


@dataclass(frozen=True, slots=True, repr=False)
class Compared:
    """Two routers on the same tasks.

    Parameters:
        solved, cost: of each, per task.
        dollars_per_solved: of each; of nothing where nothing was solved.
        solved_difference, cost_difference: second minus first, paired.
        same: share of the tasks for which both chose the same target.
        shares: of each: target -> share of the tasks.
        unit: of the costs.
    """

    solved: tuple[Interval, Interval]
    cost: tuple[Interval, Interval]
    dollars_per_solved: tuple[Interval, Interval]
    solved_difference: Interval
    cost_difference: Interval
    same: float
    shares: tuple[Mapping[str, float], Mapping[str, float]]
    unit: str = ""

    @property
    def verdict(self) -> str:
        """What the outcomes show, in one sentence."""
        solved, cost = (_side(found) for found in (self.solved_difference, self.cost_difference))
        more = {1: "the second solves more", -1: "the second solves less", 0: "no difference in what is solved is shown"}[
            solved
        ]
        return f"{more}, and {({1: 'it costs more', -1: 'it costs less', 0: 'none in cost'})[cost]}"

    def __str__(self) -> str:
        def points(found: Interval) -> str:
            if found.value is None or found.low is None or found.high is None:
                return "?" if found.value is None else f"{found.value * 100:.1f}"
            return f"{found.value * 100:.1f} [{found.low * 100:.1f}, {found.high * 100:.1f}]"

        lines = [
            f"{name}: solves {points(self.solved[place])} % at {self.cost[place]} a task, {self.dollars_per_solved[place]} per solved task"
            for place, name in enumerate(("first", "second"))
        ]
        return "\n".join(
            [
                *lines,
                f"second - first, on the same tasks: {points(self.solved_difference)} points, {self.cost_difference} a task; costs in {self.unit or '?'}, 95 % over tasks",
                f"{self.verdict}; both choose the same target for {self.same:.0%}",
            ]
        )

    def __repr__(self) -> str:
        return f"Compared(second - first: solved {self.solved_difference}, cost {self.cost_difference}; same target for {self.same:.0%})"

    def _repr_html_(self) -> str:
        rows = [
            [
                name,
                *(str(each[place]) for each in (self.solved, self.cost, self.dollars_per_solved)),
                ", ".join(
                    f"{target} {share:.0%}" for target, share in sorted(self.shares[place].items(), key=lambda item: -item[1])
                ),
            ]
            for place, name in enumerate(("first", "second"))
        ]
        rows.append(["second - first", str(self.solved_difference), str(self.cost_difference), "", ""])
        title = f"Two routers on the same tasks; both choose the same target for {self.same:.0%}"
        return card(title, table(("router", "solved", "cost per task", "cost per solved", "targets"), rows, numbers=(1, 2, 3)))

    def as_dict(self) -> dict[str, Any]:
        """In JSON types."""
        found = asdict(self)
        for name in ("solved", "cost", "dollars_per_solved"):
            found[name] = [part.as_dict() for part in getattr(self, name)]
        for name in ("solved_difference", "cost_difference"):
            found[name] = getattr(self, name).as_dict()
        return found


def _side(found: Interval) -> int:
    """1: above 0 with its whole interval; -1: below; 0: neither, or no interval."""
    if found.low is None or found.high is None:
        return 0
    return 1 if found.low > 0 else -1 if found.high < 0 else 0


def compare(
    outcomes: Outcomes, first: Router, second: Router, samples: int = 300, seed: int = 0, jobs: int | None = None
) -> Compared:
    """What two routers would have reached: each task is put to both as the first call of a session, and the recorded outcome counts.

    Parameters:
        outcomes: their targets go by the names, or the models, of the routers' targets.
        first, second: routers; they decide without calls and do not learn.
        samples: resamples of the bootstrap.
        jobs: processes, as in `each`: each router decides in one. They must then be of the kind that can be pickled.

    Raises:
        ConfigurationError: a router chose a target that the outcomes do not have.
    """
    import numpy as np

    whole = outcomes.complete()
    chosen = each(partial(decisions, whole), (first, second), jobs)
    at = np.arange(len(whole))
    draws = Resamples(whole.groups(), samples, seed)
    solved = [draws.means(whole.scores[at, row][None])[:, 0] for row in chosen]
    cost = [draws.means(whole.costs[at, row][None])[:, 0] for row in chosen]
    per = [spent / np.where(got > 0, got, np.nan) for got, spent in zip(solved, cost, strict=True)]
    shares = [
        {
            whole.targets[i]: count / len(whole)
            for i, count in enumerate(np.bincount(row, minlength=len(whole.targets)).tolist())
            if count
        }
        for row in chosen
    ]

    def both(values: Sequence[Any]) -> tuple[Interval, Interval]:
        return Interval.of(values[0]), Interval.of(values[1])

    return Compared(
        both(solved),
        both(cost),
        both(per),
        Interval.of(solved[1] - solved[0]),
        Interval.of(cost[1] - cost[0]),
        float((chosen[0] == chosen[1]).mean()),
        (shares[0], shares[1]),
        whole.unit,
    )


def decisions(outcomes: Outcomes, router: Router) -> Any:
    """(tasks,) which target the router would call first for each task.

    Raises:
        ConfigurationError: it chose a target that the outcomes do not have, by name or model.
    """
    import numpy as np

    at = {name: i for i, name in enumerate(outcomes.targets)}
    columns = {target.name: at.get(target.name, at.get(target.model)) for target in router.pool}
    found = []
    for i, label in enumerate(outcomes.labels):
        text = outcomes.texts[i] if outcomes.texts is not None else ""
        view = View(
            Scope(session=outcomes.tasks[i], agent=label or "main"),
            tokens=len(text) // 4,
            needs=Needs(tools=outcomes.agentic),
            signals=Signals(step=StepKind.USER_TURN, first=True),
            conversation=Conversation([Turn("user", text)]) if text else Conversation(),
        )
        name = router.decide(view).names[0]
        column = columns[name]
        if column is None:
            raise ConfigurationError(
                f"{outcomes.name}: nothing is recorded of target {name!r}; it has {', '.join(outcomes.targets[:8])}"
                f"{' ...' if len(outcomes.targets) > 8 else ''}: name targets or their models so"
            )
        found.append(column)
    return np.array(found)
