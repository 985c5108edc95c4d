"""Every example runs, in a process of its own, against local providers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from switchwise_loopback import LoopbackProvider

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(
    path for path in (ROOT / "examples").rglob("*.py") if path.parent.name != "notebooks"
)  # those: tests/notebook
IMPORTED = (
    "langchain.agents",
    "langchain_anthropic",
    "langchain_openai",
    "langchain_switchwise",
    "llama_index.llms.switchwise",
)


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[..., int]]:
    """Runs a script, and gives its exit status."""
    command = [sys.executable, "-P", str(Path(__file__).with_name("run_scripts.py")), *IMPORTED]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert server.stdin is not None
    assert server.stdout is not None

    def run_one(**asked: object) -> int:
        print(json.dumps(asked), file=server.stdin, flush=True)
        return int(server.stdout.readline())

    yield run_one
    os.killpg(server.pid, signal.SIGKILL)  # with a script that hangs
    server.communicate()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_example_runs(example: Path, run: Callable[..., int], tmp_path: Path) -> None:
    shown, errors = tmp_path / "stdout", tmp_path / "stderr"
    with LoopbackProvider() as provider:
        local = {
            "OPENAI_BASE_URL": provider.openai_url,
            "OPENAI_API_BASE": provider.openai_url,
            "ANTHROPIC_BASE_URL": provider.anthropic_url,
            "OPENAI_API_KEY": "local",
            "ANTHROPIC_API_KEY": "local",
        }
        status = run(script=str(example), cwd=str(tmp_path), env=local, stdout=str(shown), stderr=str(errors))
    assert status == 0, errors.read_text()
    assert shown.read_text().strip(), "an example shows something"


def test_a_script_that_fails_says_so(run: Callable[..., int], tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("print('begun')\nraise ValueError('wrong')")
    assert run(script=str(script), cwd=str(tmp_path), env={}, stdout=str(tmp_path / "out"), stderr=str(tmp_path / "err")) == 1
    assert (tmp_path / "out").read_text() == "begun\n"
    assert "ValueError: wrong" in (tmp_path / "err").read_text()


def test_the_table_of_examples_is_complete() -> None:
    table = (ROOT / "examples" / "README.md").read_text()
    assert [path for path in EXAMPLES if str(path.relative_to(ROOT / "examples")) not in table] == []
