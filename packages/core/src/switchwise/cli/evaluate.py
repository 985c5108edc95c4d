"""`switchwise eval`: routers on recorded outcomes, compared with simple baselines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from switchwise.cli.measuring import Folder, Jobs, Samples, Seed, need_numpy
from switchwise.cli.output import AsJson, as_json, console, tell, working
from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from switchwise.evaluation.trials.evaluate import SetResult

MEANS = {
    "solved": "share of the tasks",
    "cost": "per task",
    "dollars_per_solved": "cost per solved task at 98 % of the best single target's quality",
    "apgr": "recovered share of the gap between weak and strong, over all shares of strong calls; 0.5 is chance",
    "cpt50": "least share of strong calls, in %, that recovers half of the gap",
    "cpt80": "the same for four fifths",
    "aiq": "mean quality over all budgets",
    "log_aiq": "the same with budgets on a logarithmic scale: read this one first",
    "saving_98": "saved at 98 % of the best single target's quality",
    "saving_98_deployable": "the same with the setting chosen on one half of the tasks and used on the other",
    "brier": "error of the probabilities; 0 is perfect",
}
FIRST = ("solved", "cost", "apgr", "log_aiq", "saving_98", "saving_98_deployable")


def evaluate(
    folder: Folder,
    full: Annotated[bool, typer.Option("--all", help="Show every measure, not only those to read first.")] = False,
    json_: AsJson = False,
    samples: Samples = 300,
    seed: Seed = 0,
    jobs: Jobs = None,
) -> None:
    """Evaluate routers on recorded outcomes, with 95 % intervals and strong baselines."""
    need_numpy("eval")
    from switchwise.evaluation.outcomes import read_outcomes
    from switchwise.evaluation.trials import evaluate as tried

    results, left_out = [], []
    with working(f"reading {folder}") as now:
        for outcomes in read_outcomes(folder):
            now(f"{outcomes.name}: routers on {len(outcomes.tasks):,} tasks, {samples} resamples")
            try:
                results += tried(outcomes, samples, seed, jobs)
            except ConfigurationError as error:
                left_out.append(str(error))
    if not results:
        raise ConfigurationError("; ".join(left_out))
    for reason in left_out:
        sys.stderr.write(f"left out: {reason}\n")
    if json_:
        as_json({"sets": [result.as_dict() for result in results]})
        return
    for result in results:
        _print_result(result, full)


def _print_result(result: SetResult, full: bool) -> None:
    from switchwise.evaluation.trials.report import COLUMNS, cell

    known = [name for name in COLUMNS if any(name in metrics for metrics in result.routers.values())]
    shown = known if full else [name for name in known if name in FIRST]
    unit = f"; cost in {result.unit}" if result.unit else ""
    head = f"{result.name}: {result.tasks} tasks, {result.targets} targets, {result.labels} labels{unit}. {_sentence(result)}"
    rows = [
        [router, *(cell(name, metrics.get(name)).replace(" [", "\n[") for name in shown)]
        for router, metrics in result.routers.items()
    ]
    tell(head, {"router": "", **{name: MEANS.get(name, "") for name in shown}}, rows, right=shown)
    out = console()
    differences = [
        f"{router} - {name.split('_minus_')[1]}, {name.split('_minus_')[0]}: {cell(name.split('_minus_')[0], found, signed=True)}"
        for router, metrics in result.routers.items()
        for name, found in metrics.items()
        if "_minus_" in name
    ]
    if differences:
        out.print("\nPaired differences, on the same resamples:", markup=False)
        for line in differences:
            out.print(f"  {line}", markup=False)
    out.print(
        "\nAn oracle knows what came of this very run: half of what it wins is luck. Simulated verifiers err independently: upper bounds.\n",
        markup=False,
    )


def _sentence(result: SetResult) -> str:
    """Compare the router `default` with the best baseline."""
    from switchwise.evaluation.trials.report import cell

    for measure, words, other in (
        ("apgr", "recovers", "length"),
        ("saving_98", "saves, at 98 % of the best one's quality,", "zero_test"),
    ):
        mine = result.routers.get("default", {}).get(measure)
        theirs = result.routers.get(other, {}).get(measure)
        if mine is not None and theirs is not None and mine.value is not None:
            return f"`default` {words} {cell(measure, mine)}; `{other}` {cell(measure, theirs)}."
    return "Each router is compared with baselines that know less."
