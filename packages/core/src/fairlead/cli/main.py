"""The command line, on argparse: it needs nothing that `import fairlead` does not need."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fairlead.cli import replay
from fairlead.errors import FairleadError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; the exit status.

    Parameters:
        arguments: those of the command line; None: of this process.
    """
    parser = argparse.ArgumentParser(prog="fairlead", description="A model router for agents.")
    commands = parser.add_subparsers(required=True, metavar="command")
    replay.add(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except FairleadError as error:
        sys.stderr.write(f"fairlead: {error}\n")
        return 2
    return status
