"""`switchwise fit`, `switchwise calibrate` and `switchwise compare`: from recorded outcomes to a router, and between two of them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from switchwise.evaluation.outcomes import Outcomes


def add(commands: Any) -> None:
    """Add the subcommands to the parser's."""
    parser = commands.add_parser(
        "fit",
        help="train an estimator on recorded outcomes",
        description="Train a table by kind of work, and a model of the text from 1,000 graded tasks on; load it with switchwise.quality.load_quality.",
    )
    _common(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where quality.json and quality.npz are written"
    )
    parser.add_argument("--no-measure", action="store_true", help="do not say what it is worth on tasks that were left out")
    parser.set_defaults(run=_fit)
    parser = commands.add_parser(
        "calibrate",
        help="the value of a solved task at which Worth meets a goal",
        description="Find `value` of Worth for a cost, a quality or a share, chosen on one half of the tasks and tried on the other.",
    )
    _common(parser)
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--cost", type=float, metavar="USD", help="at most so many USD per task, at the best quality")
    goal.add_argument(
        "--quality", type=float, metavar="SHARE", help="at least this share of the best target's success, at the least cost"
    )
    goal.add_argument("--share", type=float, metavar="SHARE", help="at most this share of the tasks to the best target")
    parser.set_defaults(run=_calibrate)
    parser = commands.add_parser(
        "compare",
        help="two routers on the same recorded outcomes",
        description="Put every recorded task to two routers as the first call of a session, and count the recorded outcomes of their choices, paired.",
    )
    _common(parser)
    parser.add_argument(
        "--router",
        action="append",
        required=True,
        metavar="MODULE:NAME",
        help="a Router, or a function that makes one; also file.py:name. Give it twice",
    )
    parser.set_defaults(run=_compare)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a file of outcomes, or a folder that is searched for files")
    parser.add_argument("--set", metavar="NAME", help="which set, where the folder holds several")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of folds and halves (0)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _outcomes(options: argparse.Namespace) -> Outcomes:
    try:
        import numpy  # noqa: F401
    except ImportError:
        raise ConfigurationError("this command needs numpy: pip install 'switchwise[quality]'") from None
    from switchwise.evaluation.outcomes import read_outcomes

    found = {outcomes.name: outcomes for outcomes in read_outcomes(options.folder)}
    if options.set is not None and options.set not in found:
        raise ConfigurationError(f"--set {options.set}: the sets there are {', '.join(found)}")
    if options.set is None and len(found) > 1:
        raise ConfigurationError(f"{options.folder} holds several sets: choose one with --set: {', '.join(found)}")
    return found[options.set] if options.set is not None else next(iter(found.values()))


def _fit(options: argparse.Namespace) -> int:
    from switchwise.evaluation.trials.training import fit

    made = fit(_outcomes(options), options.out, measure=not options.no_measure, seed=options.seed)
    if options.json:
        found = {name: getattr(made, name) for name in ("tasks", "targets", "labels", "text", "measured")}
        sys.stdout.write(json.dumps({"folder": str(made.folder), **found}, indent=2) + "\n")
        return 0
    reads = "reads the text" if made.text else "does not read the text: too few graded tasks, or no gain from it"
    sys.stdout.write(f"{made.folder}: {made.tasks} tasks, {made.targets} targets, {made.labels} labels; {reads}\n")
    for router, metrics in made.measured.items():
        told = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        sys.stdout.write(f"  on tasks left out, {router:12} {told}\n")
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from switchwise.evaluation.trials.training import calibrate

    found = calibrate(_outcomes(options), cost=options.cost, quality=options.quality, share=options.share, seed=options.seed)
    if options.json:
        sys.stdout.write(json.dumps(found.as_dict(), indent=2) + "\n")
        return 0
    sys.stdout.write(
        f"Worth(quality, value={found.value:.4g})\n"
        f"on the half that it was not chosen on: {found.quality} solved at ${found.cost} per task, {found.share} to the best target;\n"
        f"the goal was met on {found.met:.0%} of 200 halves\n"
    )
    return 0


def _compare(options: argparse.Namespace) -> int:
    from switchwise.evaluation.routers import load_router
    from switchwise.evaluation.trials.training import compare

    if len(options.router) != 2:
        raise ConfigurationError(f"--router was given {len(options.router)} times: give it twice, once for each router")
    first, second = map(load_router, options.router)
    found = compare(_outcomes(options), first, second, seed=options.seed)
    if options.json:
        sys.stdout.write(json.dumps(found.as_dict(), indent=2) + "\n")
        return 0
    for i, name in enumerate(options.router):
        shares = ", ".join(
            f"{target} {share:.0%}" for target, share in sorted(found.shares[i].items(), key=lambda item: -item[1])
        )
        sys.stdout.write(
            f"{name}: {found.solved[i]} solved at {found.cost[i]} per task, {found.dollars_per_solved[i]} per solved one; {shares}\n"
        )
    sys.stdout.write(
        f"second - first: {found.solved_difference} solved, {found.cost_difference} per task; the same target for {found.same:.0%}\n"
    )
    return 0
