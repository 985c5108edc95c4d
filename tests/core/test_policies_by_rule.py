"""ByAgent, ByPhase, ByStep and Rules: the target that a rule names leads, and the rest stays as fallback."""

import pytest

from switchwise import (
    ConfigurationError,
    NoTarget,
    Phase,
    Pool,
    Question,
    Router,
    Scope,
    Signals,
    StepKind,
    Target,
    View,
    drive,
    hold,
)
from switchwise.policies import ByAgent, ByDecision, ByPhase, ByStep, Rules
from switchwise.testing import Script

POOL = Pool([Target("opus"), Target("sonnet"), Target("haiku")])


def leader(policy, **view):
    return Router(POOL, policy).decide(View(**view)).names[0]


def silent(policy, **view):
    return not Router(POOL, policy).decide(View(**view)).notes


def test_an_agent_gets_the_target_of_its_rule_and_others_that_of_the_star():
    policy = ByAgent({"*": "haiku"}, reviewer="sonnet")
    assert leader(policy, scope=Scope(agent="reviewer")) == "sonnet"
    assert leader(policy, scope=Scope(agent="anybody")) == "haiku"
    assert silent(ByAgent(reviewer="sonnet"), scope=Scope(agent="anybody"))


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_can_have_a_rule(phase):
    policy = ByPhase({phase.value: "sonnet"})
    assert leader(policy, signals=Signals(phase=phase)) == "sonnet"
    assert all(silent(policy, signals=Signals(phase=other)) for other in Phase if other is not phase)
    assert silent(policy)


def test_a_task_that_goes_by_the_name_of_a_phase_is_in_it():
    policy = ByPhase(planning="haiku", debugging="sonnet")
    assert leader(policy, scope=Scope(task="planning"), signals=Signals(phase=Phase.DEBUGGING)) == "haiku"
    assert leader(policy, scope=Scope(task="call the bank"), signals=Signals(phase=Phase.DEBUGGING)) == "sonnet"


def test_phases_without_rules_of_the_users_own_go_the_usual_ways():
    leaders = {phase.value: leader(ByPhase(), signals=Signals(phase=phase)) for phase in (Phase.PLANNING, Phase.SUMMARISING)}
    assert leaders == {"planning": "opus", "summarising": "haiku"}
    assert silent(ByPhase(), signals=Signals(phase=Phase.IMPLEMENTING))


def test_a_word_that_is_no_phase_is_refused_with_those_that_are():
    with pytest.raises(
        ConfigurationError, match="'plannning' is not a phase; the phases are: planning, implementing, debugging"
    ):
        ByPhase(plannning="strong")


def test_a_held_phase_keeps_its_model_for_the_task():
    router = Router(POOL, hold(ByPhase(debugging="sonnet"), per="task"))
    list(drive(router.start(View(signals=Signals(phase=Phase.DEBUGGING))), Script(otherwise="yes").perform))
    assert router.decide(View(signals=Signals(phase=Phase.TESTING))).names[0] == "sonnet"
    assert router.decide(View(Scope(task="another"), signals=Signals(phase=Phase.TESTING))).names[0] == "opus"


@pytest.mark.parametrize("step", list(StepKind))
def test_every_kind_of_step_can_have_a_rule(step):
    nothing = dict.fromkeys(["first", "failure", "tool_result", "user_turn", "final_answer"])
    policy = ByStep(**{**nothing, step.value: "sonnet"})
    assert leader(policy, signals=Signals(step=step)) == "sonnet"
    assert all(silent(policy, signals=Signals(step=other, first=True)) for other in StepKind if other is not step)
    assert silent(policy)


def test_a_first_step_outranks_what_it_follows_and_a_failure_outranks_both():
    policy = ByStep(first="sonnet", user_turn="haiku", failure="opus")
    assert leader(policy, signals=Signals(step=StepKind.USER_TURN, first=True)) == "sonnet"
    assert leader(policy, signals=Signals(step=StepKind.USER_TURN)) == "haiku"
    assert leader(policy, signals=Signals(step=StepKind.FAILURE, first=True)) == "opus"


def test_of_the_users_rules_the_first_preference_that_applies_counts_and_every_requirement():
    rules = (
        Rules()
        .prefer("haiku", when=lambda view: view.tokens < 100, because="short")
        .prefer("sonnet")
        .exclude("opus", when=lambda view: view.scope.labels.get("plan") == "free", because="not in the free plan")
    )
    assert leader(rules, tokens=10) == "haiku"
    assert Router(POOL, rules).decide(View(tokens=1_000)).names == ("sonnet", "opus", "haiku")
    free = Router(POOL, rules).decide(View(Scope(labels={"plan": "free"}), tokens=10))
    assert free.names == ("haiku", "sonnet")
    assert {note.because for note in free.notes} == {"short", "not in the free plan"}


def test_a_requirement_of_the_users_own_can_leave_nothing():
    with pytest.raises(NoTarget, match=r"opus: data stays here \(Rules\)"):
        Router(
            Pool([Target("opus"), Target("local")]),
            Rules().require("local", because="data stays here"),
            Rules().exclude("local"),
        ).start(View())


def test_a_score_that_the_model_left_out_is_no_opinion():
    policy = ByDecision("luna", Question.score("How hard is it?", ["easy", "hard"]), {0: "luna", 1: "opus"})
    run = Router(Pool([Target("opus"), Target("luna")]), policy).start(View())
    list(drive(run, Script(luna="I would rather not.", opus="done").perform))
    assert run.outcome.target.name == "opus"
    assert "luna gave no answer" in str(run.outcome.attempt.call.shortlist.notes)


def test_a_bug_in_a_predicate_passes_through():
    with pytest.raises(ZeroDivisionError):
        leader(Rules().prefer("haiku", when=lambda view: 1 / view.tokens > 0))


def test_rules_that_require_cannot_be_held():
    hold(Rules().prefer("haiku"), per="agent")
    with pytest.raises(ConfigurationError, match="never remembered"):
        hold(Rules().exclude("haiku"), per="agent")


@pytest.mark.parametrize(
    "policy",
    [ByAgent(reviewer="gpt"), ByPhase(planning="gpt"), ByStep(first="gpt"), ByStep(failure="gpt"), Rules().prefer("gpt")],
)
def test_a_rule_for_a_target_that_is_not_there_is_found_at_construction(policy):
    with pytest.raises(ConfigurationError, match="'gpt' is neither a target nor a role"):
        Router(POOL, policy)
