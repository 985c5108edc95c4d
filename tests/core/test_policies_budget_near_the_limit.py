"""A budget near its limit: cheaper targets come first, observers are notified, a person may raise it; and what a last resort may cost."""

import json
import logging
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from switchwise import (
    AllTargetsFailed,
    BudgetExceeded,
    ConfigurationError,
    FailureKind,
    Needs,
    Pool,
    Price,
    Reply,
    Router,
    Scope,
    Target,
    TargetError,
    Usage,
    View,
    drive,
)
from switchwise.observe import Observer
from switchwise.policies import Budget
from switchwise.testing import Clock, Fails, Says, Script

DEAR = Target("dear", price=Price(10, 50))
CHEAP = Target("cheap", price=Price(1, 5))
POOL = Pool([DEAR, CHEAP])
SMALL = View(Scope("s1"), tokens=1_000, needs=Needs(max_output=100))
DAY = 86_400


def ask(router, tokens, view=SMALL):
    script = tokens if isinstance(tokens, Script) else Script(otherwise=Says("yes", usage=Usage(tokens, 0)))
    run = router.start(view)
    list(drive(run, script.perform, sleep=lambda _: None))
    return run.outcome


class Events(Observer):
    def __init__(self):
        self.heard = []

    def event(self, event):
        self.heard.append((event.kind.value, event.name, event.details.get("percent")))


def test_from_the_soft_limit_on_cheaper_targets_come_first():
    router = Router(POOL, Budget(usd=0.10, soft=0.5))
    ask(router, 4_900)
    assert router.decide(SMALL).names == ("dear", "cheap"), "49 % is spent"
    ask(router, 200)
    decision = router.decide(SMALL)
    assert decision.names == ("cheap", "dear"), "51 % is; both are affordable"
    assert decision.decider.because == "session 's1' has spent $0.0510 of $0.10, open calls included: cheaper first"


def test_pacing_prefers_cheaper_targets_while_more_is_spent_than_the_day_allows():
    clock = Clock(1_764_547_200.0 - DAY / 2)  # noon, UTC
    router = Router(POOL, Budget(usd=0.10, period="day", soft="pace"), clock=clock)
    ask(router, 4_000)
    assert router.decide(SMALL).names[0] == "dear", "40 % is spent at 50 % of the day"
    ask(router, 2_000)
    assert router.decide(SMALL).names[0] == "cheap", "60 % is"
    clock.advance(DAY / 4)
    assert router.decide(SMALL).names[0] == "dear", "at 75 % of the day it may be"


def test_a_call_outside_of_the_budget_is_sent_again_uncounted():
    stale = TargetError(FailureKind.CONNECTION, "Server disconnected without sending a response.")
    budget, script = Budget(tokens=1, only="fallbacks"), Script(otherwise=[Fails(stale), Says("yes", usage=Usage(900, 9))])
    assert ask(Router(Pool([CHEAP]), budget), script).target is CHEAP
    assert (len(script.called), budget.spent(SMALL)) == (2, (0.0, 0))


def test_an_override_and_a_restored_state_count_for_the_calls_under_way():
    clock, budget = Clock(1_000.0), Budget(tokens=2_000, per="all")
    router = Router(Pool([CHEAP]), budget, clock=clock)
    run = router.start(View(tokens=1_000, needs=Needs(max_output=100)))
    budget.override(View(now=clock()), until=2_000.0, tokens=10_000, by="ada", because="a release")
    run.ended(Reply("yes", usage=Usage(1_000, 100)))
    assert budget.spent(View(now=clock()))[1] == 1_100
    ask(router, 5_000, View(tokens=5_000, needs=Needs(max_output=100)))
    open_run = router.start(SMALL)
    router.load(router.dump())
    open_run.close()
    assert budget.spent(View(now=clock()))[1] >= 6_100


def test_a_breaker_on_fallbacks_counts_only_what_follows_a_failure():
    router = Router(Pool([CHEAP, DEAR]), Budget(usd=0.030, per="all", only="fallbacks"))
    for _ in range(5):
        ask(router, 10_000)
    failing = Script(cheap=Fails(FailureKind.OVERLOADED), dear=Says("yes", usage=Usage(1_000, 100)))
    assert ask(router, failing).target is DEAR  # $0.015 of $0.03
    again = Script(cheap=Fails(FailureKind.OVERLOADED), dear=Says("yes", usage=Usage(1_000, 100)))
    with pytest.raises(AllTargetsFailed) as failed:
        ask(router, again)
    assert "all calls together have spent $0.0150 of $0.03" in "".join(failed.value.__notes__)
    assert again.called.count("dear") == 0


