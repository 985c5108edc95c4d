"""Outcomes are read from every format by their columns, and other files are refused."""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pytest

from switchwise import ConfigurationError
from switchwise.evaluation.outcomes import Outcomes, read_outcomes
from switchwise.evaluation.outcomes.duplicates import duplicate_groups
from switchwise.evaluation.outcomes.runs import read_runs


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_strong_and_a_weak_model_on_the_same_prompts(tmp_path):
    rows = [
        {
            "id": str(i),
            "benchmark": "b",
            "group": "g",
            "prompt": f"question {i} {'x' * i}",
            "strong": 1,
            "weak": i % 2,
            "contaminated": int(i == 3),
        }
        for i in range(12)
    ]
    (found,) = read_outcomes(jsonl(tmp_path / "any.jsonl", rows))
    assert found.targets == ("strong", "weak")
    assert len(found) == 11  # the contaminated one is left out
    assert found.costs.tolist()[0] == [1.0, 0.0]
    assert found.unit == "calls to the strong model"


def test_scores_from_1_to_10_are_brought_to_1_and_turns_stay_together(tmp_path):
    rows = [
        {"id": f"{q}-{t}", "group": "g", "prompt": f"{q}{t}", "strong": 10, "weak": 5, "question_id": q, "turn": t}
        for q in range(6)
        for t in (1, 2)
    ]
    (found,) = read_outcomes(jsonl(tmp_path / "bench.jsonl", rows))
    assert found.scores[0].tolist() == [1.0, 0.5]
    assert len(set(found.duplicates.tolist())) == 6


