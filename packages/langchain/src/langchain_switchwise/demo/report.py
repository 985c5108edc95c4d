"""What the demo shows: the calls as they are made, those alike in one row, and the bill at the end. It fits 100 columns."""

from __future__ import annotations

import logging
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from switchwise import Attempt, Pool, View
from switchwise.observe.journal import Record
from switchwise.quality import Estimator, estimate

WIDTH = 100
_ROW = "  {:<13} {:<8} {:<7} {:>5} {:>7} {:>6} {:>8}  {}"
_BEFORE_THE_REASON = len(_ROW.format(*[""] * 8))
REASON_LINES = 2


def paragraph(text: str) -> str:
    """A text, wrapped, and an empty line."""
    return textwrap.fill(" ".join(text.split()), WIDTH, subsequent_indent="   " if text[0].isdigit() else "") + "\n"


def evidence(pool: Pool, quality: Estimator, view: View) -> str:
    """What is known of the targets before anybody is called."""
    targets = list(pool)
    rows = [f"  {'target':<9} {'solves':>6}  {'a task':>7}  known from"]
    for target, found in zip(targets, estimate(quality, view, targets), strict=True):
        dollars = f"${found.dollars:.2f}" if found.dollars is not None else "?"
        rows.append(f"  {target.name:<9} {found.p:>6.0%}  {dollars:>7}  {found.source}")
    return "\n".join(rows)


def headings() -> str:
    """The first line of the table."""
    return _ROW.format("agent", "target", "level", "calls", "tokens", "cached", "USD", "why")


class Table:
    """An observer that prints what was called: calls in a row that were decided alike are one row."""

    def __init__(self) -> None:
        self._rows: list[Record] = []
        self._explained: set[tuple[str, ...]] = set()

    def __call__(self, attempt: Attempt) -> None:
        record = Record.of(attempt)
        if self._rows and _key(self._rows[-1]) != _key(record):
            self.flush()
        self._rows.append(record)

    def say(self, words: str) -> None:
        """Print a line between the rows."""
        self.flush()
        print(textwrap.fill(words, WIDTH, initial_indent="  > ", subsequent_indent="    "), flush=True)

    def flush(self) -> None:
        """Print the row that is still open."""
        if not self._rows:
            return
        first, rows = self._rows[0], self._rows
        self._rows = []
        read = sum(record.input_tokens or 0 for record in rows)
        cached = f"{sum(record.cache_read_tokens or 0 for record in rows) / read:.0%}" if read else "-"
        dollars = f"{cost(rows):.4f}" if first.result == "accepted" else "-"
        lines = textwrap.wrap(self._why(first), WIDTH - _BEFORE_THE_REASON, max_lines=REASON_LINES, placeholder=" ...")
        tokens = f"{read:,}" if read else "-"
        print(_ROW.format(first.agent, first.target, first.level, len(rows), tokens, cached, dollars, lines[0]).rstrip())
        for line in lines[1:]:
            print(" " * _BEFORE_THE_REASON + line)

    def _why(self, record: Record) -> str:
        """The reason, once for each session: what is held needs no second explanation."""
        if record.result != "accepted":
            return f"{(record.failure or record.result).upper()}; the next one is asked"
        held = f"; held for this {record.level}"
        if held in record.because and _key(record) in self._explained:
            return held[2:]
        self._explained.add(_key(record))
        return record.because.removesuffix(held)


def _key(record: Record) -> tuple[str, ...]:
    return record.session, record.agent, record.target, record.level, record.policy, record.result


class Circuits(logging.Handler):
    """Shows in the table what `Healthy` logs, in place of the error stream.

    Parameters:
        table: where it is shown.
    """

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = table

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message."""
        self._table.say(record.getMessage())


def cost(records: Iterable[Record]) -> float:
    """USD of these calls, as far as it is known."""
    return sum(record.cost or 0.0 for record in records)


def bill(records: Sequence[Record], parts: Mapping[str, tuple[float, float]], strong: str, how: str) -> str:
    """The figures at the end.

    Parameters:
        records: all attempts.
        parts: part of the demo -> USD as routed, and with every call on `strong`.
        strong: the target that all calls could have gone to.
        how: how that was found out.
    """
    answered = [record for record in records if record.result == "accepted"]
    failed = Counter(f"{record.target}: {record.failure}" for record in records if record.result == "failed")
    shares = Counter(record.target for record in answered)
    lines = [f"{'':<22} {'routed':>9} {'all on ' + strong:>12} {'saved':>7}"]
    rows = {**parts, "together": (sum(each[0] for each in parts.values()), sum(each[1] for each in parts.values()))}
    for part, (spent, alone) in rows.items():
        saved = f"{1 - spent / alone:.0%}" if alone else "?"
        lines.append(f"{part:<22} {f'${spent:.4f}':>9} {f'${alone:.4f}':>12} {saved:>7}")
    lines += [
        "",
        f"all on {strong}: {how}",
        f"calls: {len(answered)} answered, {len(records) - len(answered)} failed ({_listed(failed) or 'none'})",
        f"targets: {_listed({name: f'{count / len(answered):.0%}' for name, count in shares.most_common()})}",
        f"decided at level: {_listed(Counter(record.level for record in answered))}",
    ]
    return "\n".join(lines)


def _listed(counts: Mapping[str, str] | Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
