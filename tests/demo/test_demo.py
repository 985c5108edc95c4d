"""The demo, run as its users run it: all four levels, an outage on the way, and the same decisions every time."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from switchwise.observe.journal import Record, read

COMMAND = [sys.executable, "-W", "error", "-m", "langchain_switchwise.demo"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, list[Record]]]:
    """Two runs: what they print, and their journals."""

    def run(number: int) -> tuple[str, list[Record]]:
        journal = tmp_path_factory.mktemp("demo") / f"{number}.jsonl"
        done = subprocess.run([*COMMAND, "--journal", str(journal)], capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout, list(read(journal))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(run, (1, 2)))


def test_decisions_fall_at_all_four_levels_with_a_reason(runs: list[tuple[str, list[Record]]]) -> None:
    _, records = runs[0]
    assert {record.level for record in records} == {"session", "agent", "task", "step"}
    assert all(record.because for record in records)
    assert {record.agent for record in records} == {"desk", "flight_search"}
    assert len({record.target for record in records}) == 4


def test_the_outage_is_answered_by_the_other_provider(runs: list[tuple[str, list[Record]]]) -> None:
    _, records = runs[0]
    failed = [record for record in records if record.result == "failed"]
    assert {(record.provider, record.failure) for record in failed} == {("anthropic", "overloaded")}
    answered = {record.decision: record for record in records if record.result == "accepted"}
    assert {answered[record.decision].provider for record in failed} == {"openai"}


def test_two_runs_decide_alike(runs: list[tuple[str, list[Record]]]) -> None:
    first, second = (
        [(made.session, made.agent, made.step, made.target, made.policy, made.because, made.result) for made in records]
        for _, records in runs
    )
    assert first == second


def test_it_costs_less_than_all_strong_and_says_what_is_recorded(runs: list[tuple[str, list[Record]]]) -> None:
    printed, records = runs[0]
    spent, strong = (float(found) for found in re.findall(r"^cost.*?\$([\d.]+)", printed, re.M))
    assert spent < strong
    assert spent == pytest.approx(sum(record.cost or 0 for record in records), abs=1e-4)
    assert "The answers are recorded" in printed
    assert "The providers are local" in printed


def test_live_without_keys_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    done = subprocess.run([*COMMAND, "--live"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "OPENAI_API_KEY" in done.stderr
