"""Healthy keeps away from what has just failed, comes back in time, and strands nobody."""

import logging
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from switchwise import (
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
    TargetError,
    Verdict,
    View,
    drive,
)
from switchwise.engine.recovery import TABLE, Reach
from switchwise.policies import Healthy
from switchwise.testing import Clock, Fails, Script

POOL = Pool([Target("a1", "acme"), Target("a2", "acme"), Target("z1", "zeta"), Target("alone")])
LASTING = [kind for kind in FailureKind if TABLE[kind].lasting]
COOLING = [kind for kind in FailureKind if TABLE[kind].cool is not None and kind not in LASTING]
HARMLESS = [kind for kind in FailureKind if kind not in LASTING + COOLING]
EVERYBODY = ("a1", "a2", "z1", "alone")


def attempt(name, kind=None, *, at=0.0, took=0.0, retry_after=None, reply=None, view=None, **kwargs):
    call = Call(POOL[name], view or View(), Shortlist(POOL))
    error = TargetError(kind, "scripted", retry_after) if kind else None
    return Attempt(call, at - took, at, reply or (None if error else Reply("yes")), error, **kwargs)


def eligible(policy, at, **view):
    return policy(View(now=at, **view), Shortlist(POOL)).names


def test_nothing_is_said_while_everything_is_healthy():
    policy = Healthy()
    policy.learn(attempt("a1"))
    start = Shortlist(POOL)
    assert policy(View(), start) is start


@pytest.mark.parametrize("kind", COOLING + LASTING)
def test_each_further_opening_doubles_the_pause_and_a_reply_resets_it(kind):
    policy, cool, now = Healthy(longest=1_000), TABLE[kind].cool, 100.0
    for doubled in (cool, 2 * cool, 4 * cool):
        policy.learn(attempt("alone", kind, at=now))
        assert "alone" not in eligible(policy, now + doubled - 0.01)
        now += doubled
        assert "alone" in eligible(policy, now), "half-open: it may be tried again"
    policy.learn(attempt("alone", at=now))
    policy.learn(attempt("alone", kind, at=now))
    assert "alone" in eligible(policy, now + cool)


@pytest.mark.parametrize(("kind", "longest"), [(FailureKind.OVERLOADED, 30), (FailureKind.QUOTA, 90)])
def test_a_pause_is_never_longer_than_the_longest(kind, longest):
    policy = Healthy(longest=30, lasting=60, longest_lasting=90)
    now = 0.0
    for _ in range(50):
        policy.learn(attempt("z1", kind, at=now))
        now += longest
    assert "z1" in eligible(policy, now)


def test_a_failure_long_after_the_last_one_counts_as_the_first():
    policy, cool = Healthy(longest=60), TABLE[FailureKind.OVERLOADED].cool
    policy.learn(attempt("z1", FailureKind.OVERLOADED, at=0.0))
    policy.learn(attempt("z1", FailureKind.OVERLOADED, at=cool + 61.0))
    assert "z1" in eligible(policy, cool + 61.0 + cool)


def test_the_pause_that_the_provider_asks_for_is_honoured_both_ways():
    policy = Healthy(longest=60)
    policy.learn(attempt("z1", FailureKind.RATE_LIMIT, at=0.0, retry_after=0.5))
    assert "z1" in eligible(policy, 0.5), "sooner than our own pause"
    policy.learn(attempt("a1", FailureKind.RATE_LIMIT, at=0.0, retry_after=500.0))
    assert "a1" not in eligible(policy, 499.0), "later than our longest"
    assert "a1" in eligible(policy, 500.0)


def test_a_quota_with_a_reset_time_is_out_until_then_and_a_day_at_most():
    policy = Healthy()
    policy.learn(attempt("z1", FailureKind.QUOTA, at=0.0, retry_after=18_000.0))
    policy.learn(attempt("a1", FailureKind.QUOTA, at=0.0, retry_after=10.0**9))
    assert eligible(policy, 17_999.0) == ("alone",)
    assert eligible(policy, 18_000.0) == ("z1", "alone")
    assert eligible(policy, 86_400.0) == EVERYBODY


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


