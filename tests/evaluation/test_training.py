"""Training, calibration and comparison: what is written is read again, goals are met on tasks that they were not set on."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from switchwise import ConfigurationError, Pool, Router, Scope, Target, View
from switchwise.cli import main
from switchwise.evaluation.outcomes import Outcomes
from switchwise.evaluation.trials.calibration import calibrate
from switchwise.evaluation.trials.fitting import fit
from switchwise.evaluation.trials.paired import compare, decisions
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.signals import Turn
from switchwise.policies import ByAgent, Worth
from switchwise.quality import Grade, estimate, load_quality, save_quality
from switchwise.quality.fitting.learned import fit_table, fit_text
from switchwise.quality.text.featuriser import Read

HARD = [f"theorem{i}" for i in range(20)]
EASY = [f"weather{i}" for i in range(20)]


def made(tasks=1_500, seed=0, texts=True):
    """The weak one fails on hard words; labels tell a little."""
    rng = np.random.default_rng(seed)
    hard = rng.random(tasks) < 0.5
    labels = tuple("maths" if rng.random() < 0.6 + 0.2 * each else "chat" for each in hard)
    words = [" ".join(rng.choice(HARD if each else EASY, 3).tolist()) for each in hard]
    right = np.stack([np.full(tasks, 0.9), np.where(hard, 0.3, 0.85)], axis=1)
    runs = (rng.random((tasks, 2)) < right)[:, :, None].astype(float)
    costs = np.tile([0.10, 0.01], (tasks, 1))
    return Outcomes(
        "made",
        ("strong", "weak"),
        tuple(f"t{i}" for i in range(tasks)),
        labels,
        runs,
        costs,
        texts=tuple(words) if texts else None,
    )


def said(text, agent="maths"):
    return View(Scope(agent=agent), conversation=Conversation([Turn("user", text)]))


POOL = Pool([Target("strong"), Target("weak")])


def test_what_was_trained_is_read_again_and_reads_the_text(tmp_path):
    done = fit(made(), tmp_path / "model")
    assert done.text
    assert done.measured["default"]["apgr"] > done.measured["label_table"]["apgr"] + 0.05
    assert sorted(path.name for path in done.folder.iterdir()) == ["quality.json", "quality.npz"]
    quality = load_quality(done.folder)
    easy, hard = (
        estimate(quality, said(text), POOL.targets) for text in ("weather1 weather2 weather3", "theorem1 theorem2 theorem3")
    )
    assert easy[1].p > hard[1].p + 0.15
    assert easy[1].dollars == pytest.approx(0.01)
    router = Router(POOL, Worth(quality, value=0.3))
    assert [router.decide(said(text)).names[0] for text in ("weather1 weather2 weather3", "theorem1 theorem2 theorem3")] == [
        "weak",
        "strong",
    ]


def test_the_difficulty_of_a_text_moves_each_of_three_targets(tmp_path):
    """One number per text, fitted on the outcomes of all of them; what the router computes is what was fitted."""
    rng, tasks = np.random.default_rng(3), 520
    hard = rng.random(tasks) < 0.5
    texts = [" ".join(rng.choice(HARD if each else EASY, 3).tolist()) for each in hard]
    right = np.where(hard[:, None], [0.9, 0.4, 0.1], [0.95, 0.9, 0.8])
    scores = (rng.random((tasks, 3)) < right).astype(float)
    labels, targets, read = ["maths"] * tasks, ("strong", "middle", "weak"), Read(texts)
    table = fit_table(labels, targets, scores, np.ones((tasks, 3)))
    text = fit_text(read, labels, table, scores, np.arange(tasks))
    success, _, known = table.rows(labels)
    found = text.predict(read, success, known)
    assert np.abs(found - right).mean() < 0.6 * np.abs(success - right).mean()
    save_quality(tmp_path, table, text)
    quality = load_quality(tmp_path)
    pool = [Target(name) for name in targets]
    easy, difficult = (
        estimate(quality, said(each), pool) for each in ("weather1 weather2 weather3", "theorem1 theorem2 theorem3")
    )
    assert easy[2].p - difficult[2].p > 0.3
    assert easy[2].p - difficult[2].p > easy[0].p - difficult[0].p
    assert [each.p for each in estimate(quality, said(""), pool)] == [each.base for each in easy], "no text, no effect"


def test_weights_that_hold_for_every_label_are_used_for_labels_without_data(tmp_path):
    """Long requests need the strong one, whatever they are about."""
    rng, tasks = np.random.default_rng(4), 1_200
    long = rng.random(tasks) < 0.5
    texts = [" ".join(rng.choice(HARD, 90 if each else 3).tolist()) for each in long]
    labels = [f"label{i % 12}" for i in range(tasks)]
    right = np.stack([np.full(tasks, 0.9), np.where(long, 0.1, 0.9)], axis=1)
    scores, read = (rng.random((tasks, 2)) < right).astype(float), Read(texts)
    table = fit_table(labels, ("strong", "weak"), scores, np.ones((tasks, 2)))
    text = fit_text(read, labels, table, scores, np.arange(tasks))
    success, _, known = table.rows(["elsewhere"] * tasks)
    assert not known.any()
    found = text.predict(read, success, known)
    assert found[~long, 1].mean() - found[long, 1].mean() > 0.2
    save_quality(tmp_path, table, text)
    quality, pool = load_quality(tmp_path), [Target("strong"), Target("weak")]
    short, wordy = (estimate(quality, said(" ".join(HARD[:1] * n), "elsewhere"), pool)[1].p for n in (3, 90))
    assert short - wordy > 0.2
    (tmp_path / "quality.json").write_text(json.dumps({"version": 0, "labels": [], "targets": []}))
    with pytest.raises(ConfigurationError, match=r"version 0, this one reads 1: run `switchwise fit` again"):
        load_quality(tmp_path)


def test_it_goes_on_learning_from_where_the_training_stopped(tmp_path):
    quality = load_quality(fit(made(300), tmp_path, measure=False).folder)
    view = said("hello", "chat")
    before = estimate(quality, view, POOL.targets)[1]
    assert before.source.endswith("outcomes")
    for _ in range(300):
        quality.observe(quality.filed(view), "weak", Grade(0.0, "task"))
    assert estimate(quality, view, POOL.targets)[1].p < before.p - 0.1


def test_few_tasks_leave_the_text_alone_and_names_can_be_mapped(tmp_path):
    done = fit(made(400), tmp_path, measure=False)
    assert not done.text
    quality = load_quality(tmp_path, names={"weak": "mine"})
    assert estimate(quality, said("hello"), [Target("mine")])[0].n > 50


def test_two_targets_that_tried_other_texts_leave_the_text_alone(tmp_path):
    found = made(2_100)
    found.runs[::2, 0] = np.nan
    found.runs[1::2, 1] = np.nan
    assert not fit(found, tmp_path, measure=False).text
    assert load_quality(tmp_path)


def rows(path, tasks, target="ab", cost=0.1, text="task {0} of word{0}"):
    lines = [f"t{i},{name},{i % 2},{cost},kind,{text.format(i)}" for i in range(tasks) for name in target]
    path.write_text("\n".join(["task,target,success,cost,label,text", *lines]))
    return path


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"tasks": 5}, "no two targets tried the same 10 tasks"),
        ({"tasks": 30, "target": "a"}, "no two targets tried the same 10 tasks"),
        ({"tasks": 30, "text": "the same text"}, "all 30 tasks have nearly the same text"),
    ],
)
def test_where_nothing_can_be_measured_the_error_names_the_flag_that_trains_all_the_same(tmp_path, capsys, given, why):
    words = ["fit", str(rows(tmp_path / "rows.csv", **given)), "--out", str(tmp_path / "model")]
    assert main(words) == 2
    complaint = capsys.readouterr().err
    assert why in complaint
    assert "--no-measure" in complaint
    assert not (tmp_path / "model").exists()
    assert main([*words, "--no-measure"]) == 0
    assert load_quality(tmp_path / "model")


def test_without_costs_the_command_says_that_nothing_was_measured(tmp_path, capsys):
    assert main(["fit", str(rows(tmp_path / "rows.csv", 30, cost="")), "--out", str(tmp_path / "model")]) == 0
    assert "Not measured: no costs are known." in " ".join(capsys.readouterr().out.split())


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="switchwise fit"):
        load_quality(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("quality.npz", lambda whole: b""),
        ("quality.npz", lambda whole: whole[: len(whole) // 2]),
        ("quality.npz", lambda whole: whole[:60] + bytes(each ^ 255 for each in whole[60:90]) + whole[90:]),
        ("quality.json", lambda whole: b"[]"),
    ],
    ids=["empty", "cut", "changed", "list"],
)
def test_damaged_files_are_refused(tmp_path, name, content):
    fit(made(50), tmp_path, measure=False)
    (tmp_path / name).write_bytes(content((tmp_path / name).read_bytes()))
    with pytest.raises(ConfigurationError, match="not a folder that `switchwise fit` wrote"):
        load_quality(tmp_path)


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        ({"cost": 0.05}, lambda found: found.cost.value <= 0.052),
        ({"quality": 0.95}, lambda found: found.quality.value >= 0.84),
        ({"share": 0.3}, lambda found: found.share.value <= 0.33),
    ],
)
def test_a_goal_is_met_on_the_half_that_it_was_not_chosen_on(goal, met):
    found = calibrate(made(600, texts=False), **goal)
    assert met(found), found
    assert found.value > 0
    assert 0.3 <= found.met <= 1


def test_one_goal_at_a_time():
    with pytest.raises(ConfigurationError, match="exactly one"):
        calibrate(made(100), cost=1.0, share=0.5)


def test_two_routers_are_compared_on_the_same_tasks():
    outcomes = made(400, texts=False)
    strong, by_label = Router(POOL, ByAgent(chat="strong", maths="strong")), Router(POOL, ByAgent(chat="weak", maths="strong"))
    found = compare(outcomes, strong, by_label, samples=100)
    assert found.cost_difference.high < 0
    assert found.solved[0].value == pytest.approx(outcomes.scores[:, 0].mean())
    assert found.shares[0] == {"strong": 1.0}
    assert found.same == pytest.approx(outcomes.labels.count("maths") / 400)


def test_a_target_without_outcomes_is_named():
    with pytest.raises(ConfigurationError, match="'other'"):
        decisions(made(20), Router(Pool([Target("other")])))


def test_models_stand_for_names():
    router = Router(Pool([Target("a", model="strong"), Target("b", model="weak")]))
    assert set(decisions(made(20), router).tolist()) == {0}


def test_the_commands(tmp_path, capsys, monkeypatch):
    outcomes = made(200, texts=False)
    rows = [
        {
            "id": task,
            "category": label,
            "model": target,
            "score": float(outcomes.runs[i, j, 0]),
            "cost_usd": float(outcomes.costs[i, j]),
        }
        for i, (task, label) in enumerate(zip(outcomes.tasks, outcomes.labels, strict=True))
        for j, target in enumerate(outcomes.targets)
    ]
    file = tmp_path / "outcomes.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "routers.py").write_text(
        "from switchwise import Pool, Router, Target\nfrom switchwise.policies import ByAgent\n"
        "pool = Pool([Target('strong'), Target('weak')])\nold = Router(pool)\n"
        "def new():\n    return Router(pool, ByAgent(chat='weak'))\n"
    )
    assert main(["fit", str(file), "--out", str(tmp_path / "model"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == 2
    assert main(["calibrate", str(file), "--share", "0.4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["value"] > 0
    assert (
        main(
            ["compare", str(file), "--router", f"{tmp_path}/routers.py:old", "--router", f"{tmp_path}/routers.py:new", "--json"]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["cost_difference"]["value"] < 0
    assert main(["compare", str(file), "--router", f"{tmp_path}/routers.py:old"]) == 2
    assert "twice" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert main(["eval", str(file)]) == 2
    assert "pip install 'switchwise[quality]'" in capsys.readouterr().err


def test_without_resamples_nothing_is_claimed_of_two_routers_and_a_value_needs_dollars():
    outcomes = made(tasks=60, texts=False)
    found = compare(outcomes, Router(POOL), Router(POOL, ByAgent(chat="weak")), samples=0)
    assert found.verdict == "no difference in what is solved is shown, and none in cost"
    assert f"first: solves {found.solved[0].value * 100:.1f} % at 0.1" in str(found)
    with pytest.raises(ConfigurationError, match="are in tokens; a value needs USD"):
        calibrate(replace(outcomes, unit="tokens"), quality=0.9)
