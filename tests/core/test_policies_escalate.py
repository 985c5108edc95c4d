"""Escalate: a run that goes wrong is given to a better target, and taken back when what was broken passes."""

from __future__ import annotations

import json

import pytest

from switchwise import ConfigurationError, Pool, Router, Scope, Target, View, drive
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.signals import Turn
from switchwise.policies import Escalate
from switchwise.quality.estimate import Estimate
from switchwise.quality.run_profile import FinishedRun
from switchwise.state import JsonStore
from switchwise.testing import Script

CHEAP = "haiku"
POOL = Pool([Target("opus"), Target("sonnet"), Target(CHEAP)])


def cheap(_, shortlist):
    return shortlist.prefer([CHEAP], "cheap")


class Run:
    """An agent's run: each step is decided, answered, and followed by what its tools say."""

    def __init__(self, *args, scope=None, named=frozenset(), store=None, **options):
        self.policy = Escalate(*args, **options)
        self.router = Router(POOL, self.policy, cheap, store=store)
        self.scope, self.named = scope or Scope("s1"), named
        self.talk = [Turn("user", "Please make the parser quicker")]
        self.step_number = 0

    @property
    def view(self):
        return View(self.scope, conversation=Conversation(list(self.talk)), named=self.named)

    def decide(self):
        return self.router.decide(self.view)

    def step(self, result="ok", call=None, name="bash"):
        """Decide and answer; the tool says `result`. The name of who was called."""
        self.step_number += 1
        flow = self.router.start(self.view)
        list(drive(flow, Script(opus="a", sonnet="a", haiku="a").perform))
        self.last = flow.outcome
        self.talk += [
            Turn("assistant", calls=(name,), arguments=call or f"look at {self.step_number}.txt"),
            Turn("tool", result, tool=name),
        ]
        return self.last.target.name

    def says(self, text):
        self.talk += [Turn("assistant", "Done."), Turn("user", text)]


def failing(number):
    return f"Error: {number} is not there"


def test_two_steps_above_the_threshold_escalate_to_any_better_target():
    run = Run()
    assert [run.step(failing(i)) for i in range(4)] == [CHEAP] * 4
    decided = run.decide()
    assert decided.leaders == ("opus", "sonnet")
    assert decided.decider.because == "haiku's run goes wrong: suspicion 3.4 is above 2.0"


def test_scattered_failures_fade():
    run = Run(drift=0.5)
    assert [run.step(failing(i) if i % 4 == 0 else "ok") for i in range(12)] == [CHEAP] * 12
    assert run.decide().names[0] == CHEAP


def test_the_same_step_again_and_again_needs_no_confirmation():
    run = Run()
    for _ in range(3):
        run.step("nothing new", call="status")
    assert run.decide().decider.because == "haiku's run goes wrong: the same step 3 times"


def test_waiting_is_no_loop():
    run = Run()
    for _ in range(6):
        run.step("still running", call="sleep 30")
    assert run.decide().names[0] == CHEAP


def test_it_is_latched_until_what_was_broken_passes():
    run = Run()
    for _ in range(3):
        run.step("1 failed", call="pytest -q")
    assert run.step("ok") == "opus"
    assert run.step("ok", call="edit x.py", name="edit_file") == "opus"
    assert run.step("3 passed", call="pytest -q") == "opus"
    assert run.decide().names[0] == CHEAP


def test_the_target_that_takes_over_gets_the_reason_once():
    run = Run(note="Stuck: {why}. Look again.")
    notes = []
    for result in ["Error: no"] * 3 + ["ok"] * 2:
        who = run.step(result, call="x" if result != "ok" else None)
        notes.append((who, run.last.attempt.call.note))
    message = "Stuck: haiku's run goes wrong: the same failing output 3 times. Look again."
    assert notes == [(CHEAP, "")] * 3 + [("opus", message), ("opus", "")]


def test_a_stronger_target_that_goes_wrong_too_is_left_for_one_that_is_better_still():
    run = Run("sonnet")
    for _ in range(3):
        run.step("Error: no", call="x")
    assert run.decide().names[0] == "sonnet"
    best = Run()
    best.router = Router(POOL, best.policy, lambda _, found: found.prefer(["sonnet"], "middling"))
    for _ in range(3):
        best.step("Error: no", call="x")
    assert [best.step("Error: no", call="x") for _ in range(4)] == ["opus"] * 4  # nothing is better than opus: it keeps the run


@pytest.mark.parametrize(
    ("per", "named", "text", "after"),
    [
        ("task", frozenset(), "Now write the changelog", CHEAP),
        ("task", frozenset(), "It still crashes, please fix the bug", "opus"),
        ("task", frozenset({"task"}), "Now write the changelog", "opus"),
        ("agent", frozenset(), "Now write the changelog", "opus"),
    ],
)
def test_how_long_it_lasts(per, named, text, after):
    run = Run(per=per, named=named, scope=Scope("s1", task="parser"))
    for _ in range(3):
        run.step("Error: no", call="x")
    run.says(text)
    assert run.decide().names[0] == after


def test_the_user_may_ask_for_a_stronger_one_but_not_for_which():
    run = Run()
    run.step()
    run.says("Stronger, please: this is subtle. Use sonnet!")
    assert run.decide().leaders == ("opus", "sonnet")
    assert run.step("ok") == "opus"
    run.says("Thanks. Now the changelog")
    assert run.decide().names[0] == CHEAP
    first = Run()
    first.talk = [Turn("user", "Use a stronger model for this")]
    assert first.decide().names[0] == "opus"
    deaf = Run(words=())
    deaf.talk = first.talk
    assert deaf.decide().names[0] == CHEAP


