"""An observer that keeps the last records, for notebooks and tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from switchwise.nouns.call import Attempt
from switchwise.nouns.validation import whole
from switchwise.observe.journal.record import Record
from switchwise.observe.observer import Observer


class InMemory(Observer):
    """The last `size` records, oldest first; iterate over it.

    Parameters:
        size: how many are kept.
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
