"""`switchwise fit`, `switchwise calibrate` and `switchwise compare`: train and compare routers on recorded outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from switchwise.cli.measuring import Folder, Jobs, Seed, SetName, need_numpy, outcomes_of, records_of
from switchwise.cli.output import AsJson, as_json, console, tell, working
from switchwise.display.figures import many
from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from switchwise.router import Router


def fit(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where quality.json and quality.npz are written.")],
    no_measure: Annotated[
        bool, typer.Option("--no-measure", help="Do not say what it is worth on tasks that were left out.")
    ] = False,
    set_: SetName = None,
    json_: AsJson = False,
    seed: Seed = 0,
    jobs: Jobs = None,
) -> None:
    """Train an estimator on recorded outcomes: a table by kind of work, and a model of the text from 1,000 graded tasks on."""
    need_numpy("fit")
    from switchwise.evaluation.trials.fitting import fit as train

    with working(f"training on {folder}"):
        made = train(outcomes_of(folder, set_), out, measure=not no_measure, seed=seed, jobs=jobs)
    if json_:
        as_json(
            {
                "folder": str(made.folder),
                **{name: getattr(made, name) for name in ("tasks", "targets", "labels", "text", "measured")},
            }
        )
        return
    reads = "reads the text" if made.text else "does not read the text: too few graded tasks, or no gain from it"
    trained = f"{many(made.tasks, 'task')}, {many(made.targets, 'target')} and {many(made.labels, 'label')}"
    measured = "" if made.measured or no_measure else " Not measured: no costs are known."
    sentence = f"{made.folder}: an estimator of {trained}; it {reads}.{measured}"
    measures = list(dict.fromkeys(name for metrics in made.measured.values() for name in metrics))
    rows = [
        [router, *(f"{metrics[name]:.4f}" if name in metrics else "" for name in measures)]
        for router, metrics in made.measured.items()
    ]
    tell(
        sentence, {"router": "on tasks that were left out of the training", **dict.fromkeys(measures, "")}, rows, right=measures
    )
    console().print(f'Use it: switchwise.quality.load_quality("{made.folder}")', markup=False)


def calibrate(
    folder: Folder,
    cost: Annotated[
        float | None, typer.Option("--cost", metavar="USD", help="At most so many USD per task, at the best quality.")
    ] = None,
    quality: Annotated[
        float | None,
        typer.Option("--quality", metavar="SHARE", help="At least this share of the best target's success, at the least cost."),
    ] = None,
    share: Annotated[
        float | None, typer.Option("--share", metavar="SHARE", help="At most this share of the tasks to the best target.")
    ] = None,
    set_: SetName = None,
    json_: AsJson = False,
    seed: Seed = 0,
    jobs: Jobs = None,
) -> None:
    """Find the value of a solved task at which Worth meets a goal: one of --cost, --quality, --share."""
    if sum(goal is not None for goal in (cost, quality, share)) != 1:
        raise ConfigurationError("give one goal: --cost USD, --quality SHARE or --share SHARE")
    need_numpy("calibrate")
    from switchwise.evaluation.trials.calibration import calibrate as search

    with working(f"trying values on {folder}"):
        found = search(outcomes_of(folder, set_), cost=cost, quality=quality, share=share, seed=seed, jobs=jobs)
    if json_:
        as_json(found.as_dict())
        return
    rows = [[f"{found.value:.4g}", found.quality, found.cost, found.share, f"{found.met:.0%}"]]
    columns = {
        "value": "of Worth, in USD per solved task",
        "solved": "share of the tasks, on the half that it was not chosen on",
        "cost": "per task, there",
        "to the best": "share of the tasks that the best target gets, there",
        "met": "share of 200 halves on which the goal was met",
    }
    tell(f"Worth(quality, value={found.value:.4g}) meets the goal on {found.met:.0%} of 200 halves.", columns, rows)


def compare(
    folder: Folder,
    router: Annotated[
        list[str],
        typer.Option(
            "--router", metavar="MODULE:NAME", help="A Router, or a function that makes one; also file.py:name. Give it twice."
        ),
    ],
    set_: SetName = None,
    json_: AsJson = False,
    seed: Seed = 0,
    jobs: Jobs = None,
) -> None:
    """Compare two routers: on recorded outcomes, where each decides every task as the first call of a session, or on a journal, where each decides every call."""
    from switchwise.evaluation.routers import load_router

    if len(router) != 2:
        raise ConfigurationError(f"--router was given {len(router)} times: give it twice, once for each router")
    first, second = map(load_router, router)
    if _is_journal(folder):
        _compare_bills(folder, first, second, router, seed=seed, json_=json_)
        return
    need_numpy("compare")
    from switchwise.evaluation.trials.paired import compare as paired

    with working(f"comparing on {folder}"):
        found = paired(outcomes_of(folder, set_), first, second, seed=seed, jobs=jobs)
    if json_:
        as_json(found.as_dict())
        return
    rows = []
    for i, name in enumerate(router):
        shares = sorted(found.shares[i].items(), key=lambda item: -item[1])
        rows.append(
            [
                name,
                found.solved[i],
                found.cost[i],
                found.dollars_per_solved[i],
                ", ".join(f"{target} {share:.0%}" for target, share in shares),
            ]
        )
    rows.append(["second - first", found.solved_difference, found.cost_difference, "", ""])
    columns = {
        "router": "",
        "solved": "share of the tasks, by their recorded outcomes",
        "cost": "per task",
        "per solved": "cost per solved task",
        "targets": "who was chosen how often",
    }
    sentence = f"The second router solves {found.solved_difference} more and costs {found.cost_difference} more per task; both choose the same target for {found.same:.0%}."
    tell(sentence, columns, rows)


def _is_journal(path: Path) -> bool:
    from switchwise.evaluation.journals import is_journal

    try:
        return path.is_file() and is_journal(path)
    except ConfigurationError:  # another format: the loader of outcomes says what is wrong with it
        return False


def _compare_bills(path: Path, first: Router, second: Router, names: list[str], *, seed: int, json_: bool) -> None:
    from switchwise.evaluation.live import compare_bills

    with working(f"comparing on {path}"):
        found = compare_bills(records_of(path), first, second, seed=seed)
    if json_:
        as_json(found.as_dict())
        return
    columns = {
        "router": "",
        "cost": "USD for the calls of the journal, with the caches that each router would have had",
        "likely to solve": "mean chance of the chosen targets, by the shipped priors: an estimate, nothing was called",
        "switches": "calls at another target than the one before in their thread",
        "targets": "share of the calls",
    }
    rows = [[name, *row] for name, row in zip(names, found.rows(), strict=True)]
    sentence = (
        f"{found.calls} calls in {found.sessions} sessions: {found.verdict}. The second saves {found.saves}; 95 % over sessions; "
        f"both choose the same target for {found.same:.0%}."
    )
    tell(sentence, columns, rows, right=("cost", "likely to solve", "switches"))
