"""Recorded agent sessions, as numbers: what was asked when, how long the prompt was, and what the provider billed.

The format (`agent_sessions`) is JSON Lines, plain or gzipped: one row for each call, the rows of a thread contiguous and in
order. Columns that are read: `session`, `agent` (null: the main thread), `t` (seconds), `model`, `trigger` (`tool`, `user`,
`compact`), `microcompact`, `input_tokens`, `cache_read`, `write_5m`, `write_1h`, `output_tokens_logged`, `text_chars`,
`thinking_chars`, `tool_chars`, `tools`.

A recording tells where its cache broke: a call well inside the lifetime that read much less than the prompt before it followed
an edit, a change of tools or a resumed session. Such breaks belong to the conversation, so every replayed model meets them; lapses
of the lifetime do not, they follow from the clock and the model's own rules.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from fairlead.errors import ConfigurationError

READING = frozenset(
    [
        "Glob",
        "Grep",
        "LS",
        "LSP",
        "NotebookRead",
        "Read",
        "TaskCreate",
        "TaskGet",
        "TaskList",
        "TaskOutput",
        "TaskUpdate",
        "TodoRead",
        "TodoWrite",
        "WebFetch",
        "WebSearch",
    ]
)
"""Tools that read, search or keep a list: a call that only emits these is easy."""

EASY: Mapping[str, frozenset[str]] = {"reads": READING, "reads+bash": READING | {"Bash"}}
"""Definitions of an easy call, by name."""

_COMPACTED = 0.7  # a prompt this much shorter than the one before it was compacted
_BROKEN = 0.9  # a read of less than this share of the prompt before is a break
_SURE = 0.8  # of the lifetime: a miss after a shorter gap was no lapse


@dataclass(frozen=True, slots=True)
class Bill:
    """What the provider counted for one call, in tokens.

    Parameters:
        model: as sent.
        plain, read, write_5m, write_1h, output: disjoint parts.
    """

    model: str
    plain: int
    read: int
    write_5m: int
    write_1h: int
    output: int


@dataclass(frozen=True, slots=True)
class Step:
    """One recorded call.

    Parameters:
        at: seconds.
        prompt: length of the whole prompt, in tokens.
        kept: how many leading tokens of the prompt before it survive in this one; all of them where it only grew.
        output: length of the answer, in tokens.
        growth: tokens that this step adds to the prompt of the next one.
        easy: the weaker model would do as well, by the definition the reader was given.
        turn: it begins with a user's message: a new task.
        compacted: the history was summarised before it.
        bill: what was billed.
    """

    at: float
    prompt: int
    kept: int
    output: int
    growth: int
    easy: bool
    turn: bool
    compacted: bool
    bill: Bill


@dataclass(frozen=True, slots=True)
class Thread:
    """The calls of one agent in one session.

    Parameters:
        session: whose thread it is; what may be resampled.
        agent: empty for the main thread.
        shared: leading tokens that other threads of the account had left in the cache when it began.
        ttl: lifetime of the cache that was recorded: 300 or 3600 seconds.
        steps: its calls, in order.
    """

    session: str
    agent: str
    shared: int
    ttl: int
    steps: tuple[Step, ...]


def read_sessions(path: str | Path, easy: Collection[str] = EASY["reads"]) -> list[Thread]:
    """The threads of a recording.

    Parameters:
        path: a file of the format, or a folder that holds `calls.jsonl.gz` or `calls.jsonl`.
        easy: a call that a tool triggered and that only emits these tools is easy.

    Raises:
        ConfigurationError: there is no such file, or a row lacks a column.
    """
    rows = _rows(_file(Path(path)))
    try:
        return [
            _thread(list(calls), frozenset(easy))
            for _, calls in groupby(rows, key=lambda row: (row["session"], row.get("agent")))
        ]
    except KeyError as missing:
        raise ConfigurationError(f"{path}: a row has no column {missing}; see fairlead.evaluation.sessions") from None


def _file(path: Path) -> Path:
    for file in (path, path / "calls.jsonl.gz", path / "calls.jsonl"):
        if file.is_file():
            return file
    raise ConfigurationError(f"{path}: no recording there; give a .jsonl or .jsonl.gz file, or a folder with calls.jsonl.gz")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _thread(rows: list[dict[str, Any]], easy: frozenset[str]) -> Thread:
    bills = [_bill(row) for row in rows]
    prompts = [bill.plain + bill.read + bill.write_5m + bill.write_1h for bill in bills]
    ttl = 3600 if any(bill.write_1h for bill in bills) else 300
    steps: list[Step] = []
    for i, (row, bill, prompt) in enumerate(zip(rows, bills, prompts, strict=True)):
        compacted = i > 0 and (row["trigger"] == "compact" or prompt < _COMPACTED * prompts[i - 1])
        kept = (
            _kept(prompts[i - 1], prompt, bill.read, float(row["t"]) - steps[-1].at < _SURE * ttl, compacted) if i else prompt
        )
        growth = prompts[i + 1] - prompt if i + 1 < len(rows) else 0
        steps.append(
            Step(
                at=float(row["t"]),
                prompt=prompt,
                kept=kept,
                output=bill.output,
                growth=growth if growth > 0 else bill.output,
                easy=row["trigger"] == "tool" and bool(row["tools"]) and easy.issuperset(row["tools"]),
                turn=i == 0 or row["trigger"] == "user",
                compacted=compacted,
                bill=bill,
            )
        )
    return Thread(rows[0]["session"], rows[0].get("agent") or "", bills[0].read, ttl, tuple(steps))


def _kept(before: int, prompt: int, read: int, sure: bool, compacted: bool) -> int:
    if compacted or (sure and read < _BROKEN * before):
        return min(read, prompt)
    return min(before, prompt)


def _bill(row: Mapping[str, Any]) -> Bill:
    # More than half of the logged output counts are snapshots of an unfinished stream: the characters are a lower bound.
    chars = sum(row.get(part) or 0 for part in ("text_chars", "thinking_chars", "tool_chars"))
    output = max(int(row.get("output_tokens_logged") or 0), chars // 4)
    plain, read = int(row["input_tokens"]), int(row["cache_read"])
    return Bill(str(row["model"]), plain, read, int(row["write_5m"]), int(row["write_1h"]), output)


def easy_share(threads: Iterable[Thread]) -> float:
    """The share of easy calls."""
    labels = [step.easy for thread in threads for step in thread.steps]
    return sum(labels) / max(1, len(labels))
