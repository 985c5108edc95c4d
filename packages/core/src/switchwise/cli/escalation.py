"""`switchwise escalation`: does a trajectory tell that its run will fail, and what do rules of escalation find, on recorded runs."""

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
        "escalation",
        help="what trajectories of recorded runs tell of failure",
        description="AUC by step of the signals that Escalate goes by, whether they are armed for the target that made these runs, and what simple "
        "rules find beside them. Reads rows per step and transcripts; files are recognised by their columns. Needs numpy: pip install "
        "'switchwise[quality]'.",
    )
    parser.add_argument("folder", type=Path, help="a file, or a folder that is searched for files")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--samples", type=int, default=300, metavar="N", help="resamples of the bootstrap; 0: no intervals (300)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of resamples and halves (0)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        import numpy  # noqa: F401
    except ImportError:
        raise ConfigurationError("switchwise escalation needs numpy: pip install 'switchwise[quality]'") from None
    from switchwise.evaluation.outcomes.runs import read_runs
    from switchwise.evaluation.trials.escalation import escalations, text

    if options.samples < 0:
        raise ConfigurationError(f"--samples {options.samples}: give a number of resamples, or 0 for none")
    found = [escalations(name, runs, options.samples, options.seed) for name, runs in read_runs(options.folder).items()]
    if options.json:
        sys.stdout.write(json.dumps({"sets": [each.as_dict() for each in found]}, indent=2) + "\n")
    else:
        sys.stdout.write(text(found) + "\n")
    return 0
