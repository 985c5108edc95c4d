"""Weighted divides calls in proportion to the weights, and a retry does not roll again."""

import random
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchwise import ConfigurationError, FailureKind, Pool, Router, Scope, Target, View, drive, hold
from switchwise.policies import Weighted
from switchwise.testing import Fails, Script

POOL = Pool([Target(name) for name in "abcd"])


def shares(policy, draws=4_000, pool=POOL, keep="abcd", position=0):
    """How often each target comes at `position` among those kept."""
    rng, seen = random.Random(11), dict.fromkeys("abcd", 0)
    router = Router(pool, lambda view, shortlist: shortlist.require(lambda t: t.name in keep, "kept"), policy, rng=rng)
    for _ in range(draws):
        seen[router.decide(View()).names[position]] += 1
    return {name: count / draws for name, count in seen.items()}


def near(share, expected, draws=4_000):
    return abs(share - expected) <= 4.5 * sqrt(expected * (1 - expected) / draws) + 1e-9


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.05, 0.5, 1.0, 3.0, 20.0]), min_size=4, max_size=4).filter(any))
def test_each_target_leads_in_proportion_to_its_weight(weights):
    seen = shares(Weighted(dict(zip("abcd", weights, strict=True))))
    for name, weight in zip("abcd", weights, strict=True):
        assert near(seen[name], weight / sum(weights)), (seen, weights)


def test_when_the_first_is_ruled_out_the_others_keep_their_proportions():
    seen = shares(Weighted({"a": 0.7, "b": 0.2, "c": 0.1}), keep="bcd")
    assert near(seen["b"], 2 / 3)
    assert near(seen["c"], 1 / 3)


def test_the_second_place_is_drawn_without_replacement():
    seen = shares(Weighted({"a": 1, "b": 1, "c": 2}), position=1)
    a_second = 1 / 4 * (1 / 3) + 2 / 4 * (1 / 2)
    assert near(seen["a"], a_second)
    assert near(seen["c"], 2 * 1 / 4 * (2 / 3))


def test_targets_that_are_not_named_or_weigh_nothing_come_last_in_the_order_of_the_pool():
    router = Router(POOL, Weighted({"d": 1, "b": 0}))
    assert {router.decide(View()).names for _ in range(20)} == {("d", "a", "b", "c")}


def test_the_targets_of_a_role_divide_its_share():
    pool = Pool([Target("a", roles=frozenset({"east"})), Target("b", roles=frozenset({"east"})), Target("c"), Target("d")])
    seen = shares(Weighted({"east": 0.5, "c": 0.5}), pool=pool)
    assert near(seen["a"], 0.25)
    assert near(seen["b"], 0.25)


def test_a_retry_moves_on_to_the_next_of_the_same_draw():
    router = Router(POOL, Weighted(dict.fromkeys("abcd", 1)), rng=random.Random(5))
    for _ in range(50):
        script = Script(otherwise=lambda call: Fails(FailureKind.TIMEOUT) if len(call.shortlist.targets) > 1 else "yes")
        run = router.start(View())
        drawn = run.call.shortlist.names
        list(drive(run, script.perform))
        assert script.called == list(drawn)


def test_neighbouring_seeds_and_other_salts_draw_independently():
    same = [
        _first(Weighted(dict.fromkeys("ab", 1), salt="x"), seed) == _first(Weighted(dict.fromkeys("ab", 1)), seed)
        for seed in range(2_000)
    ]
    assert near(sum(same) / 2_000, 0.5, 2_000)
    repeats = [
        _first(Weighted(dict.fromkeys("ab", 1)), seed) == _first(Weighted(dict.fromkeys("ab", 1)), seed + 1)
        for seed in range(2_000)
    ]
    assert near(sum(repeats) / 2_000, 0.5, 2_000)


def _first(policy, seed):
    from switchwise import Shortlist

    return policy(View(seed=seed), Shortlist(POOL)).names[0]


def test_held_per_session_it_is_an_a_b_split_that_does_not_change_under_a_users_hands():
    router = Router(POOL, hold(Weighted({"a": 0.5, "b": 0.5}), per="session"), rng=random.Random(1))
    sessions = {}
    for turn in range(3):
        for number in range(60):
            run = router.start(View(Scope(f"s{number}", step=turn)))
            list(drive(run, Script(otherwise="yes").perform))
            sessions.setdefault(number, set()).add(run.outcome.target.name)
    assert all(len(seen) == 1 for seen in sessions.values())
    assert set.union(*sessions.values()) == {"a", "b"}


@pytest.mark.parametrize("weights", [{}, {"a": 0}, {"a": -1, "b": 1}, {"a": float("nan")}, {"a": float("inf")}])
def test_weights_that_cannot_be_drawn_from_are_refused(weights):
    with pytest.raises(ConfigurationError, match="Weighted"):
        Weighted(weights)


def test_a_weight_for_a_target_that_is_not_there_is_found_at_construction():
    with pytest.raises(ConfigurationError, match="'gpt' is neither"):
        Router(POOL, Weighted({"a": 1, "gpt": 1}))
