"""Read the files of journals.

A journal is a file of JSON lines, possibly rotated (`journal.jsonl.2`, `.1`, then `journal.jsonl`) or gzipped, or a SQLite file. An
incompletely written record does not affect others.
"""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
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
    """Return whether it is a SQLite file, possibly truncated, by its first bytes."""
    with path.open("rb") as file:
        begin = file.read(len(_MAGIC))
    return bool(begin) and _MAGIC.startswith(begin)


def rows_of(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the rows of one file with their numbers. Incompletely written records are skipped.

    Raises:
        ValueError: a line is not JSON, or the file is damaged; the message names it.
    """
    if is_sqlite(path):
        try:
            yield from sqlite_rows(path)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    for row in parsed(line):
                        yield number, row
                except ValueError as error:
                    raise ValueError(f"{path}:{number}: no record of a journal: {error}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error


def sqlite_rows(path: Path, after: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a SQLite journal with their numbers.

    Parameters:
        after: only rows with a higher number.

    Raises:
        ValueError: it is not a journal, or is damaged.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as base:
            for number, text in base.execute("SELECT id, row FROM records WHERE id > ? ORDER BY id", (after,)):
                try:
                    yield number, json.loads(text)
                except (TypeError, ValueError) as error:
                    raise ValueError(f"no journal: row {number}: {error}") from error
    except sqlite3.Error as error:
        raise ValueError(f"no journal: {error}") from error


def parsed(line: bytes) -> tuple[Any] | tuple[()]:
    """Parse a line of JSON; nothing is returned for an incompletely written record: its process ended, or the disk was full.

    A record that another process wrote behind an incomplete one, or behind zeros that a power cut left, is returned.

    Raises:
        ValueError: it is something else.

    >>> parsed(b'{"switchwise.schema": 1, "switchwise.ti'), parsed(b'{"swit'), parsed(b'{"swit{"switchwise.schema": 1}')
    ((), (), ({'switchwise.schema': 1},))
    >>> parsed(b'{"session": 1')
    Traceback (most recent call last):
    json.decoder.JSONDecodeError: Expecting ',' delimiter: line 1 column 14 (char 13)
    """
    try:
        return (json.loads(line.decode("utf-8-sig")),)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    except ValueError:
        text = line.decode("utf-8-sig", "replace").strip("\0 \t\r\n")
        for begin in re.finditer(re.escape(_BEGIN), text):
            with suppress(ValueError):
                return (json.loads(text[begin.start() :]),)
        if text.startswith(_BEGIN) or _BEGIN.startswith(text):
            return ()
        raise


def has_torn_lines(path: Path) -> bool:
    """Return whether a file of JSON lines holds a record that `parsed` finds, and other readers do not."""
    begin = _BEGIN.encode()
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        return any(line.find(begin, 1) > 0 for line in lines)
