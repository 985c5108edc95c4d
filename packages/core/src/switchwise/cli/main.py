"""The `switchwise` command.

The commands use typer and rich (extra `cli`): see `app`. `loopback` is from the package `switchwise-loopback`, and needs neither.

Exit status: 0 done; 1 findings, or the output could not be written; 2 invalid arguments; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from switchwise.cli import loopback
from switchwise.nouns.errors import ConfigurationError, SwitchwiseError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status.

    Parameters:
        arguments: command-line arguments; None: those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a letter that its encoding lacks is escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        status = loopback.main(given[1:]) if given[:1] == ["loopback"] else _typed(given)
        sys.stdout.flush()
    except SwitchwiseError as error:
        sys.stderr.write(f"switchwise: {error}\n")
        return 2
    except BrokenPipeError:  # the reader has closed the pipe: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter reports it at exit
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
