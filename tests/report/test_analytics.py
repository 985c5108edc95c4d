"""SQL over journals: DuckDB says the same as the report, whichever kind of file it reads."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections import Counter
from datetime import UTC
from pathlib import Path

import pytest

from switchwise import Pool, Price, Router, Scope, Target, Usage, View, drive
from switchwise.nouns.errors import ConfigurationError
from switchwise.observe.journal import JsonLines, Record, SqliteJournal
from switchwise.report import Summary
from switchwise.report.analytics import journal_table, spend_query
from switchwise.testing import Says, Script
from tests.cli.test_commands import read, run


def written(records: list[Record], path: Path) -> Path:
    lines = [json.dumps(record.as_dict()) for record in records]
    if path.suffix == ".sqlite":
        SqliteJournal(path)._open()
        with sqlite3.connect(path) as base:
            base.executemany("INSERT INTO records (row) VALUES (?)", [(line,) for line in lines])
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress("\n".join(lines).encode()))
    else:
        half = len(lines) // 2
        path.with_name(f"{path.name}.1").write_text("\n".join(lines[:half]) + "\n")
        path.write_text("\n".join(lines[half:]) + '\n{"switchwise.schema": 1, "switchwise.ti')
    return path


@pytest.mark.parametrize("name", ["week.jsonl", "week.jsonl.gz", "week.sqlite", "week.parquet"])
def test_the_spend_is_that_of_the_report(name: str, tmp_path: Path, records: list[Record], summary: Summary) -> None:
    path = tmp_path / name
    if path.suffix == ".parquet":
        journal_table(written(records, tmp_path / "week.jsonl")).write_parquet(str(path))
    else:
        written(records, path)
    table = journal_table(path)
    for dimension in ("session", "agent", "target", "team"):
        found = table.query("records", spend_query([dimension]))
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
        wanted = {row.name: row for row in summary.by[dimension]}
        assert {row[dimension] for row in rows} == wanted.keys()
        for row in rows:
            expected = wanted[row[dimension]]
            assert (row["answers"], row["attempts"], row["failed"]) == (expected.calls, expected.attempts, expected.failed)
            assert row["prompt"] == expected.prompt
            assert row["cost"] == pytest.approx(expected.cost, rel=1e-9)
            assert row["share"] == pytest.approx(expected.cost / summary.total.cost, rel=1e-9)
        assert [row["cost"] for row in rows] == sorted([row["cost"] for row in rows], reverse=True)


def test_every_field_arrives_and_feedback_joins_its_decision(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with JsonLines(path) as journal:
        router = Router(Pool([Target("opus", price=Price(4, 20))]), observers=[journal])
        for session in ("s1", "s2"):
            flow = router.start(View(Scope(session, labels={"team": "it's"})))
            list(drive(flow, Script(opus=Says("Yes.", usage=Usage(1_000, 100))).perform))
            if session == "s1":
                for reward in (0.2, 0.9):
                    router.feedback(json.loads(path.read_text().splitlines()[0])["switchwise.decision"], reward)
    table = journal_table(path)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.fetchall()]
    kept = [Record.from_dict(json.loads(line)) for line in path.read_text().splitlines() if "feedback" not in line]
    assert [row["reward"] for row in rows] == [0.9, None]
    for row, record in zip(rows, kept, strict=True):
        assert row["time"].replace(tzinfo=UTC).timestamp() == pytest.approx(record.time, abs=1e-5)
        for name in ("decision", "session", "cost", "labels", "input_tokens", "latency", "because", "phase"):
            assert row[name] == getattr(record, name)
        assert row["shortlist"] == list(record.shortlist)
        assert json.loads(row["pool"]) == record.pool
    assert table.query("records", spend_query(["it's", "team"])).fetchall()[0][:3] == ("(none)", "it's", 2)


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"a": 1}\n')
    for path, why in (
        (tmp_path / "nothing.jsonl", "there is no such file"),
        (tmp_path / "*.parquet", "there is no such file"),
        (other, "not a journal: no line has 'switchwise.schema' 1"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            journal_table(path)
        assert str(refused.value) == f"{path}: {why}"
    with pytest.raises(ConfigurationError, match="name at least one of session, agent"):
        spend_query([])


def test_the_command(tmp_path: Path, records: list[Record], summary: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(records, Path("week.sqlite"))
    assert run("query", "week.sqlite", "--parquet", "week.parquet").stdout == f"week.parquet: {len(records):,} rows written.\n"
    printed = run("query", "week.parquet", "--by", "target").stdout
    assert printed.startswith("You paid $")
    assert "cached: share of them that was read from a cache" in printed
    counted = Counter(record.agent for record in records)
    asked = "SELECT agent, count(*) AS n FROM records GROUP BY agent ORDER BY n DESC, agent"
    rows = read("query", "week.parquet", asked)
    assert {row["agent"]: row["n"] for row in rows} == counted
    wrong = run("query", "week.parquet", "SELECT price FROM records", status=2).stderr
    assert '"price" not found' in wrong
    assert "Columns of records: time, decision," in wrong
    assert "give SQL or --by, not both" in run("query", "week.parquet", asked, "--by", "agent", status=2).stderr
