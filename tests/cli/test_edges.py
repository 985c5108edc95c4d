"""Commands at their edges: odd input, failures that no fallback mends, gates that would check nothing."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from switchwise import Pool, Price, Router, Scope, Target, Usage, View, drive
from switchwise.cli import main
from switchwise.observe.journal import JsonLines, SqliteJournal
from switchwise.observe.journal import read as observe_read
from switchwise.testing import Says, Script

from .test_commands import TWO, home, provider, read, run

__all__ = ["home", "provider"]  # fixtures


def test_drill_shows_failures_of_the_request_itself(home: Path) -> None:
    (home / "switchwise.toml").write_text(TWO)
    cases = {case["failing"]: case for case in read("drill", "--fault", "bad_request", status=1)["cases"]}
    assert cases["none"]["answered"] == "opus"
    assert cases["opus"]["answered"] is None
    assert cases["opus"]["tried"] == [["opus", "bad_request"]]
    assert "400" in cases["opus"]["message"]


def test_drill_says_why_no_target_answers_though_none_fails(home: Path) -> None:
    (home / "switchwise.toml").write_text(TWO.replace("Budget = 5", "Budget = 0.0001"))
    printed = run("drill", status=1).stdout
    sentence = " ".join(printed.split())
    assert sentence.startswith("Router main: No target answers even when none fails: no target may be called. opus: session")
    assert "has spent $0.0000 of $0.0001" in sentence


@pytest.mark.usefixtures("provider")
def test_check_takes_one_file(home: Path) -> None:
    assert "give FILE or --config, not both" in run("check", "switchwise.toml", "--config", "other.toml", status=2).stderr
    assert run("check", "switchwise.toml").stdout.startswith("switchwise.toml can be used")


@pytest.mark.usefixtures("provider")
def test_chat_refuses_input_that_is_not_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Gr\xfc\xdfe\n"), encoding="utf-8"))
    assert main(["chat"]) == 2
    assert "the input is not UTF-8" in capsys.readouterr().err


def test_doctor_counts_in_words(home: Path) -> None:
    (home / "switchwise.toml").write_text("[targets\n")
    assert run("doctor", status=1).stdout.startswith("1 thing is broken: configuration.")


def test_a_gate_whose_bars_are_for_no_set_fails(home: Path) -> None:
    rows = [{"id": task, "model": name, "score": task % 2, "cost_usd": 1.0} for task in range(20) for name in ("a", "b")]
    (home / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (home / "bars.toml").write_text('[sett.best_single]\nsolved = ">= 0"\n[other.best_single]\nsolved = ">= 0"\n')
    command = ("eval", "set.jsonl", "--samples", "0", "--bars", "bars.toml")
    assert "bars.toml: 0 bars, none of its bars is for these sets: set." in run(*command, status=1).stdout
    (home / "bars.toml").write_text('[set.best_single]\nsolved = ">= 0"\n[other.best_single]\nsolved = ">= 0"\n')
    assert "bars.toml: 1 bar, all reached; 1 bar is for other sets." in run(*command).stdout


ODD = "s\ud800 – é"  # half of a pair of surrogates, as a text has that was cut inside an emoji


@pytest.mark.parametrize("name", ["calls.jsonl", "calls.sqlite"])
def test_a_name_that_is_not_unicode_is_written_read_and_shown(home: Path, name: str) -> None:
    journal = SqliteJournal(home / name) if name.endswith("sqlite") else JsonLines(home / name)
    with journal:
        router = Router(Pool([Target("luna", price=Price(1, 5))]), observers=[journal])
        view = View(Scope(ODD, labels={"user": ODD}))
        list(drive(router.start(view), Script(luna=Says("Yes.", usage=Usage(1_000, 100))).perform))
    (record,) = observe_read(home / name)
    assert (record.session, record.labels) == (ODD, {"user": ODD})
    assert run("report", name).stdout.endswith("report.html written.\n")
    assert "s\\ud800 – é" in (home / "report.html").read_text(encoding="utf-8")


def test_a_terminal_without_the_letters_is_no_reason_to_fail(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "switchwise.toml").write_text('[targets]\n"grün" = "openai:gpt-6-luna"\n')
    for encoding in ("ascii", "cp1252"):
        shown = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding=encoding))
        assert main(["explain"]) == 0
        sys.stdout.flush()
        assert shown.getvalue().decode(encoding).startswith("gr\\xfcn answers" if encoding == "ascii" else "grün answers")
