"""Fits rules out what cannot serve a request, and nothing else."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchwise import Capabilities, Needs, NoTarget, Pool, Router, Shortlist, Target, View
from switchwise.policies import Fits


def fitting(view, **targets):
    pool = Pool([*(Target(name, name.split("_")[0], can=can) for name, can in targets.items()), Target("unknown")])
    return Router(pool, Fits()).decide(view)


def test_a_window_must_hold_the_prompt_with_its_margin():
    tight, wide = Capabilities(window=110_000), Capabilities(window=111_000)
    decision = fitting(View(tokens=100_500), tight=tight, wide=wide)
    assert decision.names == ("wide", "unknown")
    assert decision.notes[0].because == "a prompt of about 110,550 tokens does not fit: tight takes 110,000"


def test_a_window_must_also_hold_the_longest_answer_that_is_asked_for():
    decision = fitting(View(tokens=1_000, needs=Needs(max_output=9_000)), small=Capabilities(window=10_000))
    assert decision.names == ("unknown",)
    assert "an answer of up to 9,000" in decision.notes[0].because


@pytest.mark.parametrize(
    ("needs", "lacking", "able"),
    [
        (Needs(tools=True), Capabilities(tools=False), Capabilities(tools=True)),
        (Needs(structured_output=True), Capabilities(structured_output=False), Capabilities(structured_output=True)),
        (
            Needs(modalities=frozenset({"image"})),
            Capabilities(modalities=frozenset({"audio"})),
            Capabilities(modalities=frozenset({"image", "audio"})),
        ),
        (Needs(max_output=5_000), Capabilities(max_output=4_096), Capabilities(max_output=8_192)),
    ],
)
def test_what_a_request_needs_a_target_must_have_unless_it_is_unknown(needs, lacking, able):
    decision = fitting(View(needs=needs), lacking=lacking, able=able)
    assert decision.names == ("able", "unknown")
    assert decision.notes[0].out == ("lacking",)


def test_only_the_named_providers_may_serve_a_request_that_needs_them():
    decision = fitting(View(needs=Needs(providers=frozenset({"acme"}))), acme_1=Capabilities(), zeta_1=Capabilities())
    assert decision.names == ("acme_1",)
    assert decision.notes[0].because == "only acme can serve this request"


@pytest.mark.parametrize(
    ("view", "of_all"),
    [
        (View(needs=Needs(tools=True)), Capabilities(tools=False)),
        (View(needs=Needs(structured_output=True)), Capabilities(structured_output=False)),
        (View(needs=Needs(modalities=frozenset({"image"}))), Capabilities(modalities=frozenset())),
        (View(needs=Needs(max_output=5_000)), Capabilities(max_output=4_096)),
        (View(tokens=200_000), Capabilities(window=200_000)),
    ],
)
def test_where_nobody_is_known_to_fit_the_providers_own_answer_is_the_better_one(view, of_all):
    decision = Router(Pool([Target("a", can=of_all), Target("b", can=of_all)]), Fits()).decide(view)
    assert decision.names == ("a", "b")


def test_of_windows_that_are_all_too_small_the_largest_is_asked():
    pool = Pool([Target("a", can=Capabilities(window=1_000)), Target("b", can=Capabilities(window=2_000))])
    decision = Router(pool, Fits()).decide(View(tokens=5_000))
    assert decision.names == ("b",)
    assert "a takes 1,000, b takes 2,000" in decision.notes[0].because


def test_who_must_serve_a_request_is_required_whatever_is_left():
    with pytest.raises(NoTarget, match=r"a: only acme can serve this request \(Fits\)"):
        Router(Pool([Target("a", "zeta")]), Fits()).start(View(needs=Needs(providers=frozenset({"acme"}))))


@given(
    st.integers(0, 10**6),
    st.none() | st.integers(1, 10**5),
    st.lists(st.none() | st.integers(1, 10**6), min_size=1, max_size=4),
)
def test_exactly_the_targets_with_room_are_kept_or_those_with_the_most(tokens, max_output, windows):
    pool = Pool([Target(str(i), can=Capabilities(window=window)) for i, window in enumerate(windows)])
    room = tokens * 1.1 + (max_output or 0)
    room = min(room, max(inf if window is None else window for window in windows))
    kept = tuple(str(i) for i, window in enumerate(windows) if window is None or window >= room)
    assert Router(pool, Fits()).decide(View(tokens=tokens, needs=Needs(max_output=max_output))).names == kept


request = st.builds(
    View,
    tokens=st.sampled_from([10, 90_000, 500_000]),
    needs=st.builds(Needs, tools=st.booleans(), max_output=st.sampled_from([None, 5_000])),
)


@given(st.lists(st.tuples(request, st.sampled_from(["", "small", "large"])), max_size=8))
def test_the_needs_of_one_request_do_not_carry_over_to_the_next(requests):
    pool = Pool(
        [Target("small", can=Capabilities(window=100_000, max_output=4_096)), Target("large", can=Capabilities(tools=False))]
    )
    fits = Fits()
    for view, out in requests:
        left = Shortlist(pool).require(lambda target, out=out: target.name != out, "it is out")
        asked, afresh = fits(view, left), Fits()(view, left)
        assert (asked.names, asked.notes) == (afresh.names, afresh.notes)
