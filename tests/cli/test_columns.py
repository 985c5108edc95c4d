"""Tables of commands keep their columns whatever targets, labels and columns of SQL are called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from switchwise import Pool, Price, Router, Scope, Target, Usage, View, drive
from switchwise.observe.journal import JsonLines
from switchwise.testing import Says, Script

from .test_commands import read, run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)


def cells(printed: str) -> list[list[str]]:
    """The table of an output: its lines after the first blank one; no cell is empty."""
    return [re.split(r"\s{2,}", line.strip()) for line in printed.split("\n\n")[1].splitlines()]


def rows(printed: str) -> list[list[str]]:
    """The same, with empty cells; its columns are set to the left: lines are cut where they begin."""
    lines = printed.split("\n\n")[1].splitlines()
    starts = [match.start() for match in re.finditer(r"\S+(?: \S+)*", lines[0])]
    return [[line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)] for line in lines]


def test_targets_may_have_the_names_of_columns(tmp_path: Path) -> None:
    names = ("policy", "level", "because")
    targets = "".join(f'{name} = "openai:gpt-6-luna"\n' for name in names)
    Path("switchwise.toml").write_text(
        f'[targets]\n{targets}[routers.main]\npolicies = [{{ Rules = {{ prefer = "level" }} }}]\n'
    )
    heads, first, *_ = rows(run("explain").stdout)
    assert heads == ["policy", "level", *names, "because"]
    assert first[2:5] == ["", "first", ""]
    assert first[5], "the reason stands in the last column"


@pytest.fixture
def journal(tmp_path: Path) -> str:
    path = tmp_path / "calls.jsonl"
    labels = {"team": "blue", "cost": "centre 7", "Answers": "yes", "result": "failed"}
    with JsonLines(path) as journal:
        router = Router(Pool([Target("opus", price=Price(4, 20))]), observers=[journal])
        list(drive(router.start(View(Scope("s1", labels=labels))), Script(opus=Says("Yes.", usage=Usage(1_000, 100))).perform))
    return str(path)


@pytest.mark.parametrize(
    ("by", "heads", "values"),
    [
        (["cost"], ["labels['cost']"], ["centre 7"]),
        (["Answers"], ["labels['Answers']"], ["yes"]),
        (["result"], ["result"], ["failed"]),
        (["team", "team"], ["team"], ["blue"]),
        (["target", "team"], ["target", "team"], ["opus", "blue"]),
    ],
)
def test_the_spend_may_be_summed_by_any_label(journal: str, by: list[str], heads: list[str], values: list[str]) -> None:
    words = [word for name in by for word in ("--by", name)]
    shown, first = cells(run("query", journal, *words).stdout)
    assert (shown, first[: len(values)]) == ([*heads, *shown[len(heads) :]], values)
    assert shown[len(heads)] == "answers"
    assert (first[len(heads)], first[len(heads) + 3]) == ("1", "$0.00600")
    (row,) = read("query", journal, *words)
    assert [row[head] for head in heads] == values
    assert (row["answers"], row["failed"], row["cost"]) == (1, 0, 0.006)


def test_two_columns_of_one_name_are_both_printed_and_refused_as_json(journal: str) -> None:
    asked = "SELECT target AS a, session AS a, agent FROM records"
    assert cells(run("query", journal, asked).stdout) == [["a", "a", "agent"], ["opus", "s1", "main"]]
    assert "columns a, a: name them apart" in run("query", journal, asked, "--json", status=2).stderr
