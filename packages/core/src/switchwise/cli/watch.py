"""`switchwise watch`: follow a router's journal live."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from switchwise.cli.output import AsJson, as_json, console
from switchwise.display.figures import many, usd
from switchwise.nouns.errors import ConfigurationError

if TYPE_CHECKING:
    from switchwise.observe.journal import Record


@dataclass(slots=True)
class TargetCounts:
    """Counts of one target.

    Parameters:
        answers, failures: accepted attempts; failed or rejected ones.
        cost: USD of answers with a known price.
        prompt, cached: tokens.
        seconds: total duration of the answers.
    """

    answers: int = 0
    failures: int = 0
    cost: float = 0.0
    prompt: int = 0
    cached: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Board:
    """Summary of a journal so far.

    Parameters:
        rows: by target.
        sessions: names of sessions.
        last: the latest records.
    """

    rows: dict[str, TargetCounts] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    last: deque[Record] = field(default_factory=lambda: deque(maxlen=12))

    def take(self, record: Record) -> None:
        """Count one attempt."""
        row = self.rows.setdefault(record.target, TargetCounts())
        if record.result == "accepted":
            row.answers += 1
            row.seconds += record.latency
        else:
            row.failures += 1
        row.cost += record.cost or 0
        row.prompt += record.input_tokens or 0
        row.cached += record.cache_read_tokens or 0
        self.sessions.add(record.session)
        self.last.append(record)

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        targets = {
            name: {
                "answers": row.answers,
                "failures": row.failures,
                "cost": round(row.cost, 8),
                "prompt_tokens": row.prompt,
                "cached_tokens": row.cached,
                "mean_seconds": round(row.seconds / row.answers, 3) if row.answers else None,
            }
            for name, row in self.rows.items()
        }
        return {
            "sessions": len(self.sessions),
            "cost": round(sum(row.cost for row in self.rows.values()), 8),
            "targets": targets,
        }


class Tail:
    """New records of a growing journal. An incomplete last line waits for its rest.

    Parameters:
        path: a file of JSON lines; it may not exist yet, and may be rotated.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._rest = b""
        self._file: os.stat_result | None = None

    def new(self, ended: bool = False) -> Iterator[Record]:
        """Return the new records.

        Parameters:
            ended: nothing is appended any more: read a last line without an end, too.

        Raises:
            ConfigurationError: the file is a damaged SQLite file.
        """
        from switchwise.observe.journal import Record
        from switchwise.observe.journal.files import is_sqlite, sqlite_rows

        try:
            if is_sqlite(self._path):
                numbered = list(sqlite_rows(self._path, self._at))
                self._at = numbered[-1][0] if numbered else self._at
                rows: list[Any] = [row for _, row in numbered]
            else:
                rows = list(self._parsed(self._appended(), ended))
        except FileNotFoundError:
            return
        except ValueError as error:
            raise ConfigurationError(f"{self._path}: {error}") from None
        for row in rows:
            with suppress(ValueError):  # feedback, or another program writes there too
                if isinstance(row, dict):
                    yield Record.from_dict(row)

    def _parsed(self, data: bytes, ended: bool) -> Iterator[Any]:
        from switchwise.observe.journal.files import parsed

        *lines, self._rest = (self._rest + data).split(b"\n")
        if ended:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            with suppress(ValueError):  # as above
                yield from parsed(line)

    def _appended(self) -> bytes:
        """What was appended since the last look, to files that were rotated in between, too."""
        found = b""
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            if self._file is not None and not os.path.samestat(self._file, status):
                found, self._at = self._rotated(self._file), 0
            elif status.st_size < self._at:  # truncated
                self._at, self._rest = 0, b""
            self._file = status
            file.seek(self._at)
            data = file.read()
        self._at += len(data)
        return found + data

    def _rotated(self, known: os.stat_result) -> bytes:
        """The rest of the file that was read until now, and the files after it."""
        from switchwise.observe.journal.files import files_of

        found: list[bytes] = []
        for path in files_of(self._path)[:-1]:
            with suppress(FileNotFoundError), path.open("rb") as file:
                if found or os.path.samestat(known, os.fstat(file.fileno())):
                    file.seek(0 if found else self._at)
                    found += [file.read(), b"\n"]
        return b"".join(found) or b"\n"


def watch(
    journal: Annotated[Path, typer.Argument(help="A journal, as JsonLines or SqliteJournal writes it.")],
    every: Annotated[float, typer.Option(min=0.05, max=60, help="Seconds between looks.")] = 0.5,
    once: Annotated[bool, typer.Option("--once", help="Show what there is, and end.")] = False,
    json_: AsJson = False,
) -> None:
    """Follow a journal: spend, answers and failures by target, and the last decisions. Ctrl-C ends it."""
    board, tail = Board(), Tail(journal)
    if once or json_:
        if not journal.is_file():
            raise ConfigurationError(f"{journal}: there is no such file")
        for record in tail.new(ended=True):
            board.take(record)
        if json_:
            as_json(board.as_dict())
        else:
            console().print(picture(board))
        return
    with Live(picture(board), console=console(), refresh_per_second=8, screen=False) as live:
        try:
            while True:
                for record in tail.new():
                    board.take(record)
                live.update(picture(board))
                time.sleep(every)
        except KeyboardInterrupt:
            return


def picture(board: Board) -> Group:
    """A board as tables."""
    total = sum(row.cost for row in board.rows.values())
    count = sum(row.answers + row.failures for row in board.rows.values())
    sentence = (
        f"{usd(total)} for {many(count, 'call')} in {many(len(board.sessions), 'session')}."
        if count
        else "Waiting for the first call."
    )
    targets = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("target", "answers", "failed", "cost", "cached", "seconds"):
        targets.add_column(heading, justify="left" if heading == "target" else "right")
    for name, row in sorted(board.rows.items(), key=lambda item: -item[1].cost):
        cached = f"{row.cached / row.prompt:.0%}" if row.prompt else ""
        mean = f"{row.seconds / row.answers:.2f}" if row.answers else ""
        targets.add_row(
            Text(name), str(row.answers), Text(str(row.failures), "red" if row.failures else "dim"), usd(row.cost), cached, mean
        )
    last = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("session", "agent", "target", "what", "cost", "why"):
        last.add_column(heading, no_wrap=heading != "why", overflow="ellipsis")
    for record in board.last:
        what = Text(record.failure or record.result, "green" if record.result == "accepted" else "red")
        why = Text(f"{record.policy}: {record.because}")
        last.add_row(Text(record.session[:16]), Text(record.agent), Text(record.target), what, usd(record.cost), why)
    totals = (
        "cached: share of the prompt that was read from the cache.  seconds: mean of the answers.  failed: rejected ones, too."
    )
    parts = [Text(sentence), Text(), targets, Text(totals, "dim"), Text(), last] if count else [Text(sentence)]
    return Group(*parts)
