"""What a replay found, as a table for people, JSON for programs, and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isnan
from typing import Any

from switchwise.evaluation.compare import Bought, Comparison
from switchwise.evaluation.cost_model import Check
from switchwise.evaluation.replay import PairResult, Tally
from switchwise.evaluation.sessions import easy_share

POLICIES = ("all_strong", "all_cheap", "naive", "myopic", "sticky", "switchwise", "optimum")
FURTHER = ("foresight", "router")
_COLOURS = {"naive": "#d1495b", "myopic": "#edae49", "switchwise": "#00798c", "optimum": "#30323d", "router": "#7b2cbf"}
_FAR = 0.25  # a modelled bill this much off the recorded one tells of a mistake in the recording
_ROW, _LEFT, _WIDE, _TOP = 34, 330, 560, 56  # pixels


def text(found: Comparison) -> str:
    """All of it, for people."""
    calls = sum(len(thread.steps) for thread in found.threads)
    parts = [f"{calls:,} calls in {len(found.threads):,} threads, {easy_share(found.threads):.0%} of them easy"]
    if found.bought is not None:
        parts += [bought(found.bought), ""]
    if found.bill:
        parts += [checks(found.bill), ""]
    parts.append(table(found.pairs))
    if found.router:
        parts += ["", "router: " + ", ".join(f"{calls:,} calls to {name}" for name, calls in found.router.items())]
    return "\n".join(parts)


def bought(found: Bought) -> str:
    """What was paid, and would have been."""
    journal = found.journal
    share = ", ".join(f"{calls:,} by {name}" for name, calls in journal.calls.items())
    lines = [f"paid: ${journal.paid:,.4f}, the calls {share}"]
    if journal.besides:
        lines.append(f"of that ${journal.besides:,.4f} for replies that were rejected and questions that policies asked")
    if found.always:
        lines.append(
            f"by the cost model: ${found.modelled:,.4f} as it was done, ${found.always:,.4f} with {found.strongest} for every call: "
            f"{'saved' if found.saved >= 0 else 'lost'} {abs(found.saved):.1%}"
        )
    if journal.unpriced or journal.lost:
        lines.append(f"{journal.unpriced:,} calls without a cost count as $0, {journal.lost:,} without tokens are left out")
    if not journal.by_price:
        lines.append("no decision was by price: calls that went to another target than the strongest are taken to be easy")
    return "\n".join(lines)


def table(results: Sequence[PairResult]) -> str:
    """Cost in multiples of all-strong, with standard errors; then what switchwise did."""
    width = max(20, *(len(result.pair) for result in results))
    shown = [name for name in columns(results) if name != "all_strong"]
    heads = "".join(f"{name.replace('_', '-'):>15}" for name in shown)
    lines = [f"{'cost / all-strong':<{width}}{heads}"]
    for result in results:
        cells = "".join(f"{_cell(result, name):>15}" for name in shown)
        lines.append(f"{result.pair:<{width}}{cells}")
    lines += ["", f"{'switchwise':<{width}}{'cold tokens':>15}{'of naive':>15}{'switches':>15}{'of naive':>15}{'unsafe':>15}"]
    for result in results:
        mine, naive = result.tallies["switchwise"], result.tallies["naive"]
        lines.append(
            f"{result.pair:<{width}}{_cold(mine):>15.1%}{_cold(naive):>15.1%}{mine.switches:>15,}{naive.switches:>15,}{mine.unsafe:>15,}"
        )
    return "\n".join(lines)


def columns(results: Sequence[PairResult]) -> list[str]:
    """The policies, and what else was asked for: a router, a policy that knows the future."""
    return [*POLICIES, *(name for name in FURTHER if any(name in result.relative for result in results))]


def _cell(result: PairResult, name: str) -> str:
    found = result.relative.get(name)
    if found is None:
        return "-"
    return f"{found.value:.3f}" if isnan(found.error) else f"{found.value:.3f} ±{found.error:.3f}"


def _cold(tally: Tally) -> float:
    return tally.cold / tally.tokens if tally.tokens else 0.0


def checks(found: Sequence[Check]) -> str:
    """How well the cost model reproduces the recording's own bill."""
    lines = [
        f"input billed with a lifetime of {check.ttl} s: ${check.billed:,.2f} for {check.calls:,} calls; "
        f"the model says ${check.modelled:,.2f} ({check.ratio - 1.0:+.1%})"
        + (
            ", too far off to go by: are all calls there, and are their times in seconds?"
            if abs(check.ratio - 1.0) > _FAR
            else ""
        )
        for check in found
        if check.calls
    ]
    return "\n".join(lines) or "none of the recorded models is priced, so the recording's own bill is not checked"


def as_json(found: Comparison) -> dict[str, Any]:
    """All numbers, as JSON types.

    `pairs` holds for each pair: `relative_cost` and `standard_error` by policy (in multiples of all-strong; null where there is no
    optimum, or only one session), `usd`, `calls`, `cold_share`, `switches` and `unsafe_switches` by policy, and `halves`: relative costs
    in each half of the sessions. `bill` holds the check of the cost model by lifetime; `journal` what was paid, where the
    recording is a journal; `router` the calls by target, where one was replayed.
    """
    told: dict[str, Any] = {
        "pairs": [_pair(result, columns(found.pairs)) for result in found.pairs],
        "bill": [
            {"ttl": check.ttl, "calls": check.calls, "billed": check.billed, "modelled": check.modelled, "ratio": check.ratio}
            for check in found.bill
        ],
    }
    if found.bought is not None:
        journal = found.bought.journal
        told["journal"] = {
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
        told["router"] = dict(found.router)
    return told


def _pair(result: PairResult, shown: Sequence[str]) -> dict[str, Any]:
    known = [name for name in shown if name in result.relative]
    played = [name for name in known if result.tallies[name].tokens]
    return {
        "pair": result.pair,
        "relative_cost": {name: _number(result.relative[name].value) if name in result.relative else None for name in shown},
        "standard_error": {name: _number(result.relative[name].error) for name in known},
        "usd": {name: result.tallies[name].total for name in known},
        "calls": {name: result.tallies[name].calls for name in played},
        "cold_share": {name: _cold(result.tallies[name]) for name in played},
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
