"""SQL over journals, by DuckDB (extra `analytics`): JSON lines, rotated or gzipped, SQLite, and Parquet files made of them."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.observe.journal.files import files_of, has_torn_lines, is_sqlite, rows_of
from switchwise.observe.journal.record import NAMES, SCHEMA, Record

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

TABLE = "records"
"""The name of the table in queries."""

_TEXT, _COUNT, _NUMBER = "VARCHAR", "BIGINT", "DOUBLE"
_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("attempt", "step", "estimated_tokens", "kept_tokens"), _COUNT),
    **dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), _COUNT),
    **dict.fromkeys(("reasoning_tokens", "cache_write_1h_tokens"), _COUNT),
    **dict.fromkeys(("time", "cost", "deciding", "latency", "first_chunk"), _NUMBER),
    **dict.fromkeys(("shortlist", "free"), "VARCHAR[]"),
    **dict.fromkeys(("notes", "pool"), "JSON"),
    "labels": "MAP(VARCHAR, VARCHAR)",
}
_COLUMNS = tuple([field.name for field in fields(Record)])
_DIMENSIONS = ("session", "agent", "task", "phase", "target", "provider", "model", "account", "tenant", "policy", "level")
_ANSWERED = "purpose = 'answer' AND result = 'accepted'"
_SUMS: Mapping[str, str] = {
    "answers": f"count(*) FILTER ({_ANSWERED})",
    "attempts": "count(*)",
    "failed": "count(*) FILTER (result = 'failed')",
    "cost": "coalesce(sum(cost), 0)",
    "share": "coalesce(sum(cost), 0) / nullif(sum(sum(cost)) OVER (), 0)",
    "prompt": "coalesce(sum(input_tokens), 0)::BIGINT",
    "cached": "sum(cache_read_tokens) / nullif(sum(input_tokens), 0)",
    "p50": f"median(latency) FILTER ({_ANSWERED})",
    "p95": f"quantile_cont(latency, 0.95) FILTER ({_ANSWERED})",
}


def journal_table(path: str | Path) -> DuckDBPyRelation:
    """The records of a journal as a DuckDB relation: `.query("records", sql)`, `.aggregate(...)`, `.df()`, `.write_parquet(file)`.

    Its columns are the fields of `Record`, with `time` as a timestamp in UTC, `labels` as a map (`labels['team']`), and `reward`: the last
    feedback on the decision, from 0 to 1, or null. A record that was not written to its end is left out. JSON lines and SQLite are read once; a Parquet
    file is read by each query.

    Parameters:
        path: a journal (files that it was rotated to are read, too), or a `.parquet` file, also as a pattern such as `logs/*.parquet`.

    Raises:
        ConfigurationError: DuckDB is not installed, or the file is missing or not a journal.
    """
    try:
        import duckdb
    except ModuleNotFoundError:
        raise ConfigurationError('SQL over journals needs DuckDB: pip install "switchwise[analytics]"') from None
    path = Path(path)
    base = duckdb.connect()
    try:
        if path.suffix == ".parquet":
            _read_parquet(base, path)
        elif not path.is_file():
            raise ConfigurationError(f"{path}: there is no such file")
        elif is_sqlite(path) or any(map(has_torn_lines, files_of(path))):
            _read_rows(base, files_of(path))
        else:
            _read_json(base, files_of(path))
    except ConfigurationError:
        raise
    except (duckdb.Error, ValueError, EOFError, OSError, zlib.error) as error:
        raise ConfigurationError(f"{path}: not a journal: {str(error).splitlines()[0]}") from None
    return base.table(TABLE) if path.suffix != ".parquet" else base.view(TABLE)


def spend_query(by: Sequence[str]) -> str:
    """SQL that sums the records along dimensions, dearest first.

    Parameters:
        by: `session`, `agent`, `task`, `phase`, `target`, `provider`, `model`, `account`, `tenant`, `policy`, `level`, or the name of a label such
            as `team`; at least one. Repeated ones are omitted; a label named as one of the sums, such as `cost`, is headed `labels['cost']`.

    >>> print(spend_query(["team"]).splitlines()[0])
    SELECT coalesce(nullif(labels['team'], ''), '(none)') AS "team",
    """
    if not by:
        raise ConfigurationError(f"by: name at least one of {', '.join(_DIMENSIONS)}, or a label")
    heads = {name: f"labels['{name}']" if name.lower() in _SUMS else name for name in by}
    columns = [f"coalesce(nullif({_read(name)}, ''), '(none)') AS {_quoted(head)}" for name, head in heads.items()]
    sums = [f"{sum_} AS {name}" for name, sum_ in _SUMS.items()]
    return f"""SELECT {", ".join(columns)},
    {", ".join(sums)}
