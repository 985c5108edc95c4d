"""Draw the pictures of docs/images: the report of a simulated week, in Chromium. `python tools/make_pictures.py`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.report.test_page import CHROMIUM, FLAGS  # noqa: E402
from tests.report.week import Week  # noqa: E402

from switchwise.report import page, summarise  # noqa: E402

IMAGES = ROOT / "docs" / "images"


def main() -> None:
    """Make all of them."""
    IMAGES.mkdir(exist_ok=True)
    summary = summarise(Week().records)
    session = max(summary.sessions, key=lambda each: sum(step.fallback for step in each.steps))
    at = next(number for number, step in enumerate(session.steps) if step.fallback)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as tool:
        path = Path(folder) / "report.html"
        path.write_text(page(summary, source="week.jsonl"), encoding="utf-8")
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

        def shot(name: str, scheme: str, width: int, height: int, look: str = "") -> None:
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})  # type: ignore[arg-type]
            tab = context.new_page()
            tab.goto(path.as_uri())
            if look:
                _open(tab, session.name, at)
                tab.locator(look).first.scroll_into_view_if_needed()
                tab.evaluate(
                    "(look) => scrollTo(0, document.querySelector(look).getBoundingClientRect().top + scrollY - 60)", look
                )
                tab.mouse.move(0, 0)
            tab.screenshot(path=IMAGES / f"{name}.png")
            context.close()

        shot("report-light", "light", 1080, 840)
        shot("report-dark", "dark", 1080, 760, "#sessions")
        shot("report-steps", "light", 1080, 640, "#session .panel + .panel")
        shot("report-phone", "light", 390, 844)
        browser.close()


def _open(tab: Page, session: str, at: int) -> None:
    tab.get_by_label("Find a session").fill(session)
    tab.locator("#list button:visible").first.click()
    tab.get_by_label("Find a session").fill("")
    tab.locator(".steplist summary").nth(at).click()


if __name__ == "__main__":
    main()
