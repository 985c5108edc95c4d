"""Healthy keeps away from what has just failed, comes back in time, and strands nobody."""

import logging

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from switchwise import Attempt, Call, FailureKind, Pool, Reply, Router, Shortlist, Target, TargetError, Verdict, View, drive
from switchwise.engine.recovery import TABLE, Reach
from switchwise.policies import Healthy
from switchwise.policies.healthy import Event, after
from switchwise.testing import Clock, Fails, Script

POOL = Pool([Target("a1", "acme"), Target("a2", "acme"), Target("z1", "zeta"), Target("alone")])
LASTING = [kind for kind in FailureKind if TABLE[kind].lasting]
COOLING = [kind for kind in FailureKind if TABLE[kind].cool is not None]
HARMLESS = [kind for kind in FailureKind if kind not in LASTING + COOLING]


def attempt(name, kind=None, *, at=0.0, took=0.0, retry_after=None, reply=None, **kwargs):
    call = Call(POOL[name], View(), Shortlist(POOL))
    error = TargetError(kind, "scripted", retry_after) if kind else None
    return Attempt(call, at - took, at, reply or (None if error else Reply("yes")), error, **kwargs)


def eligible(policy, at):
    return policy(View(now=at), Shortlist(POOL)).names


def test_nothing_is_said_while_everything_is_healthy():
    policy = Healthy()
    policy.learn(attempt("a1"))
    start = Shortlist(POOL)
    assert policy(View(), start) is start


@pytest.mark.parametrize("kind", COOLING)
def test_each_further_failure_doubles_the_cool_down_and_a_reply_resets_it(kind):
    policy, cool, now = Healthy(longest=1_000), TABLE[kind].cool, 100.0
    for doubled in (cool, 2 * cool, 4 * cool):
        policy.learn(attempt("z1", kind, at=now))
        assert "z1" not in eligible(policy, now + doubled - 0.01)
        now += doubled
        assert "z1" in eligible(policy, now), "half-open: it may be tried again"
    policy.learn(attempt("z1", at=now))
    policy.learn(attempt("z1", kind, at=now))
    assert "z1" in eligible(policy, now + cool)


def test_a_cool_down_is_never_longer_than_the_longest():
    policy = Healthy(longest=30)
    now = 0.0
    for _ in range(50):
        policy.learn(attempt("z1", FailureKind.OVERLOADED, at=now))
        now += 30
    assert "z1" in eligible(policy, now)


def test_a_failure_long_after_the_last_one_counts_as_the_first():
    policy, cool = Healthy(longest=60), TABLE[FailureKind.OVERLOADED].cool
    policy.learn(attempt("z1", FailureKind.OVERLOADED, at=0.0))
    policy.learn(attempt("z1", FailureKind.OVERLOADED, at=cool + 61.0))
    assert "z1" in eligible(policy, cool + 61.0 + cool)


def test_the_pause_that_the_provider_asks_for_is_honoured_both_ways():
    policy = Healthy(longest=60)
    policy.learn(attempt("z1", FailureKind.RATE_LIMIT, at=0.0, retry_after=0.5))
    assert "z1" in eligible(policy, 0.5), "sooner than our own cool-down"
    policy.learn(attempt("a1", FailureKind.RATE_LIMIT, at=0.0, retry_after=500.0))
    assert "a1" not in eligible(policy, 499.0), "later than our longest"
    assert "a1" in eligible(policy, 500.0)


def test_calls_that_break_together_count_as_one_failure():
    policy, cool = Healthy(), TABLE[FailureKind.OVERLOADED].cool
    for late in range(10):
        policy.learn(attempt("z1", FailureKind.OVERLOADED, at=10 + late / 10, took=5.0))
    assert "z1" in eligible(policy, 10 + cool)


def test_a_slow_success_from_before_the_outage_does_not_end_it():
    policy = Healthy()
    policy.learn(attempt("z1", FailureKind.OVERLOADED, at=10.0))
    policy.learn(attempt("z1", at=11.0, took=8.0))
    assert "z1" not in eligible(policy, 11.0)
    policy.learn(attempt("z1", at=12.0, took=0.5))
    assert "z1" in eligible(policy, 12.0)


@pytest.mark.parametrize("kind", [FailureKind.AUTHENTICATION, FailureKind.QUOTA])
def test_a_failure_of_the_account_keeps_its_whole_provider_out_and_says_so_once(kind, caplog):
    policy = Healthy()
    with caplog.at_level(logging.ERROR, "switchwise.healthy"):
        policy.learn(attempt("a1", kind, at=1.0))
        policy.learn(attempt("a2", kind, at=2.0))
    assert eligible(policy, 10**9) == ("z1", "alone")
    assert [record.getMessage().split(" is out")[0] for record in caplog.records] == ["every target of provider 'acme'"]
    policy.mend("acme")
    assert eligible(policy, 3.0) == ("a1", "a2", "z1", "alone")


def test_an_unknown_model_is_out_alone_until_it_is_mended():
    policy = Healthy()
    policy.learn(attempt("a1", FailureKind.NOT_FOUND))
    assert eligible(policy, 10**9) == ("a2", "z1", "alone")
    policy.mend("a1")
    assert eligible(policy, 0.0) == ("a1", "a2", "z1", "alone")


def test_failures_that_last_can_be_given_an_end():
    policy = Healthy(lasting=60)
    policy.learn(attempt("a1", FailureKind.QUOTA, at=0.0))
    assert eligible(policy, 59.0) == ("z1", "alone")
    assert eligible(policy, 60.0) == ("a1", "a2", "z1", "alone")


