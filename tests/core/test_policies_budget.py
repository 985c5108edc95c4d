"""A budget is never overspent, whatever runs at the same time; and its errors say what was spent."""

import asyncio
import faulthandler
import gc
import logging
import random
import threading
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from switchwise import (
    AllTargetsFailed,
    Attempt,
    BudgetExceeded,
    Call,
    Capabilities,
    ConfigurationError,
    FailureKind,
    Interrupted,
    Needs,
    Pool,
    Price,
    Reply,
    Router,
    Scope,
    Shortlist,
    Target,
    TargetError,
    Usage,
    Verdict,
    View,
    adrive,
    drive,
)
from switchwise.policies import Budget
from switchwise.state import JsonStore
from switchwise.state.periods import Calendar
from switchwise.testing import Clock, Fails, Says, Script
from switchwise.verifiers import Judge

DEAR = Target("dear", price=Price(10, 50, cache_read=1, cache_write=12.5))
CHEAP = Target("cheap", price=Price(1, 5))
POOL = Pool([DEAR, CHEAP])
SMALL = View(Scope("s1"), tokens=1_000, needs=Needs(max_output=100))


def ask(router, view=SMALL, line="yes"):
    run = router.start(view)
    list(drive(run, line.perform if isinstance(line, Script) else Script(otherwise=line).perform, sleep=lambda _: None))
    return run.outcome


def says(tokens_in, tokens_out):
    return Says("yes", usage=Usage(tokens_in, tokens_out))


def made(policy, view=SMALL, target=CHEAP, ask=None):
    call = Call(target, view, Shortlist(POOL), ask=ask)
    assert policy.reserve(call)
    return call


def test_a_budget_that_runs_low_first_rules_out_the_dear_target():
    budget = Budget(usd=0.012)
    router = Router(POOL, budget)
    assert router.decide(SMALL).names == ("cheap",)
    assert Router(POOL, Budget(usd=0.05)).decide(SMALL).names == ("dear", "cheap")


def test_when_it_is_spent_the_error_says_whose_budget_what_was_spent_and_the_limit():
    router = Router(POOL, Budget(usd=0.004))
    for _ in range(2):
        ask(router, line=says(1_000, 100))
    with pytest.raises(BudgetExceeded, match=r"session 's1' has spent \$0\.0030 of \$0\.00.*cheap \$0\.0016.*\(Budget\)"):
        ask(router)
    assert ask(router, View(Scope("s2"), tokens=1_000, needs=Needs(max_output=100))).target is CHEAP


def test_the_bound_is_the_prompt_with_its_margin_at_the_dearest_price_and_the_longest_answer():
    budget = Budget(usd=1, margin=1.2, output_allowance=1_000)
    assert budget.bound(DEAR, View(tokens=10_000, needs=Needs(max_output=500))) == pytest.approx(
        ((12_000 * 12.5 + 500 * 50) * 1e-6, 12_500)
    )
    short = Target("short", price=Price(1, 1), can=Capabilities(max_output=300))
    long = Target("long", price=Price(1, 1), can=Capabilities(max_output=64_000))
    assert budget.bound(short, View())[1] == 300
    assert budget.bound(long, View())[1] == 1_000
    assert Budget(tokens=10).bound(Target("unpriced"), View(tokens=10)) == (0.0, 11 + 4096)


def test_an_unpriced_target_is_never_affordable_in_dollars():
    call = Call(Target("unpriced"), SMALL, Shortlist(POOL))
    assert not Budget(usd=10**6).reserve(call)


def test_a_long_prompt_is_bounded_at_the_price_of_long_prompts():
    tiered = Target("tiered", price=Price(1, 5, above=1_000, long=Price(2, 10)))
    assert Budget(usd=1).bound(tiered, View(tokens=950, needs=Needs(max_output=0)))[0] == pytest.approx(1_045 * 2e-6)


