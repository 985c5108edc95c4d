"""What trajectories tell of failure, on runs that were made with a known truth and on the shared ones."""

from __future__ import annotations

import json
import random

import pytest

from switchwise.cli import main
from switchwise.evaluation.outcomes.runs import read_runs
from switchwise.evaluation.trials.escalation import escalations, text


def rows(telling, seed=0, runs=160):
    """Runs of a shell agent: failing commands foretell the end, or do not; failing runs take longer."""
    rng = random.Random(seed)
    for run in range(runs):
        solved = rng.random() < 0.5
        rate = (0.1 if solved else 0.5) if telling else 0.3
        for step in range(rng.randint(12, 18) + (0 if solved else 8)):
            yield {
                "session": f"s{run}",
                "task": f"t{run // 2}",
                "resolved": solved,
                "step": step,
                "kind": "edit",
                "returncode": int(rng.random() < rate),
                "out": 100,
            }


@pytest.fixture
def folder(tmp_path):
    for name, telling in (("telling", True), ("silent", False)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows(telling))))
    return tmp_path


def test_the_signal_is_found_where_it_is_and_only_there(folder):
    found = {name: escalations(name, runs, samples=50) for name, runs in read_runs(folder).items()}
    telling, silent = found["telling"], found["silent"]
    assert telling.by_step[10].auc.value > 0.85
    assert telling.profile.failures_predict
    assert silent.by_step[10].auc.low < 0.5 < silent.by_step[10].auc.high + 0.1
    assert not silent.profile.failures_predict
    assert silent.profile.effort_predicts
    usual = telling.rules["suspicion > 2, 2 steps"]
    assert usual.precision.value > 0.6 > telling.failed
    assert silent.rules["effort above the 80th percentile"].precision.value > 0.9


def test_only_runs_that_still_go_are_compared(folder):
    (runs,) = read_runs(folder / "telling.jsonl").values()
    found = escalations("telling", runs, samples=0)
    assert found.by_step[15].runs == sum(len(run.steps) > 15 for run in runs) < len(runs)
    assert 20 not in found.by_step  # only failing runs get that far


def test_a_run_that_has_ended_keeps_its_last_value_beside_those_still_going(tmp_path):
    # Two solved runs end early with the highest suspicion of all; of those that go on, the failing one is the suspicious one.
    codes = {"a": [1, 1, 1, 1, 1], "b": [1, 1, 1, 1, 1], "c": [0] * 9, "d": [0, 0, 0, 1] + [0] * 5}
    steps = [
        {"session": name, "step": at, "resolved": name != "d", "kind": "edit", "returncode": code}
        for name, own in codes.items()
        for at, code in enumerate(own)
    ]
    (tmp_path / "runs.jsonl").write_text("\n".join(map(json.dumps, steps)))
    (runs,) = read_runs(tmp_path).values()
    at = escalations("few", runs, samples=0).by_step[5]
    assert (at.runs, at.auc.value) == (2, 1.0)
    assert at.all_runs.value == pytest.approx(1 / 3)


def test_a_refused_command_is_malformed_and_the_last_one_hands_in(tmp_path):
    codes = [None, 0, None]
    (tmp_path / "runs.jsonl").write_text(
        "\n".join(json.dumps({"session": "a", "step": i, "resolved": True, "returncode": code}) for i, code in enumerate(codes))
    )
    ((run,),) = read_runs(tmp_path).values()
    assert [(step.malformed, step.failed) for step in run.steps] == [(True, 1), (False, 0), (False, 0)]


def test_the_command_prints_tables_and_json(folder, capsys):
    assert main(["escalation", str(folder), "--samples", "20"]) == 0
    assert "disarmed (below 0.6)" in capsys.readouterr().out
    assert main(["escalation", str(folder), "--samples", "0", "--json"]) == 0
    sets = json.loads(capsys.readouterr().out)["sets"]
    assert {each["name"]: each["armed"]["failures"] for each in sets} == {"telling": True, "silent": False}


def test_recorded_runs_say_what_the_page_says(shared_data):
    if not (shared_data / "agent_outcomes").exists():
        pytest.skip("the shared data is not beside this checkout")
    (strong,) = read_runs(shared_data / "agent_outcomes" / "miniswe_gemini3pro.jsonl.gz").values()
    found = escalations("strong", strong, samples=50)
    assert not found.profile.failures_predict
    assert found.profile.effort_predicts
    (talks,) = read_runs(shared_data / "airline_conversations").values()
    assert len(talks) == 100
    assert sum(len(run.steps) for run in talks) == 572
    assert "airline: 89 runs, 55% fail" in text([escalations("airline", talks, samples=0)])


def test_runs_without_outcomes_say_what_rules_would_do_and_equal_outcomes_are_not_called_none(tmp_path):
    steps = [{"session": f"s{run}", "step": at, "returncode": int(at > 4)} for run in range(4) for at in range(8)]
    found = {}
    for name, more in (("ungraded", {}), ("all", {"resolved": False})):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps({**step, **more}) for step in steps))
        (runs,) = read_runs(tmp_path / f"{name}.jsonl").values()
        found[name] = escalations(name, runs, samples=0)
    assert (found["ungraded"].failed, found["all"].failed) == (None, 1.0)
    assert found["ungraded"].rules["2 failed tools"][:3:2] == (1.0, found["ungraded"].rules["20 steps"].recall)
    said = text([found["ungraded"], found["all"]]).splitlines()
    assert said[0] == "ungraded: 4 runs, no outcomes"
    assert "all: 4 runs, 100% fail" in said
    assert not any("AUC" in line for line in said)
