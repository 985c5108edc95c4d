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
        description="Replay recorded agent sessions: cost of all-strong, all-cheap, naive, myopic, sticky and fairlead, and the exact optimum.",
    )
    say = parser.add_argument
    say("recording", type=Path, help="a .jsonl or .jsonl.gz file of the agent_sessions format, or a folder with calls.jsonl.gz")
    say("--pair", action="append", metavar="STRONG/WEAK", help="a pair of models of the price table; may be repeated")
    say(
        "--easy",
        choices=("reads", "reads+bash"),
        default="reads",
        help="easy calls emit only tools that read; or that, or Bash",
    )
    say("--inflation", type=float, default=1.0, metavar="X", help="calls the weak model needs where the strong one needs one")
    say("--cold-start", action="store_true", help="without history: nothing is known of how many calls the strong model needs")
    say(
        "--control",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of easy stretches left to the strong model, to learn that",
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
    say("--samples", type=int, default=400, help="resamples of the bootstrap over sessions")
    say("--json", action="store_true", help="print JSON instead of a table")
    say("--plot", type=Path, metavar="FILE.svg", help="also draw the costs")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from fairlead.caching.rules import CacheRules
    from fairlead.evaluation import report
    from fairlead.evaluation.cost_model import validate
    from fairlead.evaluation.prices import PAIRS, frozen_prices
    from fairlead.evaluation.replay import Setting, replay
    from fairlead.evaluation.sessions import EASY, easy_share, read_sessions

    threads = read_sessions(options.recording, EASY[options.easy])
    setting = Setting(
        inflation=options.inflation,
        priors=_priors(options),
        history=not options.cold_start,
        control=options.control,
        cap=options.cap,
        samples=options.samples,
    )
    results = replay(threads, options.pair or PAIRS, setting)
    found = validate(threads, frozen_prices(), CacheRules())
    if options.plot is not None:
        options.plot.write_text(report.svg(results), encoding="utf-8")
    if options.json:
        sys.stdout.write(json.dumps(report.as_json(results, found), indent=2) + "\n")
        return 0
    calls = sum(len(thread.steps) for thread in threads)
    sys.stdout.write(f"{calls:,} calls in {len(threads):,} threads, {easy_share(threads):.0%} of them easy\n")
    sys.stdout.write(f"{report.checks(found)}\n\n{report.table(results)}\n")
    return 0


def _priors(options: argparse.Namespace) -> Priors:
    given = {name: getattr(options, f"prior_{name}") for name in ("hazard", "growth", "output")}
    changed = {name: value for name, value in given.items() if value is not None}
    if options.prior_easy is not None:
        changed |= {"easy_after_easy": options.prior_easy, "easy_after_hard": options.prior_easy}
    return Priors(**changed)
