"""Tables of the page, bars in them, and the colours of targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from switchwise.display.html import Content, Html, el

_ROWS = 12
"""Rows of a table before the rest is folded away."""


class Colours:
    """A colour for each target, by its place.

    Parameters:
        names: of targets; those that occur twice count once.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(dict.fromkeys(names))

    def of(self, name: str) -> str:
        """The class of a target's colour."""
        return f"c{self.names.index(name) % 8}" if name in self.names else "c7"

    def dot(self, name: str) -> Html:
        """A target's name, with its colour before it."""
        return el("span", el("i", class_=f"dot {self.of(name)}"), name, class_="target")


def bar(value: float, most: float, tone: str) -> Html:
    """A bar for a value; one that is beyond the most fades out."""
    share = min(value / most, 1.0)
    more = " beyond" if value > most else ""
    return el("span", class_=f"bar {tone}{more}", style=f"width:{share * 100:.2f}%", aria_hidden="true")


def line(name: Content, cells: Sequence[Content], text: Sequence[int] = ()) -> list[Content]:
    """One row; the cells `text` hold words instead of numbers."""
    return [name, *(el("span", cell, class_="text") if number in text else cell for number, cell in enumerate(cells))]


def table(
    headings: Sequence[Content],
    lines: Sequence[Sequence[Content]],
    *,
    caption: str,
    wide: Sequence[int] = (),
    text: Sequence[int] = (),
) -> Html:
    """A table; the columns `wide` are left out on narrow screens, `text` are set to the left."""

    def tone(number: int) -> str | None:
        words = [*(["wide"] if number in wide else []), *(["text"] if number in text or number == 0 else [])]
        return " ".join(words) or None

    def row(cells: Sequence[Content]) -> Html:
        return el(
            "tr",
            el("th", cells[0], scope="row"),
            [el("td", cell, class_=tone(number)) for number, cell in enumerate(cells) if number],
        )

    head = el("tr", [el("th", cell, scope="col", class_=tone(number)) for number, cell in enumerate(headings)])
    body = el("tbody", [row(line) for line in lines[:_ROWS]])
    rest = lines[_ROWS:]
    folded = el("tbody", [row(line) for line in rest], class_="rest", data_rest=f"{len(rest):,}") if len(rest) else None
    return el("div", el("table", el("caption", caption), el("thead", head), body, folded), class_="scroll")
