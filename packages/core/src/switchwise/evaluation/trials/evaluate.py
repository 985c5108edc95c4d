"""All routers on one set of outcomes, with intervals. Needs numpy."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from switchwise.display.figures import many
from switchwise.display.tables import card, table
from switchwise.evaluation.measures.curves import (
    Bounds,
    Resamples,
    Sweep,
    bounds,
    calibration,
    curve_metrics,
    deployable,
    pair_metrics,
)
from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.measures.parallel import each
from switchwise.evaluation.outcomes.table import Outcomes
from switchwise.evaluation.trials import assignments, cascades
from switchwise.evaluation.trials.predict import Predicted, folds, predict
from switchwise.evaluation.trials.report import COLUMNS, cell
from switchwise.nouns.errors import ConfigurationError
from switchwise.quality.text.featuriser import Read

SAMPLES = 300
HALVED = 8  # groups from which on they can be halved
OUTLIER = 0.05  # a best target that is this far ahead of the second: the set is also shown without it
REMEMBERED = 2.0  # runs that the table is worth compared to a task's own history
SMALL = 0.1  # a small model costs at most this share of the best one; the best of these prices the simulated checks
AUCS = (0.7, 0.8, 0.9)
CURVE = ("apgr", "aiq", "log_aiq", "saving_98", "saving_98_deployable")
POINT = ("solved", "cost")
AGAINST = (  # differences that are reported, paired: routers, the one that they are compared with, metrics
    (("default", "label_table"), "label_table", CURVE),
    (("default", "label_table", "task_memory", "task_memory_1"), "zero_train", CURVE),
    (("default", "label_table"), "length", CURVE),
    (tuple(f"cascade_{accuracy}" for accuracy in cascades.ACCURACIES), "best_single", POINT),
    (("cascade_80_broken_guarded",), "cascade_80_broken", POINT),
)
_EFFORT = re.compile(r"^(?P<model>.+?)[-_ ](?P<effort>minimal|none|low|medium|high|xhigh|max)$")


@dataclass(frozen=True, slots=True)
class SetResult:
    """What routers reached on one set.

    Parameters:
        name: of the set.
        tasks, targets, labels, groups: how many.
        unit: of the costs.
        routers: router -> metric -> value with its interval.
    """

    name: str
    tasks: int
    targets: int
    labels: int
    groups: int
    unit: str
    routers: Mapping[str, Mapping[str, Interval]]

    def __repr__(self) -> str:
        return f"SetResult({self.name!r}, {many(self.tasks, 'task')}, {many(self.targets, 'target')}, {many(len(self.routers), 'router')})"

    def _repr_html_(self) -> str:
        measures = [name for name in COLUMNS if any(name in found for found in self.routers.values())]
        rows = [[router, *(cell(name, found.get(name)) for name in measures)] for router, found in self.routers.items()]
        title = f"{self.name}: {many(self.tasks, 'task')}, {many(self.targets, 'target')}; value [95 % interval], costs in {self.unit or '?'}"
        return card(title, table(("router", *measures), rows, numbers=range(1, len(measures) + 1)))

    def as_dict(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            "name": self.name,
            "tasks": self.tasks,
            "targets": self.targets,
            "labels": self.labels,
            "groups": self.groups,
            "unit": self.unit,
            "routers": {
                router: {metric: found.as_dict() for metric, found in metrics.items()}
                for router, metrics in self.routers.items()
            },
        }


def evaluate(outcomes: Outcomes, samples: int = SAMPLES, seed: int = 0, jobs: int | None = None) -> list[SetResult]:
    """Every router on a set: in its own domain, on labels that were left out, without an outlier, and among efforts of one model.

    Parameters:
        outcomes: as read; incomplete targets and tasks are left out.
        samples: resamples of the bootstrap; 0: no intervals.
        seed: of folds, draws and simulated verifiers.
        jobs: processes, as in `each`: folds, and the resamples of each router, are pieces of work.

    Raises:
        ConfigurationError: too little is left to compare.
    """
    whole = outcomes.complete()
    read = Read(whole.texts) if whole.texts is not None else None
    found = [_one(whole, read, samples, seed, jobs, by_label=False)]
    if len(set(whole.labels)) > 1 and not whole.agentic:
        found.append(_one(whole, read, samples, seed, jobs, by_label=True))
    rates = whole.scores.mean(axis=0)
    order = rates.argsort()[::-1]
    if len(order) > 3 and rates[order[0]] - rates[order[1]] > OUTLIER:
        rest = [target for i, target in enumerate(whole.targets) if i != order[0]]
        found.append(
            _one(
                whole.among(rest, f"{whole.name} without {whole.targets[order[0]]}"), read, samples, seed, jobs, by_label=False
            )
        )
    for model, targets in _efforts(outcomes).items():
        try:
            part = outcomes.among(targets, f"{outcomes.name} efforts of {model}").complete()
        except ConfigurationError:
            continue
        found.append(_one(part, None, samples, seed, jobs, by_label=False))
    return found


def evaluate_in_domain(outcomes: Outcomes, samples: int = SAMPLES, seed: int = 0, jobs: int | None = None) -> SetResult:
    """Every router on a set in its own domain alone, as the first result of `evaluate`."""
    whole = outcomes.complete()
    return _one(whole, Read(whole.texts) if whole.texts is not None else None, samples, seed, jobs, by_label=False)


def _efforts(outcomes: Outcomes) -> Mapping[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for target in outcomes.targets:
        match = _EFFORT.match(target)
        groups[match["model"] if match else target].append(target)
    return {model: targets for model, targets in groups.items() if 1 < len(targets) < len(outcomes.targets)}


def _one(outcomes: Outcomes, read: Read | None, samples: int, seed: int, jobs: int | None, *, by_label: bool) -> SetResult:
    import numpy as np

    draws = Resamples(outcomes.groups(by_label), samples, seed)
    name = f"{outcomes.name} unseen labels" if by_label else outcomes.name
    if not outcomes.unit:
        return _result(name, outcomes, draws, _uncosted(outcomes, draws, seed))
    prices = assignments.trades(outcomes.costs)
    predicted = predict(outcomes, read, folds(outcomes, by_label, seed), prices, jobs)
    sweeps, rankings, beliefs = _sweeps(outcomes, predicted, prices, by_label=by_label)
    if outcomes.unit == "usd" and not by_label:
        sweeps |= _cascades(outcomes, predicted, prices, seed)
    limits = bounds(draws.means(outcomes.scores.T), draws.means(outcomes.costs.T))
    raw: dict[str, dict[str, Any]] = dict(
        zip(sweeps, each(partial(_measured, outcomes, draws, limits), sweeps.values(), jobs), strict=True)
    )
    if len(outcomes.targets) == 2:
        _pairs(outcomes, read, draws, rankings, raw)
    for router, belief in beliefs.items():
        weak = int(outcomes.costs.mean(axis=0).argmin())
        found = calibration(belief[:, weak], outcomes.scores[:, weak])
        whole = calibration(belief.ravel(), outcomes.scores.ravel())
        raw[router] |= {f"{key}_cheapest": np.array([value]) for key, value in found.items()}
        raw[router]["brier"] = np.array([whole["brier"]])
    _differences(raw)
    return _result(name, outcomes, draws, raw)


def _measured(outcomes: Outcomes, draws: Resamples, limits: Bounds, sweep: Sweep) -> dict[str, Any]:
    """(resamples,) of every measure of one router."""
    import numpy as np

    metrics = curve_metrics(sweep, draws, limits)
    if len(sweep.quality) == 1:
        metrics["solved"], metrics["cost"] = draws.means(sweep.quality)[:, 0], draws.means(sweep.cost)[:, 0]
        metrics["dollars_per_solved"] = metrics["cost"] / np.where(metrics["solved"] > 0, metrics["solved"], np.nan)
    if outcomes.unit != "usd":
        metrics["cost_per_solved"] = metrics.pop("dollars_per_solved")
    if draws.size >= HALVED:
        metrics["saving_98_deployable"], metrics["quality_98_deployable"] = deployable(
            sweep, draws, outcomes.scores, outcomes.costs
        )
    return metrics


def _sweeps(
    outcomes: Outcomes, predicted: Predicted, prices: Any, *, by_label: bool
) -> tuple[dict[str, Sweep], dict[str, Any], dict[str, Any]]:
    """Sweeps by router; for two targets rankings; beliefs for calibration."""
    import numpy as np

    cheapest = int(outcomes.costs.mean(axis=0).argmin())
    best = int(outcomes.scores.mean(axis=0).argmax())
    sweeps: dict[str, Sweep] = {
        "best_single": assignments.single(outcomes, best),
        "cheapest": assignments.single(outcomes, cheapest),
        "random": assignments.at_random(outcomes),
        "zero_test": assignments.singles(outcomes),
        "zero_train": assignments.choose(outcomes, predicted.means, predicted.mean_costs, prices)[0],
        "label_table": assignments.choose(outcomes, predicted.table, predicted.costs, prices)[0],
    }
    success = predicted.table if predicted.text is None else predicted.text
    beliefs = {"label_table": predicted.table, "default": success}
    sweeps["default"], chosen = assignments.choose(outcomes, success, predicted.costs, prices)
    sweeps["shuffled"] = assignments.shuffled(outcomes, chosen)
    sweeps["oracle"] = assignments.oracle(outcomes, prices)
    for router, pseudo, runs in (
        ("oracle_ceiling", 0.0, None),
        ("task_memory", REMEMBERED, None),
        ("task_memory_1", REMEMBERED, 1),
    ):
        sweep = assignments.remembering(outcomes, prices, predicted.table, pseudo, runs)
        if sweep is not None and not by_label:
            sweeps[router] = sweep
    dear = 1 - cheapest
    rankings: dict[str, Any] = {}
    if len(outcomes.targets) == 2:
        rng = np.random.default_rng(0)
        # Each fold's router has its own threshold: gains are counted from what is usual in its training part.
        usual = predicted.means[:, dear] - predicted.means[:, cheapest]
        rankings = {
            "label_table": predicted.table[:, dear] - predicted.table[:, cheapest] - usual,
            "default": success[:, dear] - success[:, cheapest] - usual,
            "oracle": outcomes.scores[:, dear] - outcomes.scores[:, cheapest],
            "random": rng.random(len(outcomes)),
        }
    return sweeps, rankings, beliefs


def _cascades(outcomes: Outcomes, predicted: Predicted, prices: Any, seed: int) -> dict[str, Sweep]:
    found: dict[str, Sweep] = {}
    rates, costs = outcomes.scores.mean(axis=0), outcomes.costs.mean(axis=0)
    if outcomes.agentic:
        for accuracy in cascades.ACCURACIES:
            found[f"cascade_{accuracy}"] = cascades.whole_tasks(outcomes, predicted.fold, accuracy / 100)
        for guarded in (False, True):
            router = f"cascade_80_broken{'_guarded' if guarded else ''}"
            found[router] = cascades.broken_first(outcomes, predicted.fold, 0.8, guarded, seed=seed)
        return found
    best = int(rates.argmax())
    small = [i for i in range(len(rates)) if costs[i] <= SMALL * costs[best]]
    if small and len(outcomes.targets) > 2:
        price = float(costs[max(small, key=lambda i: rates[i])])
        for auc in AUCS:
            found[f"cascade_auc_{auc * 100:.0f}"] = cascades.cascade_routing(outcomes, predicted, prices, auc, price, seed)
    return found


def _pairs(
    outcomes: Outcomes, read: Read | None, draws: Resamples, rankings: dict[str, Any], raw: dict[str, dict[str, Any]]
) -> None:
    import numpy as np

    cheapest = int(outcomes.costs.mean(axis=0).argmin())
    strong, weak = outcomes.scores[:, 1 - cheapest], outcomes.scores[:, cheapest]
    if read is not None:
        rankings["length"] = read.dense[:, 0]
    for router, ranking in rankings.items():
        raw.setdefault(router, {}).update(pair_metrics(ranking, strong, weak, draws))
    for router in ("zero_test", "zero_train"):  # of two targets the hull is the diagonal
        raw[router]["apgr"] = np.full(len(draws.weights), 0.5)


def _differences(raw: dict[str, dict[str, Any]]) -> None:
    for names, other, metrics in AGAINST:
        for router in names:
            if other in raw and router in raw and router != other:
                for metric in metrics:
                    if metric in raw[router] and metric in raw[other]:
                        raw[router][f"{metric}_minus_{other}"] = raw[router][metric] - raw[other][metric]


def _uncosted(outcomes: Outcomes, draws: Resamples, seed: int) -> dict[str, dict[str, Any]]:
    """Where no costs are known: only who solves how much."""
    import numpy as np

    fold = folds(outcomes, False, seed)
    blank = np.ones_like(outcomes.costs)
    costed = replace(outcomes, costs=blank)
    predicted = predict(costed, None, fold, np.zeros(1))
    free = np.zeros(1)
    sweeps = {
        "best_single": assignments.single(costed, int(outcomes.scores.mean(axis=0).argmax())),
        "random": assignments.at_random(costed),
        "zero_train": assignments.choose(costed, predicted.means, blank, free)[0],
        "label_table": assignments.choose(costed, predicted.table, blank, free)[0],
        "default": assignments.choose(costed, predicted.table, blank, free)[0],
        "oracle": assignments.oracle(costed, free),
    }
    memory = assignments.remembering(costed, free, predicted.table, REMEMBERED)
    if memory is not None:
        sweeps["task_memory"] = memory
    return {router: {"solved": draws.means(sweep.quality)[:, 0]} for router, sweep in sweeps.items()}


def _result(name: str, outcomes: Outcomes, draws: Resamples, raw: dict[str, dict[str, Any]]) -> SetResult:
    return SetResult(
        name,
        len(outcomes),
        len(outcomes.targets),
        len(set(outcomes.labels)),
        draws.size,
        outcomes.unit,
        {
            router: {metric: found for metric, values in metrics.items() if (found := Interval.of(values)).value is not None}
            for router, metrics in raw.items()
        },
    )
