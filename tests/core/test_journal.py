"""The journal: what is kept of each attempt, and what never is."""

from __future__ import annotations

import json
import logging
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switchwise import Call, FailureKind, Pool, Price, Reply, Router, Scope, Target, TargetError, Usage, View, drive, hold
from switchwise.cli.watch import Tail
from switchwise.engine.recovery import Recovery
from switchwise.evaluation.journals import is_journal, read_journal
from switchwise.evaluation.outcomes.read import rows_of
from switchwise.observe import Event, EventKind
from switchwise.observe.journal import InMemory, JsonLines, Logging, Record, SqliteJournal, read
from switchwise.policies import ByAgent
from switchwise.testing import Fails, Script

SECRET = "sk-secret and the prompt"


class Ticking:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


def step(*observers: Any) -> None:
    pool = Pool([Target("a", "x", "a-1", Price(2, 10)), Target("b", "y", "b-1", Price(1, 5, cache_read=0.1))])
    router = Router(
        pool, hold(ByAgent(main="a"), per="agent"), observers=observers, clock=Ticking(), timer=Ticking(), rng=random.Random(1)
    )

    def perform(call: Call) -> Iterator[Any]:
        if call.target.name == "a":
            raise TargetError(FailureKind.RATE_LIMIT) from ConnectionError(SECRET)
        yield Reply(SECRET, usage=Usage(1000, 100, 500, 200), model="b-1-2026")

    list(drive(router.start(View(Scope("s", labels={"tenant": "t"}), tokens=990)), perform))


def test_one_record_for_each_attempt_with_scope_reason_tokens_and_cost() -> None:
    journal = InMemory()
    step(journal)
    failed, answered = journal
    assert (failed.result, failed.failure, failed.target, failed.attempt) == ("failed", "rate_limit", "a", 1)
    assert (failed.level, failed.policy, failed.because) == ("agent", "ByAgent", "agent 'main' is given a")
    assert (answered.result, answered.target, answered.attempt) == ("accepted", "b", 2)
    assert answered.cost == pytest.approx((300 * 1 + 500 * 0.1 + 200 * 1 + 100 * 5) / 1e6)
    assert (answered.input_tokens, answered.cache_read_tokens, answered.cache_write_tokens) == (1000, 500, 200)
    assert (answered.session, answered.labels, answered.estimated_tokens) == ("s", {"tenant": "t"}, 990)
    assert failed.decision == answered.decision
    assert answered.latency == 0.5


def test_prompts_replies_and_error_texts_are_kept_only_when_asked_for(tmp_path: Path) -> None:
    quiet, asked = JsonLines(tmp_path / "quiet.jsonl"), JsonLines(tmp_path / "asked.jsonl", texts=True)
    step(quiet, asked)
    assert SECRET not in quiet.path.read_text()
    assert [(record.error, record.reply) for record in read(asked.path)] == [(SECRET, None), (None, SECRET)]


def test_a_file_reads_back_as_it_was_written_and_uses_standard_names(tmp_path: Path) -> None:
    kept = InMemory()
    with JsonLines(tmp_path / "deep" / "journal.jsonl") as sink:
        step(sink, kept)
    assert list(read(sink.path)) == list(kept)
    row = json.loads(sink.path.read_text().splitlines()[1])
    assert row["gen_ai.request.model"] == "b-1"
    assert row["gen_ai.usage.cache_read.input_tokens"] == 500


def test_account_tenant_and_an_overruled_wish_are_kept_and_older_files_lack_them(tmp_path: Path) -> None:
    kept, sink = InMemory(), JsonLines(tmp_path / "journal.jsonl")
    pool = Pool([Target("a", "x", account="host#1"), Target("b", "y")])
    router = Router(pool, ByAgent(main="a"), ByAgent(main="b"), observers=[kept, sink])
    list(drive(router.start(View(Scope("s", tenant="acme"))), lambda call: iter([Reply("yes")])))
    (record,) = kept
    assert (record.account, record.tenant) == ("host#1", "acme")
    assert [note.get("wants") for note in record.notes] == [None, ["b"]]  # the first has its way
    assert list(read(sink.path)) == [record]
    row = {key: value for key, value in record.as_dict().items() if key not in ("switchwise.account", "switchwise.tenant")}
    assert Record.from_dict(row).account == Record.from_dict(row).tenant == ""


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with JsonLines(path) as sink:
        step(sink)
    path.write_text(path.read_text() + '{"switchwise.schema": 7}\n')
    with pytest.raises(ValueError, match=r"journal.jsonl:3: no record .* this version reads 1"):
        list(read(path))


def test_a_journal_that_cannot_be_written_ends_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(RuntimeWarning, match="cannot be written"):
        step(JsonLines(tmp_path / "file" / "journal.jsonl"))


def test_the_log_has_a_line_for_each_attempt_and_warns_of_failures(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="switchwise"):
        step(Logging())
    assert [line.levelname for line in caplog.records if line.name == "switchwise"] == ["WARNING", "INFO"]
    assert "-> b accepted" in caplog.messages[-1]
    assert SECRET not in caplog.text


def test_a_log_whose_level_is_higher_has_no_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="switchwise"):
        step(Logging(level=logging.DEBUG))
    assert [line.levelname for line in caplog.records if line.name == "switchwise"] == ["WARNING"]


