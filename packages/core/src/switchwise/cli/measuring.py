"""The commands that measure: they are on argparse, and need nothing else."""

from __future__ import annotations

import argparse

from switchwise import __version__
from switchwise.cli import audit, escalation, evaluate, fit, replay

MEASURING = (replay, evaluate, fit, audit, escalation)


def measuring() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of the commands that measure, and that of each by its name."""
    parser = argparse.ArgumentParser(prog="switchwise", description="A model router for agents.")
    parser.add_argument("--version", action="version", version=f"switchwise {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for module in MEASURING:
        module.add(commands)
    return parser, dict(commands.choices)
