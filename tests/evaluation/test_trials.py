"""Routers on outcomes that were made with a known truth, and on a part of the shared ones."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from switchwise.cli import main
from switchwise.evaluation.outcomes import Outcomes, read_outcomes
from switchwise.evaluation.trials import evaluate
from switchwise.evaluation.trials.report import cell


def made(seed=0, tasks=600, repeats=1, agentic=False, luck=0.0):
    """Two labels: `cheap` is as good as `dear` on one and useless on the other; a third target is never worth it."""
    rng = np.random.default_rng(seed)
    labels = np.array(["easy", "hard"])[np.arange(tasks) % 2]
    right = np.where((labels == "easy")[:, None], [0.9, 0.9, 0.5], [0.2, 0.8, 0.3])
    own = rng.random((tasks, 3)) < right if luck == 0 else None
    if own is not None:
        flips = np.zeros((tasks, 3, repeats), bool)
    else:
        own, flips = rng.random((tasks, 3)) < right, rng.random((tasks, 3, repeats)) < luck
    runs = (own[:, :, None] ^ flips).astype(float)
    return Outcomes(
        name="made",
        targets=("cheap", "dear", "odd"),
        tasks=tuple(f"t{i}" for i in range(tasks)),
        labels=tuple(labels.tolist()),
        runs=runs,
        costs=np.tile([0.01, 0.1, 0.05], (tasks, 1)),
        agentic=agentic,
    )


@pytest.fixture(scope="module")
def result():
    return evaluate(made(), samples=100)


def test_the_label_table_finds_what_labels_tell(result):
    routers = result[0].routers
    assert routers["label_table"]["aiq"].low > routers["zero_test"]["aiq"].high - 0.02
    assert routers["label_table"]["aiq_minus_zero_train"].low > 0
    assert routers["label_table"]["saving_98_deployable"].value > 0.3
    assert abs(routers["zero_train"]["saving_98"].value) < 0.1


def test_the_ends_are_where_they_belong(result):
    routers = result[0].routers
    assert routers["oracle"]["aiq"].value >= max(metrics["aiq"].value for metrics in routers.values()) - 1e-9
    assert routers["cheapest"]["cost"].value == pytest.approx(0.01)
    assert routers["best_single"]["saving_98"].value < 0.1
    assert routers["shuffled"]["aiq"].value < routers["default"]["aiq"].value


def test_a_good_verifier_is_worth_more_than_a_bad_one(result):
    routers = result[0].routers
    assert (
        routers["cascade_auc_90"]["aiq"].value > routers["cascade_auc_80"]["aiq"].value > routers["cascade_auc_70"]["aiq"].value
    )
    assert routers["cascade_auc_90"]["aiq"].value > routers["default"]["aiq"].value


def test_on_labels_that_were_left_out_nothing_is_claimed(result):
    name, routers = result[1].name, result[1].routers
    assert name == "made unseen labels"
    assert routers["default"]["aiq"].value == pytest.approx(routers["zero_train"]["aiq"].value)
    assert "cascade_auc_80" not in routers


def test_memory_of_tasks_is_below_the_oracle_by_the_luck_in_it():
    routers = evaluate(made(repeats=4, luck=0.15, agentic=True), samples=0)[0].routers
    assert routers["label_table"]["aiq"].value < routers["task_memory"]["aiq"].value < routers["oracle"]["aiq"].value
    assert routers["task_memory_1"]["aiq"].value < routers["task_memory"]["aiq"].value
    assert routers["oracle_ceiling"]["aiq"].value < routers["oracle"]["aiq"].value


def test_a_cascade_pays_by_the_accuracy_of_its_verifier_and_stops_when_its_first_target_is_broken():
    routers = evaluate(made(tasks=1_000, agentic=True), samples=0)[0].routers
    solved = [routers[f"cascade_{accuracy}"]["solved"].value for accuracy in (100, 90, 80, 70)]
    assert solved == sorted(solved, reverse=True)
    assert solved[0] > routers["best_single"]["solved"].value
    broken, guarded = routers["cascade_80_broken"], routers["cascade_80_broken_guarded"]
    assert guarded["solved"].value > broken["solved"].value + 0.03


def test_where_no_costs_are_known_only_success_is_compared():
    outcomes = made(tasks=100, agentic=True)
    found = evaluate(
        Outcomes("free", outcomes.targets, outcomes.tasks, outcomes.labels, outcomes.runs, np.full((100, 3), np.nan), unit=""),
        0,
    )
    assert set(found[0].routers["label_table"]) == {"solved"}


def test_repeats_without_costs_are_remembered_and_few_groups_are_not_halved():
    free = made(tasks=40, repeats=3, luck=0.2, agentic=True)
    routers = evaluate(replace(free, costs=np.full((40, 3), np.nan), unit=""), 0)[0].routers
    assert routers["label_table"]["solved"].value < routers["task_memory"]["solved"].value < routers["oracle"]["solved"].value
    few = replace(made(tasks=20, agentic=True), duplicates=np.arange(20) // 4)
    default = evaluate(few, 0)[0].routers["default"]
    assert "saving_98" in default
    assert "saving_98_deployable" not in default


def test_a_set_with_one_target_far_ahead_is_shown_without_it_too():
    outcomes = made(tasks=20, agentic=True)
    runs = np.concatenate([outcomes.runs, np.ones((20, 1, 1))], axis=1)
    costs = np.concatenate([outcomes.costs, np.full((20, 1), 0.2)], axis=1)
    found = evaluate(replace(outcomes, targets=(*outcomes.targets, "ahead"), runs=runs, costs=costs), 0)
    assert [(result.name, result.targets) for result in found] == [("made", 4), ("made without ahead", 3)]


def test_efforts_of_a_model_are_compared_among_themselves():
    outcomes = made(tasks=100, agentic=True)
    named = Outcomes(
        "set", ("m low", "m high", "other"), outcomes.tasks, outcomes.labels, outcomes.runs, outcomes.costs, agentic=True
    )
    assert "set efforts of m" in [result.name for result in evaluate(named, 0)]


def test_the_command_prints_one_json_object(tmp_path, capsys):
    outcomes = made(tasks=60)
    rows = [
        {
            "id": task,
            "benchmark": label,
            "model": target,
            "score": float(outcomes.runs[i, j, 0]),
            "cost_usd": float(outcomes.costs[i, j]),
        }
        for i, (task, label) in enumerate(zip(outcomes.tasks, outcomes.labels, strict=True))
        for j, target in enumerate(outcomes.targets)
    ]
    (tmp_path / "outcomes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["eval", str(tmp_path), "--json", "--samples", "20"]) == 0
    sets = json.loads(capsys.readouterr().out)["sets"]
    assert {"default", "label_table", "zero_test", "zero_train", "best_single", "cheapest", "random", "oracle"} <= set(
        sets[0]["routers"]
    )
    assert set(sets[0]["routers"]["default"]["aiq"]) == {"value", "low", "high"}
    assert main(["eval", str(tmp_path), "--samples", "0"]) == 0
    assert "saving_98_deployable" in capsys.readouterr().out


def test_a_folder_without_outcomes_is_refused(tmp_path, capsys):
    assert main(["eval", str(tmp_path)]) == 2
    assert "no outcomes found" in capsys.readouterr().err


def test_labels_tell_more_than_length_on_the_shared_pair(shared_data):
    """An eighth of MMLU's part, for time: the whole is what `make eval` prints."""
    if not (shared_data / "strong_weak").exists():
        pytest.skip("the shared data is not beside this checkout")
    (whole,) = read_outcomes(shared_data / "strong_weak" / "mmlu.jsonl.gz")
    (inside, _) = evaluate(whole.part(np.arange(0, len(whole), 8)), samples=0)
    assert (
        inside.routers["label_table"]["apgr"].value
        > inside.routers["length"]["apgr"].value
        > inside.routers["random"]["apgr"].value
    )
    assert inside.routers["label_table"]["brier_cheapest"].value < 0.20
    assert re.fullmatch(r"0\.\d{4}", cell("apgr", inside.routers["default"]["apgr"]))


def test_exploring_costs_little_with_a_prior_and_finds_a_model_that_got_worse():
    from switchwise.evaluation.trials.bandits import regret, regret_of_the_best_single

    outcomes = made(tasks=400)
    blind, informed = (regret(outcomes, prior=prior, off=0.05, calls=600, seeds=4).mean for prior in (0, 20))
    assert informed < blind
    assert regret_of_the_best_single(outcomes, calls=600, seeds=4).mean > 0
    steadfast, watchful = (
        regret(outcomes, off=0.0, notices=notices, worsens=True, calls=1_500, seeds=4).mean for notices in (False, True)
    )
    assert watchful < 1.2 * steadfast
