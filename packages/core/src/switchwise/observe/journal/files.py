"""Read the files of journals.

A journal is a file of JSON lines, possibly rotated (`journal.jsonl.2`, `.1`, then `journal.jsonl`) or gzipped, or a SQLite file. An
incompletely written record does not affect others.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

SQLITE = (".sqlite", ".sqlite3", ".db")
"""Suffixes of journals in SQLite."""
_MAGIC = b"SQLite format 3\0"
_BEGIN = '{"switchwise.schema"'


def files_of(path: Path) -> list[Path]:
    """Return the file and its rotated files, oldest first.

    >>> files_of(Path("journal.jsonl"))
    [PosixPath('journal.jsonl')]
    """
    number = re.compile(re.escape(path.name) + r"\.(\d+)")
    found = [(int(match[1]), each) for each in path.parent.glob(f"{path.name}.*") if (match := number.fullmatch(each.name))]
    return [*(each for _, each in sorted(found, reverse=True)), path]


def is_sqlite(path: Path) -> bool:
    """Return whether it is a SQLite file, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def sqlite_rows(path: Path, after: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a SQLite journal with their numbers.

    Parameters:
        after: only rows with a higher number.

    Raises:
        ValueError: it is not a journal, or is damaged.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as base:
        try:
            for number, text in base.execute("SELECT id, row FROM records WHERE id > ? ORDER BY id", (after,)):
                yield number, json.loads(text)
        except sqlite3.Error as error:
            raise ValueError(f"no journal: {error}") from error


def is_cut(line: str) -> bool:
    """Return whether an invalid line is an incompletely written record: its process ended, or the disk was full.

    >>> is_cut('{"switchwise.schema": 1, "switchwise.ti'), is_cut('{"swit'), is_cut('{"session": 1')
    (True, True, False)
    """
    line = line.strip()
    return line.startswith(_BEGIN) or _BEGIN.startswith(line)
