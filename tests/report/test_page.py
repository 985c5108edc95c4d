"""The page in a real browser: what it shows, in which light, on which screen, and from the keyboard."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from switchwise.display.figures import percent, usd
from switchwise.observe.journal import Record
from switchwise.report import Summary, page, summarise

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), "")
# A sandbox needs a user namespace, which root has not; the rest keeps the browser from calling home.
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()
CONTRAST = """() => {
  const channel = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (s) => (s.match(/[\\d.]+/g) || []).map(Number);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } };
  const bad = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.namespaceURI.includes("svg")) continue;
    const style = getComputedStyle(e), a = light(parse(style.color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) bad.push([e.tagName, e.className, e.textContent.slice(0, 30), ratio]);
  }
  return bad;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        if os.environ.get("CI") or os.environ.get("SWITCHWISE_CI"):
            pytest.fail("no Chromium on this CI machine: .ci/run installs it (apt-get install chromium)")
        pytest.skip("the report is looked at in Chromium, which is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def path(summary: Summary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(summary, source="week.jsonl"), encoding="utf-8")
    return path


@contextmanager
def shown(browser: Browser, path: Path, *, width: int = 1280, **options: Any) -> Iterator[Page]:
    """The page, in a browser that says nothing and calls nobody."""
    said: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 844}, **options)
    tab = context.new_page()
    tab.set_default_timeout(10_000)
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: said.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    tab.goto(path.as_uri())
    yield tab
    assert said == []
    context.close()


def cells(tab: Page, panel: str) -> dict[str, list[str]]:
    rows = tab.locator(f"{panel} tbody tr").all()
    return {row.locator("th").inner_text().strip(): row.locator("td").all_inner_texts() for row in rows}


def test_light_dark_and_phone(browser: Browser, path: Path) -> None:
    grounds = []
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)):
        with shown(browser, path, color_scheme=scheme, width=width) as tab:
            assert tab.evaluate("document.documentElement.scrollWidth") == width  # nothing sticks out
            assert tab.evaluate(CONTRAST) == []  # WCAG AA, on both grounds
            grounds.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
            if folder := os.environ.get("SWITCHWISE_PICTURES"):
                tab.screenshot(path=Path(folder) / f"report-{scheme}-{width}.png", full_page=True)
    assert grounds[0] == grounds[2] != grounds[1] == grounds[3]


def test_the_page_shows_the_numbers_of_the_summary(browser: Browser, path: Path, summary: Summary) -> None:
    with shown(browser, path) as tab:
        tiles = tab.locator(".tiles").inner_text()
        best = summary.baselines.headline if summary.baselines else None
        assert best is not None
        for number in (usd(summary.total.cost), percent(best.saving), usd(best.cost), str(summary.fell_back)):
            assert number in tiles
        for name in ("Agent", "Target", "User", "Team", "Account"):
            tab.get_by_role("tab", name=name, exact=True).click()
            rows = cells(tab, "[role=tabpanel]:visible")
            expected = {row.name: usd(row.cost) for row in summary.by[name.lower()]}
            assert {row: read[0] for row, read in rows.items()} == expected
        titles = tab.locator("#advice h3").all_inner_texts()
        assert titles == [each.title for each in summary.advice]
        assert tab.locator("#list button").count() == len(summary.sessions)


def test_a_session_step_by_step_from_the_keyboard_alone(browser: Browser, path: Path, summary: Summary) -> None:
    session = next(each for each in summary.sessions if any(step.fallback for step in each.steps))
    at = next(number for number, step in enumerate(session.steps) if step.fallback)
    with shown(browser, path) as tab:
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.textContent") == "Skip to the numbers"
        tab.get_by_role("tab", name="Agent", exact=True).focus()
        tab.keyboard.press("End")
        assert tab.evaluate("document.activeElement.textContent") == "Tier"
        tab.keyboard.press("ArrowRight")  # round to the first
        assert tab.locator("[role=tab][aria-selected=true]").inner_text() == "Session"
        assert tab.locator("[role=tabpanel]:visible").count() == 1
        tab.get_by_label("Find a session").focus()
        tab.keyboard.type(session.name)
        assert tab.locator("#list button:visible").count() == 1
        tab.keyboard.press("Tab")
        tab.keyboard.press("Enter")
        assert tab.locator("#session h3").first.inner_text() == session.name
        assert tab.evaluate("document.activeElement.id") == "session"
        assert tab.locator(".steplist details").count() == len(session.steps)
        tab.locator(".steplist summary").nth(at).focus()
        tab.keyboard.press("Enter")
        read = tab.locator(".steplist details").nth(at).locator(".reasons").inner_text()
        for record in session.steps[at].records:
            assert (record.failure or record.result).replace("_", " ") in read
            assert all(str(note["because"]) in read for note in record.notes)


def test_it_can_be_read_without_its_script(browser: Browser, path: Path, summary: Summary) -> None:
    with shown(browser, path, java_script_enabled=False) as tab:
        assert tab.locator("[role=tabpanel]:visible").count() == len(summary.by)
        assert tab.locator("table:visible").count() >= len(summary.by)


def test_names_are_shown_and_never_run(browser: Browser, tmp_path: Path, records: list[Record]) -> None:
    evil = '</script><img src="x" onerror="document.title=1"><!--<script>&amp;"\''
    hostile = [replace(r, session=evil, agent=evil, because=evil, labels={evil: evil, "user": evil}) for r in records[:40]]
    made = tmp_path / "evil.html"
    made.write_text(page(summarise(hostile, samples=0), title=evil), encoding="utf-8")
    with shown(browser, made) as tab:
        assert tab.locator("img").count() == 0
        assert tab.locator("h1").inner_text() == evil
        assert tab.locator("#list b").first.inner_text() == evil
        tab.locator(".steplist summary").first.click()
        assert evil in tab.locator(".reasons").first.inner_text()


def test_only_the_dearest_sessions_are_shown_where_there_are_many(summary: Summary) -> None:
    text = page(summary, sessions=3)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found
    read = json.loads(found[1])
    assert [session[0] for session in read["sessions"]] == [session.name for session in summary.sessions[:3]]
    assert f"The 3 dearest of {len(summary.sessions)} sessions." in text
