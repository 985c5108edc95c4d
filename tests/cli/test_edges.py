"""Commands at their edges: odd input, failures that no fallback mends, gates that would check nothing."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from switchwise.cli import main

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
