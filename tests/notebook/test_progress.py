"""Whoever waits sees how far it is, in a terminal and in a notebook; programs and pipes see nothing of it."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from switchwise import Pool, Price, Router, Scope, Target, Usage, View, drive
from switchwise.cli.output import working
from switchwise.display.progress import progress_bar
from switchwise.evaluation.compare import compare_recording
from switchwise.evaluation.measures.parallel import each
from switchwise.observe.journal import JsonLines
from switchwise.observe.side_by_side import Side, side_by_side
from switchwise.testing import Says, Script


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(terminal: io.StringIO) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The error stream as a terminal; within a test, since pytest sets the streams between a fixture and its test."""
    monkeypatch.setenv("TERM", "xterm")
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    return made


def ask(name: str) -> None:
    raise ValueError(name)


def test_compare_shows_how_many_have_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    pool = Pool([Target("opus"), Target("luna")])
    side_by_side(pool, None, ask)
    assert re.search(r"(opus|luna) failed .* 2/2", shown(terminal))
    seen: list[Side] = []
    before = terminal.getvalue()
    side_by_side(pool, None, ask, seen.append)
    assert (terminal.getvalue(), len(seen)) == (before, 2), "who watches by themselves gets no bar"


def test_work_in_parts_moves_the_bar_of_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with working("adding"):
        assert each(abs, [-1, 2, -3]) == [1, 2, 3]
    assert re.search(r"adding .* 3/3", shown(terminal))


def test_a_pipe_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with working("adding"):
        each(abs, [1, 2])
    assert pipe.getvalue() == ""


def test_a_notebook_sees_a_bar_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    cells: list[dict[str, Any]] = []

    class Handle:
        def display(self, data: dict[str, Any], raw: bool) -> None:
            cells.append(data)

        update = display

    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1), display=SimpleNamespace(DisplayHandle=Handle))
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    with progress_bar("asking <all>", 3) as bar:
        bar(done=2)
    assert cells[0]["text/html"] == '<progress value="0" max="3"></progress> asking &lt;all&gt; 0/3'
    assert cells[1]["text/plain"] == "asking <all> 2/3"
    assert cells[-1] == {"text/plain": ""}


def test_what_a_replay_found_shows_itself(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with JsonLines(path) as journal:
        pool = [("opus", Price(4, 20)), ("luna", Price(0.1, 0.5))]
        router = Router(Pool([Target(name, price=price) for name, price in pool]), observers=[journal])
        for session in ("s1", "s2"):
            flow = router.start(View(Scope(session)))
            list(drive(flow, Script(opus=Says("Yes.", usage=Usage(10_000, 100))).perform))
    found = compare_recording(path)
    assert repr(found) == "Comparison(2 calls in 2 threads, 1 pair of models)"
    page = found._repr_html_()
    assert ">opus/luna<" in page
    assert "Paid $0.0840; as it was done $0.0840, all on opus $0.0840 by the cost model: saved 0 %" in page
