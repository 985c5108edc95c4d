"""`switchwise eval`: routers on recorded outcomes, beside the baselines that humble them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from switchwise.nouns.errors import ConfigurationError


def add(commands: Any) -> None:
    """Add the subcommand to the parser's."""
    parser = commands.add_parser(
        "eval",
        help="routers on recorded outcomes, with intervals and baselines",
        description="Evaluate routers on outcomes of tasks x models: the shared sets, RouterBench's and RouterArena's tables, LangSmith and JSONL "
        "exports, a journal with feedback; files are recognised by their columns. Needs numpy: pip install 'switchwise[quality]'.",
    )
    say = parser.add_argument
    say("folder", type=Path, help="a file, or a folder that is searched for files")
    say("--json", action="store_true", help="print JSON instead of tables")
    say("--samples", type=int, default=300, metavar="N", help="resamples of the bootstrap; 0: no intervals (300)")
    say("--seed", type=int, default=0, metavar="N", help="of folds, resamples and simulated verifiers (0)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        import numpy  # noqa: F401
    except ImportError:
        raise ConfigurationError("switchwise eval needs numpy: pip install 'switchwise[quality]'") from None
    from switchwise.evaluation.outcomes import read_outcomes
    from switchwise.evaluation.trials import evaluate
    from switchwise.evaluation.trials.report import text

    if options.samples < 0:
        raise ConfigurationError(f"--samples {options.samples}: give a number of resamples, or 0 for none")
    results, left_out = [], []
    for outcomes in read_outcomes(options.folder):
        try:
            results += evaluate(outcomes, options.samples, options.seed)
        except ConfigurationError as error:
            left_out.append(str(error))
    if not results:
        raise ConfigurationError("; ".join(left_out))
    for reason in left_out:
        sys.stderr.write(f"left out: {reason}\n")
    if options.json:
        sys.stdout.write(json.dumps({"sets": [result.as_dict() for result in results]}, indent=2) + "\n")
    else:
        sys.stdout.write(text(results) + "\n")
    return 0
