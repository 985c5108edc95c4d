"""Policies that take an estimator: what follows from chances, costs and floors."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from switchwise import ConfigurationError, Needs, Phase, Pool, Price, Router, Scope, Signals, Target, View, drive, hold
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.signals import Turn
from switchwise.policies import Anchor, Explore, Floor, Worth
from switchwise.quality import AskModel, Grade, LabelTable, Priors, Shrunk, TextDifficulty
from switchwise.quality.estimate import Estimate
from switchwise.quality.fitting.learned import example_model

POOL = Pool(
    [
        Target("strong", model="claude-opus-4-8", price=Price(5, 25)),
        Target("cheap", model="minimax-m3", price=Price(0.3, 1.2)),
        Target("poor", model="qwen3.5-flash", price=Price(0.1, 0.4)),
    ]
)
CODING = View(needs=Needs(tools=True), signals=Signals(phase=Phase.DEBUGGING, first=True))


class Says:
    """An estimator with fixed estimates."""

    def __init__(self, **found):
        self.found = found

    def estimate(self, view, targets, given):
        return [self.found.get(target.name, Estimate()) for target in targets]


def first(policy, view=CODING, pool=POOL):
    return Router(pool, policy, rng=random.Random(1)).decide(view).names[0]


class TestWorth:
    def test_evidence_overrules_the_order_of_the_pool_and_the_list_price(self):
        """The cheapest list price is the dearest per bug, and the worst: it is never first."""
        assert [first(Worth(Priors(), value)) for value in (0.5, 5, 100)] == ["cheap", "cheap", "strong"]

    def test_time_is_money(self):
        slow, fast = Estimate(0.9, 50, 0.1, 600, "x"), Estimate(0.9, 50, 0.1, 60, "x")
        assert first(Worth(Says(strong=slow, cheap=fast), 1.0)) == "strong"  # equal: the order of the pool
        assert first(Worth(Says(strong=slow, cheap=fast), 1.0, second=0.001)) == "cheap"

    def test_two_targets_are_split_by_a_threshold_on_the_gain(self):
        """RouteLLM's rule: strong where p_strong - p_weak exceeds the difference of costs over the value."""
        for gain, chosen in ((0.05, "cheap"), (0.15, "strong")):
            quality = Says(strong=Estimate(0.5 + gain, 9, 0.2, None, "x"), cheap=Estimate(0.5, 9, 0.1, None, "x"))
            assert first(Worth(quality, value=1.0)) == chosen

    def test_a_text_that_promises_little_does_not_overrule_the_table(self):
        def quality(promise):
            return Says(
                strong=Estimate(0.80, 50, 0.1, None, "x", 0.80), cheap=Estimate(0.80 + promise, 50, 0.1, None, "x", 0.79)
            )

        assert first(Worth(quality(0.005), 1.0)) == "strong"
        assert first(Worth(quality(0.02), 1.0)) == "cheap"

    def test_nothing_known_is_no_opinion_and_an_unknown_target_comes_last(self):
        assert Router(POOL, Worth(Says(), 1.0)).decide(CODING).names == ("strong", "cheap", "poor")
        known = Says(poor=Estimate(0.3, 9, 0.1, None, "x"))
        assert first(Worth(known, 1.0)) == "poor"

    def test_the_reason_says_how_likely_from_what_and_at_what_cost(self):
        explained = str(Router(POOL, Worth(Priors(), 100.0)).explain(CODING))
        assert "likely to solve it (bug fixing: claude-opus-4-8 in" in explained
        assert "$" in explained

    def test_held_per_session_it_anchors_and_goes_on_learning(self):
        quality = Shrunk(Priors(), LabelTable())
        router = Router(POOL, hold(Worth(quality, 1.0), per="session"), rng=random.Random(2))
        view = View(Scope("s1"), needs=Needs(tools=True), signals=Signals(phase=Phase.DEBUGGING))
        run = router.start(view)
        assert run.call.target.name == "cheap"
        run.ended(Reply("done"))
        for _ in range(60):
            quality.observe(quality.filed(view), "cheap", Grade(0.0, "task"))
        assert router.decide(view).names[0] == "cheap"
        assert router.decide(View(Scope("s2"), needs=view.needs, signals=view.signals)).names[0] == "strong"