def test_a_price_by_the_month_is_kept_and_read_back(tmp_path: Path) -> None:
    price = Price(1, 2, long=Price(2, 4), above=200_000, per_month=50.0)
    with SqliteJournal(tmp_path / "journal.sqlite") as journal:
        router = Router(Pool([Target("own", "house", "own-model", price)]), observers=[journal])
        router.report(Event(EventKind.GATE_ACCEPTED, "tests"))
        list(drive(router.start(View(Scope("s"))), Script(own=Reply("Yes.", usage=Usage(10, 1))).perform))
    (target,) = read_journal(journal.path).targets
    assert target.price == price
    unused = SqliteJournal(tmp_path / "unused.sqlite")
    unused.close()
    assert not unused.path.exists()


def test_the_memory_of_the_sink_is_bounded() -> None:
    journal = InMemory(size=3)
    for _ in range(4):
        step(journal)
    assert len(journal) == 3
    assert all(isinstance(record, Record) for record in journal)


class TestFiles:
    """All that reads a journal reads it rotated, in SQLite, and with a record that was cut off."""

    def test_a_journal_is_rotated_by_size_and_read_as_one(self, tmp_path: Path) -> None:
        path, kept = tmp_path / "journal.jsonl", InMemory()
        with JsonLines(path, most_bytes=3_000, keep=9) as journal:
            for _ in range(5):
                step(journal, kept)
        files = sorted(each.name for each in tmp_path.iterdir())
        assert files[:3] == ["journal.jsonl", "journal.jsonl.1", "journal.jsonl.2"]
        assert [record.time for record in read(path)] == [record.time for record in kept]

    def test_the_oldest_file_goes_where_only_so_many_are_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        with JsonLines(path, most_bytes=10, keep=2) as journal:
            for _ in range(5):
                step(journal)
        assert sorted(each.name for each in tmp_path.iterdir()) == ["journal.jsonl.1", "journal.jsonl.2"]

    def test_two_writers_of_one_file_lose_nothing_when_one_of_them_rotates_it(self, tmp_path: Path) -> None:
        path, kept = tmp_path / "journal.jsonl", InMemory()
        with JsonLines(path, most_bytes=4_000, keep=50) as one, JsonLines(path, most_bytes=4_000, keep=50) as other:
            for _ in range(4):
                step(one, kept)
                step(other, kept)
        assert len(list(read(path))) == len(kept)

    @pytest.mark.parametrize("cut", [1, 20, 300])
    def test_a_last_line_that_was_cut_off_costs_nothing_but_itself(self, tmp_path: Path, cut: int) -> None:
        path = tmp_path / "journal.jsonl"
        with JsonLines(path) as journal:
            step(journal)
        whole = list(read(path))
        path.write_bytes(path.read_bytes()[:-cut])
        left = list(read(path))
        assert left == (whole if cut == 1 else whole[:-1])
        with JsonLines(path) as journal:  # the next process goes on
            step(journal)
        assert len(list(read(path))) == len(left) + len(whole)
        assert is_journal(path)
        assert len(list(rows_of(path, strict=True))) == len(left) + len(whole)

    def test_what_is_no_record_is_still_named(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        path.write_text("hello\n")
        with pytest.raises(ValueError, match=r"journal\.jsonl:1: no record"):
            list(read(path))

    def test_a_journal_in_sqlite_says_the_same(self, tmp_path: Path) -> None:
        path, kept = tmp_path / "deep" / "journal.sqlite", InMemory()
        with SqliteJournal(path) as journal:
            step(journal, kept)
            Router(Pool([Target("a")]), observers=[journal]).feedback("abc", 0.5)
            assert list(read(path)) == list(kept), "also while it is written"
        with sqlite3.connect(path) as base:
            rows = base.execute(
                "SELECT target, result, json_extract(row, '$.\"gen_ai.request.model\"') FROM records"
            ).fetchall()
        assert rows[0] == (next(iter(kept)).target, next(iter(kept)).result, next(iter(kept)).model)
        assert read_journal(path).paid == pytest.approx(sum(record.cost or 0 for record in kept))
        assert [row["switchwise.feedback"] for row in rows_of(path, strict=True) if "switchwise.feedback" in row] == [0.5]
        assert [record.time for record in Tail(path).new()] == [record.time for record in kept]

    def test_a_sqlite_journal_that_cannot_be_written_is_said_once_and_costs_no_call(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.warns(RuntimeWarning, match="given up") as warned:
            step(SqliteJournal(tmp_path / "file" / "journal.sqlite"))
        assert len(warned) == 1

    def test_old_records_are_removed_where_it_is_said_so(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.sqlite"
        with SqliteJournal(path) as journal:
            step(journal)
        before = len(list(read(path)))
        later = next(iter(read(path))).time + 1e6
        with SqliteJournal(path, keep=10.0) as journal:
            router = Router(Pool([Target("a")]), observers=[journal], clock=lambda: later)
            list(drive(router.start(View()), Script(a="Yes.").perform))
        assert before > 0
        assert [record.time for record in read(path)] == [later]


def test_a_fallback_is_a_warning_without_any_observer(caplog: pytest.LogCaptureFixture) -> None:
    router = Router(Pool([Target("a"), Target("b")]), recovery=Recovery(patience=0))
    list(drive(router.start(View()), Script(a=Fails(FailureKind.OVERLOADED), b="Yes.").perform))
    (line,) = [record for record in caplog.records if record.name == "switchwise.engine"]
    assert (line.levelname, line.message) == ("WARNING", "a failed (overloaded): b is called next")
