"""Shortlists, hold, recovery and the router: how opinions become a decision, and what is remembered of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchwise import (
    Attempt,
    Call,
    Capabilities,
    ConfigurationError,
    FailureKind,
    Level,
    Pool,
    Reply,
    Router,
    Scope,
    Shortlist,
    Target,
    TargetError,
    View,
    drive,
    hold,
)
from switchwise.engine.recovery import Recovery
from switchwise.observe.explain import Explanation
from switchwise.policies import ByAgent, Rules

ABC = Pool([Target("a", "x"), Target("b", "y"), Target("c", "x")])


def answer(router: Router, view: View, down: frozenset[str] = frozenset()) -> str:
    def perform(call: Call) -> Iterator[Any]:
        if call.target.name in down:
            raise TargetError(FailureKind.TIMEOUT)
        yield Reply("ok")

    run = router.start(view)
    list(drive(run, perform))
    return run.outcome.target.name


# ---- shortlist


@given(
    st.lists(st.tuples(st.sampled_from(["require", "prefer", "order"]), st.lists(st.integers(0, 2), min_size=3, max_size=3)))
)
def test_earlier_preferences_outrank_later_ones_and_nothing_is_added(opinions: list[tuple[str, list[int]]]) -> None:
    shortlist, ranks, kept = Shortlist(ABC), {t.name: list[int]() for t in ABC}, set("abc")
    for verb, numbers in opinions:
        value = dict(zip("abc", numbers, strict=True))
        if verb == "require":
            shortlist = shortlist.require(lambda t, v=value: v[t.name] > 0, "test")  # type: ignore[misc]
            kept -= {name for name in kept if value[name] == 0}
        elif verb == "prefer":
            shortlist = shortlist.prefer(lambda t, v=value: v[t.name] == 0, "test")  # type: ignore[misc]
            for name in "abc":
                ranks[name].append(value[name] != 0)
        else:
            shortlist = shortlist.order(lambda t, v=value: v[t.name], "test")  # type: ignore[misc]
            for name in "abc":
                ranks[name].append(value[name])
    assert list(shortlist.names) == sorted(kept, key=lambda name: (ranks[name], name))


def test_the_decider_is_the_opinion_after_which_the_winner_stood_alone() -> None:
    start = Shortlist(ABC).signed_by("family", Level.SESSION).prefer({"a", "c"}, "x first").signed_by("cost")
    assert start.leaders == ("a", "c")
    done = start.prefer({"c"}, "c is cheap").signed_by("late").prefer({"b", "c"}, "says nothing new")
    assert (done.decider.policy, done.decider.level) == ("cost", Level.STEP)
    assert Shortlist(ABC).decider.because == "the order of the pool"


def test_a_requirement_can_decide() -> None:
    only = Shortlist(ABC).signed_by("Fits").require(lambda t: t.name == "b", "small windows")
    assert only.decider.out == ("a", "c")


def test_opinions_that_change_nothing_leave_no_note() -> None:
    start = Shortlist(ABC)
    assert start.require(lambda t: True, "all pass") is start
    assert start.prefer(lambda t: True, "all are liked") is start
    assert start.prefer({"nobody"}, "none is liked") is start


# ---- pool and level


def test_a_remark_is_noted_but_moves_nobody_and_never_decides() -> None:
    start = Shortlist(ABC).signed_by("classifier")
    remarked = start.remark("it was asked and failed")
    assert remarked.names == start.names
    assert remarked.favourites(since=start) == frozenset()
    assert remarked.decider.policy == "pool"
    (note,) = remarked.notes
    assert (note.policy, note.because, note.out, note.lead) == ("classifier", "it was asked and failed", (), ())
    later = start.signed_by("rules").prefer(["b"], "a rule").signed_by("classifier").remark("it was asked and failed")
    assert later.decider.policy == "rules"
    assert "classifier   step     it was asked and failed" in str(Explanation(remarked))


def test_an_empty_pool_and_duplicate_names_are_refused_at_construction() -> None:
    with pytest.raises(ConfigurationError, match="pool is empty"):
        Pool([])
    with pytest.raises(ConfigurationError, match="duplicate target name 'a'"):
        Pool([Target("a"), Target("a")])


def test_roles_are_words_for_targets() -> None:
    pool = Pool([Target("a"), Target("b", roles=frozenset({"vision"})), Target("c", roles=frozenset({"vision", "fast"}))])
    assert (pool.select("strong"), pool.select("vision"), pool.select("fast")) == ({"a"}, {"b", "c"}, {"c"})
    with pytest.raises(ConfigurationError, match="'smart' is neither a target nor a role"):
        pool.select("smart")


def test_an_unknown_level_or_role_is_refused_at_construction() -> None:
    with pytest.raises(ConfigurationError, match="per='conversation' is not a level"):
        hold(ByAgent(), per="conversation")
    with pytest.raises(ConfigurationError, match="already decides per step"):
        hold(ByAgent(), per="step")
    with pytest.raises(ConfigurationError, match="'smart' is neither"):
        Router(ABC, hold(ByAgent(coder="smart"), per="agent"))


def test_a_verifier_needs_a_second_target_and_a_policy_must_be_callable() -> None:
    with pytest.raises(ConfigurationError, match="second model"):
        Router(Pool([Target("a")]), verify=lambda view, reply: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(ConfigurationError, match="not a policy"):
        Router(ABC, "cheapest")  # type: ignore[arg-type]


# ---- hold


class Counting:
    """Prefers the targets in turn, each time it is asked: so a test sees whether it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        self.asked += 1
        return shortlist.prefer({"abc"[self.asked % 3]}, f"turn {self.asked}")


