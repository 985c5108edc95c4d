"""An observer that appends records to a file of JSON lines."""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import whole
from switchwise.observe.journal.files import files_of, rows_of
from switchwise.observe.journal.record import SCHEMA, Record
from switchwise.observe.observer import Event, EventKind, Observer
from switchwise.state.forking import rlock


class JsonLines(Observer):
    """Append each record to `path` as a line of JSON, and flush.

    If the file cannot be written, one warning is given and calls continue. After an incompletely written line, the next record begins a
    new line.

    Parameters:
        path: the file; created with its folder at the first record.
        texts: write replies and error messages too.
        most_bytes: size from which the file is rotated to `path.1`, that one to `path.2`, and so on; None: never.
        keep: number of rotated files; the oldest is removed.

    Raises:
        ConfigurationError: a number is out of range.
    """

    def __init__(self, path: str | Path, *, texts: bool = False, most_bytes: int | None = None, keep: int = 5) -> None:
        if most_bytes is not None:
            whole("JsonLines", "most_bytes", most_bytes)
        whole("JsonLines", "keep", keep)
        if not isinstance(path, str | Path):
            raise ConfigurationError(f"JsonLines({path!r:.80}): give the path of a file")
        self.path = Path(path).absolute()
        self._texts, self._most, self._keep = texts, most_bytes, keep
        self._lock = rlock()  # the garbage collector may close an abandoned stream in the middle
        self._file: IO[str] | None = None
        self._broken = False

    def settled(self, attempt: Attempt) -> None:
        self._append(Record.of(attempt, self._texts).as_dict())

    def event(self, event: Event) -> None:
        """Write feedback on a decision; `switchwise eval` and `switchwise fit` read it."""
        if event.kind is EventKind.FEEDBACK:
            self._append(feedback_row(event))

    def _append(self, row: Mapping[str, Any]) -> None:
        line = json.dumps(row, ensure_ascii=False) + "\n"
        with self._lock:
            if self._broken:
                return
            try:
                if self._file is None:
                    self._file = self._opened()
                self._file.write(line)
                self._file.flush()
                if self._most is not None and self._file.tell() >= self._most:
                    self._rotate()
            except OSError as error:
                self._broken = True
                warnings.warn(
                    f"the journal {self.path} cannot be written and is given up: {error}", RuntimeWarning, stacklevel=2
                )

    def _opened(self) -> IO[str]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+b")
        if file.tell():  # an incomplete line must not damage the next one
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        # Half a surrogate pair is escaped, as in JSON.
        return io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace")

    def _rotate(self) -> None:
        """Start a new file, unless another process has done so: then use that one."""
        assert self._file is not None, "just written"
        ours = os.fstat(self._file.fileno())
        self._file.close()
        self._file = None
        if not self.path.exists() or not os.path.samestat(ours, self.path.stat()):
            return
        for number in range(self._keep, 0, -1):
            older = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number}"))

    def close(self) -> None:
        """Close the file; the next record opens it again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def feedback_row(event: Event) -> dict[str, Any]:
    """Return the journal row of feedback."""
    return {
        "switchwise.schema": SCHEMA,
        "switchwise.decision": event.decision,
        "switchwise.feedback": event.details["reward"],
        "switchwise.feedback_kind": event.details["kind"],
    }


def read(path: str | Path) -> Iterator[Record]:
    """Read the records of a journal of JSON lines (also rotated or gzipped) or SQLite. Incomplete records are skipped.

    Raises:
        ValueError: a line is not a record; the message names the file and line.
    """
    for file in files_of(Path(path)):
        for number, row in rows_of(file):
            try:
                if not isinstance(row, dict):
                    raise ValueError(f"not a JSON object, but {row!r:.40}")
                if "switchwise.feedback" not in row:  # feedback, not an attempt
                    yield Record.from_dict(row)
            except ValueError as error:
                raise ValueError(f"{file}:{number}: no record of a journal: {error}") from error
