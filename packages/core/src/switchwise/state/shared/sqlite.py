"""Leases for the processes of one machine, in one SQLite file.

Each report is one `BEGIN IMMEDIATE` transaction in write-ahead-log mode. The clock is the machine's, and never goes back.
The file survives the death of a process; after a reboot, or if the file is gone, nothing is granted for a grace period.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from switchwise.state.shared.account import Account, Grant, Holding, Report, report
from switchwise.state.shared.file import SqliteFile, boot, milliseconds

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS leases (key TEXT PRIMARY KEY, fields TEXT NOT NULL, until INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS leases_until ON leases (until) WHERE until > 0",
    "CREATE TABLE IF NOT EXISTS boot (id TEXT, since INTEGER, now INTEGER)",
)

_SWEEP: Final = 500  # reports between two removals of expired accounts


class SqliteLeases:
    """A lease store in a file.

    Parameters:
        path: path of the file, created if missing. Not on a network file system.
        timeout: seconds to wait for the file's lock.

    Raises:
        ConfigurationError: the file cannot be opened, or is not such a database.
    """

    def __init__(self, path: str | Path, timeout: float = 2.0) -> None:
        self._file = SqliteFile("SqliteLeases", path, timeout, _SCHEMA)
        self.name = self._file.name
        self._reports = 0

    def report(self, reports: Sequence[Report]) -> list[Grant]:
        """Process reports in one transaction each; return grants in the same order. Raises `LostStore`."""
        return [self._one(heard) for heard in reports]

    def override(self, key: str, limit: int, milliseconds: int) -> None:
        """Replace the limit for that time. Raises `LostStore`."""
        with self._file.writing() as connection:
            account, now = _read(connection, key), _now(connection)
            account.over, account.over_until = limit, now + milliseconds
            _write(connection, key, account, 0)

    def holders(self, key: str) -> dict[str, Holding]:
        """The holders of an account. Raises `LostStore`."""
        with self._file.reading() as connection:
            return _read(connection, key).holders

    def forked(self) -> None:
        """Called in a forked child: it opens its own connection."""
        self._file.forked()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _one(self, heard: Report) -> Grant:
        with self._file.writing() as connection:
            now = _now(connection)
            since = _since(connection, now)
            account = _read(connection, heard.key)
            reply = report(account, heard, now, since, f"0.{boot()}-{since}")
            _write(connection, heard.key, account, now + heard.rule.ttl if heard.rule.ttl else 0)
            self._reports += 1
            if self._reports % _SWEEP == 0:
                connection.execute("DELETE FROM leases WHERE until > 0 AND until < ?", (now,))
            return reply


def _now(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT now FROM boot").fetchone()
    return milliseconds(row[0] if row else 0)


def _since(connection: sqlite3.Connection, now: int) -> int:
    """Time in milliseconds from which the data are complete."""
    row = connection.execute("SELECT id, since FROM boot").fetchone()
    if row is not None and row[0] == boot():
        connection.execute("UPDATE boot SET now = ?", (now,))
        return int(row[1])
    connection.execute("DELETE FROM boot")
    connection.execute("INSERT INTO boot VALUES (?, ?, ?)", (boot(), now, now))
    return now


def _read(connection: sqlite3.Connection, key: str) -> Account:
    row = connection.execute("SELECT fields FROM leases WHERE key = ?", (key,)).fetchone()
    return Account.parse(json.loads(row[0])) if row else Account()


def _write(connection: sqlite3.Connection, key: str, account: Account, until: int) -> None:
    connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (key, json.dumps(account.fields()), until))
