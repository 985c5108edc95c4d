"""The `switchwise` command.

Commands for people are on typer and rich (extra `cli`): see `app`. Those that measure (`replay`, `eval`, `fit`, ...) are on argparse and need
neither; `loopback` is that of the package `switchwise-loopback`.

Exit status: 0 done; 1 something was found, or the output could not be written; 2 the arguments or what they name will not do;
130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from switchwise.cli import loopback
from switchwise.cli.measuring import measuring
from switchwise.nouns.errors import ConfigurationError, SwitchwiseError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status.

    Parameters:
        arguments: those of the command line; None: of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _command(given)(given)
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


def _command(given: Sequence[str]) -> Callable[[Sequence[str]], int]:
    first = next(iter(given), "")
    if first == "loopback":
        return lambda words: loopback.main(words[1:])
    return _measure if first == "--version" or first in measuring()[1] else _typed


def _measure(given: Sequence[str]) -> int:
    options = measuring()[0].parse_args(given)
    status: int = options.run(options)
    return status


def _typed(given: Sequence[str]) -> int:
    try:
        from switchwise.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        told = 'the command needs typer and rich: pip install "switchwise[cli]"; without them there are'
        raise ConfigurationError(f"{told} {', '.join(measuring()[1])} and loopback") from None
    app(args=list(given), prog_name="switchwise", obj=main)
    return 0
