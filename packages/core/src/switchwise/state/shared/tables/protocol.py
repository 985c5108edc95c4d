"""Tables that processes share, as a server or a file keeps them: versions, conditional writes, and what has changed since.

An entry has a version, which grows with every write in its table, and remembers the last write of each process that wrote it. A write
names the version that it builds on: where another process was quicker, it is refused and says what is there now. A write whose answer
was lost is sent again as it was: the entry knows it, and it counts once.

A store that has lost its memory, or comes back with an older one, is a new generation: for a grace it takes nothing new, and each process
gives back what it has, in its version. So the latest version is kept, in any order of the processes.

`write` is the only rule. Redis runs the same as a script (`sync.lua`); a test holds the two to the same answers.

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
        version: of its last write; 0: it is not there.
        writers: `origin:sequence` of the last write of each process, the latest first, joined by commas.
        value: as JSON text; empty: it was dropped.
    """

    key: str
    version: int = 0
    writers: str = ""
    value: str = ""


class Write(NamedTuple):
    """A new value for an entry.

    Parameters:
        key: as JSON text.
        base: the version that it builds on; 0: none is known.
        sequence: number of this write among those of its process, from 1 on. 0: it gives back what the store had in version `base`.
        writers: of the entry, where it is restored.
        value: as JSON text; empty: it is dropped.
    """

    key: str
    base: int
    sequence: int
    writers: str
    value: str


class Exchange(NamedTuple):
    """What a process has for one table, and what it knows already.

    Parameters:
        table: its name.
        generation: of the table, as last heard. Where it is another one nothing is written, and everything is sent.
        cursor: what has changed after this change is asked for.
        size: how many entries the table keeps.
        grace: milliseconds for which a new generation takes nothing new.
        origin: the process.
        writes: to be made: new ones, or what is given back, not both.
    """

    table: str
    generation: str
    cursor: int
    size: int
    grace: int
    origin: str
    writes: Sequence[Write]


class News(NamedTuple):
    """What the store answers.

    Parameters:
        generation: another one than before: the store may have lost what it had.
        cursor: change up to which `changed` goes; changes are numbered in each table.
        more: there is more to ask for.
        listening: it takes nothing new yet.
        answers: for each write whether it was made now, and the entry. Empty where the generation is another one, or it takes nothing new.
        changed: entries that changed after the cursor of the request, without those that it wrote.
    """

    generation: str
    cursor: int
    more: bool
    listening: bool
    answers: list[tuple[bool, Entry]]
    changed: list[Entry]


class TableStore(Protocol):
    """Where shared tables are kept."""

    name: str
    """Identifies the store, without secrets."""

    def exchange(self, asked: Sequence[Exchange]) -> list[News]:
        """Make writes, and say what has changed; in the same order. Raises `LostStore`."""

    def forked(self) -> None:
        """Called in a forked child."""

    def close(self) -> None:
        """Release connections."""


def write(there: Entry, asked: Write, origin: str, version: int) -> tuple[bool, Entry]:
    """Whether a write is made, and the entry as it then is.

    Parameters:
        there: the entry as it is; version 0: it is not there.
        asked: the write.
        origin: the process that asks.
        version: of the entry, if it is made and new.

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
    """The last write of a process that an entry remembers; 0: none."""
    for each in writers.split(","):
        who, _, number = each.partition(":")
        if who == origin:
            return int(number)
    return 0
