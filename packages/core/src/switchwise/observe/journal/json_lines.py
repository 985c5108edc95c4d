"""An observer that appends records to a file, one JSON object to a line."""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from switchwise.nouns.call import Attempt
from switchwise.observe.journal.record import SCHEMA, Record
from switchwise.observe.observer import Event, EventKind, Observer
from switchwise.state.forking import rlock


class JsonLines(Observer):
    """Appends each record to `path` and flushes, so a line is whole or not there.

    A file that cannot be written is said once, by a warning, and costs no call: a journal must not end a run.

    Parameters:
        path: the file; it and its folder are made with the first record.
        texts: write replies and error messages too.
    """

    def __init__(self, path: str | Path, *, texts: bool = False) -> None:
        self.path = Path(path)
        self._texts = texts
        self._lock = rlock()  # the garbage collector may close an abandoned stream in the middle
        self._file: IO[str] | None = None
        self._broken = False

    def settled(self, attempt: Attempt) -> None:
        self._append(Record.of(attempt, self._texts).as_dict())

    def event(self, event: Event) -> None:
        """Write down how a decision turned out; `switchwise eval` and `switchwise fit` read it."""
        if event.kind is EventKind.FEEDBACK:
            self._append(
                {
                    "switchwise.schema": SCHEMA,
                    "switchwise.decision": event.decision,
                    "switchwise.feedback": event.details["reward"],
                    "switchwise.feedback_kind": event.details["kind"],
                }
            )

    def _append(self, row: Mapping[str, Any]) -> None:
        line = json.dumps(row, ensure_ascii=False) + "\n"
        with self._lock:
            if self._broken:
                return
            try:
                if self._file is None:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    self._file = self.path.open("a", encoding="utf-8")
                self._file.write(line)
                self._file.flush()
            except OSError as error:
                self._broken = True
                warnings.warn(
                    f"the journal {self.path} cannot be written and is given up: {error}", RuntimeWarning, stacklevel=2
                )

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


def read(path: str | Path) -> Iterator[Record]:
    """The records of a file that `JsonLines` wrote, also one that was gzipped since.

    Raises:
        ValueError: a line is no record; the message names the file and the line.
    """
    path = Path(path)
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if not (isinstance(row, dict) and "switchwise.feedback" in row):  # how a decision turned out: not an attempt
                    yield Record.from_dict(row)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: no record of a journal: {error}") from error
