"""Files whose writer was killed, or whose disk was full: a torn line costs only itself, whoever reads, or is an error that names it."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from switchwise import Pool, Price, Router, Scope, Target, Usage, View, drive
from switchwise.cli import main
from switchwise.cli.watch import Tail
from switchwise.evaluation.journals import read_journal
from switchwise.evaluation.outcomes import read_outcomes
from switchwise.evaluation.outcomes.read import rows_of
from switchwise.evaluation.sessions import read_sessions
from switchwise.observe.journal import JsonLines, SqliteJournal, read
from switchwise.observe.observer import Observer
from switchwise.report.analytics import journal_table
from switchwise.report.rewards import rewards
from switchwise.testing import Says, Script

CALLS = 4
READERS: Mapping[str, Callable[[Path], int]] = {
    "read": lambda path: len(list(read(path))),
    "replay": lambda path: sum(len(thread.steps) for thread in read_journal(path).threads),
    "eval": lambda path: sum("switchwise.target" in row for row in rows_of(path, strict=True)),
    "watch": lambda path: len(list(Tail(path).new(ended=True))),
    "query": lambda path: len(journal_table(path).fetchall()),
}


def written(journal: Observer) -> None:
    router = Router(Pool([Target("ö", price=Price(4, 20))]), observers=[journal])
    for call in range(CALLS):
        flow = router.start(View(Scope(f"s{call}", labels={"team": "grün 🙂"})))
        list(drive(flow, Script(otherwise=Says("Schön 🙂.", usage=Usage(1_000, 100))).perform))
        router.feedback(flow.outcome.decision, 0.5)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Records and feedback in turn."""
    path = tmp_path_factory.mktemp("journal") / "calls.jsonl"
    with JsonLines(path, texts=True) as journal:
        written(journal)
    found = path.read_bytes().splitlines(keepends=True)
    assert len(found) == 2 * CALLS
    return found


@pytest.mark.parametrize("name", READERS)
def test_a_journal_loses_only_its_torn_line_wherever_it_was_torn(name: str, lines: list[bytes], tmp_path: Path) -> None:
    *before, last = lines[:-1]  # ends with a record
    inside = [at for at, byte in enumerate(last) if byte & 0xC0 == 0x80]  # of a character of several bytes
    step = 97 if name == "query" else 7
    path = tmp_path / "calls.jsonl"
    for cut in sorted({*(inside[:: 3 if name == "query" else 1]), *range(1, len(last) - 1, step), len(last) - 2}):
        path.write_bytes(b"".join(before) + last[:cut])
        assert READERS[name](path) == CALLS - 1, (cut, last[max(0, cut - 30) : cut])
    path.write_bytes(b"".join(before) + last.rstrip())
    assert READERS[name](path) == CALLS, "whole, but for the end of its line"


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("torn", [0.02, 0.5, 0.99])
def test_what_another_process_wrote_behind_a_torn_line_is_found(
    name: str, torn: float, lines: list[bytes], tmp_path: Path
) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"".join([lines[0], lines[2][: int(torn * len(lines[2]))], lines[4], lines[6]]))
    assert READERS[name](path) == 3


@pytest.mark.parametrize("name", READERS)
def test_zeros_that_a_power_cut_left_in_a_journal_cost_nothing(name: str, lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"".join([lines[0], bytes(500), b"\n", lines[2], bytes(50), lines[4], bytes(9)]))
    assert READERS[name](path) == 3


