"""`switchwise report`: a journal as one page for the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from switchwise.cli.measuring import records_of
from switchwise.cli.output import AsJson, as_json, console


def report(
    journal: Annotated[Path, typer.Argument(help="A journal, as JsonLines or SqliteJournal writes it; also gzipped.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write; one that is there is replaced.")] = Path(
        "report.html"
    ),
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Routing report",
    sessions: Annotated[int, typer.Option(min=0, help="Sessions that are shown step by step, the dearest first.")] = 200,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    json_: AsJson = False,
) -> None:
    """Write one self-contained page: spend, savings, caches, failures, latency, and each decision with its reasons."""
    from switchwise.catalog import look_up
    from switchwise.report import page, summarise
    from switchwise.report.rewards import rewards
    from switchwise.report.summary import headline

    records = records_of(journal)
    found = summarise(records, rewards=rewards(journal), listed=lambda provider, model: look_up(provider, model).price)
    if json_:
        as_json(found.as_dict())
        return
    output.write_text(
        page(found, title=title, source=journal.name, sessions=sessions), encoding="utf-8", errors="backslashreplace"
    )
    out = console()
    out.print(f"You paid {headline(found)}.", markup=False)
    for advice in found.advice:
        if advice.kind not in ("data", "fine"):
            out.print(f"- {advice.title}", markup=False)
    out.print(f"{output} written.", markup=False)
    if open_:
        typer.launch(output.resolve().as_uri())