class TestFloor:
    def test_within_so_much_of_the_best(self):
        assert Router(POOL, Floor(Priors(), within=0.1)).decide(CODING).names == ("strong", "cheap")
        assert Router(POOL, Floor(Priors(), within=0.0)).decide(CODING).names == ("strong",)

    def test_a_phase_an_agent_and_a_task_have_their_own(self):
        floor = Floor(Priors("bug_fixing"), at_least={"planning": 0.8, "reviewer": 0.7})
        left = {
            name: len(Router(POOL, floor).decide(view).names)
            for name, view in {
                "planning": View(signals=Signals(phase=Phase.PLANNING)),
                "reviewer": View(Scope(agent="reviewer")),
                "else": View(),
            }.items()
        }
        assert left == {"planning": 1, "reviewer": 2, "else": 3}

    def test_it_never_leaves_nothing(self):
        assert Router(POOL, Floor(Priors(), at_least=0.99)).decide(CODING).names == ("strong",)

    def test_little_evidence_is_not_enough_where_one_must_be_sure(self):
        quality = Says(strong=Estimate(0.9, 1_000, source="x"), cheap=Estimate(0.9, 3, source="x"))
        assert "cheap" not in Router(POOL, Floor(quality, at_least=0.85, sure=1.0)).decide(CODING).names

    def test_it_says_what_was_ruled_out_and_why(self):
        assert "within 2% of the best" in str(Router(POOL, Floor(Priors(), within=0.02)).explain(CODING))

    @pytest.mark.parametrize("bad", [{}, {"at_least": 2}, {"within": {"planning": -1}}])
    def test_nonsense_is_refused(self, bad):
        with pytest.raises(ConfigurationError, match="Floor"):
            Floor(Priors(), **bad)


class TestExplore:
    def test_it_draws_where_a_switch_is_free_and_not_elsewhere(self):
        router = Router(POOL, Explore(Priors(), 1.0, most=5), rng=random.Random(3))
        later = View(needs=CODING.needs, signals=Signals(phase=Phase.DEBUGGING))
        drawn = Counter(router.decide(CODING).names[0] for _ in range(200))
        assert set(drawn) == {"strong", "cheap"}  # the third costs more than a solved task is worth
        assert len({router.decide(later).names[0] for _ in range(50)}) == 1

    def test_a_retry_does_not_roll_again(self):
        policy, pool = Explore(Priors(), 1.0, most=5), POOL
        from switchwise import Shortlist

        for seed in range(30):
            view = View(needs=CODING.needs, signals=CODING.signals, seed=seed * 7919)
            whole = policy(view, Shortlist(pool))
            rest = policy(view, Shortlist(pool).require(lambda t, lead=whole.names[0]: t.name != lead, "down"))
            assert rest.names == whole.names[1:]

    def test_it_finds_the_better_target_in_spite_of_a_wrong_prior(self):
        rng, quality = random.Random(4), LabelTable()
        router = Router(POOL, Explore(quality, 1.0), rng=random.Random(5))
        rates, chosen = {"strong": 0.4, "cheap": 0.9, "poor": 0.2}, []
        view = View(signals=Signals(first=True), tokens=10)
        for _ in range(400):
            name = router.decide(view).names[0]
            chosen.append(name)
            quality.observe(quality.filed(view), name, Grade(float(rng.random() < rates[name]), "task", 0.01))
        assert Counter(chosen[-100:])["cheap"] > 90


@pytest.mark.parametrize("policy", [Anchor(Says(cheap=Estimate(0.9, 9))), Explore(Says(cheap=Estimate(0.9, 9)), 1.0)])
def test_without_costs_there_is_no_opinion_and_the_reason_says_what_is_missing(policy):
    decision = Router(Pool([Target("strong"), Target("cheap")]), policy).decide(CODING)
    assert decision.names == ("strong", "cheap")
    assert "the cost of the targets is unknown: give prices" in str(decision.notes)


def test_an_estimator_in_two_policies_hears_once():
    quality = LabelTable()
    router = Router(POOL, Floor(quality, within=0.5), Worth(quality, 1.0), rng=random.Random(6))
    run = router.start(CODING)
    run.ended(Reply("done"))
    router.feedback(run.outcome.decision, 1.0, "task")
    cells = {tuple(key): row for key, row in quality.dump()["cells"]}
    assert cells[("", "main")]["strong"][0] == 1


def test_text_moves_the_choice_on_labels_with_data_only():
    given = Says(strong=Estimate(0.8, 50, 0.21, None, "x"), weak=Estimate(0.7, 50, 0.1, None, "x"))
    pool = Pool([Target("strong"), Target("weak")])
    quality = Shrunk(given, TextDifficulty(example_model(), ["strong", "weak"], ["main"]))

    def chosen(text, agent="main"):
        view = View(Scope(agent=agent), conversation=Conversation([Turn("user", text)]))
        return Router(pool, Worth(quality, 1.0)).decide(view).names[0]

    assert [chosen(text) for text in ("easy easy 1", "hard hard 1")] == ["weak", "strong"]
    assert [chosen(text, "stranger") for text in ("easy easy 1", "hard hard 1")] == ["weak", "weak"]


