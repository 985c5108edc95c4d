"""Tests that may be stopped at any time keep their level, and find what is there."""

from __future__ import annotations

import json
import random

import pytest

from switchwise import ConfigurationError
from switchwise.quality.sequential import AtLeast, Cusum, NotWorse


def runs(rate, rng, count=400):
    return [float(rng.random() < rate) for _ in range(count)]


def test_a_true_hypothesis_is_seldom_rejected_however_long_one_watches():
    rng = random.Random(1)
    wrong = 0
    for _ in range(200):
        test = AtLeast(0.6)
        for value in runs(0.6, rng):
            test.observe(value)
        wrong += test.rejected
    assert wrong <= 0.05 * 200 + 4


def test_a_lower_mean_is_found():
    rng = random.Random(2)
    found = 0
    for _ in range(50):
        test = AtLeast(0.6)
        for value in runs(0.4, rng, 150):
            test.observe(value)
        found += test.rejected
    assert found >= 45


def test_a_canary_that_is_as_good_goes_on_and_a_worse_one_stops():
    rng = random.Random(3)
    stopped = {0.8: 0, 0.5: 0}
    for rate in stopped:
        for _ in range(40):
            test = NotWorse(margin=0.02)
            for old, new in zip(runs(0.8, rng, 300), runs(rate, rng, 300), strict=True):
                test.observe("old", old)
                test.observe("new", new)
            stopped[rate] += test.rejected
    assert stopped[0.8] <= 3
    assert stopped[0.5] >= 38


def test_the_state_survives_json():
    test, other = NotWorse(), NotWorse()
    for value in runs(0.7, random.Random(4), 20):
        test.observe("old", value)
        test.observe("new", 1 - value)
    test.observe("new", 1.0)
    other.load(json.loads(json.dumps(test.dump())))
    assert other.dump() == test.dump()
    assert other.means() == test.means()


def test_runs_without_a_partner_wait_up_to_a_bound_and_the_verdict_follows_the_interval():
    test = NotWorse(margin=0.3)
    for _ in range(1_001):
        test.observe("old", 0.5)
    assert (len(test.dump()["waiting"]["old"]), test.means()) == (1_000, {"old": 0.5, "new": None})
    assert "too few outcomes" in test.verdict
    for _ in range(100):
        test.observe("new", 0.5)
    assert test.verdict == "goes on: at most 30% worse"
    state = AtLeast(0.5).dump()
    with pytest.raises(ConfigurationError, match="AtLeast: the state is of another version"):
        AtLeast(0.5).load({**state, "logs": [0.0]})


def test_a_drop_raises_the_alarm_and_a_steady_rate_does_not():
    rng = random.Random(5)
    steady, dropped = Cusum(0.8), Cusum(0.8)
    assert not any(steady.observe(value) for value in runs(0.8, rng, 300))
    assert any(dropped.observe(value) for value in runs(0.45, rng, 100))


@pytest.mark.parametrize("least", [0, 1.5, "half"])
def test_nonsense_is_refused(least):
    with pytest.raises(ConfigurationError, match="least"):
        AtLeast(least)
