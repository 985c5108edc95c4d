"""The charts hold the numbers of the journal, and Vega can draw them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from switchwise import ConfigurationError
from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.outcomes import read_outcomes
from switchwise.evaluation.trials import SetResult
from switchwise.observe.journal import Record
from switchwise.report import Summary
from switchwise.report.charts import cost_over_steps, pareto, shares, timeline


def rows(chart: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chart["data"]["values"]
    return found


def drawn(chart: Any) -> dict[str, Any]:
    svg = vl_convert.vegalite_to_svg(chart.to_json())
    assert svg.startswith("<svg")
    spec: dict[str, Any] = chart.to_dict()
    return spec


def test_shares_cost_and_time_line(records: list[Record], summary: Summary) -> None:
    drawing = drawn(shares(records))
    assert sum(row["steps"] for row in rows(drawing)) == summary.answered
    session = next(each for each in summary.sessions if any(step.fallback for step in each.steps))
    cost, prompt = drawn(cost_over_steps(records, session.name))["vconcat"]
    assert sum(row["usd"] for row in rows(cost)) == pytest.approx(session.spend.cost)
    cached = sum(row["tokens"] for row in rows(prompt) if row["part"] == "from a cache")
    assert cached == sum(step.last.cache_read_tokens or 0 for step in session.steps)
    line = drawn(timeline(records, session.name))
    assert len(rows(line)) == session.spend.attempts
    with pytest.raises(ConfigurationError, match="session='nobody': the journal has "):
        timeline(records, "nobody")
    with pytest.raises(ConfigurationError, match="nothing to draw"):
        shares([])


def test_the_front_leaves_out_who_is_dearer_and_no_better(tmp_path: Path) -> None:
    scores = {"strong": (1, 1, 1, 1), "cheap": (0, 1, 0, 1), "middling": (1, 0, 0, 1)}
    costs = {"strong": 4.0, "cheap": 1.0, "middling": 2.0}
    runs = [
        {"task": f"t{number}", "model": name, "resolved": score, "cost_usd": costs[name]}
        for name, own in scores.items()
        for number, score in enumerate(own)
    ]
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(run) + "\n" for run in runs))
    (outcomes,) = read_outcomes(tmp_path / "runs.jsonl")
    drawing = drawn(pareto(outcomes))
    front = next(layer for layer in drawing["layer"] if layer["mark"]["type"] == "line")
    assert [row["name"] for row in rows(front)] == ["cheap", "strong"]
    points = next(layer for layer in drawing["layer"] if layer["mark"]["type"] == "point")
    shown = {row["name"]: (row["cost"], row["score"]) for row in rows(points)}
    assert shown == {"strong": (4.0, 1.0), "cheap": (1.0, 0.5), "middling": (2.0, 0.5)}
    low = Interval(0.25, low=0.0, high=0.5)
    found = SetResult("runs", 4, 3, 1, 4, "usd", {"half": {"solved": low, "cost": Interval(3.0)}})
    points = next(layer for layer in drawn(pareto(outcomes, found))["layer"] if layer["mark"]["type"] == "point")
    assert [row["low"] for row in rows(points) if row["name"] == "half"] == [0.0]


def test_targets_without_a_cost_are_not_drawn(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    lines = [f"t{task},{name},1,{cost}" for task in range(4) for name, cost in (("a", 0.5), ("b", ""))]
    path.write_text("\n".join(["task,target,score,cost", *lines]))
    points = next(layer for layer in drawn(pareto(read_outcomes(path)[0]))["layer"] if layer["mark"]["type"] == "point")
    assert [row["name"] for row in rows(points)] == ["a"]
    path.write_text(path.read_text().replace("0.5", ""))
    with pytest.raises(ConfigurationError, match="runs: no target has both a score and a cost"):
        pareto(read_outcomes(path)[0])
