"""Bars that an evaluation must reach: read from a file, judged on results, and the exit code of the command."""

from __future__ import annotations

import json

import pytest

from switchwise.cli import main
from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.trials.bars import read_bars, verdicts
from switchwise.evaluation.trials.evaluate import SetResult
from switchwise.evaluation.trials.report import cell
from switchwise.nouns.errors import ConfigurationError


def result(name, **metrics):
    return SetResult(name, 10, 2, 1, 10, "usd", {"default": {key: Interval(*value) for key, value in metrics.items()}})


def judged(tmp_path, text, *results):
    file = tmp_path / "bars.toml"
    file.write_text(text)
    return {(each.set, each.bar.metric): each.met for each in verdicts(read_bars(file), results)}


def test_each_end_of_an_interval_can_be_asked_for(tmp_path):
    text = '[a.default]\naiq = ">= 0.8"\ngain = "low > 0"\nloss = "high >= 0"\ncost = "< 1.5"\n'
    good = result("a", aiq=(0.8, 0.7, 0.9), gain=(0.1, 0.01, 0.2), loss=(-0.1, -0.2, 0.0), cost=(1.0,))
    bad = result("a", aiq=(0.79, 0.7, 0.9), gain=(0.1, 0.0, 0.2), loss=(-0.1, -0.2, -0.01), cost=(1.5,))
    assert all(judged(tmp_path, text, good).values())
    assert not any(judged(tmp_path, text, bad).values())


def test_a_pattern_holds_where_its_metric_is_and_a_name_must_have_it(tmp_path):
    sets = result("a unseen labels", aiq=(0.5, 0.4, 0.6)), result("b", apgr=(0.5, 0.4, 0.6))
    assert judged(tmp_path, '["* unseen labels".default]\naiq = ">= 0.5"\n["*".default]\napgr = ">= 0.6"\n', *sets) == {
        ("a unseen labels", "aiq"): True,
        ("b", "apgr"): False,
    }
    assert judged(tmp_path, '[b.default]\naiq = ">= 0"\n[c.default]\naiq = ">= 0"\n', *sets) == {("b", "aiq"): False}
    assert judged(tmp_path, '[b.default]\napgr_minus_length = "low > 0"\n', result("b", apgr_minus_length=(0.1,))) == {
        ("b", "apgr_minus_length"): False  # without resamples nothing is significant
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[a.default]\naiq = "about 0.8"', "give a comparison"),
        ("[a.default]\naiq = 0.8", "give a comparison"),
        ('[a]\naiq = ">= 0.8"', "give tables of routers"),
        ("a =", "cannot be read"),
    ],
)
def test_what_is_no_bar_is_refused(tmp_path, text, says):
    (tmp_path / "bars.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=says):
        read_bars(tmp_path / "bars.toml")


def test_the_command_fails_where_a_bar_is_missed(tmp_path, capsys):
    rows = [
        {"id": task, "model": model, "score": int(task % 4 > 0 or model == "dear"), "cost_usd": cost, "benchmark": "x"}
        for task in range(40)
        for model, cost in (("dear", 1.0), ("cheap", 0.1))
    ]
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    bars = tmp_path / "bars.toml"
    bars.write_text('[set.best_single]\nsolved = ">= 1"\n')
    command = ["eval", str(tmp_path / "set.jsonl"), "--samples", "0", "--bars", str(bars)]
    assert main(command) == 0
    assert "all reached" in capsys.readouterr().out
    bars.write_text('[set.cheapest]\nsolved = ">= 1"\n')
    assert main(command) == 1
    assert "MISSED" in capsys.readouterr().out
    assert main([*command, "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["bars"]
    assert (row["value"], row["bar"], row["met"]) == (0.75, "value >= 1", False)


def test_nothing_is_minus_nothing():
    assert cell("saving_98", Interval(-0.0004, -0.0001, 0.01)) == "0.0% [0.0%,1.0%]"
    assert cell("aiq", Interval(-0.00001), signed=True) == "+0.0000"
    assert cell("aiq", Interval(-0.01), signed=True) == "-0.0100"
