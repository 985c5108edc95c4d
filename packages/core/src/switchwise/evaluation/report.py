"""Results of a replay as JSON and as a plot; `switchwise replay` prints them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isnan
from typing import Any

from switchwise.evaluation.compare import Comparison
from switchwise.evaluation.replay import PairResult, PolicyTotals, columns

_COLOURS = {"naive": "#d1495b", "myopic": "#edae49", "switchwise": "#00798c", "optimum": "#30323d", "router": "#7b2cbf"}
_ROW, _LEFT, _WIDE, _TOP = 34, 330, 560, 56  # pixels


def _cold(tally: PolicyTotals) -> float:
    return tally.cold / tally.tokens if tally.tokens else 0.0


def as_json(found: Comparison) -> dict[str, Any]:
    """All numbers, as JSON types.

    `pairs` holds for each pair: `relative_cost` and `standard_error` by policy (in multiples of all-strong; null where there is no
    optimum, or only one session), `usd`, `calls`, `cold_share`, `switches` and `unsafe_switches` by policy, and `halves`: relative costs
    in each half of the sessions. `bill` has the check of the cost model by lifetime; `journal` the bill, if the recording is a journal;
    `router` the calls by target, if one was replayed.
    """
    fields: dict[str, Any] = {
        "pairs": [_pair(result, columns(found.pairs)) for result in found.pairs],
        "bill": [
            {"ttl": check.ttl, "calls": check.calls, "billed": check.billed, "modelled": check.modelled, "ratio": check.ratio}
            for check in found.bill
        ],
    }
    if found.bought is not None:
        journal = found.bought.journal
        fields["journal"] = {
            "paid_usd": journal.paid,
            "besides_usd": journal.besides,
            "calls": dict(journal.calls),
            "calls_without_cost": journal.unpriced,
            "calls_without_tokens": journal.lost,
            "easy_by_price": journal.by_price,
            "strongest": found.bought.strongest,
            "modelled_usd": found.bought.modelled,
            "all_strong_usd": found.bought.always,
            "saved": found.bought.saved,
        }
    if found.router is not None:
        fields["router"] = dict(found.router)
    return fields


def _pair(result: PairResult, shown: Sequence[str]) -> dict[str, Any]:
    known = [name for name in shown if name in result.relative]
    played = [name for name in known if result.totals[name].tokens]
    return {
        "pair": result.pair,
        "relative_cost": {name: _number(result.relative[name].value) if name in result.relative else None for name in shown},
        "standard_error": {name: _number(result.relative[name].error) for name in known},
        "usd": {name: result.totals[name].total for name in known},
        "calls": {name: result.totals[name].calls for name in played},
        "cold_share": {name: _cold(result.totals[name]) for name in played},
        "switches": {name: result.totals[name].switches for name in played},
        "unsafe_switches": {name: result.totals[name].unsafe for name in played},
        "halves": [dict(part) for part in result.halves],
    }


def _number(value: float) -> float | None:
    return None if isnan(value) else value


def svg(results: Sequence[PairResult]) -> str:
    """Return a dot plot as SVG: a row per pair, a dot per policy, with bars of two standard errors."""
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
