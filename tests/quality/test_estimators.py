"""Every estimator keeps the contract, and says what it is meant to say."""

from __future__ import annotations

import importlib
import json
import pkgutil

import pytest

import switchwise.quality
from switchwise import ConfigurationError, Needs, Phase, Pool, Price, Scope, Signals, Target, View
from switchwise.clients import LocalModel
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.signals import Turn
from switchwise.policies import Worth
from switchwise.quality import AskModel, Grade, LabelTable, Nearest, Priors, Semantic, Shrunk, TaskMemory, estimate
from switchwise.quality.label_table import pooled_k
from switchwise.quality.priors import canonical, family
from switchwise.quality.text.embedders import hashed_ngrams
from switchwise.state import InProcess
from switchwise.testing import check_estimator, material


def examples():
    for module in pkgutil.iter_modules(switchwise.quality.__path__, "switchwise.quality."):
        for name, thing in vars(importlib.import_module(module.name)).items():
            if isinstance(thing, type) and "_examples" in vars(thing) and thing.__module__ == module.name:
                for number in range(len(thing._examples())):
                    yield pytest.param(thing, number, id=f"{name}-{number}")


@pytest.mark.parametrize(("kind", "number"), list(examples()))
def test_it_keeps_the_contract(kind, number):
    check_estimator(lambda: kind._examples()[number])


def coder(phase=None, agent="coder", task=""):
    return View(Scope("s", agent, task), needs=Needs(tools=True), signals=Signals(phase=phase))


def said(text):
    return View(conversation=Conversation([Turn("user", text)]))


def teach(quality, view, target, solved, times, **more):
    for _ in range(times):
        quality.observe(quality.filed(view), target, Grade(solved, "task", **more))


def test_calls_of_an_embedder_before_are_passed_over():
    def embed(size):
        return lambda text: [float(ord(text[i % len(text)])) for i in range(size)]

    before, after = Nearest(embed=embed(4)), Nearest(embed=embed(6))
    view = View(conversation=Conversation([Turn("user", "fix the bug")]))
    teach(before, view, "haiku", 0.0, 10)
    after.load(before.dump())
    teach(after, view, "haiku", 1.0, 1)
    (found,) = estimate(after, view, [Target("haiku")])
    assert found.source.startswith("1 similar calls")
    assert found.p > 0.5


def test_the_calls_of_two_embedders_outlive_a_second_restart():
    def embed(size):
        return lambda text: [float(ord(text[i % len(text)])) for i in range(size)]

    before, after, third = Nearest(embed=embed(4)), Nearest(embed=embed(9)), Nearest(embed=embed(9))
    view = said("fix the bug")
    teach(before, view, "haiku", 0.0, 10)
    after.load(before.dump())
    teach(after, view, "haiku", 1.0, 1)
    third.load(json.loads(json.dumps(after.dump())))
    assert estimate(third, view, [Target("haiku")]) == estimate(after, view, [Target("haiku")])


def test_the_nearest_calls_are_kept_up_to_a_size_that_the_targets_share():
    nearest = Nearest(size=4)
    for target in ("haiku", "opus"):
        teach(nearest, said("fix the bug"), target, 1.0, 3)
    assert {target: len(calls) for target, calls in nearest.dump()["calls"]} == {"haiku": 3, "opus": 2}
    teach(nearest, said(""), "opus", 1.0, 1)
    assert [len(calls) for _, calls in nearest.dump()["calls"]] == [3, 2], "a call without text is no example"


def test_a_model_of_its_own_need_not_be_in_the_pool():
    model = LocalModel("judge", lambda ask: {})
    AskModel(model).check(Pool([Target("haiku")]))
    with pytest.raises(ConfigurationError, match="judge"):
        AskModel("judge").check(Pool([Target("haiku")]))


@pytest.mark.parametrize("kind", [LabelTable, TaskMemory])
def test_the_state_of_another_version_changes_nothing(kind):
    table, other, view = kind(), kind(), View(Scope(task="t1"), conversation=Conversation([Turn("user", "report")]))
    teach(table, view, "haiku", 1.0, 5)
    name = "cells" if kind is LabelTable else "tasks"
    old = json.loads(json.dumps(table.dump()))
    old[name][0][1]["haiku"].pop()
    before = other.dump()
    with pytest.raises(ConfigurationError, match=f"{kind.__name__}: the state is of another version; start without it"):
        other.load(old)
    assert other.dump() == before


def test_a_new_store_keeps_what_it_already_has():
    store = InProcess()
    first, second = LabelTable(store=store), LabelTable()
    teach(first, coder(), "haiku", 1.0, 10)
    teach(second, coder(), "haiku", 0.0, 10)
    teach(second, coder(agent="writer"), "haiku", 0.0, 10)
    second.use_store(store)
    here, elsewhere = (estimate(second, view, [Target("haiku")])[0] for view in (coder(), coder(agent="writer")))
    assert here.p > 0.9
    assert elsewhere.p < 0.2


