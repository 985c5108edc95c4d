"""`Gate`: one run's way through it."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from switchwise import ConfigurationError, Pool, Router, Target
from switchwise.gate import CAREFUL, Gate, Passage, Ruling
from switchwise.gate.finding import Finding, Standing, Work
from switchwise.observe import Event, Observer

NO = Finding(Standing.REJECTED, "2 failed", "FAILED test_a\nFAILED test_b")
YES = Finding(Standing.ACCEPTED)


class Kept(Observer):
    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


def rule(gate: Gate, passage: Passage | None = None, colour: str = "sync") -> Ruling:
    given = passage or Passage()
    return gate.rule(Work("Done."), given) if colour == "sync" else asyncio.run(gate.arule(Work("Done."), given))


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_rejected_work_goes_back_stronger_and_at_most_so_often(colour: str) -> None:
    gate, passage = Gate(lambda _: NO, tries=2, stronger="opus"), Passage()
    for _ in range(2):
        ruling = rule(gate, passage, colour)
        assert (ruling.again, ruling.target) == (True, "opus")
        assert "FAILED test_b" in ruling.message
        passage = Passage.load(json.loads(json.dumps(ruling.passage.dump())))
    last = rule(gate, passage, colour)
    assert not last.again
    assert last.mark == "[not verified: 2 failed]"


@pytest.mark.parametrize(
    ("check", "standing"),
    [
        (lambda _: Finding(Standing.UNJUDGED, "no tests"), Standing.UNJUDGED),
        (lambda _: 1 / 0, Standing.BROKEN),
        (lambda _: "fine", Standing.BROKEN),
    ],
)
def test_what_could_not_judge_spends_no_try_and_does_not_pass_for_a_yes(check: object, standing: Standing) -> None:
    ruling = rule(Gate(check))  # type: ignore[arg-type]
    assert ruling.finding.standing is standing
    assert (ruling.again, ruling.passage.rejections) == (False, 0)
    assert ruling.mark.startswith("[not verified: ")


def test_in_the_shadow_it_notes_and_does_nothing() -> None:
    kept = Kept()
    gate = Gate(lambda _: NO, mode="shadow", observers=[kept])
    ruling = rule(gate)
    assert (ruling.again, ruling.mark) == (False, "")
    (event,) = kept.events
    assert (event.kind, event.because, event.details["mode"]) == ("gate_rejected", NO.because, "shadow")
    assert gate.rate() == (0, 1)


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_off_it_asks_nobody(colour: str) -> None:
    ruling = rule(Gate(lambda _: 1 / 0, mode="off"), colour=colour)  # type: ignore[arg-type]
    assert (ruling.again, ruling.mark, ruling.finding.because) == (False, "", "the gate is off")


def test_a_note_of_ones_own_holds_the_findings_where_it_says_so() -> None:
    ruling = rule(Gate(lambda _: NO, note="Please: {findings}\nThen report."))
    assert ruling.message.startswith("Please: The work is not finished: 2 failed")
    assert ruling.message.endswith("FAILED test_b\n```\nThen report.")


def test_an_observer_that_fails_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Observer):
        def event(self, event: Event) -> None:
            raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        assert rule(Gate(lambda _: YES, observers=[Broken()])).finding is YES
    assert [record.name for record in caplog.records] == ["switchwise.observe"]


def test_the_observers_of_the_router_hear_of_rejections_and_of_who_goes_on() -> None:
    kept = Kept()
    router = Router(Pool([Target("opus", roles=("strong",)), Target("haiku")]), observers=[kept])
    gate = Gate(lambda _: NO)
    router.join(gate)
    router.join(gate)
    rule(gate)
    assert [(event.kind, event.name) for event in kept.events] == [("gate_rejected", "function"), ("escalated", "strong")]
    assert rule(Gate(lambda _: YES, observers=[kept])).finding is YES
    assert kept.events[-1].kind == "gate_accepted"


def test_it_keeps_what_its_check_costs_and_how_often_later_outcomes_confirm_it() -> None:
    router = Router(Pool([Target("opus", roles=("strong",)), Target("haiku")]))
    findings = iter([Finding(Standing.ACCEPTED, cost=0.02), NO, Finding(Standing.UNJUDGED), Finding(Standing.ACCEPTED)])
    gate = Gate(lambda _: next(findings))
    router.join(gate)
    for decision in ("a", "b", "c", "d"):
        gate.rule(Work("Done.", decision=decision), Passage())
    assert gate.counts.accuracy is None, "its own verdicts confirm nothing"
    router.feedback("a", 0.0, "task")
    router.feedback("a", 1.0, "feedback")  # of one decision the first outcome counts
    router.feedback("b", 0.0, "task")
    router.feedback("c", 0.0, "task")
    router.feedback("d", 1.0, "user_turn")  # says too little
    assert str(gate.counts) == "3 verdicts, 2 accepted, $0.00667 each; outcomes confirm 1 of 2 (50 %)"


def test_where_the_first_target_is_hardly_ever_right_runs_begin_stronger() -> None:
    answers = iter([True] + [False] * CAREFUL)
    gate = Gate(lambda _: next(answers), worth=0.3)
    assert gate.start() == ""
    for _ in range(CAREFUL):
        rule(gate)
    starts = [gate.start() for _ in range(8)]
    assert starts.count("strong") == 6
    assert starts.count("") == 2, "some go on measuring"


def test_where_it_is_often_right_they_do_not() -> None:
    gate = Gate(lambda _: True, worth=0.3)
    for _ in range(CAREFUL):
        rule(gate)
    assert {gate.start() for _ in range(8)} == {""}


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="give a check"):
        Gate("pytest")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="on, shadow or off"):
        Gate(lambda _: True, mode="maybe")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="where the findings are to stand"):
        Gate(lambda _: True, note="Try again.")
