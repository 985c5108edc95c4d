"""Rules, rates, prefixes and the ledger, each by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from switchwise import ConfigurationError, Price, Usage
from switchwise.nouns.prompt_prefix import SYSTEM, TOOLS, Block, Change, PromptPrefix
from switchwise.prompt_cache import CacheRule, CacheRules
from switchwise.prompt_cache.ledger import Cache, Expectation, Ledger
from switchwise.prompt_cache.rates import CacheRates

CLAUDE = CacheRule("marked", minimum=4096, ttl=300, lookback=20)
A, B = Cache("a", "m", CLAUDE, "a"), Cache("b", "m", CLAUDE, "b")


# -- rules and rates


def test_a_model_has_the_rule_of_the_longest_beginning_of_its_name():
    rules = CacheRules()
    assert rules.of("anthropic", "claude-opus-5-5").read == 0.05
    assert rules.of("anthropic", "claude-opus-5").read == 0.1
    assert rules.of("openai", "gpt-6-luna").ttl == 1800
    assert not rules.of("openai", "gpt-5-pro").caches
    assert rules.of("bedrock", "us.anthropic.claude-haiku-4-5-v1:0").minimum == 4096
    assert rules.of("openrouter", "anthropic/claude-opus-5").minimum == 512


def test_an_unknown_model_is_taken_not_to_cache():
    rule = CacheRules().of("nobody", "llama")
    assert (rule.caches, rule.known, rule.whole(50_000)) == (False, False, 0)


@pytest.mark.parametrize("entry", [{"minimun": 5}, {"mode": "sometimes"}])
def test_an_override_that_says_nothing_sensible_is_refused(entry):
    with pytest.raises(ConfigurationError, match="cache rule 'x'"):
        CacheRules({"x": entry})


def test_a_write_price_of_nothing_means_no_surcharge_not_a_free_write():
    assert CacheRates(Price(1.32, 3.96, 0.044, 0.0), CacheRule("automatic", ttl=300)).at(10_000).write == pytest.approx(1.32e-6)


def test_below_the_minimum_and_above_a_tier_other_rates_count():
    rates = CacheRates(Price(0.1, 0.5, 0.01, 0.125, above=100_000, long=Price(0.5, 2.5, 0.05, 0.625)), CLAUDE)
    assert rates.at(1_000).read == rates.at(1_000).plain
    assert rates.at(150_000).read == pytest.approx(5 * rates.at(50_000).read)


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


def test_each_kind_of_change_is_detected():
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


def prompt(*lengths, front=()):
    prefix = PromptPrefix()
    prefix.grow(0, [Block(i + 100 * length, length) for i, length in enumerate(lengths, 1)], list(front))
    return prefix


def test_what_was_written_is_expected_while_it_lives_and_grown_prompts_find_it():
    ledger, prefix = Ledger(), prompt(10_000)
    assert ledger.expect([], A, prefix, 0.0).tokens == 0
    rows = ledger.record([], A, prefix, 0.0, Usage(12_000, 5, cache_read_tokens=0, cache_write_tokens=12_000))
    prefix.grow(1, [Block(7, 500)])
    assert ledger.expect(rows, A, prefix, 10.0) == Expectation(12_000, 1.0, 10.0)
    assert ledger.expect(rows, A, prefix, 290.0).chance == pytest.approx(0.91)
    assert ledger.expect(rows, A, prefix, 400.0).tokens == 0
    assert ledger.ratio("m") == pytest.approx(1.2)


def test_recording_leaves_the_rows_that_it_was_given_as_they_are():
    ledger, prefix = Ledger(), prompt(10_000)
    first = ledger.record([], A, prefix, 0.0, Usage(10_000, 5, 0, 10_000))
    before = [list(row) for row in first]
    prefix.grow(1, [Block(7, 500)])
    second = ledger.record(first, A, prefix, 10.0, Usage(10_500, 5, 10_000, 500))
    assert first == before
    assert [(row[0], row[4]) for row in second] == [(1, 10.0), (2, 10.0)]


def test_a_call_that_says_nothing_of_the_cache_corrects_nothing_and_a_miss_does():
    ledger, prefix = Ledger(), prompt(10_000)
    rows = ledger.record([], A, prefix, 0.0, Usage(10_000, 5))
    assert ledger.expect(rows, A, prefix, 1.0).tokens == 10_000
    rows = ledger.record(rows, A, prefix, 2.0, Usage(10_000, 5))
    assert ledger.hit_rate("a") == 1.0
    assert ledger.expect(rows, A, prefix, 3.0).tokens == 10_000
    ledger.record(rows, A, prefix, 3.0, Usage(10_000, 5, cache_read_tokens=0, cache_write_tokens=10_000))
    assert ledger.hit_rate("a") < 1.0


def test_what_lapsed_and_was_written_again_lives_again():
    ledger, prefix = Ledger(), prompt(10_000)
    rows = ledger.record([], A, prefix, 0.0, Usage(10_000, 5, 0, 10_000))
    rows = ledger.record(rows, A, prefix, 1_000.0, Usage(10_000, 5, 0, 10_000))
    assert ledger.expect(rows, A, prefix, 1_010.0).chance == 1.0
    assert len(rows) == 1


def test_what_lies_too_far_before_the_mark_is_not_looked_for():
    ledger, prefix = Ledger(), prompt(10_000)
    rows = ledger.record([], A, prefix, 0.0, Usage(10_000, 5, 0, 10_000))
    prefix.grow(1, [Block(50 + i, 10) for i in range(19)])
    assert ledger.expect(rows, A, prefix, 1.0).tokens == 10_000
    prefix.grow(20, [Block(90, 10)])
    assert ledger.expect(rows, A, prefix, 1.0).tokens == 0


def test_the_front_is_warm_for_other_threads_of_the_account_only():
    front = [Block(1, 5_000, TOOLS), Block(2, 5_000, SYSTEM)]
    ledger, one, two = Ledger(), prompt(500, front=front), prompt(600, front=front)
    ledger.record([], A, one, 0.0, Usage(10_500, 5, cache_read_tokens=0, cache_write_tokens=10_500))
    assert ledger.expect([], A, two, 1.0).tokens > 9_000
    assert ledger.expect([], B, two, 1.0).tokens == 0
    exact = Cache("c", "m", CacheRule("automatic", minimum=1024, ttl=300), "c")  # keeps whole prompts only
    ledger.record([], exact, one, 0.0, Usage(10_500, 5, 0, 10_500))
    assert ledger.expect([], exact, two, 1.0).tokens == 0


def test_pages_are_found_as_far_as_two_prompts_agree():
    pages = Cache("p", "m", CacheRule("automatic", minimum=1024, step=128, ttl=300), "p")
    ledger, prefix = Ledger(), prompt(3_000, 3_000, 3_000)
    rows = ledger.record([], pages, prefix, 0.0, Usage(9_000, 5, 0))
    prefix.grow(2, [Block(77, 2_900)])
    assert ledger.expect(rows, pages, prefix, 1.0).tokens == 5_888  # whole pages of the 6,000 that stayed
    assert ledger.expect(rows, Cache("p", "m", CLAUDE, "p"), prefix, 1.0).tokens == 0


def test_of_a_thread_the_last_prefixes_are_kept():
    ledger, prefix, rows = Ledger(), prompt(5_000), []
    for i in range(30):
        prefix.grow(1 + i, [Block(i, 100)])
        rows = ledger.record(rows, A, prefix, float(i), Usage(prefix.tokens, 5, max(0, prefix.tokens - 100), 100))
    assert len(rows) == 8
    assert ledger.expect(rows, A, prefix, 31.0).tokens == prefix.tokens


def test_a_prefix_of_another_process_is_recognised_by_its_blocks_and_their_length():
    ledger, prefix = Ledger(), prompt(10_000, 400)
    rows = ledger.record([], A, prefix, 0.0, Usage(10_400, 5, 0, 10_400))
    elsewhere = [[row[0], 0, *row[2:]] for row in rows]
    assert Ledger().expect(elsewhere, A, prefix, 1.0).tokens == 10_400
    assert Ledger().expect(elsewhere, A, prompt(10_000, 401), 1.0).tokens == 0
    assert Ledger().expect(elsewhere, A, prompt(10_400), 1.0).tokens == 0


def test_how_a_model_counts_is_learnt_once_for_all_who_serve_it():
    ledger = Ledger()
    ledger.record([], A, prompt(10_000), 0.0, Usage(13_000, 5, 0, 13_000))
    assert ledger.ratio("m") == pytest.approx(1.3)
    assert ledger.ratio("n") is None
    assert ledger.hit_rate("b") == 1.0


def test_a_reply_that_leaves_the_cached_part_out_does_not_calibrate():
    ledger, prefix = Ledger(), prompt(10_000)
    rows = ledger.record([], A, prefix, 0.0, Usage(13_000, 5, 0, 13_000))
    ledger.record(rows, A, prefix, 5.0, Usage(40, 5))
    assert ledger.ratio("m") == pytest.approx(1.3)


@pytest.mark.parametrize("silent", [True, False])
def test_where_a_provider_leaves_out_zeros_silence_is_a_miss(silent):
    cache = Cache("a", "m", CacheRule("automatic", minimum=1024, ttl=300, silent=silent), "a")
    ledger, prefix = Ledger(), prompt(10_000)
    rows = ledger.record([], cache, prefix, 0.0, Usage(10_000, 5))
    ledger.record(rows, cache, prefix, 5.0, Usage(10_000, 5))
    assert (ledger.hit_rate("a") < 1.0) is silent