def test_a_slow_failure_from_the_outage_does_not_begin_it_again():
    policy = Healthy()
    policy.learn(attempt("z1", FailureKind.TIMEOUT, at=10.0))
    policy.learn(attempt("z1", at=13.0, took=0.5))
    policy.learn(attempt("z1", FailureKind.TIMEOUT, at=20.0, took=11.0))
    assert "z1" in eligible(policy, 20.0)


def test_a_failure_in_the_pause_where_nothing_else_was_left_is_no_further_opening():
    policy = Healthy()
    for at in (0.0, 1.0, 2.0, 3.0):
        policy.learn(attempt("z1", FailureKind.OVERLOADED, at=at))
    assert "z1" in eligible(policy, TABLE[FailureKind.OVERLOADED].cool)


@pytest.mark.parametrize("kind", [FailureKind.AUTHENTICATION, FailureKind.QUOTA])
def test_a_failure_of_the_account_keeps_all_its_targets_out_and_says_so_once(kind, caplog):
    policy = Healthy()
    with caplog.at_level(logging.WARNING, "switchwise.healthy"):
        policy.learn(attempt("a1", kind, at=1.0, took=0.5))
        policy.learn(attempt("a2", kind, at=2.0, took=1.5))
    assert eligible(policy, 60.0) == ("z1", "alone")
    assert [record.getMessage() for record in caplog.records] == [
        f"circuit open: every target of 'acme' is not called for 60 s after {kind} (opening 1: scripted)"
    ]
    policy.reset("acme")
    assert eligible(policy, 3.0) == EVERYBODY


def test_an_unknown_model_is_out_alone_until_it_is_reset():
    policy = Healthy()
    policy.learn(attempt("a1", FailureKind.NOT_FOUND))
    assert eligible(policy, 59.0) == ("a2", "z1", "alone")
    policy.reset("a1")
    assert eligible(policy, 0.0) == EVERYBODY


def test_the_first_pause_can_be_set_by_kind():
    policy = Healthy(pauses={FailureKind.OVERLOADED: 1.0}, lasting=30)
    policy.learn(attempt("a1", FailureKind.OVERLOADED))
    policy.learn(attempt("z1", FailureKind.NOT_FOUND))
    assert eligible(policy, 1.0) == ("a1", "a2", "alone")
    assert eligible(policy, 30.0) == EVERYBODY
    with pytest.raises(ConfigurationError, match="bad_request"):
        Healthy(pauses={FailureKind.BAD_REQUEST: 1.0})


def test_a_target_without_a_provider_fails_for_itself_alone():
    policy = Healthy()
    policy.learn(attempt("alone", FailureKind.AUTHENTICATION))
    assert eligible(policy, 1.0) == ("a1", "a2", "z1")


@pytest.mark.parametrize("kind", HARMLESS)
def test_a_failure_of_the_request_says_nothing_about_health(kind):
    policy = Healthy()
    policy.learn(attempt("a1", kind, retry_after=60.0))
    assert eligible(policy, 0.0) == EVERYBODY


def test_an_abandoned_call_says_nothing_and_a_rejected_reply_is_a_sign_of_health():
    policy = Healthy()
    policy.learn(attempt("a1", FailureKind.TIMEOUT, at=1.0))
    policy.learn(Attempt(Call(POOL["a1"], View(), Shortlist(POOL)), 1.5, 1.6, abandoned=True))
    assert "a1" not in eligible(policy, 2.0)
    policy.learn(attempt("a1", at=2.0, reply=Reply("no"), verdict=Verdict(False)))
    assert "a1" in eligible(policy, 2.0)


def test_when_every_circuit_is_open_the_soonest_back_leads():
    policy = Healthy()
    for name, pause in (("a1", 40.0), ("a2", 10.0), ("z1", 20.0), ("alone", 30.0)):
        policy.learn(attempt(name, FailureKind.RATE_LIMIT, retry_after=pause))
    router = Router(POOL, policy, clock=lambda: 1.0)
    decision = router.decide(View())
    assert decision.names == ("a2", "z1", "alone", "a1")
    assert decision.notes[0].because == "nothing else is left; soonest back is a2 for 9 s more after rate_limit"


def test_a_reply_that_was_rejected_is_better_than_to_wait_for_a_target_that_is_down():
    clock, policy = Clock(), Healthy()
    policy.learn(attempt("a1", FailureKind.TIMEOUT, at=clock(), took=30.0))
    script = Script(z1="weak", clock=clock)
    pool = Pool([POOL["a1"], POOL["z1"], POOL["alone"]])
    script.parts["alone"] = "weak too"
    router = Router(pool, policy, verify=lambda view, reply: Verdict(False, "weak"), clock=clock)
    run = router.start(View())
    list(drive(run, script.perform, sleep=clock.advance))
    assert "a1" not in script.called


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


