"""The SQLite file of deferred requests: sent batches are known even if the process dies.

| state of a request | |
|---|---|
| `waiting` | not in a batch: added, or to be retried |
| `sent` | in a batch: its row in `batches` shows whether the provider has it |
| `calling` | late, and called at once |
| `done`, `failed` | finished |

Rules:
1. One process at a time has a file open: it locks a second database (`<file>.lock`), and the system releases the lock when the process
   dies.
2. What is about to happen is written before it happens: a batch has its key in the file before it is sent, a result before anybody sees it.
3. Each transition of a request happens once: a second writer changes nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from switchwise.clients.batch.result import Progress
from switchwise.nouns.errors import ConfigurationError

_TABLES = """
CREATE TABLE IF NOT EXISTS requests (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, due REAL NOT NULL, after REAL NOT NULL DEFAULT 0,
    target TEXT, batch TEXT, asked TEXT NOT NULL, decision TEXT, tried TEXT NOT NULL DEFAULT '[]', result TEXT);
CREATE INDEX IF NOT EXISTS by_batch ON requests (batch);
CREATE INDEX IF NOT EXISTS by_state ON requests (state);
CREATE TABLE IF NOT EXISTS batches (
    key TEXT PRIMARY KEY, target TEXT NOT NULL, id TEXT, since REAL NOT NULL, due REAL NOT NULL, total INTEGER NOT NULL,
    over INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0);
"""
_VERSION = 1
_COLUMNS = "n, id, state, due, target, batch, asked, decision, tried, result"


class DeferredRequest(NamedTuple):
    """A request.

    Parameters:
        n, id: its number here, and the caller's id.
        state, due: see the table above; deadline of the answer, in seconds since the epoch.
        target, batch: its target, and the key of its batch.
        asked: messages, options and scope.
        decision: when, by which seed and why the target was chosen.
        tried: earlier attempts.
        result: its result.
    """

    n: int
    id: str
    state: str
    due: float
    target: str | None
    batch: str | None
    asked: Mapping[str, Any]
    decision: Mapping[str, Any] | None
    tried: Sequence[Mapping[str, Any]]
    result: Mapping[str, Any] | None

    @property
    def over(self) -> bool:
        """Whether the request is finished."""
        return self.state in ("done", "failed")


class Sent(NamedTuple):
    """A batch: our key, its target, the provider's id (None: it is not known whether it has it), when it was sent and is due, its size."""

    key: str
    target: str
    id: str | None
    since: float
    due: float
    total: int
    cancelled: int