def test_the_route_is_that_of_the_last_three_turns_and_texts_of_any_embeddings_are_read():
    class Embeddings:
        def embed_query(self, text):
            return [float("refund" in text), float("bug" in text), 0.1]

    routes = {"refund": ["a refund"], "code": ["a bug"]}
    quality = Semantic(routes, embed=Embeddings())
    turns = [Turn("user", "a bug"), *[Turn("user", "a refund")] * 3]
    assert quality.route(View(conversation=Conversation(turns))) == "refund"
    assert quality.route(View(conversation=Conversation(turns[:1]))) == "code"
    assert quality.route(View(conversation=Conversation(turns[::-1]))) == "code"
    assert not hashed_ngrams("").any()
    assert hashed_ngrams("é").any(), "a text shorter than the longest n-gram has the shorter ones"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelTable("agent"), r"LabelTable\(label='agent'\): give a function of the view"),
        (lambda: TaskMemory("task"), r"TaskMemory\(key='task'\): give a function of the view"),
        (Shrunk, "give at least one estimator"),
        (lambda: Shrunk(Priors), r"Shrunk\(Priors\): give estimators"),
        (lambda: Shrunk(3), r"Shrunk\(3\): give estimators"),
        (lambda: Semantic({}), "give route -> example phrases"),
        (lambda: Semantic({"code": "fix it"}), "give route -> example phrases"),
        (lambda: Semantic({"code": 3}), "give route -> example phrases"),
        (lambda: Semantic({"code": ["fix it"]}, prefers={"poem": "opus"}), "poem is not a route; the routes are code"),
        (lambda: Worth(Priors(), value=1.0, when="hard"), r"Worth\(when='hard'\): give a function of the view"),
        (lambda: estimate(Priors(lambda view: "poetry"), View(), [Target("a")]), "'poetry' is not a kind of work"),
    ],
)
def test_what_cannot_work_is_refused(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()


class TestPriors:
    def test_dollars_are_those_of_a_task(self):
        """A cheap price list is not a cheap run: Qwen3.5 Flash costs more per bug than Opus 4.8."""
        flash, opus = estimate(
            Priors("bug_fixing"), View(), [Target("f", model="qwen3.5-flash"), Target("o", model="claude-opus-4-8")]
        )
        assert flash.dollars > opus.dollars
        assert flash.p < opus.p - 0.1

    def test_a_dated_name_is_the_same_model(self):
        plain, dated = estimate(
            Priors("tool_use"), View(), [Target("a", model="gpt-5"), Target("b", model="openai/gpt-5-2025-08-07")]
        )
        assert plain == dated

    def test_a_new_model_gets_its_familys_place_and_says_so(self):
        old, new = estimate(
            Priors("bug_fixing"), View(), [Target("a", model="claude-opus-4-8"), Target("b", model="claude-opus-5-5")]
        )
        assert new.p == old.p
        assert new.n < old.n
        assert "of its family" in new.source

    def test_a_model_that_nobody_knows_gets_the_pools_place(self):
        known, mine = estimate(
            Priors("bug_fixing"), View(), [Target("a", model="minimax-m3"), Target("b", model="house-model")]
        )
        assert mine.p == pytest.approx(known.p)
        assert 0 < mine.n < 2
        assert "pool" in mine.source

    def test_nothing_known_is_said(self):
        assert estimate(Priors(), View(), [Target("a", model="house-model")])[0].n == 0

    def test_unknown_costs_follow_the_list_price(self):
        cheap, dear = (Target(str(price), model="house-model", price=Price(price, 5 * price)) for price in (1, 3))
        low, high = estimate(Priors("bug_fixing"), View(), [cheap, dear])
        assert high.dollars == pytest.approx(3 * low.dollars)

    def test_the_kind_follows_from_tools_and_phase(self):
        target = [Target("a", model="claude-opus-4-8")]
        assert estimate(Priors(), coder(Phase.DEBUGGING), target)[0] == estimate(Priors("bug_fixing"), View(), target)[0]
        assert "question" in estimate(Priors(), View(), target)[0].source

    def test_a_wrong_kind_is_refused_with_the_right_ones(self):
        with pytest.raises(ConfigurationError, match=r"kind='poetry'.*bug_fixing"):
            Priors("poetry")

    @pytest.mark.parametrize(
        ("name", "canon"),
        [
            ("anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-5"),
            ("us.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-5"),
            ("openrouter/qwen/qwen3-coder:free", "qwen3-coder"),
            ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
            ("gemini-3.1-pro-preview", "gemini-3-1-pro"),
        ],
    )
    def test_names_on_the_wire_are_read(self, name, canon):
        assert canonical(name) == canon

    def test_a_family_is_a_name_without_numbers(self):
        assert family("claude-opus-4-8") == family("claude-opus-5-5") != family("claude-haiku-4-5")


class TestLabelTable:
    def test_it_falls_back_to_the_parent(self):
        table = LabelTable()
        teach(table, coder(Phase.TESTING), "haiku", 1.0, 40)
        here, sibling, elsewhere = (
            estimate(table, view, [Target("haiku")])[0]
            for view in (coder(Phase.TESTING), coder(Phase.DEBUGGING), coder(agent="writer"))
        )
        assert here.p > 0.9
        assert here.source.startswith("coder/testing")
        assert sibling.source.startswith("coder:")
        assert elsewhere.source.startswith("all calls")

    def test_uninformative_labels_are_shrunk_to_the_mean(self):
        alike = [((label,), {"a": [100.0, 50.0, 50.0], "b": [100.0, 70.0, 70.0]}) for label in "xyz"]
        apart = [
            ((label,), {"a": [100.0, 50 + d, 50 + d], "b": [100.0, 70 - d, 70 - d]})
            for label, d in zip("xyz", (-40, 0, 25), strict=True)
        ]
        assert pooled_k(alike) > 1_000
        assert pooled_k(apart) < 20

    def test_twenty_own_outcomes_outweigh_what_was_given(self):
        quality, view = Shrunk(Priors("bug_fixing"), LabelTable()), coder()
        target = [Target("cheap", model="minimax-m3")]
        before = estimate(quality, view, target)[0].p
        teach(quality, view, "cheap", 0.0, 20)
        after = estimate(quality, view, target)[0].p
        assert 0.35 * before < after < 0.55 * before

    def test_a_drop_is_noticed(self):
        table, blind, view = LabelTable(), LabelTable(notices=False), coder()
        for quality in (table, blind):
            teach(quality, view, "haiku", 1.0, 60)
            teach(quality, view, "haiku", 0.0, 20)
        noticed, not_noticed = (estimate(quality, view, [Target("haiku")])[0].p for quality in (table, blind))
        assert noticed < 0.4 < not_noticed

    def test_an_alarm_that_has_begun_outlives_a_restart(self):
        table, other = LabelTable(), LabelTable()
        teach(table, coder(), "haiku", 1.0, 60)
        teach(table, coder(), "haiku", 0.0, 2)
        other.load(json.loads(json.dumps(table.dump())))
        for quality in (table, other):
            teach(quality, coder(), "haiku", 0.0, 2)
        assert other.dump() == table.dump()
        assert table.dump()["alarms"]

    def test_the_estimates_of_any_number_of_labels_take_bounded_memory(self):
        table, targets = LabelTable(), [Target("haiku")]
        teach(table, coder(), "haiku", 1.0, 5)
        found = {estimate(table, coder(agent=f"agent{i}"), targets)[0] for i in range(1_001)}
        assert len(found) == 1
        assert len(table._last) == 1

    def test_costs_are_those_of_the_task(self):
        table = LabelTable()
        teach(table, coder(), "haiku", 1.0, 10, dollars=0.5, seconds=60.0)
        found = estimate(table, coder(), [Target("haiku")])[0]
        assert found.dollars == pytest.approx(0.5)
        assert found.seconds == pytest.approx(60.0)


def test_feedback_carries_the_cost_of_the_whole_task():
    table, pool = LabelTable(), material.pool()
    from switchwise import Attempt, Call, Reply, Shortlist

    for seed in (1, 2, 3):
        view = View(Scope("s1", "coder", "t1", seed), seed=seed)
        table.learn(Attempt(Call(pool.targets[0], view, Shortlist(pool)), 0.0, 1.0, Reply("done"), cost=0.1, latency=2.0))
    table.feedback(f"{3:016x}", 1.0, "task")
    found = estimate(table, View(Scope("s1", "coder", "t1")), pool.targets[:1])[0]
    assert found.dollars == pytest.approx(0.3)
    assert found.seconds == pytest.approx(6.0)


def test_a_kind_of_grade_that_nobody_knows_is_refused():
    with pytest.raises(ConfigurationError, match=r"kind='gossip'.*feedback"):
        Grade(1.0, "gossip")


def test_core_works_without_numpy(tmp_path):
    import subprocess
    import sys

    (tmp_path / "numpy.py").write_text("raise ImportError('not here')")
    code = (
        "import sys; from switchwise import Target, View; from switchwise.quality import *\n"
        "q = Shrunk(Priors(), LabelTable()); q.observe(q.filed(View()), 'a', Grade(1.0)); print(estimate(q, View(), [Target('a')])[0].n)\n"
        "assert 'numpy' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0