def half_open():
    """A router whose leader may be tried again, its clock and its breaker."""
    clock, policy = Clock(), Healthy()
    policy.learn(attempt("a1", FailureKind.OVERLOADED, at=clock()))
    clock.advance(TABLE[FailureKind.OVERLOADED].cool)
    return Router(POOL, policy, clock=clock), clock, policy


def test_half_open_one_call_tries_and_the_others_go_elsewhere():
    router, _, _ = half_open()
    probe, other = router.start(View()), router.start(View())
    assert (probe.call.target.name, other.call.target.name) == ("a1", "a2")
    assert other.call.shortlist.notes[0].because == "open circuit: a1 which another call tries again after overloaded"
    probe.ended(Reply("yes"))
    assert router.start(View()).call.target.name == "a1"


def test_a_probe_that_another_call_takes_between_the_decision_and_the_call_is_not_taken_twice():
    taken = []

    def rival(_, shortlist):
        if not taken:
            taken.append(None)
            taken[0] = router.start(View())
        return shortlist

    clock, policy = half_open()[1:]
    router = Router(POOL, policy, rival, clock=clock)
    late = router.start(View())
    assert (taken[0].call.target.name, late.call.target.name) == ("a1", "a2")


@pytest.mark.parametrize("ends", ["close", "bad request"])
def test_a_probe_that_says_nothing_leaves_the_next_call_to_try(ends):
    router, _, _ = half_open()
    probe = router.start(View())
    if ends == "close":
        probe.close()
    else:
        with pytest.raises(TargetError):
            probe.failed(TargetError(FailureKind.BAD_REQUEST))
    assert router.start(View()).call.target.name == "a1"


def test_a_probe_that_is_never_finished_does_not_keep_the_target_out_for_good():
    router, clock, _ = half_open()
    lost = router.start(View())
    clock.advance(59.0)
    assert router.start(View()).call.target.name == "a2"
    clock.advance(1.0)
    assert router.start(View()).call.target.name == "a1"
    lost.close()


def test_however_many_threads_decide_at_once_one_of_them_tries():
    router, _, _ = half_open()
    barrier, runs = threading.Barrier(16), []

    def decide():
        barrier.wait()
        runs.append(router.start(View()))

    threads = [threading.Thread(target=decide) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.call.target.name for run in runs].count("a1") == 1


def test_replies_that_are_slow_open_a_circuit_by_their_share_only():
    policy = Healthy(slow=5.0, minimum=4, calls=8)
    for at in (1.0, 2.0, 3.0):
        policy.learn(attempt("a1", at=at, reply=Reply("late", first_chunk=6.0)))
    assert "a1" in eligible(policy, 3.0), "three calls are no share"
    policy.learn(attempt("a1", at=4.0, reply=Reply("late", first_chunk=6.0)))
    assert "a1" not in eligible(policy, 4.0)
    policy.learn(attempt("a1", at=20.0, reply=Reply("quick", first_chunk=0.2)))
    assert "a1" in eligible(policy, 20.0)


@pytest.mark.parametrize("scope", [lambda name: Scope(tenant=name), lambda name: Scope(labels={"tenant": name})])
def test_where_keys_are_by_tenant_a_wrong_one_concerns_its_tenant_alone(scope):
    policy = Healthy(per="tenant")
    ours, theirs = View(scope("us")), View(scope("they"))
    policy.learn(attempt("a1", FailureKind.AUTHENTICATION, view=theirs))
    policy.learn(attempt("z1", FailureKind.OVERLOADED, view=theirs))
    assert eligible(policy, 1.0, scope=theirs.scope) == ("alone",)
    assert eligible(policy, 1.0, scope=ours.scope) == ("a1", "a2", "alone"), "an overloaded server is so for everybody"


