"""Real routers over recorded sessions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from switchwise import Ask, BudgetExceeded, ConfigurationError, Phase, Pool, Price, Router, StepKind, Target
from switchwise.cli import main
from switchwise.evaluation import Setting, load_router, read_sessions, replay, replay_router
from switchwise.evaluation.prices import frozen_prices
from switchwise.policies import Budget, ByPhase, ByStep, Cheapest, RateLimits

SAMPLE = Path(__file__).parents[2] / "examples/data/agent_sessions"
PAIRS = ["claude-opus-4-5/claude-haiku-4-5", "claude-opus-5-5/claude-sonnet-5-5", "gpt-5/gpt-5-mini", "gpt-5-pro/gpt-5-mini"]
MADE = """
from switchwise import Pool, Price, Router, Target
targets = [
    Target("opus", "anthropic", "claude-opus-4-5", Price(5, 25, 0.5, 6.25)),
    Target("sonnet", "anthropic", "claude-sonnet-5", Price(3, 15, 0.3, 3.75)),
    Target("haiku", "anthropic", "claude-haiku-4-5", Price(1, 5, 0.1, 1.25)),
]

def make():
    return Router.default(Pool(targets))

class Holder:
    router = make()

holder, number = Holder(), 7
"""


def pool(pair):
    names = dict(zip(("strong", "weak"), pair.split("/"), strict=True))
    return Pool([Target(name, frozen_prices()[model][0], model, frozen_prices()[model][1]) for name, model in names.items()])


@pytest.fixture(scope="module")
def recorded():
    return read_sessions(SAMPLE)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_default_router_comes_to_what_the_planner_without_history_comes_to(recorded, pair):
    """Not to the same: the router estimates lifetimes and hits."""
    (result,) = replay(recorded, [pair], Setting(samples=0, history=False, explore=0.0))
    tally = replay_router(Router.default(pool(pair)), recorded)
    relative = tally.total / result.totals["all_strong"].total
    assert relative == pytest.approx(result.relative["switchwise"].value, abs=0.01)
    assert tally.unsafe == 0
    assert sum(tally.by.values()) == sum(len(thread.steps) for thread in recorded)


def test_where_the_weak_target_needs_twice_the_calls_a_router_that_explores_finds_out(recorded):
    strong = replay_router(Router(pool(PAIRS[0]), ByStep(first="strong", tool_result="strong")), recorded, inflation=2.0)
    naive = replay_router(
        Router(pool(PAIRS[0]), ByPhase(planning="strong"), ByStep(user_turn="strong", failure="strong", tool_result="fast")),
        recorded,
        inflation=2.0,
    )
    chain = [ByPhase(planning="strong"), ByStep(first="strong", user_turn="strong", failure="strong", tool_result=None)]
    explores = replay_router(Router(pool(PAIRS[0]), *chain, Cheapest(explore=0.02)), recorded, inflation=2.0)
    assert strong.by[1] == 0
    assert explores.total - strong.total < 0.5 * (naive.total - strong.total)


def test_a_replayed_router_receives_the_views_of_the_recording(recorded):
    seen = []

    def watch(view, shortlist):
        seen.append(view)
        return shortlist

    replay_router(Router(pool(PAIRS[0]), watch), recorded)
    steps = [step for thread in sorted(recorded, key=lambda thread: thread.steps[0].at) for step in thread.steps]
    assert [view.tokens for view in seen] == [step.prompt for step in steps]
    assert [view.now for view in seen] == [step.at for step in steps]
    easy = [view.signals.step is StepKind.TOOL_RESULT and view.signals.phase is not Phase.PLANNING for view in seen]
    assert easy == [step.easy for step in steps]
    assert {view.scope.agent for view in seen} == {"main", "sub-agent"}
    assert all(view.prefix.tokens == view.tokens for view in seen[-1:])


def test_a_conversation_that_grew_was_cut_or_compacted_is_replayed_as_such(recorded):
    tokens = []

    def watch(view, shortlist):
        tokens.append((view.prefix.tokens, view.tokens))
        return shortlist

    replay_router(Router(pool(PAIRS[0]), watch), recorded, inflation=2.0)
    assert all(chain == prompt for chain, prompt in tokens)


def test_any_number_of_targets_and_a_column_of_its_own(tmp_path, capsys):
    (tmp_path / "made.py").write_text(MADE)
    plot = tmp_path / "costs.svg"
    say = ["replay", str(SAMPLE), "--router", f"{tmp_path}/made.py:make", "--samples", "0"]
    assert main([*say, "--json", "--plot", str(plot)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [pair["pair"] for pair in found["pairs"]] == ["claude-opus-4-5/claude-sonnet-5", "claude-opus-4-5/claude-haiku-4-5"]
    costs = {pair["relative_cost"]["router"] for pair in found["pairs"]}
    assert len(costs) == 1
    assert 0.8 < costs.pop() < 1.0
    assert found["router"]["haiku"] > found["router"]["sonnet"]
    assert ">router</text>" in plot.read_text()
    assert main(say) == 0
    printed = capsys.readouterr().out
    assert next(line for line in printed.splitlines() if line.startswith("cost / all-strong")).rstrip().endswith("router")
    assert "calls to haiku" in printed


@pytest.mark.parametrize(("name", "fits"), [("make", True), ("holder", True), ("number", False), ("nothing", False)])
def test_a_router_is_found_by_its_place(tmp_path, name, fits):
    (tmp_path / "made.py").write_text(MADE)
    if fits:
        assert load_router(f"{tmp_path}/made.py:{name}").pool.targets[0].name == "opus"
    else:
        with pytest.raises(ConfigurationError, match=r"is not a Router|has no 'nothing'"):
            load_router(f"{tmp_path}/made.py:{name}")


def test_a_target_without_a_price_is_refused(recorded):
    with pytest.raises(ConfigurationError, match=r"nowhere\.py: no such file"):
        load_router("nowhere.py:router")
    with pytest.raises(ConfigurationError, match="target 'own' has no price"):
        replay_router(Router(Pool([Target("opus", price=Price(5, 25)), Target("own")])), recorded)


def test_a_policy_that_would_ask_a_model_is_refused(recorded):
    def asks(view, shortlist):
        yield Ask.text("Which?", to=shortlist.targets[0].name)
        return shortlist

    with pytest.raises(ConfigurationError, match="asks a model before it decides"):
        replay_router(Router(pool(PAIRS[0]), asks), recorded)


def test_a_call_that_waits_its_turn_is_made_in_a_replay_too(recorded):
    limits = RateLimits(requests=1, per="all", window=20.0, wait=1e6)
    few = replace(recorded[0], steps=recorded[0].steps[:12])
    assert sum(replay_router(Router(pool(PAIRS[0]), limits), [few]).by.values()) == 12


def test_a_budget_is_spent_by_what_the_calls_would_have_cost(recorded):
    with pytest.raises(BudgetExceeded):
        replay_router(Router(pool(PAIRS[0]), Budget(usd=0.5, per="session")), recorded)
    assert replay_router(Router(pool(PAIRS[0]), Budget(usd=500, per="session")), recorded).total > 0.5


def test_calls_that_a_weaker_target_adds_are_cut_off_by_a_compaction_and_a_prompt_may_be_sent_again(recorded):
    seen = []

    def cheap(view, shortlist):
        seen.append((view.prefix.tokens, view.tokens, view.prefix.change))
        return shortlist.order(lambda target: target.name != "weak", "cheap")

    first = replace(recorded[0].steps[0], growth=400, turn=False, compacted=False)
    steps = [
        replace(first, at=first.at, prompt=5_000, kept=5_000),
        replace(first, at=first.at + 1, prompt=5_100, kept=5_000, compacted=True),
        replace(first, at=first.at + 2, prompt=5_100, kept=5_100),
    ]
    replay_router(Router(pool(PAIRS[0]), cheap), [replace(recorded[0], steps=tuple(steps))], inflation=2.0)
    assert [prefix for prefix, _, _ in seen] == [prompt for _, prompt, _ in seen] == [5_000, 5_400, 5_100, 5_500, 5_500, 5_900]
    assert [change for *_, change in seen] == ["first call", "append", "edit", "append", "append", "append"]
