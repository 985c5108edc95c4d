"""Shadow, canary, drift and audit: what they say of traffic that was made with a known truth."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace

import pytest

from switchwise import ConfigurationError, Needs, Phase, Pool, Price, Router, Scope, Signals, StepKind, Target, Usage, View
from switchwise.cli import main
from switchwise.evaluation.live import Drift, Shadow, audit, judged
from switchwise.evaluation.outcomes import read_outcomes
from switchwise.nouns.errors import AllTargetsFailed, FailureKind, TargetError
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.prompt_prefix import Block, PromptPrefix
from switchwise.observe.journal import InMemory, JsonLines
from switchwise.observe.journal.json_lines import read
from switchwise.policies import ByAgent, Canary, Rules, Worth
from switchwise.quality import Priors

POOL = Pool(
    [
        Target("strong", model="claude-opus-4-8", price=Price(5, 25, cache_read=0.5, cache_write=6.25)),
        Target("cheap", model="minimax-m3", price=Price(0.3, 1.2, cache_read=0.03)),
    ]
)
USAGE = Usage(20_000, 500, cache_read_tokens=18_000)


def serve(router, session, agent="coder", phase=Phase.TESTING, steps=3, usage=USAGE):
    decisions = []
    for step in range(steps):
        view = View(
            Scope(session, agent, step=step),
            20_000,
            Needs(tools=True),
            Signals(phase, StepKind.TOOL_RESULT if step else StepKind.USER_TURN, first=not step),
        )
        run = router.start(view)
        run.ended(Reply("done", usage=usage))
        decisions.append(run.outcome.decision)
    return decisions


def journal(sessions=12, **options):
    kept = InMemory()
    router = Router(POOL, observers=[kept], rng=random.Random(1), **options)
    for i in range(sessions):
        serve(router, f"s{i}", "coder", Phase.TESTING)
        serve(router, f"s{i}", "planner", Phase.PLANNING, steps=1)
    return list(kept)


class TestAudit:
    def test_it_says_what_each_agent_cost_and_what_could_have_gone_cheaper(self):
        found = audit(journal(), within=0.05)
        assert found.paid == pytest.approx(sum(record.cost for record in journal()))
        coder = next(group for group in found.groups if group.agent == "coder")
        assert (coder.target, coder.could, coder.calls, coder.sessions) == ("strong", "cheap", 36, 12)
        assert 0 < coder.saving.low <= coder.saving.value <= coder.saving.high < coder.paid
        assert "published outcomes" in coder.source

    def test_one_session_has_no_interval(self):
        kept = InMemory()
        serve(Router(POOL, observers=[kept], rng=random.Random(1)), "s")
        saving = audit(list(kept), within=0.05).saving
        assert (saving.low, saving.high) == (None, None)
        assert "one session: no interval" in str(audit(list(kept), within=0.05))

    def test_a_floor_that_nothing_cheaper_reaches_saves_nothing(self):
        found = audit(journal(), within=0.0)
        assert found.saving.value == 0
        assert all(not group.could for group in found.groups)

    def test_whole_tasks_count_where_they_cost_more_than_the_tokens_say(self):
        """A cheap price list with a dear run: tokens alone would promise more."""
        pool = Pool([POOL["strong"], Target("flash", model="qwen3.5-flash", price=Price(0.1, 0.4))])
        kept = InMemory()
        router = Router(pool, observers=[kept], rng=random.Random(1))
        serve(router, "s", phase=Phase.DEBUGGING)
        assert audit(list(kept), Priors("bug_fixing"), within=0.5).saving.value == 0

    def test_checks_and_rejected_replies_are_counted_apart(self):
        kept = InMemory()
        router = Router(POOL, verify=lambda view, reply: Verdict(False, "no"), observers=[kept], rng=random.Random(1))
        run = router.start(View(Scope("s")))
        run.ended(Reply("bad", usage=USAGE))
        run.ended(Reply("good", usage=USAGE))
        found = audit(list(kept))
        assert 0 < found.checks < found.paid

    def test_the_command(self, tmp_path, capsys):
        path = tmp_path / "journal.jsonl"
        with JsonLines(path) as sink:
            router = Router(POOL, observers=[sink], rng=random.Random(1))
            decisions = serve(router, "s1")
            router.feedback(decisions[-1], 1.0, "task")
        assert main(["audit", str(path), "--within", "0.05"]) == 0
        assert "could have been saved" in capsys.readouterr().out
        assert main(["audit", str(path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["groups"][0]["agent"] == "coder"
        assert len(list(read(path))) == 3  # the feedback is not an attempt
        (outcomes,) = read_outcomes(path)
        assert (outcomes.tasks, outcomes.labels) == ((decisions[-1],), ("coder/testing",))

    def test_an_estimator_without_outcomes_or_dollars_proposes_nothing_it_cannot_show(self):
        from switchwise.quality import Grade, LabelTable

        (group, *_) = audit(journal(), LabelTable()).groups
        assert (group.p, group.could, group.saving.value) == (None, "", 0.0)
        table = LabelTable()
        for target in ("strong", "cheap"):
            for _ in range(5):
                table.observe(
                    table.filed(View(Scope("s", "coder"), signals=Signals(Phase.TESTING))), target, Grade(1.0, "task")
                )
        group = next(each for each in audit(journal(), table).groups if each.agent == "coder")
        tokens = POOL["cheap"].price.cost(USAGE) * 36
        assert group.could == "cheap"
        assert group.saving.value == pytest.approx(group.paid - tokens), "no dollars are known: the tokens alone count"
        unknown = [replace(record, input_tokens=None) for record in journal()]
        assert not any(group.could for group in audit(unknown, table).groups)

    def test_switches_inside_a_tool_loop_are_counted(self):
        kept = InMemory()
        calm, restless = (
            Router(
                POOL,
                Rules().prefer("cheap", when=lambda view, odd=odd: view.scope.step % 2 == odd),
                observers=[kept],
                rng=random.Random(1),
            )
            for odd in (9, 1)
        )
        serve(calm, "s1", steps=4)
        serve(restless, "s2", steps=4)
        found = audit(kept)
        assert (found.switches, found.unsafe) == (3, 3)
        assert "3 of them inside a tool loop" in str(found)

    def test_a_journal_without_costs_is_refused(self):
        with pytest.raises(ConfigurationError, match="no call with a known cost"):
            audit([])


class TestShadow:
    def test_nobody_acts_on_it_and_it_says_what_it_would_have_done(self):
        candidate = Router(POOL, ByAgent(coder="cheap"), rng=random.Random(2))
        shadow = Shadow(candidate)
        router = Router(POOL, observers=[shadow], rng=random.Random(1))
        for i in range(5):
            serve(router, f"s{i}", "coder")
            serve(router, f"t{i}", "planner")
        report = shadow.report()
        assert (report.calls, report.same, report.tasks, report.tasks_same) == (30, 15, 10, 5)
        assert report.moved == {("strong", "cheap"): 15}
        assert report.would_pay < report.paid
        assert 0 < report.saves.low <= report.saves.value == pytest.approx(report.paid - report.would_pay)
        assert "50% to the same target" in str(report)
        assert "the candidate costs less" in str(report)

    def test_a_candidate_with_its_own_model_reads_its_own_cache(self):
        """Billed cold at every call, the candidate would seem to cost three times as much."""
        price = Price(0.3, 1.2, cache_read=0.03)
        pool = Pool([POOL["strong"], Target("cheap", "deepseek", "deepseek-v4-pro", price)])
        shadow = Shadow(Router(pool, Rules().prefer("cheap", when=lambda view: True), rng=random.Random(2)))
        serve(Router(pool, observers=[shadow], rng=random.Random(1)), "s", steps=4)
        first, later = (price.cost(Usage(20_000, 500, cache_read_tokens=read)) for read in (0, 20_000))
        assert shadow.report().would_pay == pytest.approx(first + 3 * later, rel=0.02)
        assert shadow.report().verdict == "too little traffic for a verdict"

    def test_one_that_decides_alike_costs_what_was_paid(self):
        shadow = Shadow(Router(POOL, rng=random.Random(2)))
        router = Router(POOL, observers=[shadow], rng=random.Random(1))
        for i in range(3):
            serve(router, f"s{i}")
        report = shadow.report()
        assert report.would_pay == pytest.approx(report.paid)
        assert report.verdict == "no difference in cost is shown"

    def test_a_dearer_candidate_is_said_to_cost_more_and_calls_without_a_bill_are_left_out_of_it(self):
        candidate = Router(POOL, Rules().prefer("strong", when=lambda view: True), rng=random.Random(2))
        shadow = Shadow(candidate)
        assert str(shadow.report()) == "no calls yet"
        router = Router(
            POOL,
            Rules().prefer("cheap", when=lambda view: True),
            verify=lambda view, reply: Verdict(reply.text != "bad"),
            observers=[shadow],
            rng=random.Random(1),
        )
        run = router.start(View(Scope("s0")))
        run.ended(Reply("bad", usage=USAGE))
        run.ended(Reply("good", usage=None))
        serve(router, "s1")
        assert (shadow.report().calls, "more, 95 % over sessions" in str(shadow.report())) == (4, True)
        assert "(one session: no interval) more" not in str(shadow.report())
        alone = Shadow(candidate)
        serve(Router(POOL, Rules().prefer("cheap", when=lambda view: True), observers=[alone], rng=random.Random(1)), "s")
        assert "(one session: no interval) more" in str(alone.report())

    def test_a_prompt_that_was_cut_reads_no_more_from_the_candidates_cache_than_was_kept(self):
        def bill(cut):
            price = Price(10, 10, cache_read=1.0)
            pool = Pool([POOL["strong"], Target("cheap", "deepseek", "deepseek-v4-pro", price)])
            shadow = Shadow(Router(pool, Rules().prefer("cheap", when=lambda view: True), rng=random.Random(2)))
            router, prefix = Router(pool, observers=[shadow], rng=random.Random(1)), PromptPrefix()
            for step in range(2):
                prefix.grow(1 if step and cut else step * 2, [Block(step + 3, 5_000), Block(step + 5, 5_000)][: 2 - step])
                view = View(Scope("s", step=step), prefix.tokens, prefix=prefix)
                router.start(view).ended(Reply("done", usage=Usage(prefix.tokens, 0)))
            return shadow.report().would_pay

        assert bill(cut=False) == pytest.approx(10_000 * 10e-6 + 10_000 * 1e-6 + 5_000 * 10e-6, rel=0.02)
        assert bill(cut=True) == pytest.approx(10_000 * 10e-6 + 5_000 * 1e-6 + 5_000 * 10e-6, rel=0.02)

    def test_it_learns_from_the_live_calls_and_their_outcomes(self):
        from switchwise.quality import LabelTable

        table = LabelTable()
        shadow = Shadow(Router(POOL, Worth(table, 1.0), rng=random.Random(2)))
        router = Router(POOL, observers=[shadow], rng=random.Random(1))
        (decision,) = serve(router, "s", steps=1)
        router.feedback(decision, 1.0, "task")
        (cells,) = [cells for label, cells in table.dump()["cells"] if len(label) == 1]
        assert cells["strong"][:2] == [1.0, 1.0]

    def test_a_candidate_that_has_nobody_is_silent(self):
        nobody = Router(POOL, _nobody)
        shadow = Shadow(nobody)
        serve(Router(POOL, observers=[shadow], rng=random.Random(1)), "s")
        assert shadow.report().silent == 3


def _nobody(view, shortlist):
    return shortlist.require(lambda target: False, "closed")


_nobody.requires = True


class TestJudged:
    def test_a_judge_that_likes_the_first_place_says_nothing(self):
        found = judged([("t", "a", "b")] * 20, lambda task, one, other: "first")
        assert (found.inconsistent, found.rate, found.p) == (20, 0.5, 1.0)

    def test_a_judge_that_sees_the_difference_decides_the_comparison(self):
        found = judged(
            [("t", "bad", "good")] * 9 + [("t", "good", "bad")], lambda task, one, other: "first" if one == "good" else "second"
        )
        assert (found.wins, found.losses) == (9, 1)
        assert found.p == pytest.approx(22 / 1024)


class TestCanary:
    def served(self, good, share=0.5, sessions=400):
        canary = Canary(Rules().prefer("cheap", when=lambda view: True), share)
        router = Router(POOL, canary, rng=random.Random(3))
        rng, called = random.Random(4), []
        for i in range(sessions):
            (decision,) = serve(router, f"s{i}", steps=1)
            target = router.decide(View(Scope(f"s{i}"))).names[0]
            called.append(target)
            router.feedback(decision, float(rng.random() < (good if target == "cheap" else 0.8)), "task")
        return canary, called

    def test_a_worse_one_is_stopped_and_everybody_goes_back(self):
        canary, called = self.served(good=0.4)
        assert canary.test.rejected
        assert "cheap" in called[:50]
        assert "cheap" not in called[-50:]
        assert "stopped: shown to be more than 2% worse" in canary.summary()
        assert "stopped" in str(
            Router(POOL, canary).explain(View(Scope(next(f"s{i}" for i in range(99) if canary.chosen(View(Scope(f"s{i}")))))))
        )

    def test_one_that_is_as_good_goes_on(self):
        canary, called = self.served(good=0.8)
        assert not canary.test.rejected
        assert 0.4 < called.count("cheap") / len(called) < 0.6
        assert re.search(r"new \d+% of \d+, old \d+% of \d+: [+-]\d+ points \[-\d+, [+-]\d+\]; goes on", canary.summary())

    def test_a_session_keeps_its_side(self):
        canary = Canary(Rules().prefer("cheap", when=lambda view: True), 0.3)
        sides = {canary.chosen(View(Scope("s7", agent))) for agent in ("main", "explorer", "reviewer")}
        assert len(sides) == 1

    def test_requirements_cannot_be_tried_on_some(self):
        with pytest.raises(ConfigurationError, match="rules targets out"):
            Canary(_nobody, 0.1)


class TestDrift:
    def test_targets_that_get_worse_or_dearer_are_reported(self):
        alarms = []
        drift = Drift(alarms.append, usual=20)
        router = Router(POOL, observers=[drift], rng=random.Random(5))
        for i in range(40):
            serve(router, f"s{i}", steps=1)
            drift.outcome("strong", float(i % 5 > 0))
        assert alarms == []
        for i in range(60):
            serve(router, f"t{i}", steps=1, usage=Usage(60_000, 1_500, cache_read_tokens=50_000))
            drift.outcome("strong", float(i % 5 > 2))
        assert {alarm.what for alarm in alarms} == {"quality", "cost"}
        assert all(alarm.target == "strong" for alarm in alarms)
        assert "before" in str(alarms[0])

    def test_a_steady_one_raises_no_alarm(self):
        rng, drift = random.Random(6), Drift(lambda alarm: pytest.fail(str(alarm)))
        for _ in range(500):
            drift.outcome("strong", float(rng.random() < 0.8))

    def test_a_target_that_fails_more_often_is_noticed_without_a_verifier(self):
        drift = Drift(usual=20)
        router = Router(Pool([Target("only")]), observers=[drift], rng=random.Random(5))
        for i in range(60):
            run = router.start(View(Scope(f"s{i}")))
            if i % 20 != 7 and i <= 50:
                run.ended(Reply("done"))
                continue
            with pytest.raises(AllTargetsFailed):
                run.failed(TargetError(FailureKind.REFUSED))
        (alarm,) = drift.alarms
        assert (alarm.target, alarm.what, alarm.before) == ("only", "answers", 0.95)
        assert str(alarm).startswith("only: answers ")

    def test_verdicts_count_and_what_was_abandoned_does_not(self):
        drift = Drift(usual=5, threshold=1.0)
        good = [True] * 5 + [False] * 5
        router = Router(POOL, verify=lambda view, reply: Verdict(good.pop(0), "checked"), observers=[drift])
        for i in range(10):
            run = router.start(View(Scope(f"s{i}")))
            run.ended(Reply("done"))
            run.close()  # where another one was to be called: abandoned
        assert str(drift.alarms[0]).startswith("strong: solves ")
        assert {alarm.what for alarm in drift.alarms} == {"quality"}
