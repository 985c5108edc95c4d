"""Outcomes: what they are about, who says them, and how they weigh."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from switchwise import ConfigurationError, Pool, Reply, Router, Scope, Target, Turn, View, drive
from switchwise.evaluation.live import langsmith_feedback
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.exchange.feedback import WEIGHTS
from switchwise.observe import Event, Observer
from switchwise.observe.decision_record import record_of
from switchwise.policies import NextTurn, Worth
from switchwise.policies.next_turn import reaction
from switchwise.quality import LabelTable, TaskMemory
from switchwise.testing import Script


class Hears(Observer):
    def __init__(self) -> None:
        self.feedback: list[tuple[str, float, str]] = []

    def event(self, event: Event) -> None:
        self.feedback.append((event.decision, event.details["reward"], event.details["kind"]))


def say(router: Router, *turns: str, session: str = "s", agent: str = "", reply: str = "Here.") -> str:
    """One call of a conversation that alternates between user and assistant; its decision."""
    talk = [Turn("assistant" if at % 2 else "user", text) for at, text in enumerate(turns)]
    run = router.start(View(Scope(session, agent), conversation=Conversation(talk)))
    _ = list(drive(run, Script(opus=reply).perform))
    return run.outcome.decision


def test_what_the_user_says_next_is_a_weak_outcome_of_the_answer_before() -> None:
    table, hears = LabelTable(), Hears()
    router = Router(Pool([Target("opus")]), NextTurn(), Worth(table, value=1.0), observers=[hears])
    first = say(router, "Sort this list.")
    second = say(router, "Sort this list.", "Here.", "No, that is wrong.")
    say(router, "Sort this list.", "Here.", "No, that is wrong.", "Here.", "It works now.")
    assert hears.feedback == [(first, 0.0, "user_turn"), (second, 1.0, "user_turn")]
    (cells,) = [cells for label, cells in table.dump()["cells"] if len(label) == 1]
    assert cells["opus"][:2] == pytest.approx([2 * WEIGHTS["user_turn"], WEIGHTS["user_turn"]])


def test_without_the_reader_nothing_is_read() -> None:
    hears = Hears()
    router = Router(Pool([Target("opus")]), observers=[hears])
    say(router, "Sort this list.")
    say(router, "Sort this list.", "Here.", "No, that is wrong.")
    assert hears.feedback == []


def test_other_sessions_agents_and_first_messages_say_nothing_of_an_answer() -> None:
    hears = Hears()
    router = Router(Pool([Target("opus")]), NextTurn(), observers=[hears])
    say(router, "Sort this list.")
    say(router, "x", "y", "No, wrong.", session="another")
    say(router, "x", "y", "No, wrong.", agent="sub-agent")
    say(router, "No, wrong.")
    say(router, "No, wrong.", "z", "And the next one?")  # which is no judgement
    assert hears.feedback == []


def test_a_reader_that_stands_in_the_chain_twice_reads_once() -> None:
    hears, reader = Hears(), NextTurn()
    router = Router(Pool([Target("opus")]), reader, reader, observers=[hears])
    first = say(router, "Sort this list.")
    say(router, "Sort this list.", "Here.", "No, that is wrong.")
    assert hears.feedback == [(first, 0.0, "user_turn")]


def test_a_part_that_joined_and_is_gone_is_passed_over() -> None:
    class Passing:
        def feedback(self, decision: str, reward: float, kind: str) -> None:
            heard.append(reward)

    heard: list[float] = []
    router, part = Router(Pool([Target("opus")])), Passing()
    router.join(part)
    decision = say(router, "Sort this list.")
    router.feedback(decision, 1.0)
    del part
    gc.collect()
    router.feedback(decision, 0.0)
    assert heard == [1.0]


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        ("No. I asked for the last one.", 0.0),
        ("it still doesn't work", 0.0),
        ("That’s not what I meant", 0.0),
        ("You forgot the second file.", 0.0),
        ("That works, go on", 1.0),
        ("All tests pass!", 1.0),
        ("Thank you so much for your help!", None),
        ("No problem, and the next one?", None),
        ("No, that is wrong, but the other one works now.", None),
        ("Please write a poem. " * 40 + "try again", None),
    ],
)
def test_only_a_complaint_or_a_confirmation_is_read(text: str, reward: float | None) -> None:
    assert reaction(text) == reward


def test_feedback_takes_an_id_an_outcome_or_a_record_and_refuses_the_rest() -> None:
    hears = Hears()
    router = Router(Pool([Target("opus")]), observers=[hears])
    run = router.start(View())
    _ = list(drive(run, Script(opus="Yes.").perform))
    for answer in (run.outcome, run.outcome.decision, record_of(run.outcome)):
        router.feedback(answer, 1.0)
    assert [decision for decision, _, _ in hears.feedback] == [run.outcome.decision] * 3
    for nothing in ("", None, Reply("Yes."), {"target": "opus"}):
        with pytest.raises(ConfigurationError, match="an answer that carries its record"):
            router.feedback(nothing, 1.0)
    with pytest.raises(ConfigurationError, match=r"kind='gossip'.*user_turn"):
        router.feedback(run.outcome, 1.0, "gossip")


def test_only_an_outcome_that_was_checked_ends_the_task_and_takes_its_cost() -> None:
    memory = TaskMemory(key=lambda _: "task")
    router = Router(Pool([Target("opus")]), Worth(memory, value=1.0))
    decisions = []
    for _ in range(3):
        run = router.start(View(Scope("s", task="t")))
        attempt = list(drive(run, Script(opus="Yes.").perform))
        assert attempt is not None
        decisions.append(run.outcome.decision)
    router.feedback(decisions[0], 0.0, "review")
    router.feedback(decisions[2], 1.0, "task")
    ((_, cells),) = memory.dump()["tasks"]
    n, solved, _, _, timed, _ = cells["opus"]
    assert (n, solved) == (1.5, 1.0)
    assert timed == 1.0, "the review took none of the task's time"


def test_a_gate_that_is_gone_is_forgotten() -> None:
    class Part:
        heard: list[Any] = []  # noqa: RUF012

        def feedback(self, *said: Any) -> None:
            Part.heard.append(said)

    router, part = Router(Pool([Target("opus")])), Part()
    router.join(part)
    router.join(part)
    router.feedback("ab", 1.0)
    assert Part.heard == [("ab", 1.0, "feedback")]
    assert len(router._outcomes._joined) == 1


def test_exported_rows_of_langsmith() -> None:
    runs = [
        {"id": "t", "run_type": "chain", "start_time": "1"},
        {
            "id": "a",
            "run_type": "chain",
            "start_time": "2",
            "parent_run_id": "t",
            "extra": {"metadata": {"switchwise_decision": "d1"}},
        },
        {
            "id": "b",
            "run_type": "chain",
            "start_time": "3",
            "parent_run_id": "t",
            "extra": {"metadata": {"switchwise_decision": "d2"}},
        },
        {"id": "x", "run_type": "llm", "start_time": "4"},
    ]
    notes = [
        {"run_id": "a", "key": "ok", "score": True},
        {"run_id": "t", "key": "ok", "score": 0.5},
        {"run_id": "t", "key": "tone", "score": 0.0},
        {"run_id": "x", "key": "ok", "score": 1.0},
    ]
    assert langsmith_feedback([*runs, *notes], keys=["ok"]) == [("d1", 1.0, "langsmith"), ("d2", 0.5, "langsmith")]
    assert langsmith_feedback([*runs, *notes])[1] == ("d2", 0.25, "langsmith")
    counted = [{**row, "feedback_stats": {"ok": {"n": 2, "avg": 0.5}, "note": "seen"}} for row in runs[:1]]
    assert langsmith_feedback([*counted, *runs[1:]]) == [("d2", 0.5, "langsmith")]
    with pytest.raises(ConfigurationError, match=r"langsmith\.Client"):
        langsmith_feedback("runs.jsonl")
