"""`switchwise audit`: the cost of a journal's calls, by agent and phase, and possible savings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from switchwise.cli.measuring import records_of
from switchwise.cli.numbers import number
from switchwise.cli.output import AsJson, as_json, console, tell, working
from switchwise.display.figures import usd


def audit(
    journal: Annotated[Path, typer.Argument(help="A journal, as JsonLines or SqliteJournal writes it; also gzipped.")],
    within: Annotated[
        float,
        typer.Option(
            "--within",
            parser=number(0, 1, "from 0 to 1"),
            metavar="P",
            help="How much less likely to solve a call another target may be.",
        ),
    ] = 0.02,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="FOLDER", help="An estimator that `switchwise fit` wrote; else the shipped priors."),
    ] = None,
    json_: AsJson = False,
) -> None:
    """Show the cost of a journal's calls, by agent and phase, and possible savings."""
    from switchwise.evaluation.live.audit import audit as look_back
    from switchwise.quality import load_quality

    with working(f"auditing {journal}"):
        found = look_back(records_of(journal), load_quality(model) if model else None, within=within)
    if json_:
        as_json(found.as_dict())
        return
    rows = []
    for group in found.groups:
        share = group.paid / found.paid if found.paid else 0.0
        mostly = group.target + (f" {group.p:.0%}" if group.p is not None else "")
        other = f"{group.could} {group.could_p:.0%}" if group.could and group.could_p is not None else "-"
        saved = str(group.saving) if group.could else ""
        rows.append(
            [
                group.agent,
                group.phase or "-",
                group.calls,
                usd(group.paid),
                f"{share:.0%}",
                mostly,
                other,
                saved,
                group.source if group.could else "",
            ]
        )
    columns = {
        "agent": "",
        "phase": "",
        "calls": "",
        "paid": "USD",
        "share": "of all that was paid",
        "mostly": "who answered most, and how likely that one is to solve such calls",
        "could go to": f"the cheapest that is at most {within:.0%} less likely, and how likely it is",
        "saving": "USD, with a 95 % interval over sessions",
        "known from": "",
    }
    sentence = f"You paid {usd(found.paid)}; {found.headline}."
    tell(sentence, columns, rows, right=("calls", "paid", "share"))
    checks = f"{usd(found.checks)} went to checks and rejected replies; {found.failed} calls failed, {found.unpriced} have no known cost."
    moves = f"{found.switches} switches of the target, {found.unsafe} of them inside a tool loop; a decision took {found.deciding * 1e6:.0f} microseconds."
    console().print(f"\n{checks}\n{moves}", markup=False)
