"""The demo, run as its users run it: an anchor by evidence, four levels, a gate, an outage, a bill; the same every time."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage

from langchain_switchwise.demo import tickets
from langchain_switchwise.demo.__main__ import Findings, converse, main
from langchain_switchwise.demo.recording import Conversation, Results, load
from switchwise.gate import Gate, Passage, Work
from switchwise.observe.journal import Record, read
from switchwise.testing import Clock
from switchwise.verifiers import Command

from ..langchain.fakes import Scripted

COMMAND = [sys.executable, "-W", "error", "-m", "langchain_switchwise.demo"]
Run = tuple[str, list[Record]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two runs, the first in a process of its own: what they print, and their journals."""
    own, here = (tmp_path_factory.mktemp("demo") / f"{number}.jsonl" for number in (1, 2))
    done = subprocess.run([*COMMAND, "--journal", str(own)], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
        patch.setattr(sys, "argv", ["demo", "--journal", str(here)])
        main()
    return [(done.stdout, list(read(own))), (printed.getvalue(), list(read(here)))]


def test_it_fits_a_hundred_columns(runs: list[Run]) -> None:
    printed, _ = runs[0]
    assert max(map(len, printed.splitlines())) <= 100


def test_decisions_fall_at_all_four_levels_with_a_reason(runs: list[Run]) -> None:
    _, records = runs[0]
    assert {record.level for record in records} == {"session", "agent", "task", "step"}
    assert all(record.because for record in records)
    assert {record.agent for record in records} == {"coder", "explorer", "desk", "flight_search"}
    assert len({record.target for record in records}) == 4


def test_a_ticket_is_given_its_anchor_by_published_outcomes(runs: list[Run]) -> None:
    printed, records = runs[0]
    anchors = [record for record in records if record.policy == "Anchor"]
    assert {(record.agent, record.target, record.level) for record in anchors} == {("coder", "deepseek", "session")}
    assert {record.session for record in anchors} == {ticket.id for ticket in tickets.TICKETS}
    assert re.search(r"opus +85% +\$0\.64 .*312 published outcomes", printed)


def test_the_gate_sends_back_the_one_wrong_done(runs: list[Run]) -> None:
    printed, records = runs[0]
    assert printed.count("gate: the tests pass") == len(tickets.TICKETS)
    assert printed.count("Sent back") == 1
    followed = [record for record in records if record.policy == "Follows"]
    assert {(record.session, record.target) for record in followed} == {("SHOP-103", "opus")}


@pytest.mark.parametrize("ticket", tickets.TICKETS, ids=lambda ticket: ticket.id)
def test_the_tests_of_a_ticket_tell_right_from_wrong(ticket: tickets.Ticket, tmp_path: Path) -> None:
    root = tickets.check_out(ticket, tmp_path)
    check, shop = Command(tickets.TEST_COMMAND, root), root / "shop.py"
    assert not check(Work()).accepted
    if ticket.wrong:
        shop.write_text(tickets.SHOP.replace(*ticket.wrong))
        assert not check(Work()).accepted
    shop.write_text(tickets.SHOP.replace(*ticket.right))
    assert check(Work()).accepted


def test_the_outage_is_answered_by_others_and_ends(runs: list[Run]) -> None:
    _, records = runs[0]
    failed = [record for record in records if record.result == "failed"]
    assert {(record.provider, record.failure) for record in failed} == {("anthropic", "overloaded")}
    answered = {record.decision: record for record in records if record.result == "accepted"}
    assert "anthropic" not in {answered[record.decision].provider for record in failed}
    assert records[-1].target == "opus", "it is called again when it answers again"


def test_two_runs_decide_alike(runs: list[Run]) -> None:
    first, second = (
        [(made.session, made.agent, made.step, made.target, made.policy, made.because, made.result) for made in records]
        for _, records in runs
    )
    assert first == second


def test_the_bill_is_that_of_the_journal_and_below_all_strong(runs: list[Run]) -> None:
    printed, records = runs[0]
    rows = re.findall(r"^(\d+ tickets|\d+ conversations|together) +\$([\d.]+) +\$([\d.]+) +(-?\d+)%", printed, re.M)
    assert len(rows) == 3
    assert all(float(spent) < float(alone) for _, spent, alone, _ in rows)
    assert float(rows[-1][1]) == pytest.approx(sum(record.cost or 0 for record in records), abs=1e-4)
    assert "scripted or recorded" in printed


def test_what_only_a_live_model_does_is_answered(tmp_path: Path) -> None:
    """It calls what was not recorded, replaces what does not stand there once, talks to the end, and fails the gate for good."""
    policy, (conversation, *_) = load()
    assert Results(conversation)("book", {"seat": "1A"}).startswith("Error: book was not called with these arguments")
    call = {"name": "replace", "args": {"path": "shop.py", "old": "def ", "new": ""}, "id": "c1"}
    model = Scripted(script=[AIMessage("", tool_calls=[call]), "Done."])
    root = tickets.check_out(tickets.TICKETS[0], tmp_path)
    state = tickets.build(model, root, Gate(lambda _: True)).invoke({"messages": [("user", "Mend it.")]})
    (result,) = [message for message in state["messages"] if message.type == "tool"]
    assert re.match(r"Error: 'def ' stands \d+ times in shop.py", result.text)
    said: list[str] = []
    Gate(lambda _: False, tries=1, observers=[Findings(said.append)]).rule(Work(), Passage(rejections=1))
    assert said == ["gate: the run ends, marked: [not verified: the check says no]"]
    talking, turns = Scripted(), list[int]()
    short = Conversation("a", "gold", [{"role": "user", "content": words} for words in ("Hello", "Thank you")])
    converse(talking, policy, short, Clock(), turns.append)
    assert turns == [1, 2]
    assert len(talking.asked) == 2


def test_live_without_keys_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    monkeypatch.setattr(sys, "argv", ["demo", "--live"])
    with pytest.raises(SystemExit, match="OPENAI_API_KEY"):
        main()
