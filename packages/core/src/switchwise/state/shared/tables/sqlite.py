"""Shared tables for the processes of one machine, in one SQLite file: all writes of one exchange in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from switchwise.state.shared.file import SqliteFile, boot, milliseconds
from switchwise.state.shared.tables.protocol import PAGE, Entry, Exchange, News, write

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS marks "
    "(name TEXT PRIMARY KEY, boot TEXT, since INTEGER, change INTEGER, bytes INTEGER, count INTEGER, now INTEGER)",
    "CREATE TABLE IF NOT EXISTS entries "
    "(name TEXT, key TEXT, version INTEGER, writers TEXT, value TEXT, change INTEGER, at INTEGER, PRIMARY KEY (name, key)) WITHOUT ROWID",
    "CREATE UNIQUE INDEX IF NOT EXISTS entries_change ON entries (name, change)",
)
_PART: Final = 50


class _Mark(NamedTuple):
    boot: str
    since: int
    change: int
    size: int
    entries: int
    now: int

    @property
    def generation(self) -> str:
        return f"{self.boot}-{self.since}"


class SqliteTables:
    """Tables in a file.

    Parameters:
        path: path of the file, created if missing. Not on a network file system.
        timeout: seconds to wait for the file's lock.
        keep: seconds after its last write until an entry expires; 0: it is kept until the table is full.
        most_bytes: greatest size of a table; beyond it the entries with the oldest writes are evicted.

    Raises:
        ConfigurationError: the file cannot be opened, or is not such a database.
    """

    def __init__(
        self, path: str | Path, timeout: float = 2.0, keep: float = 30 * 86_400.0, most_bytes: int = 64_000_000
    ) -> None:
        self._file = SqliteFile("SqliteTables", path, timeout, _SCHEMA)
        self.name = self._file.name
        self._keep, self._most = int(keep * 1_000), most_bytes

    def exchange(self, asked: Sequence[Exchange]) -> list[News]:
        """Make the writes, one transaction per table, and return the changes. Raises `LostStore`."""
        return [self._one(each) for each in asked]

    def forked(self) -> None:
        """Called in a forked child: it opens its own connection."""
        self._file.forked()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _one(self, asked: Exchange) -> News:
        if not asked.writes:
            with self._file.reading() as connection:
                mark = _mark(connection, asked.table)
                if mark is not None and mark.boot == boot():
                    return _news(connection, asked, mark, [])
        with self._file.writing() as connection:
            mark = _began(connection, asked.table)
            answers: list[tuple[bool, Entry]] = []
            if mark.generation == asked.generation and asked.writes:
                new = asked.writes[0].sequence > 0
                if not (new and _listens(mark, asked)):
                    mark = self._written(connection, asked, mark, answers)
            return _news(connection, asked, mark, answers)

    def _written(
        self, connection: sqlite3.Connection, asked: Exchange, mark: _Mark, answers: list[tuple[bool, Entry]]
    ) -> _Mark:
        change, size, count, now = mark.change, mark.size, mark.entries, milliseconds(mark.now)
        for each in asked.writes:
            there = _entry(connection, asked.table, each.key)
            made, entry = write(there, each, asked.origin, change + 1)
            answers.append((made, entry))
            if made:
                change += 1
                row = (asked.table, *entry, change, now)
                connection.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", row)
                size += _bytes(entry) - (_bytes(there) if there.version else 0)
                count += not there.version
        size, count = self._trimmed(connection, asked, size, count, now)
        stand = (change, size, count, now, asked.table)
        connection.execute("UPDATE marks SET change = ?, bytes = ?, count = ?, now = ? WHERE name = ?", stand)
        return mark._replace(change=change, size=size, entries=count, now=now)

    def _trimmed(self, connection: sqlite3.Connection, asked: Exchange, size: int, count: int, now: int) -> tuple[int, int]:
        """Evict the entries with the oldest writes while there are too many, they are too large or too old; return bytes and number of the rest."""
        oldest = "SELECT key, version, writers, value, at FROM entries WHERE name = ? ORDER BY change LIMIT ?"
        while rows := connection.execute(oldest, (asked.table, _PART)).fetchall():
            for *row, at in rows:
                if count <= asked.size and size <= self._most and not (self._keep and now - at >= self._keep):
                    return size, count
                connection.execute("DELETE FROM entries WHERE name = ? AND key = ?", (asked.table, row[0]))
                size, count = size - _bytes(Entry(*row)), count - 1
        return size, count


def _mark(connection: sqlite3.Connection, table: str) -> _Mark | None:
    row = connection.execute("SELECT boot, since, change, bytes, count, now FROM marks WHERE name = ?", (table,)).fetchone()
    return None if row is None else _Mark(*row)


def _began(connection: sqlite3.Connection, table: str) -> _Mark:
    """Return the mark of the table. After a start of the machine, or in a new file, it is a new generation, with higher change numbers."""
    mark = _mark(connection, table)
    if mark is not None and mark.boot == boot():
        return mark
    now = milliseconds(mark.now if mark is not None else 0)
    change, size, count = (mark.change, mark.size, mark.entries) if mark is not None else (0, 0, 0)
    mark = _Mark(boot(), now, max(change + 1, now * 1_000), size, count, now)
    connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?, ?, ?, ?)", (table, *mark))
    return mark


def _listens(mark: _Mark, asked: Exchange) -> bool:
    return milliseconds(mark.now) - mark.since < asked.grace


def _entry(connection: sqlite3.Connection, table: str, key: str) -> Entry:
    row = connection.execute("SELECT version, writers, value FROM entries WHERE name = ? AND key = ?", (table, key)).fetchone()
    return Entry(key) if row is None else Entry(key, *row)


def _news(connection: sqlite3.Connection, asked: Exchange, mark: _Mark, answers: list[tuple[bool, Entry]]) -> News:
    cursor, listening = asked.cursor if mark.generation == asked.generation else 0, _listens(mark, asked)
    if mark.change <= cursor:
        return News(mark.generation, mark.change, False, listening, answers, [])
    rows = connection.execute(
        "SELECT key, version, writers, value, change FROM entries WHERE name = ? AND change > ? ORDER BY change LIMIT ?",
        (asked.table, cursor, PAGE),
    ).fetchall()
    mine = {entry.key for made, entry in answers if made}
    more = len(rows) == PAGE
    changed = [Entry(*row[:4]) for row in rows if row[0] not in mine]
    return News(mark.generation, rows[-1][4] if more else mark.change, more, listening, answers, changed)


def _bytes(entry: Entry) -> int:
    return len(entry.key) + len(entry.writers) + len(entry.value)