@pytest.mark.parametrize(
    ("per", "same", "other"),
    [
        ("session", Scope("s1", "other", "other", 9), Scope("s2", "main", "plan", 0)),
        ("agent", Scope("s1", "main", "other", 9), Scope("s1", "other", "plan", 0)),
        ("task", Scope("s1", "main", "plan", 9), Scope("s1", "main", "other", 0)),
    ],
)
def test_a_held_preference_lasts_as_long_as_its_level(per: str, same: Scope, other: Scope) -> None:
    router = Router(ABC, hold(Counting(), per=per))
    first = answer(router, View(Scope("s1", "main", "plan", 0)))
    assert answer(router, View(same)) == first
    assert answer(router, View(other)) != first


def test_hold_writes_only_when_a_favourite_gave_an_accepted_answer() -> None:
    counting = Counting()
    router = Router(ABC, hold(counting, per="session"))
    router.decide(View(Scope("s")))
    router.decide(View(Scope("s")))
    assert counting.asked == 2, "deciding alone remembers nothing"
    answer(router, View(Scope("s")), down=frozenset("abc"[3 % 3]))
    asked = counting.asked
    answer(router, View(Scope("s")))
    answer(router, View(Scope("s")))
    assert counting.asked <= asked + 1


def test_when_no_held_target_is_left_it_chooses_again() -> None:
    router = Router(ABC, hold(Counting(), per="session"))
    first = answer(router, View(Scope("s")))
    second = answer(router, View(Scope("s")), down=frozenset(first))
    assert second != first
    assert answer(router, View(Scope("s"))) == second


def test_requirements_cannot_be_held() -> None:
    with pytest.raises(ConfigurationError, match="never remembered"):
        hold(Rules().exclude("a"), per="session")

    def strict(view: View, shortlist: Shortlist) -> Shortlist:
        return shortlist.require(lambda t: t.name == "a", "only a")

    with pytest.raises(ConfigurationError, match="cannot be held"):
        Router(ABC, hold(strict, per="session")).decide(View())


def test_the_memory_of_hold_is_bounded() -> None:
    held = hold(Counting(), per="session", size=10)
    router = Router(ABC, held)
    for i in range(50):
        answer(router, View(Scope(f"s{i}")))
    assert len(held.dump()["held"]) == 10