def test_the_health_of_each_circuit_is_shown_and_reset():
    clock = Clock()
    script = Script(a1=Fails(FailureKind.QUOTA, retry_after=90.0), otherwise="fallback", clock=clock)
    router = Router.default(POOL, healthy=Healthy(lasting=10), clock=clock)
    list(drive(router.start(View()), script.perform, sleep=clock.advance))
    acme = router.health()["acme"]
    assert (acme.state, acme.kind, acme.openings, acme.until - clock(), acme.failed) == ("open", FailureKind.QUOTA, 1, 90.0, 1)
    answered = script.called[-1]
    assert router.health()[answered].state == "closed"
    router.reset("acme")
    assert "acme" not in router.health()
    assert "a1" in router.decide(View()).names


def test_every_opening_and_closing_is_one_line(caplog):
    policy = Healthy()
    with caplog.at_level(logging.WARNING, "switchwise.healthy"):
        policy.learn(attempt("z1", FailureKind.CONNECTION, at=1.0))
        policy.learn(attempt("z1", FailureKind.CONNECTION, at=4.0))
        policy.learn(attempt("z1", at=9.0))
        policy.learn(attempt("z1", at=10.0))
    assert [record.getMessage() for record in caplog.records] == [
        "circuit open: target 'z1' is not called for 2 s after connection (opening 1: scripted)",
        "circuit open: target 'z1' is not called for 4 s after connection (opening 2: scripted)",
        "circuit closed: target 'z1' answers again after connection",
    ]


def test_no_more_than_its_size_is_remembered():
    policy = Healthy(size=2)
    for name in ("a1", "a2", "z1"):
        policy.learn(attempt(name, FailureKind.RATE_LIMIT, retry_after=60.0))
    assert eligible(policy, 1.0) == ("a1", "alone")
    assert len(policy.health(1.0)) == 2


def test_open_circuits_are_carried_to_another_process():
    policy, other = Healthy(), Healthy()
    policy.learn(attempt("a1", FailureKind.AUTHENTICATION, at=5.0))
    policy.learn(attempt("z1", FailureKind.RATE_LIMIT, at=5.0))
    other.load(policy.dump())
    assert eligible(other, 6.0) == ("alone",)
    assert eligible(other, 10.0) == ("z1", "alone")


class Outages(RuleBasedStateMachine):
    """Healthy against a model of it: for each target and account, when it is back and after how many openings. Too few calls for a share."""

    def __init__(self):
        super().__init__()
        self.policy = Healthy(longest=64, lasting=16, longest_lasting=128, minimum=10**6, calls=10**6)
        self.now = 0.0
        self.back, self.openings = {}, {}

    @rule(seconds=st.sampled_from([0.5, 3.0, 7.0, 50.0, 500.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(name=st.sampled_from([target.name for target in POOL]))
    def it_answers(self, name):
        self.policy.learn(attempt(name, at=self.now))
        for key in (name, POOL[name].provider):
            self.back.pop(key, None)
            self.openings.pop(key, None)

    @rule(
        name=st.sampled_from([target.name for target in POOL]),
        kind=st.sampled_from(list(FailureKind)),
        asked=st.sampled_from([None, 0.0, 1.0, 100.0]),
    )
    def it_fails(self, name, kind, asked):
        self.policy.learn(attempt(name, kind, at=self.now, retry_after=asked))
        row = TABLE[kind]
        key = (POOL[name].provider or name) if row.rules_out is Reach.ACCOUNT else name
        if row.cool is None:
            return
        if self.now < self.back.get(key, 0.0):
            self.back[key] = max(self.back[key], self.now + (asked or 0.0))
            return
        longest, cool = (128, 16) if row.lasting else (64, row.cool)
        if key in self.back and self.now > self.back[key] + longest:
            self.openings.pop(key)
        self.openings[key] = self.openings.get(key, 0) + 1
        wait = min((cool if asked is None else asked) * 2 ** (self.openings[key] - 1), longest)
        self.back[key] = self.now + max(wait, asked or 0.0)

    @invariant()
    def the_policy_agrees_with_the_model(self):
        waits = {t.name: max(self.back.get(t.name, 0.0), self.back.get(t.provider, 0.0)) for t in POOL}
        well = tuple(name for name, back in waits.items() if back <= self.now)
        assert eligible(self.policy, self.now) == well
        resort = self.policy(View(now=self.now), Shortlist(POOL, last_resort=True))
        assert resort.names == tuple(sorted(waits, key=lambda name: max(waits[name], self.now)))


TestOutages = Outages.TestCase
TestOutages.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
