"""One protocol for all observers: which events they get, in which order, and that observing costs no call."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from switchwise import (
    AllTargetsFailed,
    Call,
    ConfigurationError,
    FailureKind,
    Interrupted,
    Pool,
    Price,
    Reply,
    Router,
    Target,
    TargetError,
    Usage,
    Verdict,
    View,
    adrive,
    drive,
)
from switchwise.engine.recovery import Recovery
from switchwise.observe import Event, EventKind, Finished, Observer
from switchwise.policies import Healthy
from switchwise.testing import Clock, Fails, Script
from switchwise.verifiers import Judge

PRICE = Price(2, 10)
POOL = Pool([Target("opus", price=PRICE), Target("haiku", price=PRICE)])
DOWN = Fails(FailureKind.OVERLOADED)


class Watch:
    """Writes everything down. Not a subclass of `Observer`: the verbs are looked for by name."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def decided(self, call: Call) -> None:
        self.seen.append(("decided", call))

    def started(self, call: Call) -> None:
        self.seen.append(("started", call))

    def settled(self, attempt: Any) -> None:
        self.seen.append(("settled", attempt))

    def finished(self, finished: Finished) -> None:
        self.seen.append(("finished", finished))

    def event(self, event: Event) -> None:
        self.seen.append(("event", event))

    @property
    def order(self) -> list[tuple[str, str]]:
        """Verb, and the target or result or kind."""
        return [
            (verb, getattr(what, "result", None) or getattr(what, "kind", None) or what.target.name) for verb, what in self.seen
        ]

    def of(self, verb: str) -> list[Any]:
        return [what for each, what in self.seen if each == verb]


def router(*policies: Any, **options: Any) -> tuple[Router, Watch]:
    watch = Watch()
    return Router(POOL, *policies, observers=[watch], recovery=Recovery(patience=0), **options), watch


async def done(made: Router, script: Script, asynchronous: bool) -> None:
    run = made.start(View())
    if asynchronous:
        async for _ in adrive(run, script.aperform):
            pass
    else:
        list(drive(run, script.perform))


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_events_of_a_step_come_in_order_under_one_decision(asynchronous: bool) -> None:
    made, watch = router()
    await done(made, Script(opus=DOWN, haiku=Reply("Yes.", usage=Usage(100, 10))), asynchronous)
    verbs = [(verb, getattr(what, "target", None) and what.target.name) for verb, what in watch.seen]
    assert verbs == [
        ("decided", "opus"),
        ("started", "opus"),
        ("settled", "opus"),
        ("decided", "haiku"),
        ("started", "haiku"),
        ("settled", "haiku"),
        ("finished", None),
    ]
    (finished,) = watch.of("finished")
    assert finished.result == "accepted"
    assert finished.usage == Usage(100, 10)
    assert finished.cost == pytest.approx((100 * 2 + 10 * 10) / 1e6)
    assert finished.seconds > 0
    assert {call.view.decision for call in watch.of("decided")} == {finished.decision} == {finished.outcome.decision}


def test_the_end_of_a_request_is_observed_however_it_ends() -> None:
    made, watch = router(verify=lambda view, reply: Verdict(False, "no"))
    list(drive(made.start(View()), Script(opus=DOWN, haiku="No.").perform))
    made.start(View()).close()
    del made
    gc.collect()
    made, failing = router()
    with pytest.raises(AllTargetsFailed):
        list(drive(made.start(View()), Script(otherwise=DOWN).perform))

    def breaks(call: Call) -> Iterator[Any]:
        yield "half a"
        raise TargetError(FailureKind.CONNECTION)

    with pytest.raises(Interrupted):
        list(drive(made.start(View()), breaks))

    def buggy(call: Call) -> Iterator[Any]:
        raise KeyError("a bug")
        yield

    with pytest.raises(KeyError):
        list(drive(made.start(View()), buggy))
    assert [each.result for each in watch.of("finished")] == ["accepted", "abandoned"]
    assert [each.result for each in failing.of("finished")] == ["failed", "failed", "abandoned"]
    assert isinstance(failing.of("finished")[0].error, AllTargetsFailed)


def test_a_question_is_observed_as_a_call_and_not_as_a_decision() -> None:
    watch = Watch()
    pool = Pool([Target("opus"), Target("haiku")], asked=[Target("judge")])
    made = Router(pool, verify=Judge("judge"), observers=[watch])
    list(drive(made.start(View()), Script(opus="Yes.", judge='{"score": 9}').perform))
    assert next(call.target.name for call in watch.of("decided")) == "opus"
    assert [call.target.name for call in watch.of("started")][:2] == ["opus", "judge"]


