"""Rate limits of one's own: in no window more than was agreed; beyond it the call goes elsewhere."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchwise import (
    Call,
    ConfigurationError,
    FailureKind,
    Needs,
    NoTarget,
    Pool,
    Router,
    Scope,
    Shortlist,
    Target,
    Usage,
    View,
    drive,
)
from switchwise.policies import RateLimits
from switchwise.testing import Clock, Fails, Says, Script

POOL = Pool([Target("own"), Target("cloud")])
SMALL = View(Scope("s1"), tokens=1_000, needs=Needs(max_output=100))


def ask(router, view=SMALL, line="yes"):
    run = router.start(view)
    list(drive(run, (line if isinstance(line, Script) else Script(otherwise=line)).perform, sleep=lambda _: None))
    return run.outcome


def test_beyond_its_limit_a_target_is_passed_over_until_the_window_moves_on():
    clock = Clock()
    router = Router(POOL, RateLimits(requests=2, per="target"), clock=clock)
    assert [ask(router).target.name for _ in range(4)] == ["own", "own", "cloud", "cloud"]
    with pytest.raises(NoTarget, match="target 'own': 2 of 2 requests in 60 s"):
        ask(router)
    clock.advance(66)
    assert ask(router).target.name == "own"


def test_tokens_count_with_what_a_call_took():
    router = Router(Pool([Target("own")]), RateLimits(tokens=3_000, per="tenant"), clock=Clock())
    acme = View(Scope(tenant="acme"), tokens=1_000, needs=Needs(max_output=100))
    ask(router, acme, Says("yes", usage=Usage(900, 50)))
    ask(router, acme, Says("yes", usage=Usage(900, 50)))
    with pytest.raises(NoTarget, match=r"tenant 'acme' of tenant 'acme': 1,900 of 3,000 tokens in 60 s"):
        ask(router, acme)
    ask(router, View(Scope(tenant="umbrella"), tokens=1_000, needs=Needs(max_output=100)))


def test_a_failed_request_was_a_request_and_one_that_is_not_made_was_none():
    router = Router(POOL, RateLimits(requests=1, per="target"), clock=Clock())
    assert ask(router, line=Script(own=Fails(FailureKind.OVERLOADED), cloud="yes")).target.name == "cloud"
    with pytest.raises(NoTarget):
        ask(router)
    unread = Router(POOL, RateLimits(requests=1, per="all"), clock=Clock())
    unread.start(SMALL).close()
    assert ask(unread).target.name == "own"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0.1, 1.0, 5.0, 20.0, 61.0]), max_size=60), st.integers(1, 5))
def test_no_window_holds_more_than_the_limit(pauses, limit):
    clock = Clock()
    router, made = Router(Pool([Target("own")]), RateLimits(requests=limit, per="all"), clock=clock), []
    for pause in pauses:
        try:
            ask(router)
        except NoTarget:
            assert sum(1 for moment in made if clock() - moment < 66) >= limit, "refused although there was room"
        else:
            made.append(clock())
        clock.advance(pause)
    assert all(sum(1 for other in made if moment <= other < moment + 60) <= limit for moment in made)


def test_threads_together_pass_no_limit():
    router, made = Router(Pool([Target("own")]), RateLimits(requests=50, per="all"), clock=Clock()), []

    def work():
        for _ in range(20):
            try:
                ask(router)
            except NoTarget:
                return
            made.append(1)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 50


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({}, "requests=, tokens= or in_flight="), ({"requests": 0}, "from 1"), ({"requests": 1, "per": "request"}, "not a rate")],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(ConfigurationError, match=says):
        RateLimits(**wrong)


def test_calls_in_flight_are_bounded_and_give_their_place_back():
    limits = RateLimits(in_flight=2, per="target")
    router = Router(POOL, limits, clock=Clock())
    runs = [router.start(SMALL) for _ in range(4)]
    assert [run.call.target.name for run in runs] == ["own", "own", "cloud", "cloud"]
    with pytest.raises(NoTarget, match="target 'own': 2 calls are in flight"):
        router.start(SMALL)
    list(drive(runs[0], Script(otherwise="yes").perform))
    assert router.start(SMALL).call.target.name == "own"
    assert not [held for held in limits._open.values() if held.call is runs[0].call]


def test_a_rate_that_is_reached_gives_the_place_back():
    router = Router(Pool([Target("own")]), limits := RateLimits(requests=1, in_flight=1, per="all"), clock=Clock())
    ask(router)
    for _ in range(3):
        with pytest.raises(NoTarget, match="1 of 1 requests"):
            ask(router)
    assert limits._slots.left(("",), 0.0)[0] == 1.0


def test_a_call_that_is_sent_again_counts_twice_and_only_while_there_is_room():
    policy, pool = RateLimits(requests=2, in_flight=5), Pool([Target("own")])
    router = Router(pool, policy, clock=Clock())
    first, other = (Call(pool["own"], SMALL, Shortlist(pool)) for _ in range(2))
    assert policy.reserve(first)
    assert policy.resend(first)
    assert not policy.resend(first), "two of two requests"
    assert not policy.reserve(other)
    assert policy.resend(other), "it was not counted, so neither is its second sending"
    with pytest.raises(NoTarget, match="2 of 2 requests"):
        ask(router)
    policy.release(first)
    assert policy.reserve(other), "the request that was not made is given back; the refused one holds no place"
