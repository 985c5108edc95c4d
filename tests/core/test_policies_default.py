"""The default chain: hard steps to the strongest, routine steps to the cheapest where that pays, the rest as fallback."""

import timeit

import pytest

from switchwise import (
    Capabilities,
    FailureKind,
    Phase,
    Pool,
    Price,
    Router,
    Scope,
    Signals,
    StepKind,
    Target,
    View,
    drive,
)
from switchwise.policies.default_chain import steps_to_pay
from switchwise.testing import Clock, Fails, Script

OPUS, SONNET, HAIKU = Price(5, 25, 0.5, 6.25), Price(3, 15, 0.3, 3.75), Price(1, 5, 0.1, 1.25)
POOL = Pool(
    [
        Target("opus", "anthropic", price=OPUS, can=Capabilities(window=200_000)),
        Target("sonnet", "anthropic", price=SONNET, can=Capabilities(window=1_000_000)),
        Target("haiku", "anthropic", price=HAIKU, can=Capabilities(window=200_000)),
        Target("luna", "openai", price=Price(0.1, 0.5, 0.01), can=Capabilities(window=64_000)),
    ]
)
ROUTINE = Signals(phase=Phase.IMPLEMENTING, step=StepKind.TOOL_RESULT)


def led(pool=POOL, signals=ROUTINE, tokens=20_000):
    return Router.default(pool).decide(View(Scope("s1"), tokens, signals=signals)).names


@pytest.mark.parametrize(
    "signals",
    [
        Signals(first=True, step=StepKind.USER_TURN),
        Signals(first=True, step=StepKind.TOOL_RESULT),
        Signals(step=StepKind.USER_TURN),
        Signals(step=StepKind.FAILURE, failures=1),
        Signals(step=StepKind.TOOL_RESULT, phase=Phase.PLANNING),
        Signals(step=StepKind.TOOL_RESULT, phase=Phase.DEBUGGING),
        Signals(),
    ],
)
def test_hard_steps_go_to_the_strongest_with_the_next_strongest_as_fallback(signals):
    assert led(signals=signals) == ("opus", "sonnet", "haiku", "luna")


def test_a_routine_step_goes_to_the_cheapest_that_fits():
    assert led()[0] == "luna"
    assert led(tokens=100_000)[0] == "haiku"
    assert led(tokens=500_000) == ("sonnet",)


def test_a_target_that_would_not_pay_for_reading_the_conversation_again_is_left_alone():
    half = Pool([Target("opus", price=Price(4, 20, 0.2, 5)), Target("sonnet", price=Price(2, 10, 0.1, 2.5))])
    assert led(half) == ("opus", "sonnet")
    uncached = Pool([Target("opus", price=OPUS), Target("uncached", price=Price(1, 2))])
    assert led(uncached) == ("opus", "uncached")
    tiered = Pool(
        [Target("opus", price=Price(4, 20, 0.2, 5)), Target("t", price=Price(0.1, 0.5, 0.01, above=100_000, long=Price(2, 9)))]
    )
    assert led(tiered) == ("opus", "t")


@pytest.mark.parametrize("known", [(None, None), (OPUS, None), (None, HAIKU)])
def test_where_prices_are_not_known_the_order_of_the_pool_is_taken_at_its_word(known):
    pool = Pool([Target("big", price=known[0]), Target("small", price=known[1])])
    assert led(pool) == ("small", "big")
    assert led(pool, Signals(first=True)) == ("big", "small")


def test_a_pool_of_one_is_simply_used():
    assert led(Pool([Target("only")])) == ("only",)


@pytest.mark.parametrize(
    ("strong", "cheap", "steps"), [(OPUS, HAIKU, 2.875), (SONNET, HAIKU, 5.75), (Price(2, 2), Price(1, 1), 0.0)]
)
def test_a_switch_pays_after_as_many_steps_as_the_bill_says(strong, cheap, steps):
    assert steps_to_pay(strong, cheap) == pytest.approx(steps)

    def bill(price, cold, n):
        read = price.input if price.cache_read is None else price.cache_read
        write = price.input if price.cache_write is None else price.cache_write
        return n * read + (write - read) * cold

    assert bill(cheap, True, steps) == pytest.approx(bill(strong, False, steps))


def test_a_thread_keeps_its_cheap_target_even_when_another_becomes_cheaper():
    small = Target("small", price=Price(0.1, 2, 0.01))
    brief = Target("brief", price=Price(0.2, 1, 0.02))
    router = Router.default(Pool([Target("opus", price=OPUS), small, brief]))

    def step(tokens):
        run = router.start(View(Scope("s1"), tokens, signals=ROUTINE))
        list(drive(run, Script(otherwise="yes").perform))
        return run.outcome.target.name

    assert step(1_000) == "brief"
    assert step(90_000) == "brief"
    assert router.decide(View(Scope("s2"), 90_000, signals=ROUTINE)).names[0] == "small"


def test_after_an_outage_of_the_cheap_target_the_thread_stays_where_it_went_and_others_come_back():
    clock = Clock()
    router = Router.default(POOL, clock=clock)
    script = Script(luna=[Fails(FailureKind.TIMEOUT), "back"], otherwise="fallback")

    def step(session):
        run = router.start(View(Scope(session), 1_000, signals=ROUTINE))
        list(drive(run, script.perform, sleep=clock.advance))
        return run.outcome.target.name

    assert [step("s1"), step("s1")] == ["haiku", "haiku"]
    clock.advance(60)
    assert [step("s1"), step("s2")] == ["haiku", "luna"]


def test_the_explanation_says_why():
    printed = str(Router.default(POOL).explain(View(Scope("s1"), 90_000, signals=ROUTINE)))
    assert "Fits" in printed
    assert "luna takes 64,000" in printed
    assert "Cheapest" in printed
    assert "haiku first: cheapest: about $" in printed


def test_a_decision_of_the_whole_chain_costs_some_times_that_of_an_empty_one():
    """Some 30 microseconds against 2; compared, so that a slow or busy machine does not matter. `make bench` has the figures."""
    view = View(Scope("s1"), 50_000, signals=ROUTINE)

    def fastest(router):
        return min(timeit.repeat(lambda: router.decide(view), number=50, repeat=40))

    assert fastest(Router.default(POOL)) < 40 * fastest(Router(POOL))
