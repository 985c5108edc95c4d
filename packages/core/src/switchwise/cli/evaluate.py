"""`switchwise eval`: routers on recorded outcomes, compared with simple baselines."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from switchwise.cli.measuring import Folder, Jobs, Samples, Seed, need_numpy
from switchwise.cli.output import RESEARCH, AsJson, as_json, console, tell, working
from switchwise.display.figures import many
from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from switchwise.evaluation.measures.interval import Interval
    from switchwise.evaluation.trials.bars import Bar, BarVerdict
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
    bars: Annotated[
        Path | None,
        typer.Option(
            "--bars",
            metavar="FILE",
            help="A TOML file of what must be reached; exit code 1 where something is not, or none of it is for these sets.",
            rich_help_panel=RESEARCH,
        ),
    ] = None,
    json_: AsJson = False,
    samples: Samples = 300,
    seed: Seed = 0,
    jobs: Jobs = None,
) -> None:
    """Evaluate routers on recorded outcomes, with 95 % intervals and strong baselines."""
    need_numpy("eval")
    from switchwise.evaluation.outcomes import read_outcomes
    from switchwise.evaluation.trials import evaluate as tried
    from switchwise.evaluation.trials.bars import read_bars, verdicts

    wanted = [] if bars is None else read_bars(bars)
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
    judged = verdicts(wanted, results)
    if json_:
        passed = {} if bars is None else {"bars": [_as_row(each) for each in judged]}
        as_json({"sets": [result.as_dict() for result in results], **passed})
    else:
        for result in results:
            _print_result(result, full)
        if bars is not None:
            _print_bars(bars, wanted, judged, [result.name for result in results])
    if not all(each.met for each in judged) or (wanted and not judged):
        raise typer.Exit(1)


def _as_row(verdict: BarVerdict) -> dict[str, object]:
    bar = verdict.bar
    return {
        "set": verdict.set,
        "router": bar.router,
        "metric": bar.metric,
        "bar": str(bar),
        **verdict.found.as_dict(),
        "met": verdict.met,
    }


def _print_bars(path: Path, wanted: Sequence[Bar], judged: Sequence[BarVerdict], sets: Sequence[str]) -> None:
    missed, others = sum(not each.met for each in judged), len({*wanted} - {each.bar for each in judged})
    words = (
        f"none of its bars is for these sets: {', '.join(sets)}"
        if not judged
        else f"{missed} missed"
        if missed
        else "all reached"
    )
    if judged and others:
        words += f"; {many(others, 'bar')} {'is' if others == 1 else 'are'} for other sets"
    rows = [
        [each.set, each.bar.router, each.bar.metric, each.found, each.bar, "ok" if each.met else "MISSED"] for each in judged
    ]
    tell(
        f"{path.name}: {many(len(judged), 'bar')}, {words}.",
        dict.fromkeys(("set", "router", "metric", "found", "bar", ""), ""),
        rows,
    )


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
    lines = list(_differences(result))
    if lines:
        out.print("\nPaired differences, on the same resamples:", markup=False)
        for line in lines:
            out.print(f"  {line}", markup=False)
    out.print(
        "\nAn oracle knows what came of this very run: half of what it wins is luck. Simulated verifiers err independently: upper bounds.\n",
        markup=False,
    )


def _differences(result: SetResult) -> Iterator[str]:
    from switchwise.evaluation.trials.report import cell

    for router, metrics in result.routers.items():
        others: dict[str, dict[str, Interval]] = {}
        for name, found in metrics.items():
            metric, minus, other = name.partition("_minus_")
            if minus:
                others.setdefault(other, {})[metric] = found
        for other, against in others.items():
            if not any(any(found) for found in against.values()):
                yield f"{router} - {other}: none, it decides as {other} here"
                continue
            yield from (
                f"{router} - {other}, {metric}: {cell(metric, found, signed=True)}" for metric, found in against.items()
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
