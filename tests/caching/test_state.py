"""What a router has learnt of caches survives a restart: carried over as JSON, checked, and never taken for more than it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from switchwise import (
    Attempt,
    Call,
    ConfigurationError,
    Needs,
    Pool,
    Price,
    Reply,
    Router,
    Scope,
    Shortlist,
    Target,
    Usage,
    View,
)
from switchwise.nouns.prompt_prefix import SYSTEM, Block, PromptPrefix
from switchwise.policies import Cheapest
from switchwise.prompt_cache.ledger import PROCESS
from switchwise.state import JsonStore
from switchwise.switching.advisor import VERSION

OPUS = Target("opus", "anthropic", "claude-opus-5-5", Price(4, 20, 0.2, 5))
HAIKU = Target("haiku", "anthropic", "claude-haiku-4-5", Price(1, 5, 0.1, 1.25))
SOL = Target("sol", "openai", "gpt-6.1-sol", Price(2, 10, 0.1, 2.5))
POOL = Pool([OPUS, SOL, HAIKU])


class Process:
    """A router at work in one process: its digests are like those of no other."""

    def __init__(self, salt: int, pool: Pool = POOL, **options) -> None:
        self.salt, self.pool = salt, pool
        self.policy = Cheapest(**options)
        self.advisor = self.policy.advisor
        self.router = Router(pool, self.policy)
        self.chains: dict[str, PromptPrefix] = {}

    def view(self, session: str, lengths: list[int], now: float) -> View:
        chain = self.chains.setdefault(session, PromptPrefix())
        blocks = [Block(hash((self.salt, session, i, tokens)), tokens) for i, tokens in enumerate(lengths)]
        if chain.change is None:
            chain.grow(0, blocks, [Block(self.salt, 4_000, SYSTEM)])
        else:
            chain.update([Block(self.salt, 4_000, SYSTEM), *blocks])
        return View(Scope(session), chain.tokens, now=now, seed=1 << 31, prefix=chain)

    def call(self, view: View, target: Target, read: int, easy: bool = False) -> None:
        prompt = int(view.tokens * 1.25)
        usage = Usage(prompt, 200, read, prompt - read)
        shortlist = Shortlist(self.pool)
        if easy:
            shortlist = self.policy(view, shortlist)
        reply = Reply("", usage=usage)
        self.policy.learn(Attempt(Call(target, view, shortlist), view.now, view.now + 2, reply, cost=target.price.cost(usage)))


def worked(salt: int, sessions: int = 3, calls: int = 12) -> Process:
    process = Process(salt)
    for number in range(sessions):
        lengths, now, read = [9_000], 1_000.0, dict.fromkeys(POOL.select("strong") | {"haiku"}, 0)
        for step in range(calls):
            view = process.view(f"s{number}", lengths, now)
            target = HAIKU if step % 3 else OPUS
            process.call(view, target, read[target.name], easy=bool(step % 3))
            read[target.name] = int(view.tokens * 1.25)
            lengths, now = [*lengths, 300 + 7 * step, 60], now + 9
    return process


def carried(process: Process, salt: int = 2, **options) -> Process:
    other = Process(salt, **options)
    text = json.dumps(process.router.dump())
    other.router.load(json.loads(text.replace(f'"process": {PROCESS}', '"process": 1')))  # its strings hash differently
    return other


def lengths_of(calls: int) -> list[int]:
    found = [9_000]
    for step in range(calls):
        found += [300 + 7 * step, 60]
    return found


def test_a_dump_is_strict_json_and_loading_it_gives_the_same_dump():
    before = worked(1).router.dump()
    text = json.dumps(before, allow_nan=False)
    other = Process(2)
    other.router.load(json.loads(text))
    assert json.loads(json.dumps(other.router.dump())) == json.loads(text)


def test_what_was_learnt_is_carried_over():
    before, after = worked(1), carried(worked(1))
    account, model = "opus/anthropic/claude-opus-5-5", "claude-opus-5-5"
    assert after.advisor.ledger.ratio(model) == before.advisor.ledger.ratio(model) == pytest.approx(1.25, abs=0.01)
    assert after.advisor.ledger.hit_rate(account) == before.advisor.ledger.hit_rate(account)
    assert after.policy.expected_output(View()) == before.policy.expected_output(View())
    outlooks = [process.advisor.planner.forecast.outlook(300) for process in (before, after)]
    assert outlooks[0] == outlooks[1] != Process(3).advisor.planner.forecast.outlook(300)


def test_a_thread_that_goes_on_elsewhere_finds_its_caches_while_they_live():
    after = carried(worked(1))
    going_on = after.view("s1", lengths_of(12), now=1_000 + 12 * 9)
    assert after.advisor.expect(going_on, OPUS).tokens > 9_000
    assert after.advisor.expect(going_on, HAIKU).tokens > 9_000
    assert after.advisor.expect(going_on, SOL).tokens == 0


def test_a_cache_whose_lifetime_has_passed_is_not_taken_to_be_warm():
    after = carried(worked(1))
    late = after.view("s1", lengths_of(12), now=1_000 + 12 * 9 + 3_600)
    assert after.advisor.expect(late, OPUS).likely == 0


def test_a_thread_that_was_changed_meanwhile_is_not_taken_to_be_warm():
    after = carried(worked(1))
    changed = lengths_of(12)
    changed[0] += 1
    assert after.advisor.expect(after.view("s1", changed, now=1_110), OPUS).tokens == 0
    assert after.advisor.expect(after.view("another", lengths_of(12), now=1_110), OPUS).tokens == 0


def test_it_decides_as_if_nothing_had_happened():
    before, after = worked(1), carried(worked(1))
    for step in range(12, 20):
        decisions = []
        for process in (before, after):
            view = process.view("s1", lengths_of(step), now=1_000 + 9.0 * step)
            decisions.append(process.router.decide(view))
            process.call(view, HAIKU, int(view.tokens * 1.2), easy=True)
        assert decisions[0].names == decisions[1].names
    assert decisions[0].decider.because == decisions[1].decider.because


def test_what_is_still_waiting_to_go_on_is_carried_on():
    again = carried(carried(worked(1)), salt=3)
    assert again.advisor.expect(again.view("s1", lengths_of(12), now=1_110), OPUS).tokens > 9_000


def test_targets_that_are_gone_do_no_harm():
    after = carried(worked(1), pool=Pool([OPUS, SOL]))
    view = after.view("s1", lengths_of(12), now=1_110)
    assert after.router.decide(view).names[0] in ("opus", "sol")


def test_threads_without_a_session_are_not_carried():
    process = Process(1)
    process.call(process.view("", [9_000], now=1.0), OPUS, 0)
    assert process.advisor.dump()["threads"] == []


def test_a_state_from_before_caches_were_carried_is_taken():
    policy = Cheapest()
    policy.load({"answers": [[["", "main", ""], [700.0, 9]]]})
    assert policy.expected_output(View()) == 700


def broken(change):
    state = json.loads(json.dumps(worked(1, sessions=1).policy.dump()))
    change(state["advisor"])
    return state


@pytest.mark.parametrize(
    "state",
    [
        broken(lambda state: state.update(version=0)),
        broken(lambda state: state.pop("version")),
        broken(lambda state: state["targets"].update(long="opus")),
        broken(lambda state: state["ledger"].update(ratios={"m": -1})),
        broken(lambda state: state["ledger"].update(ratios={"m": "1"})),
        broken(lambda state: state["ledger"].update(hits={"opus": [1, 2]})),
        broken(lambda state: state["planner"]["forecast"].update(calls=0)),
        broken(lambda state: state["planner"]["forecast"].update(_pauses=[1.0])),
        broken(lambda state: state["planner"]["forecast"].update(invented=1)),
        broken(lambda state: state["planner"].update(runs=[])),
        broken(lambda state: state["threads"][0].pop()),
        broken(lambda state: state["threads"][0][0].pop()),
        broken(lambda state: state["threads"][0][1].update(calls="many")),
        broken(lambda state: state["threads"][0][1].update(control=1)),
        broken(lambda state: state["threads"][0][1].pop("home")),
        broken(lambda state: state["threads"][0][1].update(prefixes={"a": [[1, 2]]})),
        broken(lambda state: state["threads"][0][1].update(at=float("inf"))),
        broken(lambda state: state.update(threads="none")),
        {"answers": [["main", 5]]},
        {"answers": {}},
        {"advisor": []},
        [],
    ],
)
def test_what_is_something_else_is_refused_and_changes_nothing(state):
    policy = Cheapest()
    before = policy.dump()
    with pytest.raises(ConfigurationError, match="state of"):
        policy.load(state)
    assert policy.dump() == before


json_values = some.recursive(
    some.none() | some.booleans() | some.integers(-5, 5) | some.floats(allow_nan=False) | some.text(max_size=3),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(some.sampled_from(["version", "ratios", "runs", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(some.dictionaries(some.sampled_from(["targets", "ledger", "planner", "threads"]), json_values))
def test_whatever_is_loaded_is_taken_or_refused_by_name(state):
    policy = Cheapest()
    try:
        policy.advisor.load({"version": VERSION, **state})
    except ConfigurationError:
        return
    assert json.dumps(policy.dump(), allow_nan=False)


def test_the_state_is_bounded():
    process = Process(1)
    for number in range(2_100):
        process.call(process.view(f"s{number}", [9_000], now=1.0), OPUS, 0)
    assert len(process.advisor.dump()["threads"]) == 2_000
    assert len(json.dumps(process.advisor.dump()["threads"])) < 2_000 * 1_000


def test_digests_mean_something_where_strings_hash_alike_only():
    program = (
        "from switchwise.prompt_cache.ledger import PROCESS; from switchwise.nouns.prompt_prefix import *; c = PromptPrefix();"
        "c.grow(0, [Block(hash('a'), 40), Block(hash('b'), 9)], [Block(hash('s'), 5, SYSTEM)]); print(PROCESS, c.digest(3), c.end(3))"
    )
    states = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "1", "2")
    ]
    assert states[0] == states[1]
    assert states[0][0] != states[2][0]
    assert states[0][1] != states[2][1]
    assert states[0][2] == states[2][2]


def test_it_keeps_nothing_but_json_of_threads_and_answers():
    store = JsonStore()
    process = Process(1, store=store)
    other = Process(1)
    for each in (process, other):
        for step in range(6):
            view = each.view("s1", lengths_of(step), now=1_000 + 9.0 * step)
            each.call(view, HAIKU if step % 2 else OPUS, int(view.tokens * 1.2) if step > 1 else 0, easy=bool(step % 2))
    view, same = (each.view("s1", lengths_of(6), now=1_060) for each in (process, other))
    assert process.router.decide(view).decider.because == other.router.decide(same).decider.because
    assert process.advisor.dump() == other.advisor.dump()


def test_d11_two_tenants_with_one_session_name_share_no_thread():
    process = Process(1)
    view = process.view("s1", [9_000], now=1.0)
    process.call(view, OPUS, 0)
    elsewhere = replace(view, scope=replace(view.scope, tenant="acme"), now=2.0)
    assert process.advisor.expect(replace(view, now=2.0), OPUS).tokens > 9_000
    assert process.advisor.expect(elsewhere, OPUS).tokens < 9_000  # the system prompt is the account's


def test_targets_of_one_account_and_model_share_a_cache_and_others_do_not():
    pool = Pool(
        [
            OPUS,
            Target("opus again", "anthropic", "claude-opus-5-5", OPUS.price),
            Target("opus abroad", "anthropic", "claude-opus-5-5", OPUS.price),
        ]
    )
    process = Process(1, pool, accounts={"opus": "team", "opus again": "team", "opus abroad": "eu"})
    view = process.view("s1", [9_000], now=1_000.0)
    process.call(view, OPUS, 0)
    later = process.view("s1", [9_000, 300], now=1_010.0)
    found = {target.name: process.advisor.expect(later, target).tokens for target in pool}
    assert found["opus"] == found["opus again"] > 9_000
    assert found["opus abroad"] == 0


# -- where no prompt cache is at stake

FOUR = Pool(
    [
        Target("opus", "anthropic", "claude-opus-5-5", Price(4, 20, 0.2, 5)),
        Target("sol", "openai", "gpt-6.1-sol", Price(2, 10, 0.1, 2.5)),
        Target("haiku", "anthropic", "claude-haiku-4-5", Price(1, 5, 0.1, 1.25)),
        Target("luna", "openai", "gpt-6-luna", Price(0.1, 0.5, 0.01, 0.125)),
    ]
)


def questions(kind: str, pool: Pool, tokens: int, tier: str = "", **options) -> list[tuple[str, str]]:
    """25 questions: who was called, and why."""
    router, prefixes, found = Router(pool, Cheapest(**options)), {}, []
    for number in range(25):
        session = {"the same": "q", "different": f"q{number}", "one thread": "t"}[kind]
        prefix = prefixes.setdefault(session, PromptPrefix())
        prefix.grow(len(prefix) if kind == "one thread" else 0, [Block(1 if kind == "the same" else number + 1, tokens)])
        run = router.start(View(Scope(session), prefix.tokens, Needs(tier=tier), prefix=prefix))
        found.append((run.call.target.name, run.call.shortlist.decider.because))
        run.ended(Reply("yes", usage=Usage(prefix.tokens, 5, 0, 0)))
    return found


@pytest.mark.parametrize("kind", ["the same", "different", "one thread"])
@pytest.mark.parametrize("explore", [0.0, 0.5])
def test_c4_short_questions_go_to_the_cheapest_by_list_price_and_the_reason_says_so(kind, explore):
    found = questions(kind, FOUR, 8, explore=explore)
    assert {name for name, _ in found} == {"luna"}
    assert found[0][1] == "cheapest: about $0.000251 for 8 tokens in and 500 out; next haiku at $0.0025"
    assert all("next haiku at" in because for _, because in found)


def test_single_questions_of_any_length_go_to_the_cheapest_by_list_price():
    found = questions("different", FOUR, 30_000)
    assert {name for name, _ in found} == {"luna"}
    assert found[0][1] == "cheapest: about $0.0032 for 30,000 tokens in and 500 out; next haiku at $0.0325"


@pytest.mark.parametrize("kind", ["the same", "different", "one thread"])
def test_where_nobody_caches_the_list_price_decides(kind):
    pool = Pool([Target("big", "my-host", "big", Price(3, 9)), Target("small", "my-host", "small", Price(0.3, 0.9))])
    found = questions(kind, pool, 20_000)
    assert {name for name, _ in found} == {"small"}
    assert found[0][1].startswith("cheapest: about $0.0065")


def test_from_the_length_on_that_is_cached_plans_decide():
    found = questions("one thread", Pool([FOUR.targets[0], FOUR.targets[3]]), 900)
    assert found[0][1].startswith("cheapest:")
    assert found[3][1].startswith(("go:", "stay:"))


def test_plans_are_made_at_the_price_of_the_tier_that_is_asked_for():
    opus, luna = FOUR.targets[0], FOUR.targets[3]
    pool = Pool([luna, replace(opus, price=replace(opus.price, tiers={"batch": Price(0.01, 0.02)}))])
    assert {name for name, _ in questions("one thread", pool, 5_000, tier="batch")} == {"opus"}
    assert {name for name, _ in questions("one thread", pool, 5_000)} == {"luna"}


def test_a_listed_price_of_cache_reads_is_taken_for_a_cache_though_nothing_else_is_known_of_it():
    pool = Pool([Target("big", "my-host", "big", Price(3, 9, 0.3)), Target("small", "my-host", "small", Price(0.3, 0.9, 0.03))])
    because = questions("one thread", pool, 20_000)[-1][1]
    assert because.startswith(("go:", "stay:"))
    assert "unknown" not in because


def test_where_one_target_has_a_price_the_plan_says_so():
    process = Process(1, Pool([OPUS, Target("local")]))
    process.call(process.view("s1", [9_000], now=1_000.0), OPUS, 0)
    decision = process.router.decide(process.view("s1", [9_000, 300], now=1_010.0))
    assert decision.decider.because == "opus is the only one with a price; without a price, and so last: local"


def test_a_run_that_is_left_to_its_home_says_what_for():
    process = Process(1, explore=1.0)
    lengths, read = [9_000], 0
    for step in range(6):
        view = process.view("s1", lengths, now=1_000.0 + step)
        process.call(view, OPUS, read)
        read, lengths = int(view.tokens * 1.25), [*lengths, 300]
    decision = process.router.decide(replace(process.view("s1", lengths, now=1_010.0), seed=1))
    assert decision.names[0] == "opus"
    assert decision.decider.because == "stay: this run is left to opus, to learn how many calls it needs"


def test_plans_of_equal_cost_stay_and_the_reason_says_that_they_are_equal():
    pool = Pool([*[Target(name, "openai", "gpt-6-luna", Price(1, 5)) for name in "ab"], Target("unpriced")])
    name, because = questions("one thread", pool, 5_000)[-1]
    assert (name, because) == (
        "a",
        "stay: a call at b would cost as much as reading what is cached here; without a price, and so last: unpriced",
    )
