"""The dynamic programme against the trial of every assignment."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as some

from switchwise import Price
from switchwise.evaluation import Step, Thread, simulate
from switchwise.evaluation.optimum import Foresight, optimum
from switchwise.evaluation.policies import PlannedSwitching, Simple, naive
from switchwise.evaluation.sessions import BilledTokens
from switchwise.prompt_cache import CacheRule
from switchwise.prompt_cache.rates import CacheRates

BILL = BilledTokens("recorded", 0, 0, 0, 0, 0)
RULES = [CacheRule("marked", minimum=500, ttl=300), CacheRule("automatic", minimum=1024, step=128, ttl=100), CacheRule()]


@some.composite
def tariffs(draw):
    price = draw(some.floats(0.1, 10))
    read = draw(some.sampled_from([0.05, 0.1, 0.5]))
    return CacheRates(Price(price, 5 * price, price * read, price * 1.25), draw(some.sampled_from(RULES)))


@some.composite
def threads(draw):
    steps, at, prompt = [], 0.0, draw(some.integers(400, 5_000))
    for i in range(draw(some.integers(1, 7))):
        at += draw(some.sampled_from([3.0, 50.0, 250.0, 400.0]))
        kept = prompt if draw(some.integers(0, 5)) else draw(some.integers(0, prompt))
        prompt += draw(some.integers(10, 3_000))
        easy = i > 0 and draw(some.booleans())
        steps.append(Step(at, prompt, kept, draw(some.integers(1, 500)), 100, easy, not easy, False, BILL))
    return Thread("s", "", 0, 300, tuple(steps))


@settings(max_examples=60, deadline=None)
@given(threads(), tariffs(), tariffs())
def test_no_assignment_is_cheaper_and_one_costs_exactly_that(thread, strong, cheap):
    free = [i for i, step in enumerate(thread.steps) if step.easy]
    costs = []
    for chosen in product((0, 1), repeat=len(free)):
        given_away = {id(thread.steps[i]) for i, model in zip(free, chosen, strict=True) if model}
        policy = Simple(lambda step, *_, away=given_away: int(id(step) in away))
        costs.append(simulate([thread], strong, cheap, policy).total)
    assert abs(optimum(thread, strong, cheap) - min(costs)) < 1e-9


@settings(max_examples=60, deadline=None)
@given(some.lists(threads(), min_size=1, max_size=4), tariffs(), tariffs())
def test_no_policy_beats_the_optimum(recorded, strong, cheap):
    least = sum(optimum(thread, strong, cheap) for thread in recorded)
    for policy in (naive(), PlannedSwitching(history=recorded)):
        assert simulate(recorded, strong, cheap, policy).total >= least - 1e-9


@settings(max_examples=40, deadline=None)
@given(threads(), tariffs(), tariffs())
def test_who_knows_the_whole_thread_comes_to_the_optimum(thread, strong, cheap):
    assert abs(simulate([thread], strong, cheap, Foresight(len(thread.steps))).total - optimum(thread, strong, cheap)) < 1e-9
