"""The `switchwise` command as people use it: wrong arguments, full disks, readers that leave. What it computes is tested in tests/evaluation."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from switchwise import __version__
from switchwise.cli import main

PAIR = "--pair=gpt-5/gpt-5-mini"


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "calls.jsonl"
    rows = [{"session": f"s{i // 4}", "t": 10.0 * i, "input_tokens": 2_000 + i, "output_tokens_logged": 50} for i in range(8)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_it_prints_its_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"switchwise {__version__}\n"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--inflation", "0.5"),
        ("--inflation", "few"),
        ("--inflation", "nan"),
        ("--prior-easy", "-0.1"),
        ("--prior-easy", "nan"),
        ("--prior-hazard", "0"),
        ("--prior-hazard", "1"),
        ("--prior-growth", "-5"),
        ("--prior-growth", "inf"),
        ("--prior-output", "0"),
        ("--prior-easy", "2"),
        ("--foresight", "-1"),
        ("--samples", "-1"),
        ("--samples", "many"),
        ("--plot", "costs.png"),
    ],
)
def test_a_value_out_of_range_is_named_and_nothing_is_computed(recording, capsys, option, value):
    assert main(["replay", str(recording), option, value]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"Invalid value for '{option}'" in said.err
    assert value in said.err


def test_a_drawing_is_written_whole_and_replaces_the_old_one(recording, tmp_path):
    old = tmp_path / "costs.svg"
    old.write_text("old", encoding="utf-8")
    assert main(["replay", str(recording), PAIR, "--plot", str(old)]) == 0
    assert old.read_text(encoding="utf-8").endswith("</svg>\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calls.jsonl", "costs.svg"]


def test_a_drawing_that_fails_leaves_the_old_one_and_no_rest(recording, tmp_path, capsys, monkeypatch):
    old = tmp_path / "costs.svg"
    old.write_text("old", encoding="utf-8")

    def full(path, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert main(["replay", str(recording), PAIR, "--plot", str(old)]) == 2
    said = capsys.readouterr().err
    assert str(old) in said
    assert "No space left on device" in said
    assert old.read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calls.jsonl", "costs.svg"]


@pytest.mark.parametrize(("name", "why"), [("missing/costs.svg", "there is no folder"), ("", "a folder")])
def test_a_drawing_that_has_no_place_is_refused_before_the_work(recording, tmp_path, capsys, name, why):
    assert main(["replay", str(recording), "--plot", str(tmp_path / name)]) == 2
    assert why in " ".join(re.sub(r"[│╭╰─╮╯]", "", capsys.readouterr().err).split())


def test_a_reader_that_leaves_early_sees_no_traceback(recording):
    command = [sys.executable, "-m", "switchwise.cli", "replay", str(recording), PAIR, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        status = process.wait(timeout=60)
    assert status == 1
    assert said == b""


def test_an_output_that_cannot_be_written_is_reported_in_one_line(recording, capsys, monkeypatch):
    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["replay", str(recording), PAIR]) == 1
    assert capsys.readouterr().err == "switchwise: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [("[" * 100_000, "calls.jsonl:1: no JSON"), ("7", "calls.jsonl:1: not a JSON object, but 7")],
    ids=["brackets without end", "a number"],
)
def test_a_line_that_is_not_a_row_is_reported_once(tmp_path, capsys, text, message):
    path = tmp_path / "calls.jsonl"
    path.write_text(text, encoding="utf-8")
    assert main(["replay", str(path)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("calls.jsonl") == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [("def router(:", "router.py:1: invalid syntax"), ("def router(pool): ...", "makes no Router by itself: missing.*'pool'")],
    ids=["no Python", "a function that wants something"],
)
def test_a_router_that_cannot_be_loaded_is_reported_in_one_line(recording, tmp_path, capsys, code, message):
    path = tmp_path / "router.py"
    path.write_text(code, encoding="utf-8")
    assert main(["replay", str(recording), "--router", f"{path}:router"]) == 2
    assert re.search(message, capsys.readouterr().err)
