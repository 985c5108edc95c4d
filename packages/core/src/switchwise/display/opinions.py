"""A decision as a matrix: policies in rows, targets in columns, each opinion in its cell, and the result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from switchwise.display.html import Content, Html, el
from switchwise.display.tables import BAD, FAINT, GOOD, MILD, card, table


class Opinion(Protocol):
    """Content of a cell, from a note."""

    @property
    def policy(self) -> str: ...
    @property
    def level(self) -> Any: ...
    @property
    def because(self) -> str: ...
    @property
    def out(self) -> tuple[str, ...]: ...
    @property
    def lead(self) -> tuple[str, ...]: ...
    @property
    def wants(self) -> tuple[str, ...]: ...


def matrix(names: Sequence[str], order: Sequence[str], opinions: Iterable[Opinion], decider: Opinion | None) -> Html:
    """The matrix.

    Parameters:
        names: targets, as the pool has them.
        order: remaining targets, best first.
        opinions: opinions of the policies in order.
        decider: the deciding opinion; None: no target is left.
    """
    gone: set[str] = set()
    rows: list[list[Content]] = []
    for opinion in opinions:
        cells = [_cell(name, opinion, gone) for name in names]
        gone.update(opinion.out)
        policy: Content = el("b", opinion.policy) if decider is not None and _same(opinion, decider) else opinion.policy
        rows.append([policy, opinion.level.name.lower(), *cells, opinion.because])
    places: list[Content] = [
        el("b", f"{order.index(name) + 1}.") if name in order else el("span", "out", style=FAINT) for name in names
    ]
    rows.append(
        [
            el("b", "in the end"),
            "",
            *places,
            f"decided by {decider.policy}: {decider.because}" if decider else "nothing is left",
        ]
    )
    legend = el(
        "div",
        [
            el("span", "✕ ruled out  ", style=BAD),
            el("span", "● put first  ", style=GOOD),
            el("span", "○ wanted, and overruled", style=MILD),
        ],
        style="font-size:.85em;margin-top:4px",
    )
    title = f"→ {order[0]}" + (f", then {', '.join(order[1:])}" if order[1:] else "") if order else "→ nothing is left to call"
    return card(title, table(["policy", "per", *names, "because"], rows), legend)


def _same(opinion: Opinion, decider: Opinion) -> bool:
    return (opinion.policy, opinion.because, opinion.lead) == (decider.policy, decider.because, decider.lead)


def _cell(name: str, opinion: Opinion, gone: set[str]) -> Html:
    if name in opinion.out:
        return el("span", "✕", style=BAD, title="ruled out")
    if name in gone:
        return el("span", "·", style=FAINT)
    if name in opinion.wants:
        if name in opinion.lead:
            return el("span", "●", style=GOOD, title="put first")
        return el("span", "○", style=MILD, title="wanted, and overruled by an earlier opinion")
    return el("span", "")
