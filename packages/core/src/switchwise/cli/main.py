"""The `switchwise` command.

The commands are on typer and rich (extra `cli`): see `app`. `loopback` is that of the package `switchwise-loopback`, and needs neither.

Exit status: 0 done; 1 something was found, or the output could not be written; 2 the arguments or what they name will not do;
130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from switchwise.cli import loopback
from switchwise.nouns.errors import ConfigurationError, SwitchwiseError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status.

    Parameters:
        arguments: those of the command line; None: of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = loopback.main(given[1:]) if given[:1] == ["loopback"] else _typed(given)
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


def _typed(given: Sequence[str]) -> int:
    try:
        from switchwise.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        raise ConfigurationError(
            'the command needs typer and rich: pip install "switchwise[cli]"; without them there is loopback'
        ) from None
    try:
        app(args=list(given), prog_name="switchwise", obj=main)
    except SystemExit as ended:  # how typer ends, with or without an error
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0
