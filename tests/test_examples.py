"""Every example runs, as its reader would run it, against local providers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from switchwise_loopback import LoopbackProvider

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(
    path for path in (ROOT / "examples").rglob("*.py") if path.parent.name != "notebooks"
)  # those: tests/notebook


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_example_runs(example: Path, tmp_path: Path) -> None:
    with LoopbackProvider() as provider:
        local = {
            "OPENAI_BASE_URL": provider.openai_url,
            "OPENAI_API_BASE": provider.openai_url,
            "ANTHROPIC_BASE_URL": provider.anthropic_url,
            "OPENAI_API_KEY": "local",
            "ANTHROPIC_API_KEY": "local",
        }
        done = subprocess.run(
            [sys.executable, str(example)],
            cwd=tmp_path,
            env={**os.environ, **local},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "an example shows something"


def test_the_table_of_examples_is_complete() -> None:
    told = (ROOT / "examples" / "README.md").read_text()
    assert [path for path in EXAMPLES if str(path.relative_to(ROOT / "examples")) not in told] == []