FROM {TABLE} GROUP BY ALL ORDER BY cost DESC, 1"""  # noqa: S608  (names are quoted)


def _read(dimension: str) -> str:
    return dimension if dimension in _DIMENSIONS else "labels['" + dimension.replace("'", "''") + "']"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _read_parquet(base: DuckDBPyConnection, path: Path) -> None:
    if not list(path.parent.glob(path.name)):
        raise ConfigurationError(f"{path}: there is no such file")
    source = str(path).replace("'", "''")
    base.execute(f"CREATE VIEW {TABLE} AS SELECT * FROM read_parquet('{source}', union_by_name = true)")  # noqa: S608  (quoted)
    missing = [name for name in ("decision", "target", "cost") if name not in base.view(TABLE).columns]
    if missing:
        raise ConfigurationError(f"{path}: not made of a journal: no column {', '.join(missing)}")


def _read_rows(base: DuckDBPyConnection, files: Iterable[Path]) -> None:
    """Load files whose rows DuckDB does not find: SQLite, and lines that begin with an incomplete record."""
    with tempfile.TemporaryDirectory(prefix="switchwise-") as folder:
        lines = Path(folder) / "records.jsonl"
        with lines.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for each in files for _, row in rows_of(each))
        _read_json(base, [lines])


def _read_json(base: DuckDBPyConnection, files: Iterable[Path]) -> None:
    """Load the records, and join each with the last feedback on its decision."""
    columns = {_key(name): _TYPES.get(name, _TEXT) for name in _COLUMNS}
    columns |= {"switchwise.schema": _COUNT, "switchwise.feedback": _NUMBER}
    options: dict[str, Any] = {"format": "newline_delimited", "ignore_errors": True, "columns": columns}
    rows = base.read_json([str(file) for file in files], **options)
    rows.create("lines")
    if not base.execute(f'SELECT count(*) FILTER ("switchwise.schema" = {SCHEMA}) FROM lines').fetchall()[0][0]:  # noqa: S608
        raise ValueError(f"no line has 'switchwise.schema' {SCHEMA}")
    named = [f"{_value(name)} AS {_quoted(name)}" for name in _COLUMNS]
    base.execute(f"""
        CREATE TABLE {TABLE} AS SELECT {", ".join(named)}, reward
        FROM lines LEFT JOIN (
            SELECT "switchwise.decision" AS decided, last("switchwise.feedback" ORDER BY rowid) AS reward
            FROM lines WHERE "switchwise.feedback" IS NOT NULL GROUP BY ALL
        ) ON decided = "switchwise.decision"
        WHERE "switchwise.feedback" IS NULL AND "switchwise.schema" = {SCHEMA} ORDER BY "switchwise.time"
    """)  # noqa: S608  (names of this package)
    base.execute("DROP TABLE lines")


def _key(name: str) -> str:
    return NAMES.get(name, f"switchwise.{name}")


def _value(name: str) -> str:
    column = _quoted(_key(name))
    return f"make_timestamp(CAST({column} * 1e6 AS BIGINT))" if name == "time" else column
