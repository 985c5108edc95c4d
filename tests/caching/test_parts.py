"""Rules, chains, plans, effort and the cap, each by itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from switchwise import ConfigurationError, Price, Usage
from switchwise.nouns.prompt_prefix import SYSTEM, TOOLS, Block, Change, PromptPrefix
from switchwise.prompt_cache.ledger import Ledger
from switchwise.switching import CacheRule, CacheRules, Outlook, Planner, Standing, Tariff, compare
from switchwise.switching.calls_needed import PRIOR, WORK, Effort, Stretches
from switchwise.switching.planner import CONTROL, Warmth
from switchwise.switching.switching_budget import Made, SpendCap

OPUS, HAIKU = Price(5, 25, 0.5, 6.25), Price(1, 5, 0.1, 1.25)
CLAUDE = CacheRule("marked", minimum=4096, ttl=300, lookback=20)
LOOK = Outlook(1_300, 283, easy=9.5, hard=9.5, any=0.95, again_easy=0.9, again_hard=0.9, life=40, rewrites=2)


# -- rules and rates


def test_a_model_has_the_rule_of_the_longest_beginning_of_its_name():
    rules = CacheRules()
    assert rules.of("anthropic", "claude-opus-5-5").read == 0.05
    assert rules.of("anthropic", "claude-opus-5").read == 0.1
    assert rules.of("openai", "gpt-6-luna").ttl == 1800
    assert not rules.of("openai", "gpt-5-pro").caches
    assert rules.of("bedrock", "us.anthropic.claude-haiku-4-5-v1:0").minimum == 4096
    assert not rules.of("openrouter", "anthropic/claude-opus-5").assured


def test_an_unknown_model_is_taken_not_to_cache():
    rule = CacheRules().of("nobody", "llama")
    assert (rule.caches, rule.known, rule.whole(50_000)) == (False, False, 0)


@pytest.mark.parametrize("entry", [{"minimun": 5}, {"mode": "sometimes"}])
def test_an_override_that_says_nothing_sensible_is_refused(entry):
    with pytest.raises(ConfigurationError, match="cache rule 'x'"):
        CacheRules({"x": entry})


def test_a_write_price_of_nothing_means_no_surcharge_not_a_free_write():
    assert Tariff(Price(1.32, 3.96, 0.044, 0.0), CacheRule("automatic", ttl=300)).at(10_000).write == pytest.approx(1.32e-6)


def test_below_the_minimum_and_above_a_tier_other_rates_count():
    tariff = Tariff(Price(0.1, 0.5, 0.01, 0.125, above=100_000, long=Price(0.5, 2.5, 0.05, 0.625)), CLAUDE)
    assert tariff.at(1_000).read == tariff.at(1_000).plain
    assert tariff.at(150_000).read == pytest.approx(5 * tariff.at(50_000).read)


# -- chains

blocks = some.lists(
    some.builds(lambda digest, tokens: Block(digest, tokens), some.integers(1, 50), some.integers(1, 500)),
    min_size=1,
    max_size=12,
)


@given(blocks, blocks)
def test_two_prompts_share_a_prefix_exactly_as_far_as_their_digests_agree(one, other):
    first, second = PromptPrefix(), PromptPrefix()
    first.update(one)
    second.update(other)
    for i in range(1, min(len(one), len(other)) + 1):
        same = [a.digest for a in one[:i]] == [b.digest for b in other[:i]]
        assert (first.digest(i) == second.digest(i)) == same


@given(blocks, blocks, some.integers(0, 12))
def test_a_chain_that_grew_is_the_chain_that_was_read_at_once(one, other, shared):
    grown, fresh = PromptPrefix(), PromptPrefix()
    grown.update(one)
    shared = min(shared, len(one))
    grown.grow(shared, other)
    fresh.update(one[:shared] + other)
    assert [grown.digest(i) for i in range(len(grown) + 1)] == [fresh.digest(i) for i in range(len(fresh) + 1)]
    assert grown.tokens == fresh.tokens
    assert grown.since(0) == (shared if shared < len(one) else len(grown))


def test_each_kind_of_change_is_told():
    front, talk = [Block(1, 100, TOOLS), Block(2, 100, SYSTEM)], [Block(i, 100) for i in range(3, 13)]

    def after(messages=talk, before=front, settings=(0, 0, 0)):
        chain = PromptPrefix()
        assert chain.update([*front, *talk]) is Change.FIRST
        return chain.update([*before, *messages], settings)

    assert after([*talk, Block(20, 10)]) is Change.APPEND
    assert after([*talk[:4], Block(20, 10), *talk[5:]]) is Change.EDIT
    assert after([Block(20, 300)]) is Change.COMPACTION
    assert after([*talk[:4], Block(20, 100, media=True), *talk[5:]]) is Change.MEDIA
    assert after(before=[*front[:1], Block(21, 5, TOOLS), front[1]]) is Change.TOOLS
    assert after(before=[front[0], Block(22, 100, SYSTEM)]) is Change.SYSTEM
    assert after(settings=(0, 0, 1)) is Change.SETTINGS


# -- the ledger


def test_what_is_under_way_is_not_taken_to_be_warm():
    ledger, chain = Ledger(), PromptPrefix()
    chain.update([Block(1, 10_000)])
    first = ledger.start("a", CLAUDE, "t", chain, 0.0)
    assert ledger.expect("a", CLAUDE, "t", chain, 1.0).because == "pending"
    ledger.ended(first, Usage(10_000, 5, cache_read_tokens=0, cache_write_tokens=10_000))
    assert ledger.expect("a", CLAUDE, "t", chain, 2.0).tokens == 10_000


def test_a_call_that_failed_wrote_nothing():
    ledger, chain = Ledger(), PromptPrefix()
    chain.update([Block(1, 10_000)])
    ledger.failed(ledger.start("a", CLAUDE, "t", chain, 0.0))
    assert ledger.expect("a", CLAUDE, "t", chain, 1.0).tokens == 0


def test_what_is_unknown_teaches_nothing_and_a_broken_promise_does():
    ledger, chain = Ledger(), PromptPrefix()
    chain.update([Block(1, 10_000)])
    ledger.ended(ledger.start("a", CLAUDE, "t", chain, 0.0), Usage(10_000, 5))
    assert ledger.expect("a", CLAUDE, "t", chain, 1.0).tokens == 10_000
    ledger.ended(ledger.start("a", CLAUDE, "t", chain, 2.0), Usage(10_000, 5, cache_read_tokens=0, cache_write_tokens=10_000))
    assert ledger.hit_rate("a") < 1


def test_the_front_is_warm_for_other_threads_of_the_account_only():
    ledger, one, two = Ledger(), PromptPrefix(), PromptPrefix()
    front = [Block(1, 5_000, TOOLS), Block(2, 5_000, SYSTEM)]
    one.update([*front, Block(3, 500)])
    two.update([*front, Block(4, 500)])
    ledger.ended(
        ledger.start("a", CLAUDE, "one", one, 0.0, (2, 3)), Usage(10_500, 5, cache_read_tokens=0, cache_write_tokens=10_500)
    )
    assert ledger.expect("a", CLAUDE, "two", two, 1.0, (2, 3)).tokens > 9_000
    assert ledger.expect("b", CLAUDE, "two", two, 1.0, (2, 3)).tokens == 0


def test_threads_that_were_not_seen_for_long_are_forgotten():
    ledger, chain = Ledger(size=10), PromptPrefix()
    chain.update([Block(1, 10_000)])
    for thread in range(50):
        ledger.ended(ledger.start("a", CLAUDE, thread, chain, 0.0), None)
    assert len(ledger._threads) == 10


# -- plans


def worth(prompt, home, other, outlook=LOOK, calls=1.0):
    warm = Standing(Tariff(home, CLAUDE), prompt - 1_300)
    return compare(warm, Standing(Tariff(other, CLAUDE), calls=calls), prompt, outlook)


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
    home = Tariff(OPUS, CLAUDE)
    cheap = Standing(Tariff(HAIKU, CLAUDE), 79_000)
    fresh = compare(Standing(home, 79_000), cheap, 80_000, LOOK)
    old = compare(Standing(home, 79_000, lapse=0.4), cheap, 80_000, LOOK)
    assert fresh.other < fresh.home
    assert old.other > old.home


# -- learning


USUAL = (1, 2, 1, 4, 3, 2, 6, 1, 3, 9) * 15


def known(lengths=USUAL):
    alone = Stretches()
    for length in lengths:
        alone.add(length)
    return alone


def seen(alone, lengths, model="weak", *, ended=True):
    """What is concluded of a model that made stretches of those lengths."""
    effort = Effort()
    for length in lengths:
        for position in range(1, length + 1):
            evidence = alone.called(model, position, ended=ended and position == length)
            if evidence is not None:
                effort.learn("main", evidence)
    return effort


def test_before_anything_was_seen_most_models_need_no_more_calls_but_some_need_twice_as_many():
    effort = Effort()
    assert tuple(effort.chances) == pytest.approx(PRIOR)
    assert max(effort.chances) == effort.chances[0]
    assert effort.least < 0.5 < effort.work < 1.0


def test_calls_needed_are_learnt_from_the_length_of_stretches():
    same, twice = seen(known(), USUAL), seen(known(), [2 * length for length in USUAL])
    assert same.work > 0.97
    assert same.calls < 1.05
    assert twice.work == pytest.approx(0.5, abs=0.05)
    assert 1.9 < twice.calls < 2.2
    assert same.least > 0.7
    assert twice.least < 0.5


def test_a_stretch_that_goes_on_for_too_long_tells_before_it_ends():
    assert seen(known(), [24], ended=False).calls > 1.4 > Effort().calls


def test_what_a_model_does_at_most_is_tried_now_and_then_and_its_middle_oftener():
    effort = seen(known(), [4, 6, 8, 6])
    assert 1.0 <= effort.tried(0.999) < effort.tried(0.5) <= effort.tried(0.01)


def test_with_little_of_its_own_to_compare_with_little_is_concluded():
    little, much = (seen(known(USUAL[:10] * count), [2 * length for length in USUAL[:10]]) for count in (1, 50))
    assert much.calls > 1.1 * little.calls


def test_long_stretches_of_a_kind_that_has_some_are_no_evidence_against_a_model():
    """Stretches are not alike: where one in ten is ten times as long, meeting such a one says little."""
    plain, mixed = known([3] * 100), known([2] * 90 + [30] * 10)
    assert seen(plain, [2, 2, 2, 30]).work < 0.7
    assert seen(mixed, [2, 2, 2, 30]).work > seen(plain, [2, 2, 2, 30]).work + 0.1


def test_what_is_left_of_a_stretch_counts_those_that_another_took_over():
    alone, cut = Stretches(), Stretches()
    for stretches in (alone, cut):
        for _ in range(50):
            stretches.add(1)
            stretches.add(3, ended=stretches is alone)
    assert seen(cut, [5] * 10).work > seen(alone, [5] * 10).work


def test_without_history_nothing_is_concluded():
    assert Stretches().called("weak", 1, ended=True) is None


@given(some.lists(some.integers(1, 60), min_size=5, max_size=60), some.lists(some.integers(1, 60), min_size=1, max_size=30))
def test_whatever_was_seen_the_possibilities_are_weighed_and_nothing_does_more_than_the_strong_model(own, others):
    effort = seen(known(own), others)
    assert sum(effort.chances) == pytest.approx(1.0)
    assert WORK[-1] - 1e-9 <= effort.least <= effort.tried(0.5) ** -1 <= 1.0
    assert 1.0 - 1e-9 <= 1 / effort.work <= effort.calls <= 1 / WORK[-1] + 1e-9


@given(some.lists(some.tuples(some.integers(1, 30), some.booleans()), min_size=30, max_size=80))
def test_evidence_counted_call_by_call_is_what_all_calls_say_together(calls):
    alone, once = known(), known()
    for position, ended in calls:
        evidence = alone.called("weak", position, ended=ended)
    for position, ended in calls[:-1]:
        once.called("weak", position, ended=ended)
    once._seen.clear()
    assert once.called("weak", *calls[-1][:1], ended=calls[-1][1]) == pytest.approx(evidence)


# -- the cap

HOME = Tariff(OPUS, CLAUDE)
READ, WRITE = HOME.at(80_000).read, HOME.at(80_000).write


def made(spent, model="", *, prompt=80_000.0, grown=0.0, by="", added=None):
    """A call whose prompt was warm at home but for what had grown."""
    before = prompt - grown
    return Made(spent, model, HOME, prompt, 0.0, before, before, added or {}, by, grown)


def sure(work):
    effort = Effort()
    effort.learn("main", [0.0 if each == work else -50.0 for each in WORK])
    return effort


def test_the_cap_closes_when_the_bill_runs_ahead_and_opens_when_it_was_earned_back():
    cap = SpendCap(0.02, start=0)
    never = 80_000 * READ
    for _ in range(100):
        cap.add(made(1.05 * never, "weak"))
    assert cap.never == pytest.approx(100 * never)
    assert not cap.allows
    for _ in range(100):
        cap.add(made(0.9 * never, "weak"))
    assert cap.allows


def test_where_nothing_is_switched_the_two_bills_are_one_whatever_was_cached():
    cap = SpendCap()
    for spent in (0.4, 0.04, 0.5):
        cap.add(made(spent))
    assert cap.never == cap.spent
    assert cap.allows


def test_of_the_first_calls_some_may_cost_more():
    cap = SpendCap(0.02, start=600)
    never = 80_000 * READ
    for _ in range(5):
        cap.add(made(3 * never, "weak"))
    assert cap.allows  # 10 calls more; 12 are allowed
    cap.add(made(4 * never, "weak"))
    assert not cap.allows


def test_the_cap_is_worked_out_while_another_thread_takes_in_the_first_call_of_a_model():
    cap = SpendCap()
    cap.add(made(0.1, "weak"))

    class Interrupted:
        """Another thread gets its turn while this is looked at."""

        work = least = 1.0

        @property
        def chances(self):
            cap.works("weak", Effort())  # once
            cap.add(made(0.1, "new"))
            return PRIOR

    cap.works("weak", Interrupted())
    assert cap.allows
    assert "new" in cap._never


def test_what_to_expect_is_worked_out_anew_while_a_parallel_call_asks_for_another_lifetime():
    course = Planner().course("main")
    course.outlook(300.0)

    class Interrupted:
        """A parallel call gets its turn while this is worked out."""

        def outlook(self, ttl):
            course._outlooks.setdefault(3_600.0, LOOK)
            return LOOK

    course.rhythm = Interrupted()
    course.changed()
    assert course.outlook(300.0) is LOOK


def test_calls_that_would_not_have_been_needed_count_against_the_cap():
    cap = SpendCap(0.02, start=0)
    never = 80_000 * READ
    for _ in range(10):
        cap.add(made(never))
        cap.add(made(0.6 * never, "weak"))
    assert cap.allows
    cap.works("weak", sure(0.5))
    assert cap.never == pytest.approx(15 * never)
    assert not cap.allows
    cap.works("weak", sure(0.8))
    assert cap.allows


def test_tokens_that_they_left_in_the_prompt_count_at_every_call_that_carries_them():
    cap = SpendCap()
    cap.add(made(0.01, "weak"))
    cap.works("weak", sure(0.5))
    before = cap.never
    cap.add(made(0.08, prompt=90_000.0, grown=10_000.0, by="weak"))  # the extra half of them would not have been written
    assert cap.never - before == pytest.approx(80_000 * READ + 5_000 * WRITE)
    before = cap.never
    cap.add(made(0.06, prompt=90_000.0, added={"weak": 10_000.0}, by=""))
    assert cap.never - before == pytest.approx(85_000 * READ)


@given(some.lists(some.tuples(some.floats(0.001, 1.0), some.sampled_from(["", "a", "b"])), max_size=40))
def test_the_less_a_model_does_the_less_its_calls_were_worth(calls):
    cap = SpendCap()
    for spent, model in calls:
        cap.add(made(spent, model))
    assert all(sums == sorted(sums, reverse=True) for sums in cap._never.values())


def test_what_should_not_pay_is_tried_only_while_a_part_of_the_cap_is_left_for_it():
    cap = SpendCap(0.02, start=0)
    for _ in range(100):
        cap.add(made(1.0))
    assert cap.tries
    cap.tried = 0.6  # of 2 allowed in all
    assert not cap.tries


def test_at_the_cap_only_what_pays_at_once_goes_elsewhere():
    planner = Planner(cap=0.0)
    course = planner.course("main")
    home, cheap = Warmth(Tariff(OPUS, CLAUDE), 78_700, 1.0, 5.0), Warmth(Tariff(HAIKU, CLAUDE))
    assert planner.decide(course, 80_000, home, {"haiku": cheap}, 0.5).model == "haiku"
    planner.cap.add(made(10.0, "haiku"))
    assert planner.decide(course, 80_000, home, {"haiku": cheap}, 0.5).model == ""
    warm = cheap._replace(tokens=79_000, chance=1.0)
    assert planner.decide(course, 80_000, home, {"haiku": warm}, 0.5).model == "haiku"


def test_stretches_are_left_to_the_home_model_in_proportion_to_what_is_at_stake():
    planner = Planner(control=0.1)
    course = planner.course("main")
    home, cheap = Warmth(Tariff(OPUS, CLAUDE), 78_700, 1.0, 5.0), Warmth(Tariff(HAIKU, CLAUDE))

    def controls(other=cheap):
        return [planner.decide(course, 80_000, home, {"haiku": other}, i / 200).mode for i in range(100)].count(CONTROL)

    def call(position, *, easy):
        model = "haiku" if easy else ""
        planner.saw(course, 10.0 * position, 80_000.0, 300.0, easy=easy, kept=80_000.0, home=HOME, model=model, cost=0.045)

    assert controls() == 0  # nothing was switched, nothing can have been lost
    for position in range(201):
        call(position, easy=position % 4 > 0)
    assert controls() > 80  # all that is allowed may have been lost, and nothing is known of the home model
    assert controls(Warmth(Tariff(Price(0.01, 0.05, 0.001, 0.01), CLAUDE))) == 0  # would pay whatever it needs
    for _ in range(400):
        planner.history("main", 3)
    assert controls() == 20  # the usual share


def taught():
    """A planner that has seen a model need twice the calls."""
    planner = Planner(control=0.02)
    for length in USUAL[:50]:
        planner.history("main", length)
    course, at = planner.course("main"), 0.0
    for length in USUAL[:20]:
        for easy in (False, *[True] * (2 * length)):
            at += 10.0
            model = "haiku" if easy else ""
            planner.saw(course, at, 40_000.0 + at, 300.0, easy=easy, kept=40_000.0, home=HOME, model=model, cost=0.01)
    return planner


def test_what_was_learnt_of_calls_needed_and_spent_goes_on_in_another_process():
    before, after = taught(), Planner(control=0.02)
    after.load(json.loads(json.dumps(before.dump())))
    assert after.calls("haiku") == pytest.approx(before.calls("haiku"))
    assert before.calls("haiku") > 1.5
    assert after.cap.never == pytest.approx(before.cap.never)
    assert after.cap.allows == before.cap.allows


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state["stretches"]["main"]["_others"].update(haiku=[[1.0], [2.0]]),
        lambda state: state["stretches"]["main"]["_others"].update(haiku={"a": 1}),
        lambda state: state["stretches"]["main"].update(own=10_000),
        lambda state: state["cap"]["_never"].update(haiku=[1.0]),
        lambda state: state["cap"]["_never"].update(haiku="much"),
    ],
)
def test_a_state_whose_tables_are_none_is_refused_and_nothing_of_it_taken_over(spoil):
    state, planner = json.loads(json.dumps(taught().dump())), Planner()
    spoil(state)
    with pytest.raises(ConfigurationError):
        planner.load(state)
    assert planner.calls("haiku") == 1.0
    assert planner.cap.spent == 0.0
