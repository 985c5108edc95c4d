"""Plans, the forecast, calls needed and the planner, each by itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from switchwise import ConfigurationError, Price, Target, Usage, efforts
from switchwise.nouns.prompt_prefix import SYSTEM, TOOLS, Block, PromptPrefix
from switchwise.prompt_cache import CacheRule, CacheRules
from switchwise.prompt_cache.ledger import COLD, Expectation, Ledger
from switchwise.prompt_cache.rates import CacheRates
from switchwise.switching import NEW, CallPriors, Outlook, Planner, compared
from switchwise.switching.calls_needed import PRIOR, WORK, CallsNeeded, LifeTable
from switchwise.switching.forecast import Forecast
from switchwise.switching.planner import CONTROL, PLAN, TRIAL
from switchwise.switching.target_rules import TargetRules

OPUS, HAIKU = Price(5, 25, 0.5, 6.25), Price(1, 5, 0.1, 1.25)
CLAUDE = CacheRule("marked", minimum=4096, ttl=300, lookback=20)
LOOK = Outlook(1_300, 283, easy=9.5, hard=9.5, any=0.95, again_easy=0.9, again_hard=0.9, life=40, rewrites=2)


# -- plans


def worth(prompt, home, other, outlook=LOOK, calls=1.0):
    warm = CacheRates(home, CLAUDE), Expectation(prompt - 1_300, 1.0)
    others = {"other": (CacheRates(other, CLAUDE), COLD)}
    return compared(warm, others, prompt, lambda _: outlook, needed={"other": calls})["other"]


def test_a_cold_write_is_made_where_easy_calls_repay_it_and_not_where_they_do_not():
    assert (choice := worth(80_000, OPUS, HAIKU)).other < choice.home
    opus, sonnet = Price(4, 20, 0.2, 5), Price(2, 10, 0.1, 2.5)
    assert (choice := worth(80_000, opus, sonnet)).other > choice.home
    few = LOOK._replace(easy=0.5, again_easy=0.3)
    assert (choice := worth(80_000, OPUS, HAIKU, few)).other > choice.home


def test_the_worked_example_of_the_documentation():
    choice = worth(80_000, Price(4, 20, 0.2, 5), Price(2, 10, 0.1, 2.5))
    assert choice.other_call == pytest.approx(0.2028, abs=1e-4)
    assert choice.home_call == pytest.approx(0.0279, abs=1e-4)


@given(some.floats(1.0, 3.0), some.floats(0.1, 2.0))
def test_a_model_that_needs_more_calls_is_never_worth_more(calls, more):
    assert worth(50_000, OPUS, HAIKU, calls=calls).other < worth(50_000, OPUS, HAIKU, calls=calls + more).other


def test_a_cache_that_is_about_to_lapse_is_worth_a_call_at_home():
    warm = Expectation(79_000, 1.0)
    home, cheap = (CacheRates(OPUS, CLAUDE), warm), (CacheRates(HAIKU, CLAUDE), warm)
    fresh, old = (
        compared(home, {"cheap": cheap}, 80_000, lambda _: LOOK, lambda at, lapse=lapse: lapse * (at is home))["cheap"]
        for lapse in (0.0, 0.4)
    )
    assert fresh.other < fresh.home
    assert old.other > old.home


# -- calls needed


USUAL = (1, 2, 1, 4, 3, 2, 6, 1, 3, 9) * 15


def known(lengths=USUAL):
    alone = LifeTable()
    for length in lengths:
        alone.add(length)
    return alone


def seen(alone, lengths, model="weak", *, ended=True):
    """What is concluded of a model that made runs of those lengths."""
    needed = CallsNeeded()
    for length in lengths:
        for position in range(1, length + 1):
            alone.called(model, position, ended=ended and position == length)
            if (evidence := alone.evidence(model)) is not None:
                needed.learn("main", evidence)
    return needed


def test_before_anything_was_seen_most_models_need_no_more_calls_but_some_need_twice_as_many():
    needed = CallsNeeded()
    assert tuple(needed.chances) == pytest.approx(PRIOR)
    assert max(needed.chances) == needed.chances[0]
    assert 1.0 < needed.calls < 1.5


def test_calls_needed_are_learnt_from_the_length_of_runs():
    same, twice = seen(known(), USUAL), seen(known(), [2 * length for length in USUAL])
    assert same.calls < 1.05
    assert 1.9 < twice.calls < 2.2


def test_an_unusually_long_run_predicts_failure_before_it_ends():
    assert seen(known(), [24], ended=False).calls > 1.4 > CallsNeeded().calls


def test_uniform_draws_give_the_posterior():
    needed = seen(known(), [4, 6, 8, 6])
    drawn = [needed.drawn((i + 0.5) / 1_000) for i in range(1_000)]
    for work, chance in zip(WORK, needed.chances, strict=True):
        assert drawn.count(1 / work) / 1_000 == pytest.approx(chance, abs=0.002)


def test_with_little_of_its_own_to_compare_with_little_is_concluded():
    little, much = (seen(known(USUAL[:10] * count), [2 * length for length in USUAL[:10]]) for count in (1, 50))
    assert much.calls > 1.1 * little.calls


def test_long_runs_of_a_kind_that_has_some_are_no_evidence_against_a_model():
    """Runs are not alike: where one in ten is ten times as long, meeting such a one says little."""
    plain, mixed = known([3] * 100), known([2] * 90 + [30] * 10)
    assert seen(plain, [2, 2, 2, 30]).calls > 1.4
    assert seen(mixed, [2, 2, 2, 30]).calls < seen(plain, [2, 2, 2, 30]).calls - 0.1


def test_what_is_left_of_a_run_counts_those_that_another_took_over():
    alone, cut = LifeTable(), LifeTable()
    for table in (alone, cut):
        for _ in range(50):
            table.add(1)
            table.add(3, ended=table is alone)
    assert seen(cut, [5] * 10).calls < seen(alone, [5] * 10).calls


def test_without_history_nothing_is_concluded():
    table = LifeTable()
    table.called("weak", 1, ended=True)
    assert table.evidence("weak") is None


@given(some.lists(some.integers(1, 60), min_size=5, max_size=60), some.lists(some.integers(1, 60), min_size=1, max_size=30))
def test_whatever_was_seen_the_possibilities_are_weighed_and_nothing_does_more_than_the_strong_model(own, others):
    needed = seen(known(own), others)
    assert sum(needed.chances) == pytest.approx(1.0)
    assert 1.0 <= needed.drawn(0.5) <= 1 / WORK[-1]
    assert 1.0 - 1e-9 <= needed.calls <= 1 / WORK[-1] + 1e-9


# -- the forecast


def forecast_of(calls, priors=None):
    """A forecast after calls: (pause, growth, easy, broken)."""
    forecast, thread, at, prompt = Forecast(priors or CallPriors()), NEW.copy(), 0.0, 20_000.0
    for pause, growth, easy, broken in calls:
        at, prompt = at + pause, prompt + growth
        forecast.saw(thread, at, prompt, 200.0, easy=easy, broken=broken)
        thread.update(calls=thread["calls"] + 1, at=at, prompt=prompt, run=thread["run"] + 1 if easy else 0)
    return forecast


def test_the_prior_is_what_is_expected_at_first_and_is_forgotten_after_some_hundred_calls():
    assert forecast_of([]).outlook(300).growth == pytest.approx(1_300)
    assert forecast_of([(5.0, 4_000.0, True, False)] * 600).outlook(300).growth == pytest.approx(4_000, rel=0.1)


def test_pauses_longer_than_a_lifetime_lose_the_cache_of_that_lifetime_only():
    forecast = forecast_of([(5.0, 500.0, True, False)] * 200 + [(900.0, 500.0, True, False)] * 50)
    assert forecast.hazard(300) > forecast.hazard(3_600) + 0.15
    assert forecast.pause_between(600, 1_200) == pytest.approx(0.15, abs=0.1)
    assert forecast.pause_between(3_600, 7_200) == 0.0


def test_breaks_count_as_losses():
    assert forecast_of([(5.0, 500.0, True, True)] * 100).hazard(300) > 3 * forecast_of(
        [(5.0, 500.0, True, False)] * 100
    ).hazard(300)


def test_labels_that_follow_each_other_are_expected_to_go_on():
    mostly, seldom = (
        forecast_of([(5.0, 500.0, True, False)] * 200),
        forecast_of([(5.0, 500.0, i % 5 == 0, False) for i in range(200)]),
    )
    assert mostly.outlook(300).easy > 3 * seldom.outlook(300).easy
    assert mostly.outlook(300).again_hard < seldom.outlook(300).again_hard


@given(
    some.lists(some.tuples(some.floats(0, 1e5), some.floats(-1e4, 1e4), some.booleans(), some.booleans()), max_size=40),
    some.sampled_from([0.0, 300.0, 3_600.0]),
    some.floats(0.001, 1.0),
    some.floats(0.0, 1.0),
)
def test_whatever_was_seen_what_is_expected_is_possible(calls, ttl, hazard, easy):
    look = forecast_of(calls, CallPriors(hazard=hazard, easy_after_easy=easy, easy_after_hard=easy)).outlook(ttl)
    assert min(look) >= 0.0
    assert max(look.any, look.again_easy, look.again_hard) <= 1.0


# -- the planner

HOME = CacheRates(OPUS, CLAUDE)
WARM = HOME, Expectation(78_700, 1.0, 5.0)
COLD_HAIKU = CacheRates(HAIKU, CLAUDE), COLD


def modes(planner, thread=None, other=COLD_HAIKU, home=WARM):
    """How 300 draws are used at the beginning of a run."""
    thread = thread or NEW
    return [planner.decide(thread, "main", 80_000, home, {"haiku": other}, i / 300)[1] for i in range(300)]


def make_run(planner, thread, length, by="haiku"):
    for easy in (False, *[True] * length):
        planner.saw(thread, "main", thread["at"] + 10, 40_000, 300, easy=easy, by=by if easy else "")


def taught(times=2, **options):
    """A planner that has seen a model need that many times the calls."""
    planner, thread = Planner(**options), NEW.copy()
    for length in USUAL[:50]:
        planner.history("main", length)
    for length in USUAL[:20]:
        make_run(planner, thread, times * length)
    return planner


def test_nothing_is_learnt_of_calls_needed_unless_that_is_asked_for():
    planner, thread = Planner(), NEW.copy()
    for length in USUAL:
        make_run(planner, thread, 1, by="")
        make_run(planner, thread, 3 * length)
    assert planner.calls("haiku") == 1.0
    assert set(modes(planner)) == {PLAN}
    assert taught(3).calls("haiku") > 2.0


def test_a_verdict_may_be_bad_luck_so_a_draw_from_the_posterior_tries_now_and_then():
    planner = taught()
    assert planner.calls("haiku") > 1.7
    dear = CacheRates(Price(3, 15, 0.3, 3.75), CLAUDE), COLD
    found = modes(planner, other=dear)
    assert set(found) == {PLAN, TRIAL}
    assert 0 < found.count(TRIAL) < 30
    assert set(modes(planner, {**NEW, "calls": 3, "run": 1}, other=dear)) == {PLAN}  # only where a run begins


def test_some_runs_are_left_to_the_home_target_where_asked_for_fewer_the_more_is_known():
    planner, thread = Planner(explore=0.1), NEW.copy()
    assert modes(planner).count(CONTROL) == 150
    for _ in range(400):
        planner.history("main", 3)
    assert modes(planner).count(CONTROL) == 30
    uncached = CacheRates(Price(15, 120), CacheRule()), COLD
    assert modes(planner, home=uncached).count(CONTROL) == 0  # the other would pay whatever it needs
    planner.saw(thread, "main", 1.0, 80_000, 300, easy=True, mode=CONTROL)
    assert set(modes(planner, thread)) == {CONTROL}  # to the end of the run
    planner.saw(thread, "main", 2.0, 80_000, 300, easy=False)
    assert not thread["control"]


def test_what_was_learnt_goes_on_in_another_process():
    before, after = taught(), Planner()
    after.load(json.loads(json.dumps(before.dump(), allow_nan=False)))
    assert after.calls("haiku") == pytest.approx(before.calls("haiku"))
    assert before.calls("haiku") > 1.5
    assert after.forecast.outlook(300) == before.forecast.outlook(300)
    assert after.learns


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state["runs"]["main"]["others"].update(haiku=[[1.0], [2.0]]),
        lambda state: state["runs"]["main"]["others"].update(haiku={"a": 1}),
        lambda state: state["runs"]["main"].update(runs=10_000),
        lambda state: state["forecast"].update(_pauses=[1.0]),
        lambda state: state["forecast"].update(calls=0),
        lambda state: state.update(runs=[]),
    ],
)
def test_a_state_that_is_something_else_is_refused_and_nothing_of_it_taken_over(spoil):
    state, planner = json.loads(json.dumps(taught().dump())), Planner()
    spoil(state)
    with pytest.raises(ConfigurationError):
        planner.load(state)
    assert planner.dump() == Planner().dump()


def test_many_kinds_of_threads_share_a_table_beyond_a_bound():
    planner = Planner(explore=0.1)
    for number in range(400):
        planner.history(f"agent {number}", 2)
    assert len(planner.dump()["runs"]) == 256


# -- one model at several efforts


@pytest.mark.parametrize(
    ("provider", "model", "again", "fronts"),
    [
        ("openai", "gpt-6-luna", False, False),
        ("anthropic", "claude-opus-5-5", False, False),
        ("anthropic", "claude-sonnet-5-5", False, True),
        ("house", "own", True, True),
    ],
)
def test_a_change_of_effort_finds_what_its_provider_keeps(provider, model, again, fronts):
    rules = CacheRules({"house": {"mode": "automatic", "ttl": 300, "effort": "same"}})
    targets = efforts(Target(model, provider, model, OPUS, account="host#1"), "high", "low")
    high, low = (TargetRules(rules, {}).of(target, 0.0).cache for target in targets)
    assert (high.account == low.account, high.front == low.front) == (again, fronts)
    ledger, prefix = Ledger(), PromptPrefix()
    prefix.grow(0, [Block(3, 60_000)], front=[Block(1, 30_000, TOOLS), Block(2, 10_000, SYSTEM)])
    rows = ledger.record((), high, prefix, 0.0, Usage(100_000, 10, cache_read_tokens=0, cache_write_tokens=100_000))
    own = rows if again else ()
    expected = ledger.expect(own, low, prefix, 10.0)
    assert expected.tokens == pytest.approx(100_000 if again else 40_000 if fronts else 0, rel=0.01)


def test_a_rule_knows_three_ways_of_effort():
    with pytest.raises(ConfigurationError, match="use one of: apart, messages, same"):
        CacheRules({"house": {"effort": "none"}})
