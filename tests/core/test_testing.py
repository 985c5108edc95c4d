"""The test doubles that users build their own tests on."""

import pytest

from switchwise import FailureKind, Interrupted, Pool, Reply, Router, Target, Usage, View, adrive, drive
from switchwise.testing import Clock, Fails, Says, Script
from switchwise.testing.adapters.sent import turns_of
from switchwise.testing.server import ScriptedServer

POOL = Pool([Target("opus"), Target("haiku")])


def test_a_part_of_several_lines_is_said_in_turn_and_its_last_line_repeats():
    script = Script(opus=["one", "two"])
    router = Router(POOL)
    said = ["".join(drive(router.start(View()), script.perform)) for _ in range(4)]
    assert said == ["one", "two", "two", "two"]


def test_a_line_says_what_streams_and_what_it_used():
    script = Script(opus=Says("abc", chunks=["a", "bc"], usage=Usage(3, 1), tool_calls=(("look", {"at": 1}),)))
    run = Router(POOL).start(View())
    assert list(drive(run, script.perform)) == ["a", "bc"]
    assert run.outcome.reply == Reply("abc", (("look", {"at": 1}),), Usage(3, 1))


def test_a_failure_may_come_after_some_chunks():
    shown = drive(Router(POOL).start(View()), Script(opus=Fails(FailureKind.CONNECTION, after=["a"])).perform)
    assert next(shown) == "a"
    with pytest.raises(Interrupted):
        next(shown)


def test_any_other_exception_is_raised_as_it_is():
    with pytest.raises(KeyboardInterrupt):
        list(drive(Router(POOL).start(View()), Script(opus=lambda call: stop()).perform))
    with pytest.raises(ValueError, match="bug"):
        list(drive(Router(POOL).start(View()), Script(opus=Fails(ValueError("bug"))).perform))


def stop():
    raise KeyboardInterrupt


def test_lines_and_pauses_take_time_on_the_clock_and_none_in_the_test():
    clock = Clock(100.0)
    script = Script(opus=Fails(FailureKind.TIMEOUT, seconds=30), haiku=Says("yes", seconds=2), clock=clock)
    run = Router(POOL, clock=clock).start(View())
    list(drive(run, script.perform, sleep=clock.advance))
    assert [(attempt.started, attempt.ended) for attempt in run.outcome.attempts] == [(100.0, 130.0), (130.0, 132.0)]


async def test_both_performs_say_the_same():
    part = [Fails(FailureKind.OVERLOADED), "hello there"]
    sync, awaited = Script(otherwise=part), Script(otherwise=part)
    shown = list(drive(Router(POOL).start(View()), sync.perform))
    assert [item async for item in adrive(Router(POOL).start(View()), awaited.aperform)] == shown
    assert awaited.called == sync.called


def test_a_reply_can_be_given_as_it_is():
    reply = Reply("as it is", model="opus-5")
    run = Router(POOL).start(View())
    assert list(drive(run, Script(opus=reply).perform)) == []
    assert run.outcome.reply is reply


async def test_a_clock_serves_both_drivers():
    clock = Clock(0.0)
    clock.advance(1.5)
    await clock.aadvance(2.0)
    assert clock() == 3.5


def test_a_scripted_server_has_an_address_while_it_runs():
    server = ScriptedServer({})
    with pytest.raises(RuntimeError, match="use it as a context manager"):
        _ = server.url
    with server:
        assert server.url.startswith("http://127.0.0.1:")
        server.__exit__(None, None, None)  # left twice: the second time changes nothing
    with pytest.raises(RuntimeError, match="use it as a context manager"):
        _ = server.url


def test_reasoning_that_was_sent_is_a_marked_turn():
    items = [{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "assistant", "content": "Hi"}]
    (turn,) = turns_of({"input": items})
    assert (turn.text, turn.marked) == ("Hi", ("reasoning",))


def test_a_target_without_a_part_is_a_mistake_in_the_script():
    with pytest.raises(KeyError, match="no part for target 'opus'"):
        list(drive(Router(POOL).start(View()), Script(haiku="x").perform))