@pytest.mark.parametrize(
    ("attempt", "charged"),
    [
        ({"reply": Reply("yes", usage=Usage(800, 50))}, 850),
        ({"reply": Reply("yes", usage=Usage(800, 50)), "verdict": Verdict(False)}, 850),
        ({"reply": Reply("of unknown usage")}, 1_200),
        ({"abandoned": True}, 1_200),
        ({"error": TargetError(FailureKind.TIMEOUT)}, 1_200),
        ({"error": TargetError(FailureKind.REFUSED)}, 1_200),
        ({"error": TargetError(FailureKind.RATE_LIMIT)}, 0),
        ({"error": TargetError(FailureKind.CONTEXT_OVERFLOW)}, 0),
    ],
)
def test_each_end_of_a_call_is_charged_as_what_is_known_of_it(attempt, charged):
    budget = Budget(tokens=5_000)
    call = made(budget)
    assert budget.spent(SMALL) == (0.0, 1_200)
    budget.learn(Attempt(call, 0.0, 1.0, **attempt))
    assert budget.spent(SMALL) == (0.0, charged)


def test_a_reply_that_broke_off_is_charged_with_its_bound():
    budget = Budget(tokens=5_000)
    script = Script(otherwise=Fails(FailureKind.CONNECTION, after=["part"]))
    with pytest.raises(Interrupted):
        ask(Router(POOL, budget), line=script)
    assert budget.spent(SMALL)[1] == 1_200


def test_an_abandoned_stream_is_charged_with_its_bound():
    budget = Budget(tokens=5_000)
    stream = drive(Router(POOL, budget).start(SMALL), Script(otherwise="a long story").perform)
    next(stream)
    stream.close()
    assert budget.spent(SMALL)[1] == 1_200


def test_a_failed_target_costs_nothing_and_the_fallback_is_paid_from_the_same_budget():
    budget = Budget(tokens=5_000)
    ask(Router(POOL, budget), line=Script(dear=Fails(FailureKind.OVERLOADED), cheap=says(700, 30)))
    assert budget.spent(SMALL)[1] == 730


def test_what_a_judge_is_asked_is_charged_too():
    budget = Budget(tokens=10_000)
    pool = Pool([DEAR, CHEAP, Target("judge", price=Price(1, 1))])
    router = Router(pool, budget, verify=Judge("judge"))
    ask(router, line=Script(judge=says(400, 20), otherwise=says(700, 30)))
    assert budget.spent(SMALL)[1] == 730 + 420


def test_an_open_call_counts_until_it_is_settled_or_released():
    budget = Budget(tokens=2_500)
    first, second = made(budget), made(budget)
    assert not budget.reserve(Call(CHEAP, SMALL, Shortlist(POOL)))
    budget.release(first)
    third = made(budget)
    budget.learn(Attempt(second, 0.0, 1.0, Reply("", usage=Usage(10, 10))))
    budget.learn(Attempt(third, 0.0, 1.0, Reply("", usage=Usage(10, 10))))
    assert budget.spent(SMALL)[1] == 40


@pytest.mark.parametrize(
    ("per", "shared", "apart"),
    [
        ("session", Scope("s1", "other"), Scope("s2")),
        ("agent", Scope("s1", "main", "other task"), Scope("s1", "other")),
        ("task", Scope("s1", "main", "", 9), Scope("s1", "main", "other task")),
        ("user", Scope("s2", labels={"user": "u1"}), Scope("s1", labels={"user": "u2"})),
    ],
)
def test_a_budget_is_shared_within_its_scope_and_not_beyond(per, shared, apart):
    budget = Budget(tokens=1_500, per=per)
    made(budget, View(Scope("s1", labels={"user": "u1"}), tokens=1_000, needs=Needs(max_output=100)))
    assert budget.spent(View(shared))[1] == 1_200
    assert budget.spent(View(apart))[1] == 0


def test_all_calls_have_one_budget():
    budget = Budget(tokens=1_500, per="all")
    made(budget)
    assert budget.spent(View(Scope("another"), tokens=1))[1] == 1_200


@pytest.mark.parametrize("per", ["target", "provider", "account"])
def test_a_target_a_provider_and_an_account_have_a_budget_each(per):
    ours, theirs = Target("a", "acme", account="acme.com#1"), Target("b", "umbrella", account="umbrella.com#2")
    budget = Budget(tokens=1_500, per=per)
    router = Router(Pool([ours, theirs]), budget)
    ask(router, line=says(1_000, 100))
    assert router.decide(SMALL).names == ("b",)
    assert router.decide(SMALL).notes[0].because.startswith(f"{per} ")
    assert (budget.spent(SMALL, ours)[1], budget.spent(SMALL, theirs)[1]) == (1_100, 0)


