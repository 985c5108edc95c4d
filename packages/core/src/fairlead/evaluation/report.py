"""What a replay found, as a table for people, JSON for programs, and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isnan
from typing import Any

from fairlead.evaluation.cost_model import Check
from fairlead.evaluation.replay import PairResult

POLICIES = ("all_strong", "all_cheap", "naive", "myopic", "sticky", "fairlead", "optimum")
_COLOURS = {"naive": "#d1495b", "myopic": "#edae49", "fairlead": "#00798c", "optimum": "#30323d"}
_ROW, _LEFT, _WIDE, _TOP = 34, 330, 560, 56  # pixels


def table(results: Sequence[PairResult]) -> str:
    """Cost in multiples of all-strong, with standard errors; then what fairlead did."""
    width = max(len(result.pair) for result in results)
    columns = "".join(f"{name.replace('_', '-'):>15}" for name in POLICIES[1:])
    lines = [f"{'cost / all-strong':<{width}}{columns}"]
    for result in results:
        cells = []
        for name in POLICIES[1:]:
            found = result.relative.get(name)
            cells.append(f"{'-' if found is None else f'{found.value:.3f} ±{found.error:.3f}':>15}")
        lines.append(f"{result.pair:<{width}}{''.join(cells)}")
    lines += ["", f"{'fairlead':<{width}}{'cold tokens':>15}{'of naive':>15}{'switches':>15}{'of naive':>15}{'unsafe':>15}"]
    for result in results:
        mine, naive = result.tallies["fairlead"], result.tallies["naive"]
        lines.append(
            f"{result.pair:<{width}}{mine.cold / mine.tokens:>15.1%}{naive.cold / naive.tokens:>15.1%}"
            f"{mine.switches:>15,}{naive.switches:>15,}{mine.unsafe:>15,}"
        )
    return "\n".join(lines)


def checks(found: Sequence[Check]) -> str:
    """How well the cost model reproduces the recording's own bill."""
    return "\n".join(
        f"input billed with a lifetime of {check.ttl} s: ${check.billed:,.2f} for {check.calls:,} calls; "
        f"the model says ${check.modelled:,.2f} ({check.ratio - 1.0:+.1%})"
        for check in found
        if check.calls
    )


def as_json(results: Sequence[PairResult], found: Sequence[Check] = ()) -> dict[str, Any]:
    """All numbers, as JSON types.

    `pairs` holds for each pair: `relative_cost` and `standard_error` by policy (in multiples of all-strong; null where there is no
    optimum), `usd`, `cold_share`, `switches` and `unsafe_switches` by policy, and `halves`: relative costs in each half of the sessions.
    `bill` holds the check of the cost model by lifetime.
    """
    return {
        "pairs": [_pair(result) for result in results],
        "bill": [
            {"ttl": check.ttl, "calls": check.calls, "billed": check.billed, "modelled": check.modelled, "ratio": check.ratio}
            for check in found
        ],
    }


def _pair(result: PairResult) -> dict[str, Any]:
    known = [name for name in POLICIES if name in result.relative]
    played = [name for name in known if result.tallies[name].tokens]
    return {
        "pair": result.pair,
        "relative_cost": {name: result.relative[name].value if name in result.relative else None for name in POLICIES},
        "standard_error": {name: _number(result.relative[name].error) for name in known},
        "usd": {name: result.tallies[name].total for name in known},
        "calls": {name: result.tallies[name].calls for name in played},
        "cold_share": {name: result.tallies[name].cold / result.tallies[name].tokens for name in played},
        "switches": {name: result.tallies[name].switches for name in played},
        "unsafe_switches": {name: result.tallies[name].unsafe for name in played},
        "halves": [dict(part) for part in result.halves],
    }


def _number(value: float) -> float | None:
    return None if isnan(value) else value


def svg(results: Sequence[PairResult]) -> str:
    """A dot plot: one row for each pair, one dot for each policy, the bar twice its standard error."""
    shown = [name for name in _COLOURS if any(name in result.relative for result in results)]
    most = max([1.2] + [result.relative[name].value for result in results for name in shown if name in result.relative])
    least = min([0.8] + [result.relative[name].value for result in results for name in shown if name in result.relative])
    low, high = least - 0.05, most + 0.05

    def x(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * _WIDE

    height = _TOP + _ROW * len(results) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDE + 30} {height}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="16" y="24" font-size="15">Cost in multiples of all-strong</text>',
    ]
    for i, name in enumerate(shown):
        at = _LEFT + i * 110
        parts.append(f'<circle cx="{at}" cy="20" r="5" fill="{_COLOURS[name]}"/><text x="{at + 10}" y="24">{name}</text>')
    for tick in range(int(low * 10) + 1, int(high * 10) + 1):
        there, ink = x(tick / 10), "#888" if tick == 10 else "#e4e4e4"
        parts.append(f'<line x1="{there:.1f}" y1="{_TOP - 14}" x2="{there:.1f}" y2="{height - 36}" stroke="{ink}"/>')
        parts.append(f'<text x="{there:.1f}" y="{height - 18}" text-anchor="middle" fill="#666">{tick / 10:.1f}</text>')
    for row, result in enumerate(results):
        y = _TOP + row * _ROW + 6
        parts.append(f'<text x="16" y="{y + 4}">{escape(result.pair)}</text>')
        for name in shown:
            if name not in result.relative:
                continue
            value, error = result.relative[name]
            if not isnan(error):
                parts.append(
                    f'<line x1="{x(value - error):.1f}" y1="{y}" x2="{x(value + error):.1f}" y2="{y}" '
                    f'stroke="{_COLOURS[name]}" stroke-width="2"/>'
                )
            parts.append(
                f'<circle cx="{x(value):.1f}" cy="{y}" r="5" fill="{_COLOURS[name]}"><title>{name} {value:.3f}</title></circle>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"