def test_a_call_repeated_after_a_dead_connection_is_observed_once() -> None:
    made, watch = router()
    stale = iter([True, False, False])

    def perform(call: Call) -> Iterator[Any]:
        if next(stale):
            raise TargetError(FailureKind.CONNECTION, "Server disconnected without sending a response.")
        yield Reply("Yes.", usage=Usage(1, 1))

    list(drive(made.start(View()), perform))
    assert [verb for verb, _ in watch.seen] == ["decided", "started", "settled", "finished"]


@pytest.mark.parametrize("verb", ["decided", "started", "settled", "finished", "event"])
def test_an_observer_that_breaks_costs_no_answer_and_one_log_line(verb: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Observer):
        pass

    def fails(self: Any, what: Any) -> None:
        raise OSError(28, "No space left on device")

    setattr(Broken, verb, fails)
    watch = Watch()
    made = Router(POOL, Healthy(), observers=[Broken(), watch], recovery=Recovery(patience=0))
    run = made.start(View())
    list(drive(run, Script(opus=DOWN, haiku="Yes.").perform))
    assert run.outcome.reply.text == "Yes."
    assert {each for each, _ in watch.seen} == {"decided", "started", "settled", "finished", "event"}
    lines = [record for record in caplog.records if record.name == "switchwise.observe"]
    assert len(lines) == {"finished": 1, "event": 1}.get(verb, 2)
    assert all("No space left" in str(line.exc_info) for line in lines)


def test_a_router_that_nobody_watches_does_not_call_anything_for_it() -> None:
    class Idle(Observer):
        """Overrides nothing."""

    for observers in ((), [Idle()]):
        context = Router(POOL, observers=observers)._context
        hearers = context.observers
        assert not any((hearers.decided, hearers.started, hearers.settled, hearers.finished, hearers.event))


def test_observers_of_one_run_hear_of_that_run_only() -> None:
    made, watch = router()
    mine = Watch()
    list(drive(made.start(View(), mine), Script(opus="Yes.").perform))
    list(drive(made.start(View()), Script(opus="Yes.").perform))
    assert len(mine.of("finished")) == 1
    assert len(watch.of("finished")) == 2
    assert mine.of("finished")[0].decision == watch.of("finished")[0].decision


def test_what_is_no_observer_is_refused() -> None:
    for wrong in (5, "journal.jsonl", object(), Watch):
        with pytest.raises(ConfigurationError, match="observers="):
            Router(POOL, observers=[wrong])  # type: ignore[list-item]


class TestCircuits:
    def test_every_opening_and_every_closing_is_one_event_and_one_log_line(self, caplog: pytest.LogCaptureFixture) -> None:
        clock, watch = Clock(), Watch()
        script = Script(opus=[DOWN, "Yes.", DOWN], haiku="Yes.")
        made = Router(POOL, Healthy(), observers=[watch], recovery=Recovery(patience=0), clock=clock)
        for _ in range(3):
            list(drive(made.start(View()), script.perform, sleep=clock.advance))
            clock.advance(6)
        made.reset("opus")
        events = watch.of("event")
        assert [(event.kind, event.name) for event in events] == [
            (EventKind.CIRCUIT_OPENED, "opus"),
            (EventKind.CIRCUIT_CLOSED, "opus"),
            (EventKind.CIRCUIT_OPENED, "opus"),
            (EventKind.CIRCUIT_CLOSED, "opus"),
        ]
        assert events[0].details["failure"] == "overloaded"
        assert events[0].details["pause"] > 0
        assert events[0].decision == watch.of("finished")[0].decision
        assert [record.name for record in caplog.records].count("switchwise.healthy") == len(events)

    def test_an_observer_may_ask_how_the_router_stands(self) -> None:
        states: list[str] = []

        class Asks(Observer):
            def event(self, event: Event) -> None:
                states.append(made.health()[event.name].state)

        made = Router(POOL, Healthy(), observers=[Asks()], recovery=Recovery(patience=0))
        list(drive(made.start(View()), Script(opus=DOWN, haiku="Yes.").perform))
        assert states == ["open"]


def test_feedback_is_an_event() -> None:
    made, watch = router()
    made.feedback("abc", 0.5, "task")
    (event,) = watch.of("event")
    assert (event.kind, event.decision, dict(event.details)) == (EventKind.FEEDBACK, "abc", {"reward": 0.5, "kind": "task"})
