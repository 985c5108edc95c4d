"""Draw a routed session from the journal of a real run: python tools/picture.py [JOURNAL] [--out FILE.svg].

Without a journal it runs the demo. Each call is a mark in the row of the target that answered, in the order of time; the colour says at
which level that was decided, a cross is a failed call. The picture follows the reader's colour scheme, light or dark.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from switchwise.observe.journal import Record, read

OUT = Path(__file__).parents[1] / "docs" / "images" / "session.svg"
LEVELS = {
    "session": "one model for a session",
    "agent": "one for a sub-agent",
    "task": "one for a kind of task",
    "step": "chosen step by step",
}
LEFT, TOP, ROW, WIDTH, FOOT = 118, 78, 44, 960, 118
GAP = 26  # between two sessions

STYLE = """
  .ink { fill: #1f2328; } .dim { fill: #59636e; } .line { stroke: #d1d9e0; } .path { stroke: #b6bfc9; fill: none; }
  .paper { fill: #ffffff; stroke: #d1d9e0; }
  .session { fill: #8250df; } .agent { fill: #0969da; } .task { fill: #bc4c00; } .step { fill: #1a7f37; } .failed { stroke: #cf222e; }
  @media (prefers-color-scheme: dark) {
    .ink { fill: #f0f6fc; } .dim { fill: #9198a1; } .line { stroke: #3d444d; } .path { stroke: #656c76; }
    .paper { fill: #0d1117; stroke: #3d444d; }
    .session { fill: #ab7df8; } .agent { fill: #4493f8; } .task { fill: #f0883e; } .step { fill: #3fb950; } .failed { stroke: #f85149; }
  }
  text { font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
  .title { font-size: 16px; font-weight: 600; } .small { font-size: 11.5px; }
"""


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journal", nargs="?", type=Path, help="a file that JsonLines wrote; none: of the demo")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE.svg")
    options = parser.parse_args()
    if options.journal:
        records = list(read(options.journal))
    else:
        with tempfile.TemporaryDirectory() as folder:
            journal = Path(folder) / "demo.jsonl"
            command = [sys.executable, "-m", "langchain_switchwise.demo", "--journal", str(journal)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            records = list(read(journal))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(svg(records), encoding="utf-8")


def svg(records: Sequence[Record]) -> str:
    """The picture of these attempts."""
    pool = records[0].pool or {}
    targets = [*pool, *sorted({record.target for record in records} - set(pool))]
    rows = {target: TOP + ROW * i + ROW / 2 for i, target in enumerate(targets)}
    sessions = [(name, list(group)) for name, group in groupby(records, key=lambda record: record.session)]
    step = (WIDTH - LEFT - 30 - GAP * len(sessions)) / len(records)
    bottom = TOP + ROW * len(targets)
    parts = [_head(records, bottom)]
    for target, y in rows.items():
        parts.append(f'<line class="line" x1="{LEFT}" x2="{WIDTH - 20}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="ink" x="20" y="{y - 2}">{escape(target)}</text>')
        parts.append(f'<text class="dim small" x="20" y="{y + 12}">{escape(_price(pool.get(target)))}</text>')
    x = float(LEFT + GAP / 2)
    for name, calls in sessions:
        places = [(x + step * (i + 0.5), rows[record.target]) for i, record in enumerate(calls)]
        points = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        parts.append(f'<polyline class="path" points="{points}"/>')
        parts += [_mark(record, *place) for record, place in zip(calls, places, strict=True)]
        parts += _notes(calls, places)
        middle = x + step * len(calls) / 2
        parts.append(f'<text class="dim small" x="{middle:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(name)}</text>')
        cost = sum(record.cost or 0 for record in calls)
        summary = f"{len(calls)} calls, ${cost:.4f}"
        parts.append(f'<text class="dim small" x="{middle:.1f}" y="{bottom + 33}" text-anchor="middle">{summary}</text>')
        x += step * len(calls) + GAP
    parts += _legend(bottom + 68)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _head(records: Sequence[Record], bottom: float) -> str:
    height = bottom + FOOT - 22
    answered = [record for record in records if record.result == "accepted"]
    failed = len(records) - len(answered)
    summary = f"{len(answered)} calls of four agents, {failed} failed and were answered by others; ${sum(r.cost or 0 for r in records):.4f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-labelledby="t d">\n'
        f'<title id="t">Which target answered each call</title>\n<desc id="d">{escape(summary)}</desc>\n<style>{STYLE}</style>\n'
        f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="8"/>\n'
        f'<text class="ink title" x="20" y="32">Which target answered each call, and at which level that was decided</text>\n'
        f'<text class="dim" x="20" y="54">make demo: {escape(summary)}</text>'
    )


def _notes(calls: Sequence[Record], places: Sequence[tuple[float, float]]) -> list[str]:
    """What happened there, in words, above the row: a gate that sent work back, a provider that failed."""
    found: dict[str, tuple[float, float]] = {}
    for record, place in zip(calls, places, strict=True):
        if record.policy == "Follows":
            found.setdefault("sent back by the gate", place)
        elif record.result == "failed":
            found.setdefault(record.failure or record.result, place)
    return [
        f'<text class="ink small" x="{x:.1f}" y="{y - 11}" text-anchor="middle">{words}</text>'
        for words, (x, y) in found.items()
    ]


def _mark(record: Record, x: float, y: float) -> str:
    label = escape(f"{record.agent}: {record.target}, {record.level}. {record.because}")
    if record.result != "accepted":
        cross = f'<path class="failed" stroke-width="2.5" d="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"/>'
        return f"<g><title>{label} ({escape(record.failure or record.result)})</title>{cross}</g>"
    return f'<circle class="{record.level}" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{label}</title></circle>'


def _legend(y: float) -> list[str]:
    parts, x = [], 20.0
    for level, words in LEVELS.items():
        parts.append(f'<circle class="{level}" cx="{x + 5}" cy="{y - 4}" r="5"/>')
        parts.append(f'<text class="ink small" x="{x + 16}" y="{y}">{words}</text>')
        x += 200
    parts.append(f'<path class="failed" stroke-width="2.5" d="M{x} {y - 9}l10 10m0 -10l-10 10"/>')
    parts.append(f'<text class="ink small" x="{x + 16}" y="{y}">failed</text>')
    return parts


def _price(facts: object) -> str:
    price = facts.get("price") if isinstance(facts, dict) else None
    if not isinstance(price, dict) or "input" not in price:
        return ""
    return f"${price['input']:g} in, ${price['output']:g} out"


if __name__ == "__main__":
    main()
