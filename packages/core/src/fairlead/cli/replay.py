"""`fairlead replay`: recorded sessions under other models and policies."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fairlead.caching.habits import Priors


def add(commands: Any) -> None:
    """Add the subcommand to the parser's."""
    parser = commands.add_parser(
        "replay",
        help="what recorded sessions would have cost under other models and policies",
        description="Replay recorded agent sessions: cost of all-strong, all-cheap, naive, myopic, sticky and fairlead, and the exact optimum; "
        "of a router's journal also what was paid, and with --router of any router.",
    )
    say = parser.add_argument
    say(
        "recording",
        type=Path,
        help="a journal that a router wrote, or a file of the agent_sessions format; .jsonl or .jsonl.gz, or a folder that holds one",
    )
    say(
        "--pair",
        action="append",
        metavar="STRONG/WEAK",
        help="a pair of models of the price table, or of the journal or router; may be repeated",
    )
    say(
        "--router", metavar="MODULE:NAME", help="a Router, or a function that makes one, to be replayed, too; also file.py:name"
    )
    say(
        "--easy",
        choices=("reads", "reads+bash"),
        default="reads",
        help="easy calls emit only tools that read; or that, or Bash. A journal says itself what was easy",
    )
    say(
        "--inflation",
        type=_at_least_one,
        default=1.0,
        metavar="X",
        help="calls the weak model needs where the strong one needs one",
    )
    say("--cold-start", action="store_true", help="without history: nothing is known of how many calls the strong model needs")
    say(
        "--control",
        type=float,
        metavar="SHARE",
        help="share of easy stretches left to the strong model, to learn that (0; with --cold-start 0.02, and more in the beginning)",
    )
    say("--cap", type=float, default=0.02, metavar="SHARE", help="by what share the bill may exceed that of never switching")
    default = Priors()
    for name in ("hazard", "growth", "output", "easy"):
        value = default.easy_after_easy if name == "easy" else getattr(default, name)
        say(
            f"--prior-{name}",
            type=float,
            metavar="X",
            help=f"fairlead's first guess ({value:g}), to see what a wrong one costs",
        )
    say(
        "--foresight",
        type=int,
        default=0,
        metavar="N",
        help="also the cost of a policy that knows N calls in advance: how much of the distance to the optimum is the future",
    )
    say("--samples", type=int, default=400, help="resamples of the bootstrap over sessions")
    say("--json", action="store_true", help="print JSON instead of a table")
    say("--plot", type=Path, metavar="FILE.svg", help="also draw the costs")
    parser.set_defaults(run=_run)


def _at_least_one(word: str) -> float:
    value = float(word)
    if not 1.0 <= value < 100.0:
        raise argparse.ArgumentTypeError(f"{word} is out of range: give a number from 1 (no more calls) to below 100")
    return value


def _run(options: argparse.Namespace) -> int:
    from fairlead.evaluation import report
    from fairlead.evaluation.compare import Comparison, compare_recording
    from fairlead.evaluation.replay import Setting
    from fairlead.evaluation.routers import load_router

    setting = Setting(
        inflation=options.inflation,
        priors=_priors(options),
        history=not options.cold_start,
        control=options.control,
        cap=options.cap,
        samples=options.samples,
        foresight=options.foresight,
    )
    router = load_router(options.router) if options.router else None
    found: Comparison = compare_recording(options.recording, options.pair, setting, router, options.easy)
    if options.plot is not None:
        options.plot.write_text(report.svg(found.pairs), encoding="utf-8")
    if options.json:
        sys.stdout.write(json.dumps(report.as_json(found), indent=2) + "\n")
    else:
        sys.stdout.write(report.text(found) + "\n")
    return 0


def _priors(options: argparse.Namespace) -> Priors:
    given = {name: getattr(options, f"prior_{name}") for name in ("hazard", "growth", "output")}
    changed = {name: value for name, value in given.items() if value is not None}
    if options.prior_easy is not None:
        changed |= {"easy_after_easy": options.prior_easy, "easy_after_hard": options.prior_easy}
    return Priors(**changed)
