"""Cheapest ranks by expected dollars, from list prices and the answers seen."""

import pytest

from switchwise import Ask, Attempt, Call, Phase, Pool, Price, Reply, Router, Scope, Shortlist, Signals, Target, Usage, View
from switchwise.nouns.target import Defaults
from switchwise.policies import Cheapest
from switchwise.state import InProcess

TALKATIVE = Target("dear answers", price=Price(1, 20))
READER = Target("dear prompts", price=Price(2, 2))
POOL = Pool([TALKATIVE, READER])


ANY = View()


def answered(policy, tokens, view=ANY, target=READER, ask=None, usage=True):
    reply = Reply("", usage=Usage(10, tokens) if usage else None)
    policy.learn(Attempt(Call(target, view, Shortlist(POOL), ask=ask), 0.0, 1.0, reply))


def test_the_least_expected_cost_leads_and_the_note_says_the_dollars():
    decision = Router(POOL, Cheapest(output=1_000)).decide(View(tokens=10_000))
    assert decision.names == ("dear prompts", "dear answers")
    assert (
        decision.decider.because == "cheapest: about $0.0220 for 10,000 tokens in and 1,000 out; next dear answers at $0.0300"
    )
    assert Router(POOL, Cheapest(output=1_000)).decide(View(tokens=100_000)).names[0] == "dear answers"


def test_the_length_of_answers_is_learned_for_each_agent_and_phase():
    policy, chatty = Cheapest(output=1), View(Scope(agent="chatty"), tokens=10_000, signals=Signals(phase=Phase.PLANNING))
    assert policy(chatty, Shortlist(POOL)).names[0] == "dear answers"
    for _ in range(20):
        answered(policy, 5_000, chatty)
    assert policy(chatty, Shortlist(POOL)).names[0] == "dear prompts"
    assert policy(View(tokens=10_000), Shortlist(POOL)).names[0] == "dear answers"


def test_the_mean_starts_from_the_stated_length_and_follows_what_is_seen():
    policy = Cheapest(output=500)
    assert policy.expected_output(View()) == 500
    answered(policy, 1_100)
    assert policy.expected_output(View()) == pytest.approx(600)
    for _ in range(1_000):
        answered(policy, 50)
    assert policy.expected_output(View()) == pytest.approx(50, rel=0.01)


def test_without_plans_routers_share_the_lengths_of_answers_over_a_store():
    store = InProcess()
    one, other = Cheapest(plans=False), Cheapest(plans=False)
    for policy in (one, other):
        Router(POOL, policy, store=store)
    answered(one, 4_000)
    assert other.expected_output(ANY) == one.expected_output(ANY) > Cheapest().expected_output(ANY)


def test_unknown_usage_and_what_a_judge_says_teach_it_nothing():
    policy = Cheapest(output=500)
    answered(policy, 9_000, ask=Ask.text("judge this", to="judge"))
    answered(policy, 9_000, usage=False)
    assert policy.expected_output(View()) == 500


def test_targets_without_a_price_come_last_and_are_named():
    pool = Pool([Target("x"), TALKATIVE, Target("y"), READER])
    decision = Router(pool, Cheapest()).decide(View(tokens=1_000))
    assert decision.names == ("dear prompts", "dear answers", "x", "y")
    assert decision.decider.because.endswith("without a price, and so last: x, y")


def test_without_any_price_it_has_no_opinion():
    assert Router(Pool([Target("x"), Target("y")]), Cheapest()).decide(View(tokens=1_000)).notes == ()


def test_the_price_of_long_prompts_counts_where_the_prompt_is_long():
    tiered = Target("tiered", price=Price(0.1, 0.5, above=100_000, long=Price(5, 25)))
    router = Router(Pool([tiered, READER]), Cheapest())
    assert [router.decide(View(tokens=tokens)).names[0] for tokens in (90_000, 110_000)] == ["tiered", "dear prompts"]


def test_it_speaks_only_when_it_is_asked_to():
    policy = Cheapest(when=lambda view: view.tokens > 100)
    assert not Router(POOL, policy).decide(View(tokens=50)).notes
    assert Router(POOL, policy).decide(View(tokens=150)).notes


def test_the_reason_has_the_digits_that_tell_two_prices_apart():
    near = Pool([Target("b", price=Price(1, 5)), Target("c", price=Price(1, 4.99)), Target("a", price=Price(1, 5))])
    decision = Router(near, Cheapest()).decide(View(tokens=1_000))
    assert decision.names == ("c", "b", "a")
    assert decision.decider.because == "cheapest: about $0.00349 for 1,000 tokens in and 500 out; next b at $0.00350"


@pytest.mark.parametrize(
    ("first", "because"),
    [
        (
            "dear prompts",
            "cheapest of those that lead: about $0.0220 for 10,000 tokens in and 1,000 out; own, at $0.0000, does not",
        ),
        ("x", "x has no price, but leads; own would cost about $0.0000 for 10,000 tokens in and 1,000 out"),
    ],
)
def test_where_an_earlier_preference_leads_the_reason_says_what_the_cheapest_would_cost(first, because):
    pool = Pool([Target("x"), Target("y"), READER, Target("own", price=Price.flat())])
    decision = Router(pool, lambda _, given: given.prefer([first, "y"], "I like them"), Cheapest(output=1_000)).decide(
        View(tokens=10_000)
    )
    assert decision.names[0] == first
    assert decision.notes[1].because.partition("; without")[0] == because


@pytest.mark.parametrize("price", [Price(1, 5), Price.flat(per_month=20)])
def test_of_equal_prices_the_first_of_the_pool_leads_and_the_reason_says_that_they_are_equal(price):
    decision = Router(Pool([Target(name, price=price) for name in "cab"]), Cheapest()).decide(View(tokens=1_000))
    assert decision.names == ("c", "a", "b")
    assert decision.decider.because.endswith(" for 1,000 tokens in and 500 out; a costs the same")


def test_the_tier_that_a_client_asks_for_by_itself_is_the_price():
    half = Price(10, 10, tiers={"flex": Price(0.5, 0.5)})
    flex = Target("flex", price=half, defaults=Defaults(tier="flex"))
    router = Router(Pool([TALKATIVE, READER, Target("usual", price=half), flex]), Cheapest())
    assert router.decide(View(tokens=10_000)).names == ("flex", "dear answers", "dear prompts", "usual")
