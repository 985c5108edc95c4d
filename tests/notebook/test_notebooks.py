"""The notebooks run top to bottom, and what is committed of them is what their scripts say."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "examples" / "notebooks").glob("*.py"))


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_notebooks", ROOT / "tools" / "make_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_three() -> None:
    assert [script.stem for script in SCRIPTS] == ["evaluate_and_tune", "first_steps", "model_per_subagent"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_notebook_runs_and_shows_what_it_showed(
    script: Path, tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "")  # the notebook sets them; they are put back afterwards
    monkeypatch.chdir(tmp_path)
    made = tool.notebook(tool.run(script))
    kept = json.loads(script.with_suffix(".ipynb").read_text(encoding="utf-8"))

    def outline(notebook: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [
            (cell["cell_type"], cell["source"], [sorted(out.get("data", {})) for out in cell.get("outputs", [])])
            for cell in notebook["cells"]
        ]

    assert outline(made) == outline(kept), "python tools/make_notebooks.py writes them"
    pictures = [out for cell in made["cells"] for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert len(pictures) == {"evaluate_and_tune": 1, "first_steps": 0, "model_per_subagent": 3}[script.stem]