def test_questions_lend_their_text_to_outcomes(tmp_path):
    jsonl(
        tmp_path / "questions.jsonl",
        [{"id": f"q{i}", "benchmark": "b", "prompt": f"sum of {i} and {i * i}"} for i in range(11)],
    )
    rows = [
        {"id": f"q{i}", "benchmark": "b", "model": model, "score": i % 2, "cost_usd": 0.1}
        for i in range(11)
        for model in ("a", "b")
    ]
    with gzip.open(tmp_path / "outcomes.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    (found,) = read_outcomes(tmp_path)
    assert found.texts[2] == "sum of 2 and 4"
    assert not found.agentic


def test_repeats_harnesses_and_unknown_costs_of_agent_tasks(tmp_path):
    with (tmp_path / "runs.csv").open("w", newline="") as file:
        write = csv.DictWriter(file, ["benchmark", "instance", "harness", "model", "resolved", "cost_usd"])
        write.writeheader()
        for i in range(12):
            for harness, model, cost in (("own", "a", 0.5), ("own", "b", 0.1), ("other", "a", 0.0)):
                for resolved in ("1", "0" if i % 2 else "1", ""):  # two runs, and one without an outcome
                    write.writerow(
                        {
                            "benchmark": "swe",
                            "instance": f"repo__{i}",
                            "harness": harness,
                            "model": model,
                            "resolved": resolved,
                            "cost_usd": cost,
                        }
                    )
    (found,) = read_outcomes(tmp_path)
    assert found.name == "runs/swe"
    assert found.runs.shape == (12, 3, 2)
    assert found.targets == ("a", "b", "a (other)")
    assert np.isnan(found.costs[:, 2]).all()  # all free: not known
    assert found.complete().targets == ("a", "b")
    assert set(found.labels) == {"repo"}
    assert found.agentic


def test_tokens_stand_for_costs_where_there_are_no_dollars(tmp_path):
    rows = [{"task": f"t{i}", "config": c, "resolved": 1, "in_tokens": 100, "out_tokens": 10} for i in range(10) for c in "ab"]
    (found,) = read_outcomes(jsonl(tmp_path / "x.jsonl", rows))
    assert found.unit == "tokens"
    assert found.costs[0, 0] == 150


def test_routerbench_and_routerarena(tmp_path):
    wide = [
        {
            "sample_id": f"s{i}",
            "prompt": f"p {i}",
            "eval_name": "e",
            "m1": 1.0,
            "m1|total_cost": 0.2,
            "m2": 0.0,
            "m2|total_cost": 0.01,
        }
        for i in range(10)
    ]
    (bench,) = read_outcomes(jsonl(tmp_path / "rb.jsonl", wide))
    assert bench.scores.mean(axis=0).tolist() == [1.0, 0.0]
    arena = [
        {
            "global index": f"ArcMMLU_{i}",
            "prompt": f"p {i}",
            "prediction": model,
            "generated_result": {},
            "cost": 0.1,
            "accuracy": 1.0,
        }
        for i in range(10)
        for model in ("m1", "m2")
    ]
    (tmp_path / "arena.json").write_text(json.dumps(arena))
    (found,) = read_outcomes(tmp_path / "arena.json")
    assert found.targets == ("m1", "m2")
    assert set(found.labels) == {"ArcMMLU"}


def test_runs_of_langsmith_with_feedback(tmp_path):
    rows = [
        {
            "id": f"r{i}{model}",
            "run_type": "llm",
            "name": "agent",
            "reference_example_id": f"e{i}",
            "total_cost": 0.02,
            "extra": {"metadata": {"ls_model_name": model}},
            "feedback_stats": {"correctness": {"n": 1, "avg": 1.0 if model == "a" else 0.0}},
        }
        for i in range(10)
        for model in "ab"
    ]
    (found,) = read_outcomes(jsonl(tmp_path / "export.jsonl", rows))
    assert found.scores.mean(axis=0).tolist() == [1.0, 0.0]
    assert found.unit == "usd"


def test_a_journal_counts_rejected_attempts_into_the_cost(tmp_path):
    def record(decision, target, result, cost):
        return {
            "switchwise.schema": 1,
            "switchwise.decision": decision,
            "switchwise.purpose": "answer",
            "switchwise.target": target,
            "switchwise.result": result,
            "switchwise.cost": cost,
            "switchwise.agent": "main",
        }

    rows = [
        record("d1", "weak", "rejected", 0.1),
        record("d1", "strong", "accepted", 0.4),
        {"switchwise.schema": 1, "switchwise.decision": "d1", "switchwise.feedback": 1.0},
    ]
    (found,) = read_outcomes(jsonl(tmp_path / "journal.jsonl", rows))
    assert found.targets == ("strong",)
    assert found.costs[0, 0] == pytest.approx(0.5)
    assert found.scores[0, 0] == 1.0


@pytest.mark.parametrize("content", ["", "not json\n", '{"a": 1}\n'])
def test_a_file_without_outcomes_is_refused(tmp_path, content):
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"x\.jsonl"):
        read_outcomes(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b"5"),
        ("a.json", b"null"),
        ("a.jsonl.gz", gzip.compress(b"x" * 1_000)[:10] + b"\xff" * 30),
        ("a.csv", b"a,b\n1,2,3\n"),
        ("a.csv", b"run_type,extra,feedback_stats\nllm,none,none\n"),
        ("a.jsonl", b'{"run_type": "llm", "extra": {"metadata": {"switchwise": "x"}}, "feedback_stats": {"a": {"avg": 1}}}'),
        ("a.jsonl", b'{"strong": null, "weak": 1}\n{"strong": 1}'),
        ("a.jsonl", b'{"switchwise.schema": 1, "switchwise.feedback": null}'),
        ("a.jsonl", b'{"switchwise.schema": 1, "switchwise.purpose": "answer", "switchwise.result": "failed"}'),
    ],
    ids=["number", "null", "damaged", "ragged", "no tables", "no metadata", "no pair", "no grade", "no target"],
)
def test_a_file_of_another_format_does_not_hide_the_outcomes_in_the_folder(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    rows = [{"id": i, "model": model, "score": 1, "cost": 0.1} for i in range(11) for model in ("a", "b")]
    jsonl(tmp_path / "b.jsonl", rows)
    (found,) = read_outcomes(tmp_path)
    assert (found.name, len(found)) == ("b", 11)


def test_a_line_ends_at_a_line_feed_only(tmp_path):
    rows = [
        {"id": i, "model": model, "score": 1, "cost": 0.1, "prompt": f"{i}\u2028\x85b"}
        for i in range(11)
        for model in ("a", "b")
    ]
    path = tmp_path / "b.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows), encoding="utf-8", newline="")
    (found,) = read_outcomes(path)
    assert found.texts[0] == "0\u2028\x85b"


def test_langsmith_exports_its_tables_as_text_in_csv(tmp_path):
    with (tmp_path / "export.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "run_type", "extra", "feedback_stats", "total_cost"])
        for i in range(11):
            for model in ("a", "b"):
                extra = {"metadata": {"ls_model_name": model, "thread_id": f"t{i}"}}
                table.writerow([f"{i}{model}", "llm", json.dumps(extra), json.dumps({"good": {"avg": i % 2}}), 0.1])
    (found,) = read_outcomes(tmp_path)
    assert (found.targets, found.scores[:2, 0].tolist()) == (("a", "b"), [0.0, 1.0])


def test_rows_without_a_score_are_left_out_whatever_their_format(tmp_path):
    wide = [
        {
            "sample_id": f"s{i}",
            "eval_name": "e",
            "a": 1.0,
            "a|total_cost": 0.2,
            "b": None if i == 3 else 0.0,
            "b|total_cost": 0.1,
        }
        for i in range(11)
    ]
    (bench,) = read_outcomes(jsonl(tmp_path / "wide.jsonl", wide))
    assert np.isnan(bench.scores[3, 1])
    assert len(bench.complete()) == 10
    runs = [
        {
            "id": f"{i}{model}",
            "run_type": "llm",
            "reference_example_id": f"e{i}",
            "extra": "no JSON" if i == 4 else {"metadata": {"ls_model_name": model}},
            "feedback_stats": {"note": {"avg": None}} if i == 5 else {"good": {"avg": 1.0}},
        }
        for i in range(12)
        for model in "ab"
    ]
    (found,) = read_outcomes(jsonl(tmp_path / "runs.jsonl", runs))
    assert set(found.tasks) == {f"e{i}" for i in range(12)} - {"e4", "e5"}


def test_tables_of_other_sizes_and_targets_that_tried_other_tasks_are_refused():
    table = np.ones((12, 2, 1))
    with pytest.raises(ConfigurationError, match=r"give them for 11 tasks and 2 targets"):
        Outcomes("odd", ("a", "b"), tuple("0123456789x"), ("e",) * 11, table, table[:, :, 0])
    table[:6, 0], table[6:, 1] = np.nan, np.nan
    apart = Outcomes("apart", ("a", "b"), tuple("0123456789xy"), ("e",) * 12, table, np.ones((12, 2)))
    with pytest.raises(ConfigurationError, match=r"apart: no two targets tried the same 10 tasks \(of 12\)"):
        apart.complete()


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="no such file"):
        read_outcomes(tmp_path / "nothing")


def test_near_duplicates_share_a_group():
    long = "The quick brown fox jumps over the lazy dog while the band plays on and on. "
    groups = duplicate_groups([long, long.upper(), long + "!", "Something else entirely, of other words.", "Short", "short"])
    assert groups[0] == groups[1] == groups[2] != groups[3]
    assert groups[4] == groups[5]


def test_the_shared_sets_have_the_counts_that_their_page_states(shared_data):
    if not (shared_data / "many_models").exists():
        pytest.skip("the shared data is not beside this checkout")
    (many,) = read_outcomes(shared_data / "many_models")
    assert many.runs.shape == (2_040, 23, 1)
    best = many.targets.index("claude-3-5-sonnet-20241022")
    assert many.scores[:, best].mean() == pytest.approx(0.835, abs=5e-4)
    assert many.costs[:, best].mean() == pytest.approx(0.00347, abs=5e-6)
    (bench,) = (each for each in read_outcomes(shared_data / "strong_weak" / "mt_bench.jsonl.gz"))
    assert len(bench) == 144


def test_in_a_log_of_calls_the_next_row_holds_the_result_of_the_tools(tmp_path):
    rows = [
        {"session": "s", "step": 1, "tool_errors": 0, "tools": ["edit_file"], "output_tokens_logged": 40},
        {"session": "s", "step": 2, "tool_errors": 2, "tools": []},
        {"session": "s", "step": 3, "tool_errors": 0, "tools": ["bash"], "tool_chars": 80},
    ]
    jsonl(tmp_path / "runs.jsonl", rows)
    ((run,),) = read_runs(tmp_path / "runs.jsonl").values()
    assert [(step.failed, step.changed, step.written) for step in run.steps] == [(2, True, 40), (0, False, 20)]


@pytest.mark.parametrize(
    ("rows", "steps"),
    [
        (
            [
                {"session": "s", "step": 0, "returncode": 0},
                {"session": "s", "step": 1},
                {"session": "s", "step": 2, "returncode": 0},
            ],
            3,
        ),
        ([{"session": "s", "step": 0, "returncode": 0}, {"step": 1, "returncode": 0}, {"session": "s", "returncode": 0}], 1),
        (
            [
                {
                    "messages": [
                        "hello",
                        {"role": "assistant", "content": [None], "tool_calls": [{}]},
                        {"role": "tool", "content": "x"},
                    ]
                }
            ],
            1,
        ),
    ],
)
def test_runs_with_incomplete_rows_are_read(tmp_path, rows, steps):
    ((run,),) = read_runs(jsonl(tmp_path / "runs.jsonl", rows)).values()
    assert len(run.steps) == steps


def test_a_file_without_runs_is_refused(tmp_path):
    jsonl(tmp_path / "other.jsonl", [{"prompt": "x"}])
    with pytest.raises(ConfigurationError, match="no recorded runs found"):
        read_runs(tmp_path / "other.jsonl")