def test_a_target_without_a_provider_fails_for_itself_alone():
    policy = Healthy()
    policy.learn(attempt("alone", FailureKind.AUTHENTICATION))
    assert eligible(policy, 1.0) == ("a1", "a2", "z1")


@pytest.mark.parametrize("kind", HARMLESS)
def test_a_failure_of_the_request_says_nothing_about_health(kind):
    policy = Healthy()
    policy.learn(attempt("a1", kind, retry_after=60.0))
    assert eligible(policy, 0.0) == ("a1", "a2", "z1", "alone")


def test_an_abandoned_call_says_nothing_and_a_rejected_reply_is_a_sign_of_health():
    policy = Healthy()
    policy.learn(attempt("a1", FailureKind.TIMEOUT, at=1.0))
    policy.learn(Attempt(Call(POOL["a1"], View(), Shortlist(POOL)), 1.5, 1.6, abandoned=True))
    assert "a1" not in eligible(policy, 2.0)
    policy.learn(attempt("a1", at=2.0, reply=Reply("no"), verdict=Verdict(False)))
    assert "a1" in eligible(policy, 2.0)


def test_when_everything_is_cooling_down_nothing_is_ruled_out_and_the_soonest_back_leads():
    policy = Healthy()
    for name, pause in (("a1", 40.0), ("a2", 10.0), ("z1", 20.0), ("alone", 30.0)):
        policy.learn(attempt(name, FailureKind.RATE_LIMIT, retry_after=pause))
    decision = policy(View(now=1.0), Shortlist(POOL))
    assert decision.names == ("a2", "z1", "alone", "a1")
    assert decision.notes[0].because == "everything is cooling down; soonest back is a2 for 9 s more after rate_limit"


def test_a_router_turns_away_from_an_outage_and_comes_back_after_it():
    clock = Clock()
    script = Script(a1=[Fails(FailureKind.TIMEOUT), "back again"], clock=clock, otherwise="fallback")
    router = Router(POOL, Healthy(), clock=clock)

    def ask():
        return "".join(drive(router.start(View()), script.perform, sleep=clock.advance))

    assert ask() == "fallback"
    assert (ask(), script.called) == ("fallback", ["a1", "a2", "a2"]), "the second step does not pay for finding out again"
    clock.advance(TABLE[FailureKind.TIMEOUT].cool)
    assert ask() == "back again"


def test_no_more_than_its_size_is_remembered_and_who_is_soonest_back_is_let_in_again():
    policy = Healthy(size=2)
    for name, pause in (("a1", 40.0), ("a2", 10.0), ("z1", 20.0)):
        policy.learn(attempt(name, FailureKind.RATE_LIMIT, retry_after=pause))
    assert eligible(policy, 1.0) == ("a2", "alone")


def test_what_lasts_until_a_restart_is_not_carried_over_it():
    policy, other = Healthy(), Healthy()
    policy.learn(attempt("a1", FailureKind.AUTHENTICATION, at=5.0))
    policy.learn(attempt("z1", FailureKind.RATE_LIMIT, at=5.0))
    other.load(policy.dump())
    assert eligible(other, 6.0) == ("a1", "a2", "alone")


def test_the_state_machine_is_a_pure_function():
    event = Event(1.0, 2.0, FailureKind.OVERLOADED)
    first = after(None, event, longest=60, lasting=60)
    assert after(None, event, longest=60, lasting=60) == first
    assert after(first, Event(1.5, 3.0, FailureKind.OVERLOADED), longest=60, lasting=60) == first, "under way since before"
    assert after(first, Event(8.0, 9.0), longest=60, lasting=60) is None


class Outages(RuleBasedStateMachine):
    """Healthy against a model of it: for each target and provider, when it is back and after how many failures."""

    def __init__(self):
        super().__init__()
        self.policy = Healthy(longest=64)
        self.now = 0.0
        self.back, self.failures = {}, {}

    @rule(seconds=st.sampled_from([0.5, 3.0, 7.0, 50.0, 500.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(name=st.sampled_from([target.name for target in POOL]))
    def it_answers(self, name):
        self.policy.learn(attempt(name, at=self.now))
        for key in (name, POOL[name].provider):
            self.back.pop(key, None)
            self.failures.pop(key, None)

    @rule(
        name=st.sampled_from([target.name for target in POOL]),
        kind=st.sampled_from(list(FailureKind)),
        asked=st.sampled_from([None, 0.0, 1.0, 100.0]),
    )
    def it_fails(self, name, kind, asked):
        self.policy.learn(attempt(name, kind, at=self.now, retry_after=asked))
        row = TABLE[kind]
        key = (POOL[name].provider or name) if row.rules_out is Reach.PROVIDER else name
        if row.lasting:
            self.back[key] = float("inf")
        elif row.cool is not None and self.back.get(key) != float("inf"):
            if self.now > self.back.get(key, self.now) + 64:
                self.failures.pop(key)
            self.failures[key] = self.failures.get(key, 0) + 1
            wait = min((row.cool if asked is None else asked) * 2 ** (self.failures[key] - 1), 64)
            self.back[key] = self.now + max(wait, asked or 0.0)

    @invariant()
    def the_policy_agrees_with_the_model(self):
        waits = {t.name: max(self.back.get(t.name, 0.0), self.back.get(t.provider, 0.0)) for t in POOL}
        well = tuple(name for name, back in waits.items() if back <= self.now)
        assert eligible(self.policy, self.now) == (well or tuple(sorted(waits, key=waits.__getitem__)))


TestOutages = Outages.TestCase
TestOutages.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