class BatchLedger:
    """The file.

    Parameters:
        path: created with its folder if missing.

    Raises:
        ConfigurationError: another process has it open, or it has another format.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._process, self.closed = os.getpid(), False
        self._mutex = threading.RLock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._held = sqlite3.connect(f"{self.path}.lock", timeout=0, isolation_level=None, check_same_thread=False)
            try:
                self._held.execute("BEGIN EXCLUSIVE")
                self._base = _opened(self.path)
            except BaseException:  # the lock is not ours to keep
                self._held.close()
                raise
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            because = "another process has this file open; close it there first"
            raise ConfigurationError(
                f"Batches({str(path)!r}): {because if busy else f'{error}; give the path of a file that may be written'}"
            ) from error

    def close(self) -> None:
        """Close the file and release its lock."""
        with self._mutex:
            self.closed = True
            self._base.close()
            self._held.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when it ends."""
        if os.getpid() != self._process:
            raise ConfigurationError(
                f"Batches({str(self.path)!r}) was opened in another process: open it in the one that uses it"
            )
        with self._mutex:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:  # raised again
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    # -- requests --------------------------------------------------------------------------------------------------

    def add(self, requests: Iterable[tuple[str, float, str, Mapping[str, Any], Mapping[str, Any]]]) -> list[int]:
        """Store new requests, as (id, due, target, asked, decision); return their numbers.

        Raises:
            ConfigurationError: an id exists already.
        """
        numbers = []
        with self._writing() as base:
            for name, due, target, asked, decision in requests:
                try:
                    made = base.execute(
                        "INSERT INTO requests (id, state, due, target, asked, decision) VALUES (?, 'waiting', ?, ?, ?, ?)",
                        (name, due, target, json.dumps(asked), json.dumps(decision)),
                    )
                except sqlite3.IntegrityError as error:
                    raise ConfigurationError(
                        f"id={name!r}: there is a request of this id already; give each one its own"
                    ) from error
                numbers.append(made.lastrowid or 0)
        return numbers

    def decided(self, n: int, target: str, decision: Mapping[str, Any], after: float) -> None:
        """Store the target of a waiting request, and its earliest time."""
        self._change(n, "waiting", "target = ?, decision = ?, after = ?", target, json.dumps(decision), after)

    def again(self, n: int, state: str, tried: Sequence[Mapping[str, Any]]) -> bool:
        """Set a request to waiting; False if it was not in `state`."""
        return self._change(
            n,
            state,
            "state = 'waiting', batch = NULL, target = NULL, decision = NULL, tried = ?",
            json.dumps(tried),
        )

    def calling(self, n: int, state: str, tried: Sequence[Mapping[str, Any]]) -> bool:
        """Set a request to calling; False if it was not in `state`."""
        return self._change(n, state, "state = 'calling', tried = ?", json.dumps(tried))

    def over(self, n: int, state: str, good: bool, result: Mapping[str, Any]) -> bool:
        """Store the end of a request; False if it was not in `state`."""
        return self._change(n, state, "state = ?, result = ?", "done" if good else "failed", json.dumps(result))

    def _change(self, n: int, state: str, what: str, *values: Any) -> bool:
        with self._writing() as base:
            return base.execute(f"UPDATE requests SET {what} WHERE n = ? AND state = ?", (*values, n, state)).rowcount == 1  # noqa: S608

    def forget(self, ids: Iterable[str] | None) -> int:
        """Remove finished requests (None: all) and return their number."""
        which = "state IN ('done', 'failed')"
        with self._writing() as base:
            if ids is None:
                removed = base.execute(f"DELETE FROM requests WHERE {which}").rowcount  # noqa: S608  (a constant)
            else:
                removed = sum(base.execute(f"DELETE FROM requests WHERE id = ? AND {which}", (name,)).rowcount for name in ids)  # noqa: S608
            base.execute("DELETE FROM batches WHERE over AND key NOT IN (SELECT batch FROM requests WHERE batch IS NOT NULL)")
        return removed

    def rows(self, where: str = "1", *values: Any) -> Iterator[DeferredRequest]:
        """Requests, in the order in which they were added; read in parts, so that they may be changed meanwhile."""
        last = -1
        while True:
            with self._mutex:
                found = self._base.execute(
                    f"SELECT {_COLUMNS} FROM requests WHERE n > ? AND ({where}) ORDER BY n LIMIT 500",  # noqa: S608  (constants of this room)
                    (last, *values),
                ).fetchall()
            if not found:
                return
            last = found[-1][0]
            yield from map(_row, found)

    def row(self, name: str) -> DeferredRequest | None:
        """The request with that id."""
        return next(self.rows("id = ?", name), None)

    def progress(self) -> Progress:
        """Number of requests in each state."""
        with self._mutex:
            return _progress(self._base)

    # -- batches ---------------------------------------------------------------------------------------------------

    def sending(self, key: str, target: str, numbers: Sequence[int], since: float, due: float) -> None:
        """Store that a batch of these waiting requests is about to be sent."""
        with self._writing() as base:
            base.execute(
                "INSERT INTO batches (key, target, since, due, total) VALUES (?, ?, ?, ?, ?)",
                (key, target, since, due, len(numbers)),
            )
            base.executemany(
                "UPDATE requests SET state = 'sent', batch = ? WHERE n = ? AND state = 'waiting'", [(key, n) for n in numbers]
            )

    def sent(self, key: str, batch: str) -> None:
        """Store the provider's id of a batch."""
        with self._writing() as base:
            base.execute("UPDATE batches SET id = ? WHERE key = ?", (batch, key))

    def batch_over(self, key: str) -> None:
        """Store that a batch is finished."""
        with self._writing() as base:
            base.execute("UPDATE batches SET over = 1 WHERE key = ?", (key,))

    def batch_cancelled(self, key: str) -> None:
        """Store that a batch is being cancelled."""
        with self._writing() as base:
            base.execute("UPDATE batches SET cancelled = 1 WHERE key = ?", (key,))

    def batches(self) -> list[Sent]:
        """The unfinished batches."""
        with self._mutex:
            found = self._base.execute(
                "SELECT key, target, id, since, due, total, cancelled FROM batches WHERE NOT over ORDER BY since"
            ).fetchall()
        return [Sent(*row) for row in found]

    def known(self, but: str) -> frozenset[str]:
        """The providers' ids of all batches except one."""
        with self._mutex:
            found = self._base.execute("SELECT id FROM batches WHERE id IS NOT NULL AND key != ?", (but,)).fetchall()
        return frozenset(row[0] for row in found)


def progress_of(path: str | Path) -> Progress:
    """Progress of the requests in a file, also while another process works on it.

    Raises:
        ConfigurationError: the file does not exist.
    """
    if not Path(path).is_file():
        raise ConfigurationError(f"{path}: there is no such file of requests")
    base = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
    try:
        return _progress(base)
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"{path}: this is not a file of requests: {error}") from error
    finally:
        base.close()


def _progress(base: sqlite3.Connection) -> Progress:
    counts = dict(base.execute("SELECT state, COUNT(*) FROM requests GROUP BY state"))
    return Progress(
        counts.get("waiting", 0),
        counts.get("sent", 0) + counts.get("calling", 0),
        counts.get("done", 0),
        counts.get("failed", 0),
    )


def _opened(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        version = base.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise ConfigurationError(f"Batches({str(path)!r}): the file is of version {version}, and this one reads {_VERSION}")
        base.execute("PRAGMA journal_mode=WAL")
        base.executescript(_TABLES)
        base.execute(f"PRAGMA user_version={_VERSION}")
    except BaseException as error:  # raised again
        base.close()
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            raise ConfigurationError(f"Batches({str(path)!r}): this is not a SQLite file") from error
        raise
    return base


def _row(values: tuple[Any, ...]) -> DeferredRequest:
    *plain, asked, decision, tried, result = values
    return DeferredRequest(*plain, *[None if text is None else json.loads(text) for text in (asked, decision, tried, result)])