def test_a_person_may_raise_a_limit_for_a_time_and_the_audit_log_has_a_line_of_it(caplog):
    clock = Clock(1_000.0)
    budget = Budget(usd=0.01, per="user")
    router = Router(Pool([DEAR]), budget, clock=clock)
    ada = View(Scope(labels={"user": "ada"}), tokens=1_000, needs=Needs(max_output=100))
    with pytest.raises(BudgetExceeded):
        router.start(ada)
    with caplog.at_level(logging.INFO, "switchwise.audit"):
        budget.override(ada, until=1_060.0, usd=0.05, by="bob", because="demo at noon")
    [line] = [record for record in caplog.records if record.name == "switchwise.audit"]
    assert json.loads(line.getMessage()) == {
        "event": "budget_override",
        "budget": "user 'ada'",
        "usd": 0.05,
        "until": "1970-01-01T00:17:40+00:00",
        "by": "bob",
        "because": "demo at noon",
    }
    ask(router, 1_000, ada)
    with pytest.raises(BudgetExceeded):
        router.start(View(Scope(labels={"user": "eve"}), tokens=1_000, needs=Needs(max_output=100)))
    clock.advance(61)
    with pytest.raises(BudgetExceeded, match=r"\$0.0100 of \$0.01"):
        router.start(ada)


def test_an_override_goes_on_into_the_next_periods():
    """Berlin, on the day whose clocks are set back: it has 25 hours."""
    start = datetime(2026, 10, 25, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    clock = Clock(start)
    budget = Budget(tokens=1_500, per="all", period="day", zone="Europe/Berlin")
    router = Router(Pool([CHEAP]), budget, clock=clock)
    big = View(tokens=2_000, now=clock())
    budget.override(big, until=start + 36 * 3_600, tokens=9_000, by="bob", because="release")
    for hours, may in ((0, True), (13, True), (35.9, True), (36.1, False), (61, False)):
        clock.now = start + hours * 3_600
        assert bool(router.decide(big).names) is may, hours


@pytest.mark.parametrize(
    ("given", "until", "says"),
    [
        ({}, 2_000.0, "give usd= or tokens="),
        ({"usd": -1.0}, 2_000.0, "usd=-1.0"),
        ({"tokens": 5}, 2_000.0, "no limit of tokens"),
        ({"usd": 1.0}, 900.0, "until=900.0"),
        ({"usd": 1.0}, 1e9, "give the view its time"),
    ],
)
def test_an_override_that_cannot_be_is_refused(given, until, says):
    budget = Budget(usd=0.01, per="all", period="day")
    with pytest.raises(ConfigurationError, match=says):
        budget.override(View(now=1_000.0), until=until, by="bob", because="demo", **given)


@pytest.mark.parametrize("per", ["target", "request"])
def test_a_limit_of_many_small_groups_is_not_overridden(per):
    with pytest.raises(ConfigurationError, match=f"per='{per}'.*another limit"):
        Budget(usd=1, per=per).override(View(now=1_000.0), until=2_000.0, usd=2.0, by="bob", because="demo")


def test_each_threshold_is_an_event_once_and_so_is_the_end():
    events = Events()
    router = Router(Pool([CHEAP]), Budget(tokens=10_000), observers=[events])
    for tokens in (4_000, 2_000, 1_000, 1_500):
        ask(router, tokens)
    for _ in range(2):
        with pytest.raises(BudgetExceeded):
            router.start(View(Scope("s1"), tokens=2_000))
    assert events.heard == [
        ("budget_alert", "session 's1'", 50),
        ("budget_alert", "session 's1'", 80),
        ("budget_exhausted", "session 's1'", None),
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"soft": "pace"}, "give period="),
        ({"soft": 1.5}, "up to 1"),
        ({"only": "retries"}, "'all' or 'fallbacks'"),
    ],
)
def test_what_cannot_be_is_refused(wrong, says):
    with pytest.raises(ConfigurationError, match=says):
        Budget(usd=1, **wrong)
