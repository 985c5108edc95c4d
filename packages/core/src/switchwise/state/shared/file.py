"""A SQLite file for the shared stores: write-ahead log, one transaction at a time, a clock that never goes back."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from switchwise.nouns.errors import ConfigurationError
from switchwise.state.forking import lock
from switchwise.state.shared.protocol import LostStore

_LOCKS: Final[dict[str, Any]] = {}
"""By path: the threads of a process take turns, since waiting on SQLite's own lock is not fair."""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class SqliteFile:
    """One connection to a file.

    Parameters:
        who: class name for error messages.
        path: path of the file, created if missing. Not on a network file system.
        timeout: seconds to wait for the file's lock.
        schema: statements that create missing tables.

    Raises:
        ConfigurationError: the file cannot be opened, or is not such a database.
    """

    def __init__(self, who: str, path: str | Path, timeout: float, schema: tuple[str, ...]) -> None:
        self.path = self.name = str(Path(path).absolute())  # stays valid if the process changes its working directory
        self._timeout, self._schema = timeout, schema
        self._lock = _LOCKS.setdefault(self.name, lock())
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        try:
            with self._lock:
                self._open()
        except sqlite3.Error as error:
            raise ConfigurationError(f"{who}({self.path!r}): {error}; give the path of a file that can be written") from None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time. Raises `LostStore`."""
        with self._lock:
            try:
                yield self._open()
            except (sqlite3.Error, OSError) as error:
                self._drop()
                raise LostStore(f"{self.path}: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction. Raises `LostStore`."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits, or rolls back whatever was raised: others wait for the file
                yield connection

    def forked(self) -> None:
        """Called in a forked child: it opens its own connection."""
        self._connection = None  # not closed: closing it would drop the parent's locks

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._drop()

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._moved():
            self._drop()
        if self._connection is None:
            connection = sqlite3.connect(self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            for statement in self._schema:
                connection.execute(statement)
            self._connection, self._inode = connection, Path(self.path).stat().st_ino
        return self._connection

    def _moved(self) -> bool:
        """Return whether the file was removed or replaced."""
        try:
            return Path(self.path).stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


@cache
def boot() -> str:
    """Return an id of the machine's present start."""
    return _BOOT.read_text().strip() if _BOOT.exists() else "unknown"


def milliseconds(last: int) -> int:
    """The machine's clock in milliseconds, at least `last`: it stands still after it was set back."""
    return max(int(time.time() * 1_000), last)