def test_a_request_pays_for_its_fallbacks_and_judges_together():
    router = Router(
        Pool([DEAR, CHEAP, Target("judge", price=Price(1, 1))]), Budget(tokens=2_300, per="request"), verify=Judge("judge")
    )
    for _ in range(3):  # each request has a budget of its own
        ask(router, line=Script(judge=says(400, 20), otherwise=says(700, 30)))
    script = Script(dear=Fails(FailureKind.TIMEOUT), judge=says(400, 20), cheap=says(700, 30))
    with pytest.raises(AllTargetsFailed) as failed:  # the time-out is charged with its bound, 1,200: too little is left
        ask(router, line=script)
    assert "this request has spent 1,200 of 2,300 tokens" in failed.value.__notes__[0]


def test_each_calendar_period_has_a_limit_of_its_own():
    clock = Clock(1_764_500_400.0)  # noon of 2025-11-30 in Berlin
    budget = Budget(tokens=1_500, period="month", zone="Europe/Berlin")
    router = Router(POOL, budget, clock=clock)
    ask(router, line=says(1_000, 100))
    with pytest.raises(BudgetExceeded, match="in 2025-11@Europe/Berlin"):
        ask(router)
    clock.advance(1_764_543_600.0 - clock.now)
    ask(router, line=says(1_000, 100))
    other = Budget(tokens=1_500, period="month", zone="Europe/Berlin")
    other.load(budget.dump())
    assert other.dump() == budget.dump()


@pytest.mark.parametrize(
    ("every", "moment", "name", "hours"),
    [
        ("day", "2026-03-29T12:00", "2026-03-29@Europe/Berlin", 23),
        ("day", "2026-10-25T23:59", "2026-10-25@Europe/Berlin", 25),
        ("week", "2027-01-02T00:00", "2026-W53@Europe/Berlin", 168),
        ("month", "2026-02-28T23:59", "2026-02@Europe/Berlin", 28 * 24),
        ("month", "2026-12-31T00:00", "2026-12@Europe/Berlin", 31 * 24),
    ],
)
def test_periods_follow_the_calendar_of_their_zone(every, moment, name, hours):
    now = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    period = Calendar(every, "Europe/Berlin").at(now)
    assert (period.name, (period.end - period.start) / 3600) == (name, hours)
    assert period.start <= now < period.end


def test_the_tenant_is_a_label_and_a_label_may_be_a_number(caplog):
    for budget, scope in (
        (Budget(tokens=10**6, per="tenant"), Scope(tenant="acme")),
        (Budget(tokens=10**6, per="user", store=JsonStore()), Scope(labels={"user": 7})),
        (Budget(tokens=10**6, per="user", store=JsonStore()), Scope(labels={"user": 0})),
    ):
        with caplog.at_level(logging.WARNING, "switchwise.budget"):
            assert made(budget, View(scope, tokens=10))
    assert not [record.getMessage() for record in caplog.records if "has no label" in record.getMessage()]
    assert (Scope(labels={"user": 0}).label("user"), Scope(labels={"user": None}).label("user")) == ("0", "")


def test_an_unknown_per_is_warned_of_once_with_the_known_words(caplog):
    budget = Budget(tokens=10**6, per="sesion")
    with caplog.at_level(logging.WARNING, "switchwise.budget"):
        made(budget, View(Scope("s1"), tokens=10))
        made(budget, View(Scope("s2"), tokens=10))
    [record] = caplog.records
    assert record.getMessage().startswith("Budget(per='sesion'): a call has no label 'sesion'.")
    assert record.getMessage().endswith("request, session, agent, task, target, provider, account and all.")


@pytest.mark.parametrize("per", ["session", "agent", "task", "all", "user"])
def test_a_known_per_is_not_warned_of(per, caplog):
    with caplog.at_level(logging.WARNING, "switchwise.budget"):
        made(Budget(tokens=10**6, per=per), View(Scope(labels={"user": "ada"}), tokens=10))
    assert not caplog.records


def test_calls_without_the_label_share_one_budget_instead_of_having_none():
    budget = Budget(tokens=1_500, per="user")
    made(budget)
    assert not budget.reserve(Call(CHEAP, SMALL, Shortlist(POOL)))


