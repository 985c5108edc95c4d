"""The page: a summary as one self-contained HTML file, without network or library, readable without its script."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import resources

from switchwise.display.figures import count, many, percent, seconds, usd
from switchwise.display.html import Html, el
from switchwise.report.drawing import sections
from switchwise.report.drawing.embedded import embedded
from switchwise.report.drawing.tables import Colours
from switchwise.report.summary import Summary

SESSIONS = 200
"""Default number of sessions with steps in the page: the most expensive."""


def page(summary: Summary, *, title: str = "Routing report", source: str = "", sessions: int = SESSIONS) -> str:
    """The page of a journal.

    Parameters:
        summary: result of `summarise`.
        title: heading.
        source: origin of the journal, such as its file name.
        sessions: number of sessions shown step by step, the most expensive first. Each step takes about 150 bytes.
    """
    colours = Colours([*summary.pool, *(row.name for row in summary.by["target"])])
    shown = summary.sessions[:sessions]
    parts: list[tuple[str, str, Html | None]] = [
        ("advice", "What to look at", sections.advice(summary)),
        ("spend", "Where the money went", sections.spend(summary, colours)),
        ("savings", "Against other ways", sections.savings(summary)),
        ("cache", "Prompt caches", sections.caches(summary, colours)),
        ("reliability", "Failures and fallbacks", sections.reliability(summary, colours)),
        ("latency", "How long answers took", sections.latency(summary, colours)),
        ("decisions", "Who decided", sections.decisions(summary, colours)),
        ("sessions", "Session by session", sections.sessions(summary, len(shown))),
    ]
    there = [(name, heading, body) for name, heading, body in parts if body is not None]
    nav = el("nav", [el("a", name.capitalize(), href=f"#{name}") for name, *_ in there], aria_label="Sections")
    body = [
        el("a", "Skip to the numbers", href="#main", class_="skip"),
        el("header", _heading(summary, title, source), sections.hero(summary, colours), class_="top"),
        nav,
        el("main", [_section(*part) for part in there], id="main"),
        el("footer", _foot(summary)),
        el("script", Html(embedded(shown, colours.names)), type="application/json", id="data"),
        el("script", Html(_asset("page.js"))),
    ]
    head = [
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="generator", content="switchwise"),
        el("link", rel="icon", href="data:,"),
        el("title", f"{title} – {usd(summary.total.cost)} for {many(summary.answered, 'step')}"),
        el("style", Html(_asset("page.css"))),
    ]
    return f"<!doctype html>\n{el('html', el('head', head), el('body', body), lang='en')}\n"


def _heading(summary: Summary, title: str, source: str) -> list[Html]:
    day: Callable[[float], str] = lambda moment: time.strftime("%Y-%m-%d %H:%M", time.gmtime(moment))  # noqa: E731
    facts = [
        many(len(summary.sessions), "session"),
        many(len(summary.by["agent"]), "agent"),
        many(summary.steps, "step"),
        f"{day(summary.began)} to {day(summary.ended)} UTC",
    ]
    return [
        el("p", "switchwise", class_="brand"),
        el("h1", title),
        el("p", " · ".join([*([source] if source else []), *facts]), class_="facts"),
    ]


def _section(name: str, heading: str, body: Html) -> Html:
    return el("section", el("h2", heading, id=f"{name}-heading"), body, id=name, aria_labelledby=f"{name}-heading")


def _foot(summary: Summary) -> list[Html]:
    text = (
        "Every sum is over the records of the journal: answers, rejected replies and questions of policies, each at the price of the model that "
        "gave it, sub-agents included. Savings are by the cost model of `switchwise replay`, with 95 % intervals over sessions; all the rest "
        "is counted. "
    )
    decided = (
        f"A decision took {seconds(summary.deciding)} at the median; {count(summary.total.prompt)} prompt tokens were routed."
    )
    hits = summary.total.hit_rate
    return [el("p", text + decided + (f" {percent(hits)} of them came from caches." if hits else ""))]


def _asset(name: str) -> str:
    return resources.files("switchwise.report.drawing").joinpath(name).read_text(encoding="utf-8")
