"""`switchwise audit`: what a journal's calls cost, by agent and phase, and what could have gone cheaper."""

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
        "audit",
        help="what a journal's calls cost, and what could have gone cheaper",
        description="By agent and phase: what was paid, to whom, and the cheapest target of the pool that is expected to do as well, with an "
        "interval over sessions; caches, checks and rejected replies counted.",
    )
    parser.add_argument("journal", type=Path, help="a file that JsonLines wrote")
    parser.add_argument(
        "--within",
        type=float,
        default=0.02,
        metavar="P",
        help="how much less likely to solve a call another target may be (0.02)",
    )
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="an estimator that `switchwise fit` wrote; else the shipped priors"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from switchwise.evaluation.live.audit import audit
    from switchwise.observe.journal.json_lines import read
    from switchwise.quality import load_quality

    try:
        records = list(read(options.journal))
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    found = audit(records, load_quality(options.model) if options.model else None, within=options.within)
    sys.stdout.write((json.dumps(found.as_dict(), indent=2) if options.json else str(found)) + "\n")
    return 0
