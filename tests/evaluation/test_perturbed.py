"""Sets as they come: gaps, other scales, text instead of numbers, shared templates, nothing to tell apart. No crash, no NaN, a clear error."""

from __future__ import annotations

import csv
import json
import math
import random

import numpy as np
import pytest

from switchwise import ConfigurationError
from switchwise.cli import main
from switchwise.evaluation.outcomes import read_outcomes
from switchwise.evaluation.outcomes.duplicates import duplicate_groups
from switchwise.evaluation.outcomes.runs import read_runs


def numbers(found):
    if isinstance(found, dict):
        return [each for value in found.values() for each in numbers(value)]
    if isinstance(found, list):
        return [each for value in found for each in numbers(value)]
    return [found] if isinstance(found, float) else []


def written(path, rows):
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            out = csv.DictWriter(file, list(rows[0]))
            out.writeheader()
            out.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pairs(**change):
    rng = random.Random(0)
    for i in range(60):
        row = {
            "id": i,
            "group": f"g{i % 3}",
            "prompt": f"What is {rng.random()} of {rng.random()}?",
            "strong": 1,
            "weak": i % 2,
        }
        yield {**row, **{name: of(row) if callable(of) else of for name, of in change.items()}}


@pytest.mark.parametrize(
    "change",
    [
        {"strong": lambda row: row["weak"]},
        {"strong": 0, "weak": 0},
        {"strong": lambda row: row["weak"], "weak": lambda row: row["strong"]},
        {"strong": lambda row: None if row["id"] % 7 == 0 else row["strong"]},
        {"group": lambda row: str(row["id"])},
        {"group": ""},
        {"prompt": ""},
        {"strong": "True", "weak": lambda row: str(bool(row["weak"]))},
    ],
    ids=["equal", "all wrong", "strong is worse", "gaps", "each its own label", "no label", "no text", "words"],
)
def test_pairs_of_every_kind_are_evaluated(tmp_path, capsys, change, recwarn):
    written(tmp_path / "set.jsonl", list(pairs(**change)))
    assert main(["eval", str(tmp_path), "--samples", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sets"]
    assert all(map(math.isfinite, numbers(found)))
    assert not [str(warning.message) for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_tasks_of_one_text_cannot_be_evaluated_and_the_message_says_why(tmp_path, capsys):
    written(tmp_path / "set.jsonl", list(pairs(prompt="the same text")))
    assert main(["eval", str(tmp_path)]) == 2
    assert "give only what differs as the text" in capsys.readouterr().err


def test_a_template_before_each_question_makes_no_duplicates():
    rng = random.Random(1)
    texts = [" ".join(rng.choices("alpha beta gamma delta epsilon zeta eta theta iota kappa".split(), k=12)) for _ in range(40)]
    template = "Answer the question, step by step, and end with the letter of the right option. " * 8
    alone, behind = (duplicate_groups([before + text for text in texts]) for before in ("", template))
    assert len(set(behind.tolist())) == len(set(alone.tolist())) > 35
    assert len(set(duplicate_groups([template + texts[0]] * 2 + [template + text for text in texts[1:]]).tolist())) < 41


def runs(score, **more):
    return [{"id": i, "model": model, "score": score(i), "cost_usd": 0.1, **more} for i in range(12) for model in ("a", "b")]


def test_scores_are_brought_to_the_scale_of_their_set(tmp_path):
    for name, score, mean in (("one", lambda i: 1, 1.0), ("ten", lambda i: 8, 0.8), ("hundred", lambda i: 80.5, 0.805)):
        (outcomes,) = read_outcomes(written(tmp_path / f"{name}.jsonl", runs(score)))
        assert outcomes.scores.mean() == pytest.approx(mean)
    (outcomes,) = read_outcomes(written(tmp_path / "most.jsonl", runs(lambda i: 30, max_score=40)))
    assert outcomes.scores.mean() == pytest.approx(0.75)
    for wrong in (lambda i: -1, lambda i: 250):
        with pytest.raises(ConfigurationError, match="max_score"):
            read_outcomes(written(tmp_path / "wrong.jsonl", runs(wrong)))


def test_a_cost_that_cannot_be_is_unknown(tmp_path):
    rows = runs(lambda i: 1)
    for at, cost in ((0, -1.0), (2, float("nan")), (4, float("inf")), (6, "free"), (8, "")):
        rows[at]["cost_usd"] = cost
    (outcomes,) = read_outcomes(written(tmp_path / "set.jsonl", rows))
    assert np.isnan(outcomes.costs).sum() == 5


def test_a_file_that_is_broken_is_named_while_the_others_are_read(tmp_path, caplog):
    written(tmp_path / "good.jsonl", runs(lambda i: 1))
    (tmp_path / "bad.jsonl").write_text('{"id": 1}\n{"id": \n{"id": 2}\n')
    assert [outcomes.name for outcomes in read_outcomes(tmp_path)] == ["good"]
    assert "bad.jsonl: left out, it cannot be read: line 2" in caplog.text


STEPS = [
    {
        "session": f"s{i}",
        "step": step,
        "resolved": i % 2 == 0,
        "kind": "edit",
        "returncode": int(i % 2),
        "repeat": 0,
        "timeout": 0,
    }
    for i in range(6)
    for step in range(5)
]


def test_steps_as_text_and_out_of_order_are_the_same_runs(tmp_path):
    (usual,) = read_runs(written(tmp_path / "steps.jsonl", STEPS)).values()
    (text,) = read_runs(written(tmp_path / "steps.csv", random.Random(0).sample(STEPS, len(STEPS)))).values()
    assert sorted(text) == sorted(usual)


def test_an_outcome_may_stand_in_any_row_and_runs_without_one_are_left_out(tmp_path, capsys):
    rows = [{**row, "resolved": row["resolved"] if row["step"] == 4 and row["session"] != "s5" else None} for row in STEPS]
    written(tmp_path / "steps.jsonl", rows)
    assert main(["escalation", str(tmp_path), "--samples", "0"]) == 0
    assert "5 runs, 40% fail" in capsys.readouterr().out


def test_too_few_runs_are_refused(tmp_path, capsys):
    written(tmp_path / "steps.jsonl", STEPS[:5])
    assert main(["escalation", str(tmp_path)]) == 2
    assert "fewer than two tasks" in capsys.readouterr().err


def test_transcripts_in_both_forms_show_the_same_steps(tmp_path):
    call = {"function": {"name": "bash", "arguments": '{"c": "pytest"}'}}
    openai = [
        {"role": "user", "content": "Test it."},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", **call}]},
        {"role": "tool", "tool_call_id": "1", "name": "bash", "content": "Error: 1 failed"},
    ]
    anthropic = [
        {"role": "user", "content": "Test it."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "bash", "input": {"c": "pytest"}}]},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "1",
                    "content": [{"type": "text", "text": "1 failed"}],
                    "is_error": True,
                }
            ],
        },
    ]
    rows = [{"id": i, "messages": talk, "reward": "true"} for i, talk in enumerate((openai, anthropic))]
    (found,) = read_runs(written(tmp_path / "talks.jsonl", rows)).values()
    assert [(run.solved, [step.failed for step in run.steps]) for run in found] == [(True, [1])] * 2
    assert found[0].steps == found[1].steps