def test_what_a_tool_says_is_not_the_users_word():
    run = Run()
    run.step("please use a stronger model")
    assert run.decide().names[0] == CHEAP


def taught(policy, target=CHEAP, telling=True, laborious=False):
    for i in range(80):
        solved = float(i % 2)
        wrong = (4.0 if not solved else 0.2) if telling else 1.0 + i % 3
        effort = (9, 3, 90, 900) if laborious and not solved else (6, 2, 60, 600)
        policy.observe(target, FinishedRun(solved, effort, (wrong,), wrong))


def test_failures_do_not_count_where_they_were_measured_to_say_nothing():
    run = Run()
    taught(run.policy, telling=False)
    assert not run.policy.profile(CHEAP).failures_predict
    assert [run.step("Error: no", call="x") for _ in range(8)] == [CHEAP] * 8
    armed = Run()
    taught(armed.policy)
    assert armed.policy.profile(CHEAP).failures > 0.9
    assert [armed.step("Error: no", call="x") for _ in range(4)][-1] == "opus"


def test_unusual_effort_escalates_where_it_predicts_failure():
    run = Run()
    taught(run.policy, telling=False, laborious=True)
    for i in range(12):
        run.step("ok", call=f"edit {i}" + "x" * 120, name="edit_file")
    assert "more laborious than" in run.decide().decider.because
    assert run.policy.profile("opus").effort_predicts is False  # nobody has measured it


def test_finished_runs_come_by_feedback_once_and_not_from_runs_that_were_given_away():
    run = Run()
    for _ in range(2):
        run.step(failing(1), call="a")
    run.router.feedback(run.last.decision, 0.0, "user_turn")
    assert run.policy.profile(CHEAP).runs == 0  # a weak sign ends no run
    run.router.feedback(run.last.decision, 0.0, "task")
    run.router.feedback(run.last.decision, 0.0, "task")
    assert run.policy.profile(CHEAP).runs == 1
    given = Run()
    for _ in range(6):
        given.step("Error: no", call="x")
    given.router.feedback(given.last.decision, 1.0, "task")
    assert (given.policy.profile(CHEAP).runs, given.policy.profile("opus").runs) == (0, 0)


def test_an_estimator_says_who_is_better():
    class Backwards:
        def estimate(self, view, targets, given):
            return [Estimate(p, 50.0) for p in (0.2, 0.9, 0.5)]

    run = Run(quality=Backwards())
    for _ in range(3):
        run.step("Error: no", call="x")
    assert run.decide().leaders == ("sonnet",)


def test_a_rewritten_history_is_not_counted_twice():
    run = Run()
    for i in range(2):
        run.step(failing(i))
    before = run.policy._followed(run.policy.runs.get(("", "s1", "main")), run.view)["course"]["run"]
    run.step("ok")
    run.talk = [Turn("user", "Summary: two files were looked at."), *run.talk[-2:]]
    after = run.policy._followed(run.policy.runs.get(("", "s1", "main")), run.view)["course"]["run"]
    assert after[1] == before[1] + 1


def test_of_an_edited_history_only_the_last_step_is_new():
    run = Run()
    for i in range(2):
        run.step(failing(i))
    before = run.policy._followed(run.policy.runs.get(("", "s1", "main")), run.view)["course"]["run"]
    run.step("ok")
    run.talk = [turn if turn.role != "tool" else Turn("tool", "[cleared]", tool=turn.tool) for turn in run.talk]
    after = run.policy._followed(run.policy.runs.get(("", "s1", "main")), run.view)["course"]["run"]
    assert after[1] == before[1] + 1


def test_what_somebody_else_did_before_is_no_reason_to_escalate():
    run = Run()
    for _ in range(8):
        run.talk += [Turn("assistant", calls=("bash",), arguments="x"), Turn("tool", "Error: no", tool="bash")]
    assert run.decide().names[0] == CHEAP


def test_where_nobody_is_better_the_reason_says_so():
    run = Run()
    run.router = Router(Pool([Target("opus")]), run.policy)
    for _ in range(4):
        run.step("Error: no", call="x")
    assert run.decide().notes[-1].because.endswith("and no better target is in the pool")


def test_another_process_goes_on_where_this_one_stopped():
    store = JsonStore()
    run, other = Run(store=store), Run(store=store)
    for _ in range(3):
        run.step("Error: no", call="x")
    other.talk = run.talk
    assert other.decide().names[0] == "opus"
    fresh = Run()
    fresh.talk = run.talk
    ended = Run(scope=Scope("s2"), store=store)
    ended.step(failing(1))
    ended.router.feedback(ended.last.decision, 1.0, "task")
    fresh.router.load(json.loads(json.dumps(run.router.dump())))
    assert fresh.decide().names[0] == "opus"
    assert fresh.policy.profile(CHEAP).runs == 1
    with pytest.raises(ConfigurationError, match="state of Escalate"):
        fresh.policy.load({"runs": [[["a"], {"course": {}}]], "ends": [], "finished": []})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per": "step"}, "a run has several steps"),
        ({"to": ""}, "give a target or role"),
        ({"threshold": 0}, "threshold=0"),
        ({"loop": 1}, "loop=1"),
        ({"words": "stronger"}, "give a set of words"),
    ],
)
def test_what_cannot_work_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Escalate(**options)


def test_a_target_that_is_not_in_the_pool_is_refused():
    with pytest.raises(ConfigurationError, match="neither a target nor a role"):
        Router(POOL, Escalate("gpt"))