@pytest.mark.parametrize("policy", [Worth, Explore])
def test_what_is_no_estimator_is_refused(policy):
    with pytest.raises(ConfigurationError, match="give an estimator"):
        policy("priors", 1.0)


def test_one_text_and_a_batch_of_texts_are_read_alike():
    from switchwise.quality.text.featuriser import Read
    from switchwise.quality.text.words import cut

    model = example_model()
    quality = TextDifficulty(model, ["strong", "weak"], ["main"])
    texts = ["hard hard 3", "EASY, easy?", "unseen words only", "x = 1\n" * 400, "ß" * 5_000, " "]
    whole = model.numbers(Read(texts)).tolist()
    alone = [quality.number(cut(text).encode()) for text in texts]
    assert alone == pytest.approx(whole, abs=1e-5)


class TestAskModel:
    def routed(self, *answers, **options):
        from switchwise.protocols.ask_text import prompt_of
        from switchwise.testing import Script

        asked, left = [], list(answers)

        def cheap(call):
            if call.ask is None:
                return "done"
            asked.append(call.ask.about)
            said = left.pop(0)
            return f"ANSWERS {prompt_of(call).split('ANSWERS ')[1][:8]}: {said}" if said else "I would rather not."

        quality = Shrunk(
            Says(strong=Estimate(0.8, 50, 0.2, None, "x"), cheap=Estimate(0.75, 50, 0.1, None, "x")),
            AskModel("cheap", **options),
        )
        pool = Pool([Target("strong"), Target("cheap")])
        return Router(pool, Worth(quality, 1.0), clock=lambda: 0.0), Script(cheap=cheap, strong=lambda call: "done"), asked

    def go(self, router, script, text):
        run = router.start(View(Scope("s1"), conversation=Conversation([Turn("user", text)])))
        for _ in drive(run, script.perform):
            pass
        return run.outcome

    def test_it_asks_once_for_each_turn_and_its_answer_moves_the_estimates(self):
        router, script, asked = self.routed('{"difficulty": 0}', '{"difficulty": 2}')
        self.go(router, script, "hello")
        easy = self.go(router, script, "hello")
        hard = self.go(router, script, "prove it")
        assert asked == ["hello", "prove it"]
        assert "asked how hard it is: -1.0" in easy.attempt.call.shortlist.decider.because
        assert "asked how hard it is: +1.0" in str(hard.attempt.call.shortlist.notes)

    def test_a_model_that_gives_no_answer_changes_nothing_and_rests(self):
        router, script, asked = self.routed("", "")
        outcomes = [self.go(router, script, text) for text in ("one", "two", "three")]
        assert len(asked) == 1
        assert all(outcome.target.name == "cheap" for outcome in outcomes)

    def test_only_where_a_cheaper_score_cannot_tell(self):
        router, script, asked = self.routed(
            '{"difficulty": 2}', boundary=(lambda view: 3.0 * (len(view.conversation.last_user) < 5), 1.0)
        )
        for text in ("Hi", "Hello there"):
            self.go(router, script, text)
        assert asked == ["Hello there"]

    @pytest.mark.parametrize("policy", [Worth, Explore])
    def test_where_the_policy_has_no_opinion_nobody_is_asked(self, policy):
        router, script, asked = self.routed()
        short = policy(router.policies[0].quality, 1.0, when=lambda view: len(view.conversation.last_user) < 5)
        router = Router(router.pool, short, clock=lambda: 0.0)
        assert self.go(router, script, "Hello there").attempt.call.shortlist.notes == ()
        assert asked == []

    def test_once_a_session(self):
        router, script, asked = self.routed('{"difficulty": 2}', every="session")
        for text in ("one", "two"):
            self.go(router, script, text)
        assert asked == ["one"]

    @pytest.mark.parametrize("bad", [{"model": 7}, {"model": "x", "every": "step"}, {"model": "x", "question": "How hard?"}])
    def test_nonsense_is_refused(self, bad):
        with pytest.raises(ConfigurationError, match="AskModel"):
            AskModel(**bad)


def test_two_routers_that_share_a_store_share_what_was_learnt():
    from switchwise.state import InProcess

    store, view = InProcess(), View(Scope(agent="coder"))
    one, other = Shrunk(Priors(), LabelTable()), Shrunk(Priors(), LabelTable())
    one.observe(one.filed(view), "strong", Grade(1.0))  # before there was a router: it moves along
    for quality in (one, other):
        Router(POOL, Worth(quality, 1.0), store=store)
    one.observe(one.filed(view), "strong", Grade(0.0))
    found = other.estimate(view, POOL.targets, [Estimate()] * 3)[0]
    assert found.source == "coder: 2 outcomes"
