"""`switchwise query`: SQL over a journal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from switchwise.cli.output import AsJson, as_json, console, tell, working
from switchwise.display.figures import many, percent, seconds, usd
from switchwise.nouns.errors import ConfigurationError

_SPEND = {
    "answers": "",
    "attempts": "answers, failures, rejected replies and questions of policies",
    "failed": "",
    "cost": "USD of all attempts whose price is known",
    "share": "of the cost",
    "prompt": "tokens sent",
    "cached": "share of them that was read from a cache",
    "p50": "median time of an answer",
    "p95": "time within which 95 % of the answers came",
}


def query(
    journal: Annotated[
        Path, typer.Argument(help="A journal (JSON lines or SQLite), or a Parquet file made of one; also a pattern of those.")
    ],
    sql: Annotated[
        str | None, typer.Argument(help='SQL (DuckDB) over the table "records"; without it, the spend.', show_default=False)
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="NAME",
            help="Sum the spend by this: session, agent, task, phase, target, model, a label. Repeatable.",
        ),
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option("--parquet", metavar="FILE", help="Write the result there; without SQL and --by, all records."),
    ] = None,
    json_: AsJson = False,
) -> None:
    """Query a journal by SQL, sum its spending by a dimension, or write it as Parquet. Needs the extra `analytics`."""
    from switchwise.report.analytics import TABLE, journal_table, spend_query

    if sql and by:
        raise ConfigurationError("give SQL or --by, not both")
    with working(f"reading {journal}"):
        table = journal_table(journal)
    import duckdb

    asked = sql or (f"FROM {TABLE}" if parquet and not by else spend_query(by or ["target"]))
    try:
        found = table.query(TABLE, asked)
        if found is None:
            raise ConfigurationError("this SQL gives no rows: ask with SELECT")
        if parquet is not None:
            found.write_parquet(str(parquet), compression="zstd")
            rows = duckdb.read_parquet(str(parquet)).count("*").fetchall()[0][0]
            console().print(f"{parquet}: {many(rows, 'row')} written.", markup=False)
            return
        columns, cells = list(found.columns), found.fetchall()
    except duckdb.IOException as error:
        raise ConfigurationError(str(error)) from None
    except duckdb.Error as error:
        raise ConfigurationError(f"{error}\nColumns of {TABLE}: {', '.join(table.columns)}") from None
    if json_:
        repeated = [name for name in columns if columns.count(name) > 1]
        if repeated:
            raise ConfigurationError(f"--json: columns {', '.join(repeated)}: name them apart with AS")
        as_json([dict(zip(columns, row, strict=True)) for row in cells])
    elif sql:
        tell(f"{many(len(cells), 'row')}.", [(name, "") for name in columns], cells, right=_numbers(columns, cells))
    else:
        _print_table(columns, cells)


def _print_table(columns: list[str], cells: list[tuple[Any, ...]]) -> None:
    names = columns[: -len(_SPEND)]
    total = sum(row[columns.index("cost")] for row in cells)
    shown: dict[str, Callable[[Any], str]] = {
        "cost": usd,
        "share": percent,
        "cached": percent,
        "p50": seconds,
        "p95": seconds,
        "prompt": "{:,}".format,
    }
    rows = [[shown.get(name, str)(value) for name, value in zip(columns, row, strict=True)] for row in cells]
    tell(f"You paid {usd(total)}, by {', '.join(names)}:", dict.fromkeys(names, "") | _SPEND, rows, right=tuple(_SPEND))


def _numbers(columns: list[str], cells: list[tuple[Any, ...]]) -> list[str]:
    return [name for at, name in enumerate(columns) if all(isinstance(row[at], int | float | None) for row in cells)]
