"""What a router has learnt of caches survives a restart: carried over as JSON, checked, and never taken for more than it is."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from switchwise import Attempt, Call, ConfigurationError, Pool, Price, Reply, Router, Scope, Shortlist, Target, Usage, View
from switchwise.nouns.prompt_prefix import SYSTEM, Block, PromptPrefix
from switchwise.policies import Cheapest
from switchwise.prompt_cache.accounts import Account
from switchwise.switching import Advisor, CacheRule, Ledger

OPUS = Target("opus", "anthropic", "claude-opus-5-5", Price(4, 20, 0.2, 5))
HAIKU = Target("haiku", "anthropic", "claude-haiku-4-5", Price(1, 5, 0.1, 1.25))
SOL = Target("sol", "openai", "gpt-6.1-sol", Price(2, 10, 0.1, 2.5))
POOL = Pool([OPUS, SOL, HAIKU])
CLAUDE = CacheRule("marked", minimum=512, ttl=300, lookback=20)


class Process:
    """A router at work in one process: its digests are like those of no other."""

    def __init__(self, salt: int, pool: Pool = POOL, **options) -> None:
        self.salt, self.pool = salt, pool
        self.advisor = Advisor(control=0.0, **options)
        self.policy = Cheapest(advisor=self.advisor)
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
    other.router.load(json.loads(json.dumps(process.router.dump())))
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
    account = Account("opus", "anthropic", "claude-opus-5-5")
    assert after.advisor.ledger.ratio(account) == before.advisor.ledger.ratio(account) == pytest.approx(1.25, abs=0.01)
    assert after.advisor.ledger.hit_rate(account) == before.advisor.ledger.hit_rate(account)
    assert after.policy.expected_output(View()) == before.policy.expected_output(View())
    outlooks = [process.advisor.planner.course("main").outlook(300) for process in (before, after)]
    assert outlooks[0] == outlooks[1] != Process(3).advisor.planner.course("main").outlook(300)
    assert after.advisor.planner.cap.spent == before.advisor.planner.cap.spent > 0


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
    assert after.advisor.expect(after.view("s2", lengths_of(12)[:3], now=1_110), OPUS).tokens == 0
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
        broken(lambda state: state["ledger"].update(hits=[["opus", 1, 2]])),
        broken(lambda state: state["planner"]["habits"]["main"].update(calls=0)),
        broken(lambda state: state["planner"]["habits"]["main"].update(_pauses=[1.0])),
        broken(lambda state: state["planner"]["habits"]["main"].update(invented=1)),
        broken(lambda state: state["planner"].update(habits=[])),
        broken(lambda state: state["planner"].update(cap={"spent": "much"})),
        broken(lambda state: state["threads"][0].update(key=["s1"])),
        broken(lambda state: state["threads"][0].update(prefixes=[[1, 2]])),
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
        | some.dictionaries(some.sampled_from(["version", "ratios", "cap", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(some.dictionaries(some.sampled_from(["targets", "ledger", "planner", "threads"]), json_values))
def test_whatever_is_loaded_is_taken_or_refused_by_name(state):
    advisor = Advisor()
    try:
        advisor.load({"version": 1, **state})
    except ConfigurationError:
        return
    assert json.dumps(advisor.dump(), allow_nan=False)


def test_the_state_is_bounded():
    process = Process(1, size=5)
    for number in range(40):
        process.call(process.view(f"s{number}", [9_000], now=1.0), OPUS, 0)
    assert len(process.advisor.dump()["threads"]) == 5
    assert len(json.dumps(process.advisor.dump()["threads"])) < 5 * 1_500


def test_digests_are_of_one_process_and_lengths_are_of_all():
    program = (
        "from switchwise.nouns.prompt_prefix import *; c = PromptPrefix(); c.grow(0, [Block(hash('a'), 40), Block(hash('b'), 9)], [Block(hash('s'), 5, SYSTEM)]);"
        "print(c.digest(3), c.lengths(3))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert told[0][0] != told[1][0]
    assert told[0][1] == told[1][1]


# -- accounts


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


def test_how_a_model_counts_is_learnt_once_for_all_who_serve_it():
    ledger, chain = Ledger(), PromptPrefix()
    chain.update([Block(1, 10_000)])
    here, there, other = Account("a", "anthropic", "m"), Account("b", "bedrock", "m"), Account("a", "anthropic", "n")
    ledger.took(here, CLAUDE, "t", chain, 0.0, Usage(13_000, 5, 0, 13_000))
    assert ledger.ratio(there) == ledger.ratio(here) == pytest.approx(1.3)
    assert ledger.ratio(other) is None
    assert ledger.hit_rate(there) == 1.0


def test_a_reply_that_leaves_the_cached_part_out_does_not_calibrate():
    ledger, chain = Ledger(), PromptPrefix()
    chain.update([Block(1, 10_000)])
    account = Account("a", "anthropic", "m")
    ledger.took(account, CLAUDE, "t", chain, 0.0, Usage(13_000, 5, 0, 13_000))
    ledger.took(account, CLAUDE, "t", chain, 5.0, Usage(40, 5))
    assert ledger.ratio(account) == pytest.approx(1.3)


def test_where_a_provider_leaves_out_zeros_silence_is_a_miss():
    chain = PromptPrefix()
    chain.update([Block(1, 10_000)])
    for silent in (True, False):
        ledger, rule = Ledger(), CacheRule("automatic", minimum=1024, ttl=300, silent=silent)
        ledger.took("a", rule, "t", chain, 0.0, Usage(10_000, 5))
        ledger.took("a", rule, "t", chain, 5.0, Usage(10_000, 5))
        assert (ledger.hit_rate("a") < 1.0) is silent


# -- advice worked out ahead

PRICES = {
    "opus45": ("anthropic", "claude-opus-4-5", Price(5, 25, 0.5, 6.25)),
    "haiku45": ("anthropic", "claude-haiku-4-5", Price(1, 5, 0.1, 1.25)),
    "sonnet55": ("anthropic", "claude-sonnet-5-5", Price(2, 10, 0.1, 2.5)),
    "haiku55": (
        "anthropic",
        "claude-haiku-5-5",
        Price(0.1, 0.5, 0.01, 0.125, above=100_000, long=Price(0.5, 2.5, 0.05, 0.625)),
    ),
    "gpt5": ("openai", "gpt-5", Price(1.25, 10, 0.125)),
    "mini": ("openai", "gpt-5-mini", Price(0.25, 2, 0.025)),
    "kimi": ("my-host", "kimi", Price(0.6, 2.5)),
}


def sessions(seed: int) -> tuple[int, int]:
    """Easy calls of random sessions, and those that were decided otherwise where advice is worked out ahead."""
    rng = random.Random(seed)
    targets = [Target(name, *PRICES[name]) for name in rng.sample(sorted(PRICES), rng.randint(2, 4))]
    pool = Pool(sorted(targets, key=lambda target: -target.price.output))
    ahead, anew = Advisor(control=0.0), Advisor(control=0.0, ahead=False)
    asked = different = 0
    now = 1_000.0
    for talk in range(3):
        chain, number, known = PromptPrefix(), talk * 10**6, {}
        chain.grow(0, [Block(number, rng.choice([2_000, 20_000, 60_000, 120_000]))])
        for step in range(rng.randint(3, 40)):
            now += rng.choice([5, 20, 60, 200, 320]) if rng.random() < 0.3 else rng.uniform(2, 15)
            number += 1
            chain.grow(len(chain), [Block(number, int(rng.expovariate(1 / 1_300)) + 50)])
            view = View(Scope(f"s{talk}"), chain.tokens, now=now, seed=rng.getrandbits(64), prefix=chain)
            target, advice = pool.targets[0], None
            if step and rng.random() < 0.65:
                advice = anew.advise(view, pool.targets, pool.targets)
                asked, different = asked + 1, different + (ahead.advise(view, pool.targets, pool.targets).best != advice.best)
                target = pool[advice.best]
            read = known.get(target.name, 0) if target.price.cache_read is not None else 0
            usage = Usage(
                chain.tokens, rng.randint(50, 600), read, chain.tokens - read if target.provider == "anthropic" else None
            )
            known[target.name] = chain.tokens
            call = Call(target, view, Shortlist(pool))
            attempt = Attempt(call, now, now + 2, Reply(usage=usage), cost=target.price.cost(usage))
            for advisor in (ahead, anew):
                if advice is None:
                    advisor.learn(attempt, easy=False)
                else:
                    advisor.learn(attempt, True, advice.mode, pool[advice.home])
    return asked, different


def test_advice_worked_out_ahead_is_what_would_have_been_said_when_asked():
    found = [sessions(seed) for seed in range(40)]
    assert sum(asked for asked, _ in found) > 1_500
    assert sum(different for _, different in found) <= 1
