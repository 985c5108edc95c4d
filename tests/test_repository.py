"""What holds for the repository as a whole: sizes, imports, wheels, and words that must not be in it."""

from __future__ import annotations

import ast
import email
import importlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Collection
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

MOST_LINES, MOST_MODULES, MOST_LOOSE = 400, 12, 3
CATALOGUES = {"cli", "policies", "quality", "verifiers"}  # rooms where each file is one of a kind, and more are welcome
DISTRIBUTIONS = ("core", "langchain", "llamaindex", "loopback")
ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for path in (ROOT / "packages").rglob("*.py") if "/build/" not in str(path))


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 50


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


def modules(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.py") if path.name != "__init__.py"]


@pytest.mark.parametrize("folder", sorted({path.parent for path in SOURCES}), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_has_at_most_a_dozen_modules(folder: Path) -> None:
    assert folder.name in CATALOGUES or len(modules(folder)) <= MOST_MODULES


@pytest.mark.parametrize(
    "package",
    [
        "core/src/switchwise",
        "langchain/src/langchain_switchwise",
        "llamaindex/llama_index/llms/switchwise",
        "loopback/src/switchwise_loopback",
    ],
)
def test_at_most_three_modules_stand_outside_the_rooms(package: str) -> None:
    assert len(modules(ROOT / "packages" / package)) <= MOST_LOOSE


def test_a_message_walks_as_the_page_shows_and_within_its_bars() -> None:
    done = subprocess.run([sys.executable, "tools/walk.py"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_changelog_knows_what_the_project_was_called() -> None:
    former = "fair" + "lead"
    found = subprocess.run(["git", "grep", "-il", former], cwd=ROOT, check=False, capture_output=True, text=True)
    assert found.stdout.split() == ["CHANGELOG.md"]
    assert sum(former in line for line in (ROOT / "CHANGELOG.md").read_text().splitlines()) == 1


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


def test_importing_switchwise_loads_what_decides_and_nothing_else() -> None:
    code = "import switchwise, sys\nprint(*[name.split('.')[1] for name in sys.modules if name.startswith('switchwise.')])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"quality", "switching", "prompt_cache", "verifiers", "suggestion", "config"} & set(done.stdout.split())


@pytest.mark.parametrize("package", ["", ".failures", ".observe", ".observe.telemetry", ".policies", ".quality", ".state"])
def test_a_package_has_every_name_that_it_offers(package: str) -> None:
    room = importlib.import_module(f"switchwise{package}")
    assert [name for name in room.__all__ if not hasattr(room, name)] == []
    assert not hasattr(room, "Nothing")


def test_importing_an_adapter_loads_no_provider() -> None:
    assert not loaded_by("import langchain_switchwise") & {"openai", "anthropic", "llama_index"}
    assert not loaded_by("import llama_index.llms.switchwise") & {"anthropic", "langchain_core"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """All wheels, by the name of their distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "uv", "build", "--all-packages", "--wheel", "--quiet", "--out-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return {path.name.partition("-")[0]: zipfile.ZipFile(path) for path in folder.glob("*.whl")}


def test_the_wheels_carry_their_type_marker_and_their_data(wheels: dict[str, zipfile.ZipFile]) -> None:
    contents = {name: wheel.namelist() for name, wheel in wheels.items()}
    assert set(contents) == {"switchwise", "switchwise_loopback", "langchain_switchwise", "llama_index_llms_switchwise"}
    assert "switchwise/py.typed" in contents["switchwise"]
    assert "switchwise_loopback/py.typed" in contents["switchwise_loopback"]
    assert "langchain_switchwise/py.typed" in contents["langchain_switchwise"]
    assert "langchain_switchwise/demo/conversations.json" in contents["langchain_switchwise"]
    assert "langchain_switchwise/demo/LICENSE.tau-bench" in contents["langchain_switchwise"]
    assert "llama_index/llms/switchwise/py.typed" in contents["llama_index_llms_switchwise"]
    assert not {"llama_index/__init__.py", "llama_index/llms/__init__.py"} & set(contents["llama_index_llms_switchwise"])


def test_the_wheel_of_core_has_no_loopback_provider(wheels: dict[str, zipfile.ZipFile]) -> None:
    assert not [name for name in wheels["switchwise"].namelist() if "switchwise_loopback" in name or "/loopback/" in name]


def test_the_wheels_say_who_what_and_where(wheels: dict[str, zipfile.ZipFile]) -> None:
    for name, wheel in wheels.items():
        info = next(path.rpartition("/")[0] for path in wheel.namelist() if path.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
        assert metadata["License-Expression"] == "Apache-2.0", name
        assert wheel.read(f"{info}/licenses/LICENSE").decode() == (ROOT / "LICENSE").read_text(), name
        assert metadata["Author"], name
        assert {url.partition(",")[0] for url in metadata.get_all("Project-URL")} >= {"Repository", "Changelog", "Issues"}, name
        classifiers = metadata.get_all("Classifier")
        assert {f"Programming Language :: Python :: 3.{minor}" for minor in range(11, 15)} <= set(classifiers), name
        wanted = set() if name == "switchwise_loopback" else {"openai", "anthropic"}
        assert wanted <= set(metadata.get_all("Provides-Extra", [])), name


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_readme_says_how_to_install_from_a_checkout_before_its_first_snippet(distribution: str) -> None:
    text = (ROOT / "packages" / distribution / "README.md").read_text()
    install = re.search(rf"pip install [^\n]*\./packages/{distribution}\b", text)
    assert install
    assert install.start() < text.index("```python")


def imports_of(path: Path, modules: Collection[str]) -> set[str]:
    """Which of these modules a file imports, where only a type checker goes and inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= set(modules) else {node.module}
    return found & set(modules)


def circle_in(source: Path) -> list[str]:
    """The modules of the first circle of imports that there is; empty: there is none."""
    paths = {".".join(path.relative_to(source).with_suffix("").parts): path for path in source.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    try:
        TopologicalSorter({name: imports_of(path, modules) - {name} for name, path in modules.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_of_core_import_each_other_in_a_circle() -> None:
    """Also where only a type checker would go: what is imported must be read first, by people too."""
    assert circle_in(ROOT / "packages" / "core" / "src") == []


def test_a_circle_for_type_checkers_is_a_circle(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from two import Thing\n")
    (tmp_path / "two.py").write_text("def later():\n    import one\n")
    assert set(circle_in(tmp_path)) == {"one", "two"}
