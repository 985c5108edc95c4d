"""An observer that stores records in a SQLite file, for SQL queries while several processes write."""

from __future__ import annotations

import json
import os
import sqlite3
import warnings
from pathlib import Path
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.validation import number
from switchwise.observe.journal.json_lines import feedback_row
from switchwise.observe.journal.record import Record
from switchwise.observe.observer import Event, EventKind, Observer
from switchwise.state.forking import rlock

_TABLE = """
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY, time REAL, decision TEXT, session TEXT, agent TEXT, task TEXT, target TEXT, result TEXT, cost REAL, row TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS records_by_session ON records (session, time);
CREATE INDEX IF NOT EXISTS records_by_decision ON records (decision);
"""
_COLUMNS = ("time", "decision", "session", "agent", "task", "target", "result", "cost")
_INSERT = f"INSERT INTO records ({', '.join(_COLUMNS)}, row) VALUES ({', '.join('?' * (len(_COLUMNS) + 1))})"  # noqa: S608  (constants)


class SqliteJournal(Observer):
    """Add each record to the table `records` of a SQLite file (WAL): some fields as columns, the whole record as JSON in `row`.

    If the file cannot be written, one warning is given and calls continue.

    Parameters:
        path: the file; created with its folder at the first record.
        texts: write replies and error messages too.
        keep: seconds after which records are removed; None: never. Applied when the file is opened, and then every thousand records.
    """

    def __init__(self, path: str | Path, *, texts: bool = False, keep: float | None = None) -> None:
        if keep is not None:
            number("SqliteJournal", "keep", keep, above=True)
        self.path = Path(path).absolute()
        self._texts, self._keep = texts, keep
        self._lock = rlock()
        self._base: sqlite3.Connection | None = None
        self._process, self._written = 0, 0
        self._broken = False

    def settled(self, attempt: Attempt) -> None:
        record = Record.of(attempt, self._texts)
        self._add([getattr(record, name) for name in _COLUMNS], record.as_dict(), record.time)

    def event(self, event: Event) -> None:
        """Write feedback on a decision; `switchwise eval` and `switchwise fit` read it."""
        if event.kind is EventKind.FEEDBACK:
            self._add([event.time, event.decision, *[None] * (len(_COLUMNS) - 2)], feedback_row(event), event.time or 0.0)

    def _add(self, values: list[Any], row: dict[str, Any], now: float) -> None:
        with self._lock:
            if self._broken:
                return
            try:
                if self._base is None or self._process != os.getpid():  # a forked child must not use the connection
                    self._open()
                assert self._base is not None, "just opened"
                if self._keep is not None and self._written % 1000 == 0:
                    self._base.execute("DELETE FROM records WHERE time < ?", (now - self._keep,))
                given = [*values, json.dumps(row, ensure_ascii=False)]
                try:
                    self._base.execute(_INSERT, given)
                except UnicodeEncodeError:
                    self._base.execute(_INSERT, [*map(_escaped, given)])
                self._written += 1
            except (OSError, sqlite3.Error) as error:
                self._broken = True
                warnings.warn(
                    f"the journal {self.path} cannot be written and is given up: {error}", RuntimeWarning, stacklevel=2
                )

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        base = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, check_same_thread=False)
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=NORMAL")
        base.executescript(_TABLE)
        self._base, self._process = base, os.getpid()

    def close(self) -> None:
        """Close the file; the next record opens it again."""
        with self._lock:
            if self._base is not None and self._process == os.getpid():
                self._base.close()
            self._base = None

    def __enter__(self) -> SqliteJournal:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _escaped(value: Any) -> Any:
    """A value whose text SQLite takes: half a surrogate pair is escaped, as in JSON."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
