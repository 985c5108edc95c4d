"""A decision as a suggestion: whom instead of whom, why, at what price, what is lost; nobody acts on it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from switchwise import ConfigurationError, NoTarget, Pool, Price, Router, Scope, Target, Usage, View, drive
from switchwise.nouns.prompt_prefix import SYSTEM, Block, PromptPrefix
from switchwise.nouns.signals import Signals, StepKind
from switchwise.policies import Anchor, Cheapest, Healthy, Rules, Worth, hold
from switchwise.quality import Grade, LabelTable, Priors
from switchwise.testing import Says, Script

POOL = Pool(
    [
        Target("opus", "anthropic", "claude-opus-4-8", Price(5, 25, 0.5, 6.25)),
        Target("cheap", "deepseek", "deepseek-v4-pro", Price(0.5, 2)),
        Target("own", "house", "house-model"),
    ]
)
VIEW = View(Scope("s1"), tokens=10_000)


def anchored() -> Router:
    return Router(POOL, Healthy(), hold(Anchor(Priors("bug_fixing"), within=0.2), per="agent"))


def test_it_says_what_is_saved_and_what_is_lost() -> None:
    found = anchored().suggest(VIEW)
    assert (found.target, found.instead_of, found.policy, found.level) == ("cheap", "opus", "Anchor", "agent")
    assert found.saves == pytest.approx(10_500e-6 * 5 + 500e-6 * 20 - (10_000e-6 * 0.5 + 500e-6 * 2), abs=1e-9)
    assert 0 < found.loses < 0.2
    opus, cheap, own = found.options
    assert opus.chance - cheap.chance == pytest.approx(found.loses)
    assert cheap.task < opus.task
    assert own.dollars is None
    assert "gives up" in str(found)
    assert json.loads(json.dumps(found.as_dict()))["options"][1]["target"] == "cheap"


def test_it_is_compared_with_whom_one_asks_for() -> None:
    router = anchored()
    back = router.suggest(VIEW, "cheap")
    assert not back.changes
    assert str(back).startswith("stay with cheap: ")
    assert router.suggest(VIEW, "fast").instead_of == "own"
    assert router.suggest(VIEW, "own").saves is None  # no price is known
    with pytest.raises(ConfigurationError, match="neither a target nor a role"):
        router.suggest(VIEW, "gpt")


def test_nobody_acts_on_it_and_nothing_is_learnt() -> None:
    router = anchored()
    before = router.dump()
    assert router.suggest(VIEW) == router.suggest(VIEW)
    assert router.dump() == before


def test_it_says_why_others_may_not_be_called() -> None:
    router = Router(POOL, Rules().exclude("cheap", when=lambda view: True, because="stays in Europe"))
    cheap = router.suggest(VIEW).options[1]
    assert cheap.out == "stays in Europe (Rules)"
    nobody = Router(POOL, Rules().require("opus", when=lambda view: True).exclude("opus", when=lambda view: True))
    with pytest.raises(NoTarget):
        nobody.suggest(VIEW)


def test_what_is_cached_counts_in_the_price() -> None:
    prefix = PromptPrefix()
    prefix.grow(0, [Block(2, 50_000)], front=[Block(1, 50_000, SYSTEM)])
    view = View(Scope("s1"), 100_000, prefix=prefix, signals=Signals(step=StepKind.TOOL_RESULT))
    router = Router(POOL, Cheapest())
    warm = Script(opus=Says("a", usage=Usage(100_000, 10, cache_read_tokens=0, cache_write_tokens=100_000)))
    cold = router.suggest(view, "opus").options[0]
    list(drive(router.start(replace(view, pin="opus")), warm.perform))
    found = router.suggest(view, "opus").options[0]
    assert (cold.cold, found.cold) == (100_000, 0)
    assert found.dollars < cold.dollars / 5


def test_an_explanation_says_how_likely_each_is_where_the_chain_knows() -> None:
    printed = str(anchored().explain(VIEW))
    assert "cheap: 7" in printed
    assert "for a task (bug fixing: deepseek-v4-pro in" in printed
    assert "likely" not in str(Router(POOL).explain(VIEW))


def test_what_is_unknown_is_omitted_and_tokens_that_must_be_read_again_are_counted() -> None:
    prefix = PromptPrefix()
    prefix.grow(0, [Block(2, 50_000)], front=[Block(1, 50_000, SYSTEM)])
    view, table = View(Scope("s1"), 100_000, prefix=prefix), LabelTable()
    table.observe(table.filed(view), "opus", Grade(1.0, "task"))
    router = Router(POOL, Rules().prefer("own", when=lambda view: True, because="it is ours"), Worth(table, 1.0), Cheapest())
    warm = Script(opus=Says("a", usage=Usage(100_000, 10, cache_write_tokens=100_000)))
    list(drive(router.start(replace(view, pin="opus")), warm.perform))
    found = router.suggest(view, "opus")
    assert (found.saves, found.loses, found.cold) == (None, None, 100_000)
    head, cold, _, cheap, own = str(found).splitlines()
    assert head.startswith("own instead of opus: it is ours")
    assert cold == "   100,000 tokens are read once more"
    assert "for this call" in cheap
    assert "for a task" not in cheap
    assert own.startswith("   own: unknown chance of success (")


def test_where_both_are_as_likely_to_solve_it_no_difference_is_named() -> None:
    pool = Pool([Target("one", "anthropic", "claude-opus-4-8"), Target("two", "bedrock", "claude-opus-4-8")])
    found = Router(pool, Rules().prefer("two", when=lambda view: True)).suggest(VIEW)
    assert (found.changes, found.loses) == (True, 0.0)
    assert "points of success" not in str(found)
