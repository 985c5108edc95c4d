"""Tables as HTML for notebooks, and as text for terminals. Colours are those of the reader's theme: only lines and marks have their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from switchwise.display.html import Content, Html, el

_LINE = "1px solid #8886"
_CELL = "padding:3px 12px 3px 0;vertical-align:top;background:none;border:0;"
BAD, GOOD, MILD = "color:#d64545;font-weight:600", "color:#0e9f7a;font-weight:600", "color:#c27803;font-weight:600"
FAINT = "opacity:.55"


def table(headings: Sequence[Content], rows: Sequence[Sequence[Content]], *, numbers: Sequence[int] = ()) -> Html:
    """A table.

    Parameters:
        headings: of the columns.
        rows: their cells.
        numbers: columns that are set to the right.
    """

    def cell(tag: str, content: Content, at: int, more: str = "") -> Html:
        side = "right" if at in numbers else "left"
        return el(tag, content, style=f"{_CELL}text-align:{side};{more}")

    head = el("tr", [cell("th", content, at, f"border-bottom:{_LINE};") for at, content in enumerate(headings)])
    body = [el("tr", [cell("td", content, at) for at, content in enumerate(row)], style="background:none") for row in rows]
    style = "border-collapse:collapse;border:0;font-size:.95em;font-variant-numeric:tabular-nums"
    return el("table", el("thead", head), el("tbody", body), style=style)


def card(title: Content, *content: Content) -> Html:
    """A heading, and what stands below it."""
    return el("div", el("div", title, style="font-weight:600;margin:2px 0 6px"), *content, style="margin:4px 0 10px")


def faint(content: Content) -> Html:
    """What matters less."""
    return el("span", content, style=FAINT)


class Shows(Protocol):
    """What shows itself in a notebook."""

    def _repr_html_(self) -> str: ...


def pool_html(size: int, targets: Iterable[Any]) -> Html:
    """A pool: its targets, strongest first, and those that only answer questions."""
    headings = ("target", "provider", "model", "$ in", "$ out", "$ cached", "window", "roles", "account")
    rows = [_row(target) for target in targets]
    return card(f"Pool of {size}, strongest first; prices per million tokens", table(headings, rows, numbers=range(3, 7)))


def _row(target: Any) -> list[str]:
    price, window = target.price, target.can.window
    rates = [price.input, price.output, price.cache_read] if price else [None] * 3
    return [
        target.name,
        target.provider,
        target.model,
        *("" if rate is None else f"{rate:g}" for rate in rates),
        "" if window is None else f"{window:,}",
        ", ".join(sorted(target.roles)),
        target.account,
    ]


def router_html(pool: Shows, policies: Iterable[tuple[str, str, str]], verifier: str) -> Html:
    """A router: its pool; its policies in order, each with its name, level and summary; and what judges replies."""
    rows = [[f"{number}.", name, level, summary] for number, (name, level, summary) in enumerate(policies, 1)]
    chain = table(("", "policy", "per", ""), rows) if rows else faint("No policies: the order of the pool counts.")
    judge = el("div", f"Replies are judged by {verifier}.") if verifier else None
    return card("Router", Html(pool._repr_html_()), chain, judge)


def columns(headings: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Sequence[int] = ()) -> str:
    """A table as text.

    >>> print(columns(["target", "USD"], [["opus", "$4"], ["haiku", "$0.10"]], numbers=[1]))
    target    USD
    opus       $4
    haiku   $0.10
    """
    cells = [list(map(str, row)) for row in [headings, *rows]]
    widths = [max(len(row[at]) for row in cells) for at in range(len(headings))]

    def line(row: Sequence[str]) -> str:
        words = [
            word.rjust(width) if at in numbers else word.ljust(width)
            for at, (word, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(words).rstrip()

    return "\n".join(map(line, cells))