@pytest.mark.parametrize("start", [0.0, 150.0, 299.0])
def test_what_was_spent_drops_out_of_the_window_not_a_second_too_soon(start):
    clock = Clock(start)
    router = Router(POOL, Budget(tokens=1_500, window=3_600), clock=clock)
    ask(router, line=says(1_000, 100))
    clock.advance(3_599)
    with pytest.raises(BudgetExceeded):
        ask(router)
    clock.advance(301)
    assert ask(router, line=says(1_000, 100)).accepted


def test_a_limit_in_dollars_needs_prices_and_says_so_at_construction():
    pool = Pool([DEAR, Target("mystery"), Target("secret")])
    with pytest.raises(ConfigurationError, match=r"mystery, secret; give Target\(price=Price\(\.\.\.\)\), or limit tokens="):
        Router(pool, Budget(usd=1))
    assert Router(pool, Budget(tokens=10**6)).decide(View()).names == ("dear", "mystery", "secret")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "usd= or tokens="),
        ({"usd": 0}, "above 0"),
        ({"usd": 1, "window": -1}, "above 0"),
        ({"usd": 1, "per": "step"}, "is one request"),
        ({"usd": 1, "window": 60, "period": "day"}, "one of them"),
        ({"usd": 1, "period": "fortnight"}, "day, week, month"),
        ({"usd": 1, "period": "day", "zone": "Europe/Atlantis"}, "IANA"),
    ],
)
def test_a_budget_that_cannot_work_is_refused(wrong, says):
    with pytest.raises(ConfigurationError, match=says):
        Budget(**wrong)


def test_the_oldest_scope_is_forgotten_but_never_one_with_an_open_call():
    budget = Budget(tokens=1_500, size=3)
    made(budget)
    for i in range(10):
        view = View(Scope(f"new {i}"), tokens=1_000, needs=Needs(max_output=100))
        budget.learn(Attempt(made(budget, view), 0.0, 1.0, Reply("", usage=Usage(1_000, 100))))
    assert [key for key, _ in budget.dump()["accounts"]] == [["", "s1"], ["", "new 7"], ["", "new 8"], ["", "new 9"]]
    assert budget.spent(SMALL)[1] == 1_200


def test_open_calls_are_carried_over_as_spent():
    budget, other = Budget(tokens=1_500, window=60.0), Budget(tokens=1_500, window=60.0)
    now = View(Scope("s1"), tokens=1_000, needs=Needs(max_output=100), now=10_000.0)
    made(budget, now)
    other.load(budget.dump())
    assert other.spent(now)[1] == 1_200


