"""`switchwise replay`: recorded sessions under other models and policies."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from math import nextafter
from pathlib import Path
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.switching.forecast import Priors

_ABOVE_0, _BELOW_1 = nextafter(0.0, 1.0), nextafter(1.0, 0.0)


def add(commands: Any) -> None:
    """Add the subcommand to the parser's."""
    parser = commands.add_parser(
        "replay",
        help="what recorded sessions would have cost under other models and policies",
        description="Replay recorded agent sessions: cost of all-strong, all-cheap, naive, myopic, sticky and switchwise, and the exact optimum; "
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
        help="a pair of models of the catalogue, or of the journal or router; may be repeated",
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
        type=_number(1, nextafter(100, 0), "from 1 (no more calls) to below 100"),
        default=1.0,
        metavar="X",
        help="calls the weak model needs where the strong one needs one",
    )
    say("--cold-start", action="store_true", help="without history: nothing is known of how many calls the strong model needs")
    say(
        "--explore",
        type=_number(0, 1, "from 0 to 1"),
        metavar="SHARE",
        help="share of easy runs left to the strong model, to learn that (0; with --cold-start 0.02, and more in the beginning)",
    )
    default = Priors()
    for name in ("hazard", "growth", "output", "easy"):
        value = default.easy_after_easy if name == "easy" else getattr(default, name)
        say(
            f"--prior-{name}",
            type=_PRIORS[name],
            metavar="X",
            help=f"switchwise's first guess ({value:g}), to see what a wrong one costs",
        )
    say(
        "--foresight",
        type=_whole(0),
        default=0,
        metavar="N",
        help="also the cost of a policy that knows N calls in advance: how much of the distance to the optimum is the future",
    )
    say("--samples", type=_whole(0), default=400, metavar="N", help="resamples of the bootstrap over sessions (400)")
    say("--json", action="store_true", help="print JSON instead of a table")
    say("--plot", type=_drawing, metavar="FILE.svg", help="also draw the costs, as SVG; a file that is there is replaced")
    parser.set_defaults(run=_run)


def _number(least: float, most: float, told: str) -> Callable[[str], float]:
    """Reads a number within these bounds, or says what is wanted."""

    def read(word: str) -> float:
        try:
            value = float(word)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{word!r} is no number: give one {told}") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{word} is out of range: give a number {told}")
        return value

    return read


def _whole(least: int) -> Callable[[str], int]:
    def read(word: str) -> int:
        if not (word.isascii() and word.isdigit()) or int(word) < least:
            raise argparse.ArgumentTypeError(f"{word!r} will not do: give a whole number from {least} on")
        return int(word)

    return read


_PRIORS = {
    "hazard": _number(_ABOVE_0, _BELOW_1, "between 0 and 1, without these"),
    "growth": _number(_ABOVE_0, 1e9, "above 0, in tokens"),
    "output": _number(_ABOVE_0, 1e9, "above 0, in tokens"),
    "easy": _number(0, 1, "from 0 to 1"),
}


def _drawing(word: str) -> Path:
    path = Path(word)
    if path.suffix not in ("", ".svg"):
        raise argparse.ArgumentTypeError(f"{word}: drawings are SVG; give a name that ends in .svg")
    if path.is_dir() or not path.parent.is_dir():  # said before the work is done
        raise argparse.ArgumentTypeError(f"{word}: {'a folder' if path.is_dir() else f'there is no folder {path.parent}'}")
    return path


def _draw(text: str, path: Path) -> None:
    """Write the drawing: whole, or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():  # a device, a pipe
            path.write_text(text, encoding="utf-8")
            return
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigurationError(f"{path}: cannot be written: {error}") from None


def _run(options: argparse.Namespace) -> int:
    from switchwise.evaluation import report
    from switchwise.evaluation.compare import Comparison, compare_recording
    from switchwise.evaluation.replay import Setting
    from switchwise.evaluation.routers import load_router

    setting = Setting(
        inflation=options.inflation,
        priors=_priors(options),
        history=not options.cold_start,
        explore=options.explore,
        samples=options.samples,
        foresight=options.foresight,
    )
    router = load_router(options.router) if options.router else None
    found: Comparison = compare_recording(options.recording, options.pair, setting, router, options.easy)
    if options.plot is not None:
        _draw(report.svg(found.pairs), options.plot)
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
