"""The command line, on argparse: it needs nothing that `import switchwise` does not need.

Exit status: 0 done; 1 the output could not be written; 2 the arguments or what they name will not do; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from switchwise import __version__
from switchwise.cli import evaluate, fit, replay
from switchwise.nouns.errors import SwitchwiseError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; the exit status.

    Parameters:
        arguments: those of the command line; None: of this process.
    """
    parser = argparse.ArgumentParser(prog="switchwise", description="A model router for agents.")
    parser.add_argument("--version", action="version", version=f"switchwise {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    replay.add(commands)
    evaluate.add(commands)
    fit.add(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except SwitchwiseError as error:
        sys.stderr.write(f"switchwise: {error}\n")
        return 2
    except BrokenPipeError:  # whoever reads has seen enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter says so when it ends
        return 1
    except OSError as error:
        sys.stderr.write(f"switchwise: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return status
