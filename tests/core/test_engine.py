"""The engine's promises, over random scripts of failures and verdicts."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given

from switchwise import (
    AllTargetsFailed,
    Ask,
    Attempt,
    Call,
    FailureKind,
    Interrupted,
    NoTarget,
    Pool,
    Reply,
    Router,
    Run,
    Shortlist,
    SwitchwiseError,
    Target,
    TargetError,
    Together,
    Usage,
    Verdict,
    View,
    adrive,
    drive,
)

from .scripts import Act, Bug, Stage, World, worlds


def ended(run: Run) -> tuple[Any, ...]:
    outcome = run.outcome
    return "outcome", outcome.target.name, outcome.reply.text, outcome.accepted, [a.target.name for a in outcome.attempts]


def sync_run(world: World, streamed: bool) -> tuple[Any, list[object], Stage, list[Attempt]]:
    stage, learned, shown = Stage(world, streamed), list[Attempt](), list[object]()
    try:
        run = world.router(observers=[learned.append], rng=random.Random(1)).start(View())
        for chunk in drive(run, stage.perform, sleep=lambda _: None):
            shown.append(chunk)
        return ended(run), shown, stage, learned
    except (SwitchwiseError, ConnectionError, Bug) as error:
        return (type(error).__name__,), shown, stage, learned


async def async_run(world: World, streamed: bool) -> tuple[Any, list[object], Stage, list[Attempt]]:
    stage, learned, shown = Stage(world, streamed), list[Attempt](), list[object]()

    async def no_sleep(_: float) -> None: ...

    try:
        run = world.router(observers=[learned.append], rng=random.Random(1)).start(View())
        async for chunk in adrive(run, stage.aperform, sleep=no_sleep):
            shown.append(chunk)
        return ended(run), shown, stage, learned
    except (SwitchwiseError, ConnectionError, Bug) as error:
        return (type(error).__name__,), shown, stage, learned


@given(worlds())
def test_sync_and_async_drivers_agree(world: World) -> None:
    for streamed in (False, True):
        mine, theirs = sync_run(world, streamed), asyncio.run(async_run(world, streamed))
        assert mine[:2] == theirs[:2]
        assert mine[2].calls == theirs[2].calls
        assert [a.kind for a in mine[3]] == [a.kind for a in theirs[3]]


@given(worlds())
def test_streaming_changes_the_result_only_by_interruption(world: World) -> None:
    streamed, whole = sync_run(world, True)[0], sync_run(world, False)[0]
    assert streamed == whole or streamed == ("Interrupted",)


@given(worlds(judged=True))
def test_no_rejected_word_is_ever_shown(world: World) -> None:
    result, shown, _, learned = sync_run(world, True)
    rejected = {word for a in learned if a.reply and not a.accepted for word in a.reply.raw}
    returned = {
        word for a in learned if a.reply and result[0] == "outcome" and a.target.name == result[1] for word in a.reply.raw
    }
    assert not (rejected - returned) & set(shown)
    if result[0] == "outcome" and result[3]:
        assert not rejected & set(shown)


@given(worlds(bugs=False))
def test_what_is_shown_is_the_returned_reply_once(world: World) -> None:
    result, shown, _, learned = sync_run(world, True)
    if result[0] == "outcome":
        assert any(a.reply and a.reply.raw == shown for a in learned)


@given(worlds())
def test_attempts_are_bounded_by_two_for_each_target(world: World) -> None:
    _, _, stage, learned = sync_run(world, False)
    assert all(stage.calls.count(name) <= 2 for name in world.acts)
    assert len(learned) == len(stage.calls)


@given(worlds())
def test_an_unknown_exception_is_never_taken_for_an_outage(world: World) -> None:
    result, _, stage, learned = sync_run(world, False)
    calls = {name: stage.calls.count(name) for name in world.acts}
    buggy = any(world.acts[name][i % len(world.acts[name])].end is Bug for name, n in calls.items() for i in range(n))
    assert (result == ("Bug",)) is buggy
    if buggy:
        assert learned[-1].abandoned, "the open attempt is settled"


@given(worlds(bugs=False))
def test_an_outcome_is_accepted_unless_every_reply_was_rejected(world: World) -> None:
    result, _, _, learned = sync_run(world, False)
    if result[0] == "outcome":
        assert result[3] is any(a.accepted for a in learned)


def two(first: Act, second: Act, **verdicts: bool) -> World:
    return World({"a": [first], "b": [second]}, verdicts, bool(verdicts))


def test_a_failure_is_answered_by_the_next_target() -> None:
    result, shown, _, _ = sync_run(two(Act(("x",), FailureKind.RATE_LIMIT), Act(("y",), None)), False)
    assert result == ("outcome", "b", "y", True, ["a", "b"])
    assert shown == []


def test_a_live_stream_that_breaks_after_a_word_is_not_switched_silently() -> None:
    result, shown, stage, learned = sync_run(two(Act(("x",), FailureKind.CONNECTION), Act(("y",), None)), True)
    assert result == ("Interrupted",)
    assert shown == ["a0:x"]
    assert stage.calls == ["a"]
    assert learned[0].kind is FailureKind.CONNECTION


def test_a_rejected_stream_is_held_back_and_the_next_one_streams_live() -> None:
    result, shown, _, learned = sync_run(two(Act(("x",), None), Act(("y", "z"), None), x=False, yz=False), True)
    assert result == ("outcome", "b", "yz", True, ["a", "b"])
    assert shown == ["b0:y", "b0:z"]
    assert learned[1].call.live, "the last resort is not judged"


def test_the_best_rejected_reply_is_returned_when_the_rest_fails() -> None:
    result, shown, _, _ = sync_run(two(Act(("x",), None), Act((), FailureKind.TIMEOUT), x=False), True)
    assert result == ("outcome", "a", "x", False, ["a", "b"])
    assert shown == ["a0:x"]


def test_a_bad_request_is_the_callers_fault_and_is_raised_as_the_provider_raised_it() -> None:
    world = two(Act((), FailureKind.BAD_REQUEST), Act(("y",), None))
    run, stage = world.router().start(View()), Stage(world, False)
    with pytest.raises(ConnectionError) as caught:
        list(drive(run, stage.perform))
    assert stage.calls == ["a"]
    assert "'a'" in caught.value.__notes__[0]


def test_when_all_fail_the_group_holds_the_providers_own_errors() -> None:
    world = two(Act((), FailureKind.AUTHENTICATION), Act((), FailureKind.QUOTA))
    with pytest.raises(AllTargetsFailed) as caught:
        list(drive(world.router().start(View()), Stage(world, False).perform))
    assert [type(error) for error in caught.value.exceptions] == [ConnectionError, ConnectionError]
    assert ["'a'" in caught.value.exceptions[0].__notes__[0], "'b'" in caught.value.exceptions[1].__notes__[0]] == [True, True]
    assert caught.value.split(ConnectionError)[1] is None


def test_a_failure_that_may_pass_is_tried_once_more_as_the_last_resort_after_a_pause() -> None:
    world = World({"only": [Act((), FailureKind.OVERLOADED), Act(("x",), None)]}, {}, False)
    pauses: list[float] = []
    run = world.router().start(View())
    list(drive(run, Stage(world, False).perform, sleep=pauses.append))
    assert [a.kind for a in run.outcome.attempts] == [FailureKind.OVERLOADED, None]
    assert len(pauses) == 1
    assert 0 < pauses[0] <= 0.25


def test_the_providers_retry_after_is_the_pause_and_too_long_a_one_ends_it() -> None:
    def perform(seconds: float) -> Any:
        def limited(call: Call) -> Any:
            yield from ()
            raise TargetError(FailureKind.RATE_LIMIT, retry_after=seconds)

        return limited

    for seconds, expected in ((1.5, [1.5]), (60.0, [])):
        pauses: list[float] = []
        with pytest.raises(AllTargetsFailed):
            list(drive(Router(Pool([Target("only")])).start(View()), perform(seconds), sleep=pauses.append))
        assert pauses == expected


def test_nothing_eligible_names_each_target_and_its_note() -> None:
    def no_b(view: View, shortlist: Shortlist) -> Shortlist:
        return shortlist.require(lambda t: t.name != "b", "b is closed")

    def no_a(view: View, shortlist: Shortlist) -> Shortlist:
        return shortlist.require(lambda t: t.name != "a", "a is closed")

    with pytest.raises(NoTarget, match=r"(?s)b: b is closed \(no_b\).*a: a is closed \(no_a\)"):
        Router(Pool([Target("a"), Target("b")]), no_b, no_a).start(View())


def test_an_abandoned_stream_settles_its_attempt() -> None:
    learned: list[Attempt] = []
    world = two(Act(("x", "y"), None), Act((), None))
    stream = drive(world.router(observers=[learned.append]).start(View()), Stage(world, True).perform)
    assert next(stream) == "a0:x"
    stream.close()  # type: ignore[attr-defined]
    assert [a.abandoned for a in learned] == [True]


def test_a_cancelled_task_settles_its_attempt() -> None:
    learned: list[Attempt] = []
    router = Router(Pool([Target("a"), Target("b")]), observers=[learned.append])

    async def perform(call: Call) -> Any:
        await asyncio.Event().wait()
        yield Reply()

    async def main() -> None:
        async def step() -> None:
            async for _ in adrive(router.start(View()), perform):
                pass

        task = asyncio.create_task(step())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [a.abandoned for a in learned] == [True]


class Items:
    """What a call may give where it is neither a generator nor an async one."""

    def __init__(self, *items: Any) -> None:
        self.left = list(items)

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> Any:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)


async def test_a_perform_without_a_reply_is_an_error_of_the_adapter() -> None:
    both = lambda view, shortlist: shortlist.together(Together("both", 2, "a test", lambda _: 0.0))  # noqa: E731
    for router in (Router(Pool([Target("a")])), Router(Pool([Target("a"), Target("b")]), both)):
        with pytest.raises(RuntimeError, match="yield the complete reply last"):
            list(drive(router.start(View()), lambda call: iter(())))
        with pytest.raises(RuntimeError, match="yield the complete reply last"):
            [item async for item in adrive(router.start(View()), lambda call: Items())]
        run = router.start(View())
        assert [item async for item in adrive(run, lambda call: Items("word", Reply("word")))] == ["word"]
        for report in (run.ended, run.failed):
            with pytest.raises(RuntimeError, match="finished or closed"):
                report(Reply("late") if report == run.ended else TargetError(FailureKind.BAD_REQUEST))
        assert run.outcome.reply == Reply("word")


class Jury:
    """A verifier that asks a target, as a judge does."""

    def __call__(self, view: View, reply: Reply) -> Any:
        verdict = yield Ask.text(f"is {reply.text} good?", to="judge")
        return Verdict(verdict.text == "yes", verdict.text)


def test_a_verifiers_own_call_is_an_attempt_that_is_learned_but_never_shown() -> None:
    learned: list[Attempt] = []
    router = Router(Pool([Target("a"), Target("b")], asked=[Target("judge")]), verify=Jury(), observers=[learned.append])

    def perform(call: Call) -> Any:
        yield call.target.name
        yield Reply("no" if call.ask else call.target.name, usage=Usage(1, 1))

    run = router.start(View())
    assert list(drive(run, perform)) == ["b"]
    assert [(a.target.name, a.call.ask is not None) for a in learned] == [("judge", True), ("a", False), ("b", False)]
    assert [a.target.name for a in run.outcome.attempts] == ["a", "b"]


def test_a_failure_inside_a_verifier_without_a_remedy_reaches_the_user_as_the_providers_own() -> None:
    router = Router(Pool([Target("a"), Target("b")], asked=[Target("judge")]), verify=Jury())

    def perform(call: Call) -> Any:
        if call.ask:
            raise TargetError(FailureKind.TIMEOUT) from TimeoutError("judge is slow")
        yield Reply("x")

    with pytest.raises(TimeoutError):
        list(drive(router.start(View()), perform))


def test_a_policy_may_ask_a_model_first_and_deciding_alone_passes_it_over() -> None:
    def classified(view: View, shortlist: Shortlist) -> Any:
        label = yield Ask.text("easy or hard?", to="classifier")
        return shortlist.prefer(shortlist.pool.select("fast"), f"classified as {label.text}")

    router = Router(Pool([Target("big"), Target("small")], asked=[Target("classifier")]), classified)
    run = router.start(View())
    list(drive(run, lambda call: iter([Reply("easy" if call.ask else "done")])))
    assert run.outcome.target.name == "small"
    assert run.outcome.attempt.call.shortlist.decider.because == "classified as easy"
    assert router.decide(View()).names == ("big", "small")


class OneTicket:
    """Hands out one reservation, whatever its requirement says: the engine must ask again, not loop."""

    def __init__(self) -> None:
        self.left = 1
        self.settled: list[str] = []

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        return shortlist

    def reserve(self, call: Call) -> bool:
        self.left -= 1
        return self.left >= 0

    def release(self, call: Call) -> None:
        self.left += 1

    def learn(self, attempt: Attempt) -> None:
        self.settled.append(attempt.target.name)


def test_a_refused_reservation_leads_to_another_decision_and_in_the_end_to_no_target() -> None:
    tickets = OneTicket()
    router = Router(Pool([Target("a"), Target("b")]), tickets)
    list(drive(router.start(View()), lambda call: iter([Reply("x")])))
    assert tickets.settled == ["a"]
    with pytest.raises(NoTarget, match="just used up"):
        router.start(View())


def test_interrupted_names_the_target_and_carries_the_providers_error() -> None:
    world = two(Act(("x",), FailureKind.SERVER_ERROR), Act(("y",), None))
    with pytest.raises(Interrupted, match="a broke off") as caught:
        list(drive(world.router().start(View()), Stage(world, True).perform))
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_closing_a_stream_ends_the_open_call_at_once_sync_and_async() -> None:
    router, ended = Router(Pool([Target("a")])), list[str]()

    def perform(call: Call) -> Any:
        try:
            yield "x"
            yield Reply("x")
        finally:
            ended.append("sync")

    async def aperform(call: Call) -> Any:
        try:
            yield "x"
            yield Reply("x")
        finally:
            ended.append("async")

    async def main() -> None:
        stream = adrive(router.start(View()), aperform)
        assert await anext(stream) == "x"
        await stream.aclose()  # type: ignore[attr-defined]
        assert ended == ["sync", "async"]

    held = perform  # something still refers to it: only an explicit close ends it now
    stream = drive(router.start(View()), held)
    assert next(stream) == "x"
    stream.close()  # type: ignore[attr-defined]
    assert ended == ["sync"]
    asyncio.run(main())


def test_a_perform_that_fails_before_it_yields_is_a_failure_of_the_target_like_any_other() -> None:
    def perform(call: Call) -> Any:
        if call.target.name == "a":
            raise TargetError(FailureKind.TIMEOUT)
        return iter([Reply("b")])

    run = Router(Pool([Target("a"), Target("b")])).start(View())
    list(drive(run, perform))
    assert run.outcome.target.name == "b"
