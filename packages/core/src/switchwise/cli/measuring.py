"""Shared by measuring commands: arguments and recorded outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from switchwise.cli.numbers import whole
from switchwise.cli.output import RESEARCH
from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from switchwise.evaluation.outcomes import Outcomes
    from switchwise.observe.journal import Record

Folder = Annotated[
    Path, typer.Argument(help="A file of outcomes, or a folder that is searched for files; recognised by their columns.")
]
SetName = Annotated[str | None, typer.Option("--set", metavar="NAME", help="Which set, where the folder holds several.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Of folds, halves and resamples.", rich_help_panel=RESEARCH)]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        help="Processes, over joblib; -1: one for each core.  [default: what joblib.parallel_config says, else 1]",
        rich_help_panel=RESEARCH,
    ),
]
Samples = Annotated[
    int,
    typer.Option(
        "--samples", parser=whole(0), metavar="N", help="Resamples of the bootstrap; 0: no intervals.", rich_help_panel=RESEARCH
    ),
]


def need_numpy(command: str) -> None:
    """Check that numpy is installed.

    Raises:
        ConfigurationError: it is not.
    """
    try:
        import numpy  # noqa: F401
    except ImportError:
        raise ConfigurationError(f"switchwise {command} needs numpy: pip install 'switchwise[quality]'") from None


def outcomes_of(folder: Path, name: str | None) -> Outcomes:
    """Return the chosen set of outcomes.

    Raises:
        ConfigurationError: there is none, or there are several and no name is given.
    """
    from switchwise.evaluation.outcomes import read_outcomes

    found = {outcomes.name: outcomes for outcomes in read_outcomes(folder)}
    if name is not None and name not in found:
        raise ConfigurationError(f"--set {name}: the sets there are {', '.join(found)}")
    if name is None and len(found) > 1:
        raise ConfigurationError(f"{folder} holds several sets: choose one with --set: {', '.join(found)}")
    return found[name] if name is not None else next(iter(found.values()))


def records_of(journal: Path) -> list[Record]:
    """Return the records of a journal.

    Raises:
        ConfigurationError: it cannot be read, or a line is not a record; the message names it.
    """
    from switchwise.observe.journal.json_lines import read

    try:
        return list(read(journal))
    except FileNotFoundError:
        raise ConfigurationError(f"{journal}: there is no such file") from None
    except OSError as error:
        raise ConfigurationError(f"{journal}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
