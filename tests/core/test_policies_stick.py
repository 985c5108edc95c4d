"""Stick stays with whoever gave the last accepted answer."""

import pytest

from switchwise import (
    Ask,
    Attempt,
    Call,
    ConfigurationError,
    FailureKind,
    Pool,
    Reply,
    Router,
    Scope,
    Shortlist,
    Target,
    Verdict,
    View,
    drive,
)
from switchwise.policies import ByAgent, Stick
from switchwise.testing import Fails, Script

POOL = Pool([Target("opus", "anthropic"), Target("sol", "openai"), Target("luna", "openai")])
HERE = View(Scope("s1", "main", "t1"))
YES = Reply("yes")


def learned(policy, name, view=HERE, reply=YES, ask=None, **kwargs):
    policy.learn(Attempt(Call(POOL[name], view, Shortlist(POOL), ask=ask), 0.0, 1.0, reply, **kwargs))
    return policy


def names(policy, view=HERE):
    return policy(view, Shortlist(POOL)).names


def test_after_a_fallback_it_stays_with_who_answered():
    router = Router(POOL, Stick())
    list(drive(router.start(HERE), Script(opus=Fails(FailureKind.TIMEOUT), sol="hello").perform))
    assert router.decide(HERE).names == ("sol", "opus", "luna")
    assert router.decide(HERE).decider.because == "sol gave the last answer"


def test_the_latest_answer_counts():
    assert names(learned(learned(Stick(), "luna"), "sol"))[0] == "sol"


@pytest.mark.parametrize(
    ("per", "shared", "apart"),
    [
        ("session", Scope("s1", "other"), Scope("s2", "main", "t1")),
        ("agent", Scope("s1", "main", "t2"), Scope("s1", "other", "t1")),
        ("task", Scope("s1", "main", "t1", 7), Scope("s1", "main", "t2")),
    ],
)
def test_it_is_remembered_within_the_scope_and_not_beyond(per, shared, apart):
    policy = learned(Stick(per=per), "luna")
    assert names(policy, View(shared))[0] == "luna"
    assert names(policy, View(apart))[0] == "opus"


def test_to_a_provider_leaves_the_choice_of_model_to_others():
    router = Router(POOL, learned(Stick(to="provider"), "luna"), ByAgent(main="luna"))
    assert router.decide(HERE).names == ("luna", "sol", "opus")


def test_a_target_without_a_provider_leaves_none_to_stay_with():
    pool = Pool([Target("opus", "anthropic"), Target("sol", "openai"), Target("local")])
    router = Router(pool, Stick(to="provider"))
    for reply in (
        {"opus": Fails(FailureKind.TIMEOUT)},
        {"opus": Fails(FailureKind.TIMEOUT), "sol": Fails(FailureKind.TIMEOUT)},
    ):
        list(drive(router.start(HERE), Script(**reply, otherwise="yes").perform))
    assert router.decide(HERE).notes == (), "openai did not give the last answer"


def test_rejected_replies_failures_and_what_a_judge_says_are_no_reason_to_stay():
    policy = learned(Stick(), "luna", verdict=Verdict(False))
    learned(policy, "luna", ask=Ask.text("judge this", to="luna"))
    learned(policy, "luna", reply=None, abandoned=True)
    assert names(policy)[0] == "opus"


@pytest.mark.parametrize("wrong", [{"per": "step"}, {"per": "week"}, {"to": "model"}])
def test_a_stick_that_cannot_work_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        Stick(**wrong)
