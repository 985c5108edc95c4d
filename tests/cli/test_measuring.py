"""The commands that measure, as people read them: one sentence first, columns explained, JSON on request, knobs for experiments apart."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from typer.main import get_command

from switchwise import Pool, Price, Reply, Router, Scope, Target, Usage, View
from switchwise.cli import main
from switchwise.cli.app import app
from switchwise.observe.journal import JsonLines

POOL = Pool(
    [Target("opus", model="claude-opus-4-8", price=Price(5, 25)), Target("luna", model="gpt-6-luna", price=Price(0.1, 0.5))]
)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Three calls of one session, all to opus."""
    path = tmp_path / "journal.jsonl"
    with JsonLines(path) as sink:
        router = Router(POOL, observers=[sink], rng=random.Random(1))
        for step in range(3):
            run = router.start(View(Scope("s1", "coder", step=step), tokens=2_000))
            run.ended(Reply("done", usage=Usage(2_000, 50)))
    return path


def test_every_command_that_shows_numbers_gives_json() -> None:
    commands = dict(get_command(app).commands)  # type: ignore[attr-defined]
    commands |= commands.pop("batch").commands
    without = {name for name, command in commands.items() if not any("--json" in option.opts for option in command.params)}
    assert without <= {"loopback", "chat", "watch", "fetch"}, "what `fetch` prints is JSON"


def test_knobs_for_experiments_stand_apart(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["replay", "--help"]) == 0
    first, _, research = capsys.readouterr().out.partition("For experiments")
    assert "--pair" in first
    assert "--prior-hazard" in research
    assert "--prior-hazard" not in first


def test_what_was_paid_comes_first_and_columns_are_explained(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(journal), "--samples", "0"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"You paid \$0\.0\d+; all on opus about \$0\.0\d+\.", printed[0])
    explained = {line.partition(":")[0] for line in printed}
    heads = next(line for line in printed if line.startswith("cost / all-strong"))
    assert set(re.split(r"\s{2,}", heads.strip())) <= explained


def test_an_audit_begins_with_what_could_have_been_saved(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(journal)]) == 0
    printed = capsys.readouterr().out
    assert re.match(
        r"You paid \$\S+; \$\S+ \(one session: no interval\) could have been saved, by the estimates below\.\n", printed
    )
    assert main(["audit", str(journal), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["paid"] == pytest.approx(3 * (2_000 * 5 + 50 * 25) / 1e6)


def test_one_goal_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", str(tmp_path), "--cost", "1", "--share", "0.5"]) == 2
    assert "give one goal" in capsys.readouterr().err
