"""Curves of quality against cost: checked against numbers worked out by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from switchwise.evaluation.measures.curves import (
    Resamples,
    Sweep,
    bounds,
    curve_metrics,
    deployable,
    hull,
    pair_metrics,
)
from switchwise.evaluation.measures.interval import Interval


def drawn(n, samples=0):
    return Resamples(np.arange(n), samples)


def metrics(qualities, costs, singles=((0.5, 1.0), (1.0, 3.0)), tasks=4):
    draws = drawn(tasks)
    ones = np.ones(tasks)
    limits = bounds(np.array([[q for q, _ in singles]]), np.array([[c for _, c in singles]]))
    sweep = Sweep(np.array([q * ones for q in qualities]), np.array([c * ones for c in costs]))
    return {name: values[0] for name, values in curve_metrics(sweep, draws, limits).items()}


def test_the_area_under_two_single_targets():
    found = metrics([0.5, 1.0], [1.0, 3.0])
    assert found["aiq"] == pytest.approx(0.75)
    # q(c) = 0.25 + c / 4, over log c from 1 to 3: 0.25 + (3 - 1) / (4 log 3)
    assert found["log_aiq"] == pytest.approx(0.25 + 2 / (4 * np.log(3)))
    assert found["saving_98"] == pytest.approx(1 - (1 + 0.48 * 4) / 3)
    assert found["saving_100"] == 0


def test_a_better_point_lifts_the_hull_and_a_dominated_one_does_not():
    assert (
        metrics([0.5, 0.9, 1.0], [1.0, 1.5, 3.0])["aiq"]
        > metrics([0.5, 0.4, 1.0], [1.0, 2.0, 3.0])["aiq"]
        == pytest.approx(0.75)
    )


def test_a_router_that_never_reaches_the_quality_saves_nothing():
    assert metrics([0.6], [1.0])["saving_98"] == 0


def test_where_all_targets_cost_the_same_quality_is_read_at_that_cost():
    alike = ((0.5, 2.0), (0.9, 2.0))
    assert metrics([0.5, 0.8], [2.0, 2.0], alike)["aiq"] == 0.8
    both = metrics([0.8, 0.95], [2.0, 4.0], alike)  # as a cascade that calls two of them
    assert (both["aiq"], both["log_aiq"], both["saving_98"]) == (0.8, 0.8, pytest.approx(1 - (2 + 2 * 0.082 / 0.15) / 2))


@given(some.lists(some.tuples(some.floats(0.01, 10), some.floats(0, 1)), min_size=1, max_size=30))
@settings(max_examples=200)
def test_a_hull_is_above_every_point_rising_and_concave(points):
    xs, ys = hull([x for x, _ in points], [y for _, y in points])
    assert xs == sorted(set(xs))
    assert ys == sorted(set(ys))
    assert all(np.interp(x, xs, ys) >= y - 1e-9 for x, y in points if x >= xs[0])
    slopes = [(b - a) / (q - p) for p, q, a, b in zip(xs, xs[1:], ys, ys[1:], strict=False)]
    assert all(early >= late - 1e-6 * abs(early) for early, late in pairwise(slopes))


def test_apgr_of_a_perfect_a_blind_and_a_perverse_ranking():
    rng = np.random.default_rng(1)
    strong, weak = np.ones(1_000), (rng.random(1_000) < 0.5).astype(float)
    rank = {"perfect": strong - weak, "blind": rng.random(1_000), "perverse": weak - strong}
    found = {name: pair_metrics(each, strong, weak, drawn(1_000))["apgr"][0] for name, each in rank.items()}
    half = 1 - weak.mean()
    assert found["perfect"] == pytest.approx(1 - half / 2, abs=0.01)
    assert found["blind"] == pytest.approx(0.5, abs=0.03)
    assert found["perverse"] == pytest.approx(half / 2, abs=0.01)


def test_cpt_is_the_least_share_of_strong_calls():
    strong, weak = np.ones(10), np.array([0.0] * 5 + [1.0] * 5)
    found = pair_metrics(strong - weak, strong, weak, drawn(10))
    assert (found["cpt50"][0], found["cpt80"][0]) == (30, 40)


def test_a_setting_that_is_good_on_one_half_is_paid_on_the_other():
    quality = np.vstack([np.ones(40), np.ones(40)])
    cost = np.vstack([np.full(40, 0.25), np.ones(40)])
    saving, realised = deployable(Sweep(quality, cost), drawn(40), np.ones((40, 1)), np.ones((40, 1)))
    assert saving[0] == pytest.approx(0.75)
    assert realised[0] == 1


def test_intervals_resample_groups_not_rows():
    """Rows that are copies of ten groups carry ten groups' worth of evidence."""
    rng = np.random.default_rng(2)
    means = rng.random(10)
    values = np.repeat(means, 100)[None]
    wide = Interval.of(Resamples(np.repeat(np.arange(10), 100), 500).means(values)[:, 0])
    narrow = Interval.of(Resamples(np.arange(1_000), 500).means(values)[:, 0])
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)


def test_an_undefined_value_has_no_interval():
    assert Interval.of(np.array([np.nan, 1.0, 2.0])).as_dict() == {"value": None, "low": None, "high": None}