def test_what_is_held_survives_dump_and_load_as_json() -> None:
    before = Router(ABC, hold(ByAgent(main="c"), per="session"))
    assert answer(before, View(Scope("s"))) == "c"
    after = Router(ABC, hold(ByAgent(main="a"), per="session"))
    after.load(json.loads(json.dumps(before.dump())))
    assert answer(after, View(Scope("s"))) == "c"
    with pytest.raises(ConfigurationError, match="which this router does not have"):
        Router(ABC).load(before.dump())


# ---- recovery

WINDOWS = Pool(
    [
        Target("small", "x", can=Capabilities(window=100)),
        Target("same", "y", can=Capabilities(window=100)),
        Target("large", "x", can=Capabilities(window=1000)),
        Target("unknown", "y"),
    ]
)


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        (FailureKind.TIMEOUT, {"same", "large", "unknown"}),
        (FailureKind.CONTEXT_OVERFLOW, {"large", "unknown"}),
        (FailureKind.AUTHENTICATION, {"same", "unknown"}),
        (FailureKind.REFUSED, {"same", "large", "unknown"}),
        (FailureKind.NOT_FOUND, {"same", "large", "unknown"}),
        (FailureKind.BAD_REQUEST, set()),
        (FailureKind.OVERLOADED, {"small", "same", "large", "unknown"}),
    ],
)
def test_the_table_says_what_a_failure_rules_out(kind: FailureKind, left: set[str]) -> None:
    call = Call(WINDOWS["small"], View(), Shortlist(WINDOWS))
    after = View().after((Attempt(call, 0, 1, error=TargetError(kind)),), now=1)
    shortlist = Recovery()(after, Shortlist(WINDOWS))
    assert set(shortlist.names) == left
    assert isinstance(shortlist, Shortlist)
    assert "small" not in shortlist.names[:-1], "a tried target comes last"


def test_no_patience_means_no_target_is_called_twice() -> None:
    router = Router(Pool([Target("only")]), recovery=Recovery(patience=0))
    calls: list[str] = []

    def perform(call: Call) -> Iterator[Any]:
        calls.append(call.target.name)
        raise TargetError(FailureKind.OVERLOADED, retry_after=0)
        yield

    with pytest.raises(ExceptionGroup):
        list(drive(router.start(View()), perform))
    assert calls == ["only"]


# ---- router


def test_a_pinned_call_goes_to_its_target_or_nowhere() -> None:
    router = Router(ABC, ByAgent(main="a"))
    assert router.decide(View(pin="c")).names == ("c",)
    with pytest.raises(ConfigurationError, match="'nobody' is neither a target nor a role"):
        router.decide(View(pin="nobody"))


def test_explain_says_who_leads_who_is_out_and_why_without_calling() -> None:
    router = Router(ABC, Rules().exclude("a", because="a is in the wrong region"), hold(ByAgent(main="c"), per="agent"))
    printed = str(router.explain(View(Scope("s"))))
    assert printed.splitlines()[0] == "-> c   then b"
    assert "decided by ByAgent (agent): agent 'main' is given c" in printed
    assert "not a: a is in the wrong region" in printed


def test_feedback_reaches_the_policies_that_take_it_and_is_checked() -> None:
    class Learner:
        heard: list[tuple[str, float, str]] = []  # noqa: RUF012

        def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
            return shortlist

        def feedback(self, decision: str, reward: float, kind: str) -> None:
            self.heard.append((decision, reward, kind))

    router = Router(ABC, Learner())
    router.feedback("abc", 0.5)
    assert Learner.heard == [("abc", 0.5, "feedback")]
    with pytest.raises(ConfigurationError, match="out of range"):
        router.feedback("abc", 2)


def test_hold_keeps_silent_where_its_policy_does() -> None:
    class OnShortPrompts:
        when = staticmethod(lambda view: view.tokens < 100)

        def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
            return shortlist.prefer({"c"}, "short")

    router = Router(ABC, hold(OnShortPrompts(), per="session"))
    assert answer(router, View(Scope("s"), tokens=50)) == "c"
    assert answer(router, View(Scope("s"), tokens=50)) == "c"
    assert answer(router, View(Scope("s"), tokens=500)) == "a"
