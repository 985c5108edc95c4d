"""The Python blocks of README and docs run, top to bottom, against a local provider."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from switchwise_loopback import LoopbackProvider

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "packages").glob("*/README.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
RUNNING = [page for page in PAGES if BLOCK.search(page.read_text())]


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.openai_url)
        monkeypatch.setenv("OPENAI_API_BASE", provider.openai_url)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.anthropic_url)
        monkeypatch.setenv("OPENAI_API_KEY", "local")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "local")
        yield provider


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.usefixtures("providers")
def test_every_block_of_a_page_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    text, names = page.read_text(), {"__name__": page.stem}
    with asyncio.Runner() as loop:
        for block in BLOCK.finditer(text):
            line = text[: block.start()].count("\n") + 1
            code = compile("\n" * line + block[1], str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            waiting = eval(code, names)
            if waiting is not None:  # it awaits, as a cell of a notebook may
                loop.run(waiting)


LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


# -- the site ----------------------------------------------------------------------------------------------------------

DOCS = ROOT / "docs"
ON_SITE = sorted(DOCS.rglob("*.md"))


def make_docs() -> ModuleType:
    """The tool that writes what the documentation takes from the code."""
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def slugs(page: Path) -> set[str]:
    """The anchors of a page: those of its headings, and of what mkdocstrings draws there."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    headings = [re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)]
    drawn = set(re.findall(r"^::: (\S+)$", text, re.M))
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower())).strip("-") for heading in headings} | drawn


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_anchor_of_a_link_is_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)#([^)\s]+)\)", page.read_text())
    targets = [((page.parent / link) if link else page, anchor) for link, anchor in links]
    assert [(str(target), anchor) for target, anchor in targets if target.suffix == ".md" and anchor not in slugs(target)] == []


@pytest.mark.parametrize("page", ON_SITE, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_of_the_site_links_to_nothing_outside_it(page: Path) -> None:
    outside = [link for link in LINK.findall(page.read_text()) if DOCS not in (page.parent / link).resolve().parents]
    assert outside == [], "a site has no place for them: write the path as text"


def navigation(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        for below in entry.values() if isinstance(entry, dict) else [entry]:
            yield from navigation(below) if isinstance(below, list) else [below]


def test_every_page_stands_in_the_navigation_of_the_site() -> None:
    listed = list(navigation(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    pages = {str(page.relative_to(DOCS)) for page in ON_SITE}
    assert pages - set(listed) == set(), "add the page to `nav` in mkdocs.yml"
    assert set(listed) - pages == set()
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", ["policies", "estimators", "verifiers", "nouns", "recovery"])
def test_a_table_says_what_the_code_says(name: str) -> None:
    tool = make_docs()
    page, make = tool.TABLES[name]
    assert make() in (DOCS / page).read_text(), "python tools/make_docs.py draws it"


def test_public_names_have_an_entry_in_the_api_reference() -> None:
    public = {f"{package}.{name}" for package, names in make_docs().public().items() for name in names}
    drawn = {name for page in (DOCS / "reference" / "api").glob("*.md") for name in slugs(page)}
    missing = sorted(public - drawn)
    assert len(public) > 200
    assert len(missing) <= 0.05 * len(public), f"python tools/make_docs.py adds {', '.join(missing)}"


def test_llms_txt_names_every_guide() -> None:
    listed = (DOCS / "llms.txt").read_text()
    guides = [str(page.relative_to(DOCS)) for folder in ("start", "guide", "migrate") for page in (DOCS / folder).glob("*.md")]
    assert [page for page in guides if page not in listed] == [], "python tools/make_docs.py adds it"
