"""Nobody is asked for an answer that the caller no longer waits for."""

import threading

import pytest

from switchwise import AllTargetsFailed, FailureKind, Pool, Router, Scope, Target, TargetError, Verdict, View, drive, hold
from switchwise.engine.recovery import Recovery
from switchwise.engine.timing.blocking_calls import bounded
from switchwise.engine.timing.time_limits import CallLimits, abounded, streaming
from switchwise.testing import Clock, Fails, Script

POOL = Pool([Target("opus"), Target("haiku")])


def slow(clock, seconds, script):
    """Makes calls that take this long."""

    def perform(call):
        clock.advance(seconds)
        yield from script.perform(call)

    return perform


def test_after_the_deadline_no_other_target_is_tried():
    clock = Clock(100.0)
    script = Script(opus=Fails(FailureKind.TIMEOUT), haiku="too late")
    run = Router(POOL, clock=clock).start(View(Scope(deadline=105.0)))
    with pytest.raises(AllTargetsFailed) as failed:
        list(drive(run, slow(clock, 6.0, script), sleep=clock.advance))
    assert script.called == ["opus"]
    assert "haiku: the deadline has passed" in failed.value.__notes__[0]


def test_before_the_deadline_the_next_one_is():
    clock = Clock(100.0)
    script = Script(opus=Fails(FailureKind.TIMEOUT), haiku="in time")
    run = Router(POOL, clock=clock).start(View(Scope(deadline=105.0)))
    assert "".join(drive(run, slow(clock, 4.0, script), sleep=clock.advance)) == "in time"


def test_a_last_resort_is_not_waited_for_beyond_the_deadline():
    clock, waited = Clock(100.0), []
    script = Script(opus=[Fails(FailureKind.OVERLOADED, retry_after=1.5), "again"])
    router = Router(Pool([Target("opus")]), clock=clock, recovery=Recovery(patience=2.0))
    assert "".join(drive(router.start(View(Scope(deadline=102.0))), script.perform, sleep=waited.append)) == "again"
    script = Script(opus=[Fails(FailureKind.OVERLOADED, retry_after=1.5), "again"])
    with pytest.raises(AllTargetsFailed):
        list(drive(router.start(View(Scope(deadline=101.0))), script.perform, sleep=waited.append))
    assert waited == [1.5]


def test_a_rejected_reply_is_returned_when_there_is_no_time_for_a_better_one():
    clock = Clock(100.0)
    router = Router(POOL, clock=clock, verify=lambda view, reply: Verdict(False, "too short"))
    run = router.start(View(Scope(deadline=105.0)))
    assert "".join(drive(run, slow(clock, 6.0, Script(opus="yes", haiku="at length")))) == "yes"
    assert not run.outcome.accepted


@pytest.mark.parametrize("what", [None, True, ["opus"]])
def test_a_policy_that_gives_no_shortlist_is_named(what):
    def mine(view, shortlist):
        return what

    with pytest.raises(TypeError, match=r"mine gave .* return the shortlist"):
        Router(POOL, mine).decide(View())
    with pytest.raises(TypeError, match=r"mine gave .* return the shortlist"):
        Router(POOL, hold(mine, per="session")).decide(View())


def test_a_verifier_that_gives_no_verdict_is_named():
    def mine(view, reply):
        return len(reply.text) > 3

    run = Router(POOL, verify=mine).start(View())
    with pytest.raises(TypeError, match=r"mine gave True for a verdict.*Predicate"):
        list(drive(run, Script(otherwise="hello").perform))


async def test_a_limit_that_cannot_count_yet_and_a_timeout_of_the_calls_own_change_nothing():
    """Nothing is between tokens before the first one; and who waits for something else has exceeded no limit of the call."""
    limits = CallLimits(None, 60.0, None, frozenset())

    def streams():
        streaming()
        yield "word"

    async def astreams():
        streaming()
        yield "word"
        raise TimeoutError("the lock of the tool")

    assert list(bounded(streams, limits)) == ["word"]
    items = abounded(astreams, limits)
    assert await anext(items) == "word"
    with pytest.raises(TimeoutError, match="the lock of the tool"):
        await anext(items)


def test_a_call_that_holds_no_socket_is_left_at_its_limit_and_one_that_waits_for_another_too():
    """A performer of one's own may do anything: sleep, compute, or make a call with a limit within the call."""
    over, limits = threading.Event(), CallLimits(None, None, 0.05, frozenset())

    def asleep():
        over.wait(60)
        yield "too late"

    try:
        for make in (asleep, lambda: bounded(asleep, limits._replace(total=60.0))):
            with pytest.raises(TargetError, match=r"^no end within 0\.05 s$"):
                list(bounded(make, limits))
    finally:
        over.set()
