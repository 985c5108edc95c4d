"""Shared tables in a server or a file: versions, conditional writes, and changes since a cursor.

The version of an entry grows with every write in its table; an entry also keeps the number of the last write of each process. A write
names the version on which it is based: if another process wrote first, the write is refused and the answer holds the present entry. A write
whose answer was lost is sent again unchanged; the entry recognises its number, so it counts once.

A store that has lost its data, or returns with older data, is a new generation: for a grace period it accepts nothing new, and each process
restores its entries in their versions. The latest version wins, whatever the order of the processes.

All decisions are made by `write`. Redis runs the same algorithm as a script (`sync.lua`); a test compares their answers.

Source: optimistic concurrency control (H. T. Kung and J. T. Robinson, 1981); exactly-once effects by (origin, sequence).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

WRITERS: Final = 32
"""Number of processes whose last writes an entry keeps."""
PAGE: Final = 500
"""Most entries in one answer."""


class Entry(NamedTuple):
    """One entry of a table.

    Parameters:
        key: as JSON text.
        version: version of its last write; 0: there is no entry.
        writers: `origin:sequence` of the last write of each process, the latest first, joined by commas.
        value: as JSON text; empty: deleted.
    """

    key: str
    version: int = 0
    writers: str = ""
    value: str = ""


class Write(NamedTuple):
    """A new value for an entry.

    Parameters:
        key: as JSON text.
        base: version on which it is based; 0: none is known.
        sequence: number of this write among those of its process, from 1. 0: it restores the entry in version `base`.
        writers: writers of the restored entry.
        value: as JSON text; empty: delete the entry.
    """

    key: str
    base: int
    sequence: int
    writers: str
    value: str


class Exchange(NamedTuple):
    """Request of a process for one table: its writes, and changes since its cursor.

    Parameters:
        table: its name.
        generation: last known generation of the table. If the store has another one, it writes nothing and sends all entries.
        cursor: number of the last known change; later ones are requested.
        size: most entries of the table.
        grace: milliseconds for which a new generation accepts nothing new.
        origin: id of the process.
        writes: new writes or restored entries, not both.
    """

    table: str
    generation: str
    cursor: int
    size: int
    grace: int
    origin: str
    writes: Sequence[Write]


class News(NamedTuple):
    """The store's answer to an exchange.

    Parameters:
        generation: the present generation; a new one means that data may be lost.
        cursor: number of the last change in `changed`; changes are numbered per table.
        more: further changes follow.
        listening: the grace period lasts: nothing new is accepted yet.
        answers: for each write, whether it was made now, and the entry. Empty in another generation or during the grace period.
        changed: entries changed after the cursor of the request, without those that it wrote.
    """

    generation: str
    cursor: int
    more: bool
    listening: bool
    answers: list[tuple[bool, Entry]]
    changed: list[Entry]


class TableStore(Protocol):
    """Protocol of a store of shared tables."""

    name: str
    """Identifies the store, without secrets."""

    def exchange(self, asked: Sequence[Exchange]) -> list[News]:
        """Make the writes and return the changes, in the same order. Raises `LostStore`."""

    def forked(self) -> None:
        """Called in a forked child."""

    def close(self) -> None:
        """Release connections."""


def write(there: Entry, asked: Write, origin: str, version: int) -> tuple[bool, Entry]:
    """Return whether the write is made, and the resulting entry.

    Parameters:
        there: the present entry; version 0: none.
        asked: the write.
        origin: id of the requesting process.
        version: version of the entry after a new write.

    >>> there = Entry("k", 7, "a:1", "1")
    >>> write(there, Write("k", 7, 2, "", "2"), "a", 8)
    (True, Entry(key='k', version=8, writers='a:2', value='2'))
    >>> write(there, Write("k", 6, 1, "", "5"), "b", 8)[0], write(there, Write("k", 7, 1, "", "5"), "a", 8)[0]
    (False, False)
    """
    if asked.sequence:
        if sequence_of(there.writers, origin) >= asked.sequence or there.version not in (0, asked.base):
            return False, there
        others = [each for each in there.writers.split(",") if each and not each.startswith(f"{origin}:")]
        writers = ",".join([f"{origin}:{asked.sequence}", *others[: WRITERS - 1]])
        return True, Entry(asked.key, version, writers, asked.value)
    if there.version >= asked.base:
        return False, there
    return True, Entry(asked.key, asked.base, asked.writers, asked.value)


def sequence_of(writers: str, origin: str) -> int:
    """Number of the last write of a process in `writers`; 0: none."""
    for each in writers.split(","):
        who, _, number = each.partition(":")
        if who == origin:
            return int(number)
    return 0
