"""An observer that keeps the last records in memory, for notebooks and tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from math import fsum

from switchwise.display.figures import many, seconds, usd
from switchwise.nouns.call import Attempt
from switchwise.nouns.validation import whole
from switchwise.observe.journal.record import Record
from switchwise.observe.observer import Observer


class InMemory(Observer):
    """The last `size` records, oldest first; iterate over it.

    Parameters:
        size: most records kept.
        texts: keep replies and error messages too.
    """

    def __init__(self, size: int = 10_000, *, texts: bool = False) -> None:
        whole("InMemory", "size", size)
        self._records: deque[Record] = deque(maxlen=size)
        self._texts = texts

    def settled(self, attempt: Attempt) -> None:
        self._records.append(Record.of(attempt, self._texts))

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self._records))

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"InMemory({_headline(list(self))})"

    def _repr_html_(self) -> str:
        from switchwise.display.tables import card, faint, table

        records = list(self)
        rows = [
            [
                record.session[:16],
                record.agent,
                record.target,
                (record.failure or record.result).replace("_", " "),
                "" if record.input_tokens is None else f"{record.input_tokens:,} ({record.cache_read_tokens or 0:,})",
                usd(record.cost),
                seconds(record.latency),
                f"{record.policy} ({record.level}): {record.because}",
            ]
            for record in records[-_SHOWN:]
        ]
        headings = ("session", "agent", "target", "result", "prompt (cached)", "cost", "took", "why")
        more = faint(f"The last {_SHOWN} of {len(records):,}.") if len(records) > _SHOWN else None
        return card(f"Journal: {_headline(records)}", table(headings, rows, numbers=(4, 5, 6)), more)


_SHOWN = 20
"""Records shown in a notebook."""


def _headline(records: Sequence[Record]) -> str:
    cost = fsum(record.cost or 0.0 for record in records)
    return f"{many(len(records), 'attempt')} in {many(len({record.session for record in records}), 'session')}, {usd(cost)}"
