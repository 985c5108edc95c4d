"""Leases for the processes of one machine, in one SQLite file.

Each report is one `BEGIN IMMEDIATE` transaction in write-ahead-log mode. The clock is the machine's, and never goes back.
The file survives the death of a process; after a reboot, or when it is gone, nothing is granted for a grace.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from switchwise.nouns.errors import ConfigurationError
from switchwise.state.shared.account import Account, Holding, Reply, Report, report
from switchwise.state.shared.protocol import LostStore

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class SqliteLeases:
    """A lease store in a file.

    Parameters:
        path: of the file; it is made where it is missing. Not on a network file system.
        timeout: seconds to wait for the file's lock.

    Raises:
        ConfigurationError: the file cannot be opened, or holds something else.
    """

    def __init__(self, path: str | Path, timeout: float = 0.5) -> None:
        self.path = str(path)
        self.name = str(Path(path).absolute())
        self._timeout = timeout
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        try:
            with self._lock:
                self._open()
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"SqliteLeases({self.path!r}): {error}; give the path of a file that can be written"
            ) from None

    def report(self, reports: Sequence[Report]) -> list[Reply]:
        """Take in reports, in one transaction each; the replies in the same order.

        Raises:
            LostStore: the file cannot be read or written at the moment.
        """
        try:
            with self._lock:
                return [self._one(heard) for heard in reports]
        except sqlite3.Error as error:
            self._drop()
            raise LostStore(f"{self.path}: {error}") from error

    def override(self, key: str, limit: int, milliseconds: int) -> None:
        """Let `limit` count for that long in place of the rule's. Raises `LostStore`."""
        try:
            with self._lock:
                connection = self._begun()
                account, now = self._read(connection, key), self._now(connection)
                account.over, account.over_until = limit, now + milliseconds
                self._write(connection, key, account, 0)
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._drop()
            raise LostStore(f"{self.path}: {error}") from error

    def holders(self, key: str) -> dict[str, Holding]:
        """Who holds what of an account. Raises `LostStore`."""
        try:
            with self._lock:
                return self._read(self._open(), key).holders
        except sqlite3.Error as error:
            self._drop()
            raise LostStore(f"{self.path}: {error}") from error

    def forked(self) -> None:
        """A connection must not cross a fork: the child opens its own."""
        self._lock = threading.Lock()
        self._connection = None  # not closed: closing it would drop the parent's locks

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._drop()

    def _one(self, heard: Report) -> Reply:
        connection = self._begun()
        now, recovering = self._now(connection), False
        since = self._since(connection, now)
        recovering = now - since < heard.rule.grace
        account = self._read(connection, heard.key)
        reply = report(account, heard, now, recovering)
        self._write(connection, heard.key, account, now + heard.rule.ttl if heard.rule.ttl else 0)
        connection.execute("COMMIT")
        return reply

    def _begun(self) -> sqlite3.Connection:
        connection = self._open()
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        return connection

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS leases (key TEXT PRIMARY KEY, fields TEXT NOT NULL, until INTEGER NOT NULL)"
            )
            connection.execute("CREATE TABLE IF NOT EXISTS boot (id TEXT, since INTEGER, now INTEGER)")
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @staticmethod
    def _now(connection: sqlite3.Connection) -> int:
        """The clock in milliseconds; where the machine's was set back it stands still."""
        row = connection.execute("SELECT now FROM boot").fetchone()
        return max(int(time.time() * 1_000), row[0] if row else 0)

    @staticmethod
    def _since(connection: sqlite3.Connection, now: int) -> int:
        """Since when the memory is whole, in milliseconds."""
        boot = _BOOT.read_text().strip() if _BOOT.exists() else "unknown"
        row = connection.execute("SELECT id, since FROM boot").fetchone()
        if row is not None and row[0] == boot:
            connection.execute("UPDATE boot SET now = ?", (now,))
            return int(row[1])
        connection.execute("DELETE FROM boot")
        connection.execute("INSERT INTO boot VALUES (?, ?, ?)", (boot, now, now))
        return now

    @staticmethod
    def _read(connection: sqlite3.Connection, key: str) -> Account:
        row = connection.execute("SELECT fields FROM leases WHERE key = ?", (key,)).fetchone()
        return Account.parse(json.loads(row[0])) if row else Account()

    @staticmethod
    def _write(connection: sqlite3.Connection, key: str, account: Account, until: int) -> None:
        connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (key, json.dumps(account.fields()), until))
