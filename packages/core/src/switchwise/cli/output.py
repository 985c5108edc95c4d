"""Output of commands: a sentence, a table with explained columns, or JSON; and shared options."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from switchwise.display.progress import ProgressBar, progress_bar, watched

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="A .toml or .yaml file; else SWITCHWISE_CONFIG, else switchwise.toml here.", show_default=False
    ),
]
RouterName = Annotated[
    str | None, typer.Option("--router", "-r", help="One of its routers; else the default one.", show_default=False)
]

BEGIN, LOOK, MEASURE = "Begin", "Look", "Measure"
"""Headings of commands in the help."""
RESEARCH = "For experiments"
"""Heading of advanced options in the help."""


def console(error: bool = False) -> Console:
    """Console for text; on a pipe as wide as its rows need, without colours."""
    made = Console(stderr=error, highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made = Console(stderr=error, highlight=False, width=200, color_system=None)
    return made


def tell(
    sentence: str,
    columns: Mapping[str, str] | Sequence[tuple[str, str]],
    rows: Sequence[Sequence[object]],
    *,
    right: Sequence[str] = (),
) -> None:
    """Print a sentence, a table, and an explanation of its columns.

    Parameters:
        sentence: summary in one sentence.
        columns: heading -> explanation; empty: none needed. Pairs where headings come from the user, so that two may be the same.
        rows: their cells.
        right: headings of columns of numbers.
    """
    out = console()
    out.print(Text(sentence))
    if not rows:
        return
    heads = tuple(columns.items()) if isinstance(columns, Mapping) else columns
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading, _ in heads:
        table.add_column(Text(heading), justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row])
    out.print()
    out.print(table)
    out.print()
    for heading, text in heads:
        if text:
            out.print(Text(f"{heading}: {text}", style="dim"))


@contextmanager
def working(words: str, total: int | None = None) -> Iterator[ProgressBar]:
    """Show progress on standard error, if it is a terminal.

    Work of `switchwise.evaluation` updates the bar automatically.
    """
    with progress_bar(words, total) as bar, watched(lambda done, parts: bar(done=done, total=parts)):
        yield bar


def as_json(data: Any) -> None:
    """Print JSON."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")