class Spending(RuleBasedStateMachine):
    """Calls of any size open and end in any order; what the provider may have billed stays within the limit."""

    LIMIT, WINDOW = 10_000, 120.0

    @initialize(windowed=st.booleans())
    def start(self, windowed):
        self.window = self.WINDOW if windowed else None
        self.budget = Budget(tokens=self.LIMIT, usd=0.05, window=self.window)
        self.now = 0.0
        self.open, self.billed = [], []

    @rule(tokens=st.integers(0, 4_000), longest=st.integers(1, 2_000), whom=st.sampled_from([DEAR, CHEAP]))
    def a_call_is_made(self, tokens, longest, whom):
        view = View(Scope("s"), tokens, Needs(max_output=longest), now=self.now)
        call = Call(whom, view, Shortlist(POOL))
        if self.budget.reserve(call):
            self.open.append(call)
        else:
            left = [limit - spent for limit, spent in zip((0.05, self.LIMIT), self.budget.spent(view), strict=True)]
            bound = self.budget.bound(whom, view)
            assert bound[0] > left[0] or bound[1] > left[1], "it was refused although there was enough"

    @precondition(lambda self: self.open)
    @rule(data=st.data(), share=st.floats(0, 1), end=st.sampled_from(["known", "unknown", "abandoned", "failed", "released"]))
    def a_call_ends(self, data, share, end):
        call = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        usd, tokens = self.budget.bound(call.target, call.view)
        used = Usage(int(call.view.tokens * 1.1 * share), int(call.view.needs.max_output * share))
        cost = call.target.price.cost(used), used.input_tokens + used.output_tokens
        if end == "released":
            self.budget.release(call)
            return
        reply = {"known": Reply("", usage=used), "unknown": Reply("")}.get(end)
        error = TargetError(FailureKind.OVERLOADED) if end == "failed" else None
        self.budget.learn(Attempt(call, call.view.now, self.now, reply, error, abandoned=end == "abandoned"))
        if end != "failed":
            self.billed.append((self.now, *(cost if end == "known" else (usd, tokens))))

    @rule(seconds=st.sampled_from([1.0, 9.0, 31.0, 119.0, 121.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @invariant()
    def no_stretch_of_the_window_holds_more_than_the_limit(self):
        for first, *_ in self.billed:
            stretch = [row for row in self.billed if row[0] >= first and (self.window is None or row[0] <= first + self.window)]
            assert sum(row[2] for row in stretch) <= self.LIMIT
            assert sum(row[1] for row in stretch) <= 0.05 + 1e-12


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 8))
def test_threads_never_overspend_together(seed, threads):
    rng = random.Random(seed)
    lines = [says(rng.randrange(1_000), rng.randrange(100)) for _ in range(50)]
    budget, billed, refused = Budget(tokens=8_000), [], []
    router = Router(POOL, budget)
    script = Script(otherwise=lines)
    barrier = threading.Barrier(threads, timeout=30)

    def work():
        barrier.wait()
        for _ in range(20):
            try:
                usage = ask(router, line=script).reply.usage
            except BudgetExceeded:
                refused.append(1)
            else:
                billed.append(usage.input_tokens + usage.output_tokens)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(billed) <= 8_000
    assert len(billed) + len(refused) == 20 * threads
    assert budget.spent(SMALL)[1] == sum(billed), "nothing stays reserved"


def test_a_stream_that_the_garbage_collector_closes_while_the_budget_counts_is_settled():
    """It settles from within the budget's own critical section, on the same thread: a plain lock would wait for ever."""
    budget = Budget(tokens=10**9)
    router = Router(POOL, budget)
    for n in range(300):
        ask(router, View(Scope(f"s{n}"), tokens=10), says(1, 1))
    threshold = gc.get_threshold()
    faulthandler.dump_traceback_later(60, exit=True)
    gc.collect()
    gc.disable()
    try:
        shown = drive(router.start(SMALL), lambda call: iter(["chunk", Reply("yes")]))
        next(shown)
        loop = [shown]
        loop.append(loop)
        del shown, loop
        gc.set_threshold(gc.get_count()[0] + 100)  # it runs in the middle of what follows
        gc.enable()
        budget.dump()
    finally:
        gc.set_threshold(*threshold)
        gc.enable()
        faulthandler.cancel_dump_traceback_later()
    gc.collect()
    assert not budget._reserved


async def test_tasks_never_overspend_together():
    budget = Budget(usd=0.02)
    router = Router(POOL, budget)
    script = Script(otherwise=says(1_000, 100))

    async def work():
        try:
            run = router.start(SMALL)
            async for _ in adrive(run, script.aperform):
                pass
        except BudgetExceeded:
            return 0.0
        return run.outcome.cost

    costs = await asyncio.gather(*(work() for _ in range(40)))
    assert 0 < sum(costs) <= 0.02
    assert 0.0 in costs


def test_what_the_first_of_two_budgets_reserved_is_given_back_where_the_second_refuses():
    first, second = Budget(tokens=5_000), Budget(tokens=5_000, per="all")
    router, view = Router(Pool([CHEAP]), first, second), View(Scope("s2"), tokens=4_000, needs=Needs(max_output=100))
    rival = []

    def meanwhile(_, shortlist):  # another session spends after the budgets were asked
        if not rival:
            rival.append(None)
            rival[0] = router.start(View(Scope("s1"), tokens=4_000, needs=Needs(max_output=100)))
        return shortlist

    with pytest.raises(BudgetExceeded, match="all calls together"):
        Router(Pool([CHEAP]), first, second, meanwhile).start(view)
    assert (first.spent(view)[1], second.spent(view)[1]) == (0, first.spent(rival[0].call.view)[1])
    rival[0].close()


def test_of_two_budgets_both_must_allow_a_call():
    wide, narrow = Budget(tokens=10**6), Budget(tokens=1_300, per="all")
    router = Router(POOL, wide, narrow)
    ask(router, line=says(1_000, 100))
    with pytest.raises(BudgetExceeded):
        ask(router)
    assert wide.spent(SMALL)[1] == 1_100, "what the other refused is not kept reserved"
