"""What holds for the repository as a whole: sizes, imports, wheels, and words that must not be in it."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for path in (ROOT / "packages").rglob("*.py") if "/build/" not in str(path))


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 50


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_broad_catch_is_justified_in_place(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if re.search(r"except(\s*:|\s+\(?(Base)?Exception\b)", line):
            assert "#" in line, f"{path}:{number} catches everything and does not say why"


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_switchwise_loads_no_framework_no_sdk_and_no_catalogue() -> None:
    heavy = {"langchain_core", "langgraph", "llama_index", "openai", "anthropic", "httpx", "httpx2", "genai_prices", "numpy"}
    assert not loaded_by("import switchwise, switchwise.policies, switchwise.observe.journal, switchwise.verifiers") & heavy


def test_importing_an_adapter_loads_no_provider() -> None:
    assert not loaded_by("import langchain_switchwise") & {"openai", "anthropic", "llama_index"}
    assert not loaded_by("import llama_index.llms.switchwise") & {"anthropic", "langchain_core"}


def test_the_wheels_carry_their_type_marker_and_their_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "uv", "build", "--all-packages", "--wheel", "--quiet", "--out-dir", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    contents = {path.name.partition("-")[0]: zipfile.ZipFile(path).namelist() for path in tmp_path.glob("*.whl")}
    assert set(contents) == {"switchwise", "langchain_switchwise", "llama_index_llms_switchwise"}
    assert "switchwise/py.typed" in contents["switchwise"]
    assert "langchain_switchwise/py.typed" in contents["langchain_switchwise"]
    assert "langchain_switchwise/demo/conversations.json" in contents["langchain_switchwise"]
    assert "langchain_switchwise/demo/LICENSE.tau-bench" in contents["langchain_switchwise"]
    assert "llama_index/llms/switchwise/py.typed" in contents["llama_index_llms_switchwise"]
    assert not {"llama_index/__init__.py", "llama_index/llms/__init__.py"} & set(contents["llama_index_llms_switchwise"])