@pytest.mark.parametrize("name", READERS)
def test_a_truncated_journal_in_sqlite_is_whole_or_refused(name: str, tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "whole.sqlite", texts=True) as journal:
        written(journal)
    with sqlite3.connect(tmp_path / "whole.sqlite") as base:
        base.execute("PRAGMA journal_mode=DELETE")
    whole, path = (tmp_path / "whole.sqlite").read_bytes(), tmp_path / "cut.sqlite"
    found = []
    for size in (1, 15, 50, 100, 4_096, 5_000, 2 * 4_096, len(whole) // 2, len(whole) - 4_096, len(whole) - 1, len(whole)):
        path.write_bytes(whole[:size])
        if (rows := rows_or_path(READERS[name], path)) is not None:
            found.append(rows)
    assert found in ([CALLS], [CALLS] * 2), "the last page may be unused"
    assert found[-1] == CALLS
    path.write_bytes(whole[: len(whole) // 2])
    assert main(["watch", str(path), "--json"]) == 2


def test_a_watched_journal_that_is_rotated_between_two_looks_loses_nothing(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(lines[0])
    tail = Tail(path)
    assert len(list(tail.new())) == 1
    with path.open("ab") as file:
        file.write(lines[2])
    path.rename(tmp_path / "calls.jsonl.1")
    path.write_bytes(lines[4] + lines[6])  # longer than what was read
    assert len(list(tail.new())) == 3


def test_feedback_in_files_that_a_journal_was_rotated_to_counts(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with JsonLines(path, most_bytes=2_000, keep=99) as journal:
        written(journal)
    assert (tmp_path / "calls.jsonl.1").exists()
    assert len(rewards(path)) == CALLS
    (outcomes,) = read_outcomes(path)
    assert len(outcomes) == CALLS
    assert len(read_outcomes(tmp_path)[0]) == CALLS


TABLES = {
    "outcomes.jsonl": "".join(
        json.dumps({"task": f"t{task}", "target": target, "score": 1.0, "cost": 0.25}) + "\n"
        for task in range(3)
        for target in "ab"
    ),
    "outcomes.csv": "task,target,score,cost\n"
    + "".join(f"t{task},{target},1.0,0.25\n" for task in range(3) for target in "ab"),
    "outcomes.json": json.dumps([{"task": f"t{task}", "target": "a", "score": 1.0, "cost": 0.25} for task in range(6)]),
    "calls.jsonl": "".join(
        json.dumps({"session": f"s{n}", "t": n, "input_tokens": 100, "model": "luna"}) + "\n" for n in range(6)
    ),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_other_recordings_are_read_without_their_torn_row_or_refused_by_it(name: str, packed: bool, tmp_path: Path) -> None:
    whole = TABLES[name].encode()
    path = tmp_path / (f"{name}.gz" if packed else name)
    stored = gzip.compress(whole) if packed else whole
    path.write_bytes(stored)
    assert counted(path) == 6
    for cut in range(1, len(stored) - (0 if packed else 2 * len(whole.splitlines()[-1])), 11):
        path.write_bytes(stored[:cut])
        rows_or_path(counted, path)
    for cut in range(max(1, len(stored) - len(whole.splitlines()[-1])), len(stored), 3):
        path.write_bytes(stored[:cut])
        assert rows_or_path(counted, path) in (5, 6, None)


def counted(path: Path) -> int:
    if path.name.startswith("calls"):
        return len(read_sessions(path))
    return sum(int(outcomes.scores.size) for outcomes in read_outcomes(path))


def rows_or_path(reader: Callable[[Path], int], path: Path) -> int | None:
    """The number of rows; None: refused, by its name."""
    try:
        return reader(path)
    except ValueError as error:
        if str(path) not in str(error):
            raise
        return None


@pytest.mark.parametrize("command", ["audit", "report", "compare", "query", "replay", "eval", "watch"])
def test_commands_name_the_line_of_a_journal_that_is_no_record(
    command: str, lines: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("calls.jsonl").write_bytes(lines[0] + b"hello\n" + lines[2])
    Path("routers.py").write_text("from switchwise import Pool, Router, Target\nboth = Router(Pool([Target('ö')]))\n")
    more = {"compare": ["--router", "routers.py:both"] * 2, "watch": ["--json"]}.get(command, [])
    status = main([command, "calls.jsonl", *more])
    said = capsys.readouterr()
    if command in ("query", "watch"):  # another program may write there too
        assert status == 0
        assert said.out
    else:
        assert status == 2
        assert "calls.jsonl" in said.err
        assert "2: " in said.err
    assert main([command, "missing.jsonl", *more]) == 2
    assert "missing.jsonl: " in capsys.readouterr().err


def test_a_file_of_requests_that_was_torn_is_refused_by_its_line_and_none_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    Path("switchwise.toml").write_text('[targets]\nluna = "openai:gpt-6-luna"\n')
    request = json.dumps({"messages": [{"role": "user", "content": "grün"}]}, ensure_ascii=False).encode() + b"\n"
    for cut in (1, 20, request.index("ü".encode()) + 1, len(request) - 2):
        Path("requests.jsonl").write_bytes(request + request[:cut])
        assert main(["batch", "submit", "requests.jsonl"]) == 2
        assert "requests.jsonl, line 2: this is not JSON" in capsys.readouterr().err
    assert main(["batch", "status"]) == 0
    assert capsys.readouterr().out.startswith("0 waiting, 0 sent")
