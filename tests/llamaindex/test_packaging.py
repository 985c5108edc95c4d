"""The package lives in LlamaIndex's namespace without breaking it, and asks for the versions that work."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "packages" / "llamaindex"
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text())


def test_the_upper_folders_are_namespaces():
    """A stray `__init__.py` there would hide llama_index.core from everybody."""
    assert not (PACKAGE / "llama_index" / "__init__.py").exists()
    assert not (PACKAGE / "llama_index" / "llms" / "__init__.py").exists()
    assert (PACKAGE / "llama_index" / "llms" / "switchwise" / "py.typed").exists()


def test_it_is_imported_beside_the_official_packages():
    for name in ("llama_index.core", "llama_index.llms.openai", "llama_index.llms.switchwise"):
        assert find_spec(name) is not None


def test_no_integration_is_a_requirement():
    named = [requirement.split(">")[0] for requirement in PROJECT["project"]["dependencies"]]
    assert named == ["switchwise", "llama-index-core", "llama-index-workflows"]


def test_llamahub_finds_the_class():
    hub = PROJECT["tool"]["llamahub"]
    assert hub["import_path"] == "llama_index.llms.switchwise"
    assert "Switchwise" in hub["class_authors"]
