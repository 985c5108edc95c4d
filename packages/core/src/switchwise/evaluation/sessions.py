"""Read recorded agent sessions as numbers: times, lengths of prompts, and billed tokens.

The format (`agent_sessions`) is JSON Lines, plain or gzipped: one row for each call. Columns that are read:

    session, t, input_tokens      required: session, time (seconds), uncached tokens
    cache_read, cache_write       tokens read and written; `write_5m` and `write_1h` say with which lifetime (else 5 minutes)
    model                         as sent; its bill is checked against the cost model where it is priced
    agent, step                   null: the main thread; number of the call in its thread (else the order of `t`, else that of the rows)
    trigger, tools, tool_errors   what came before (`tool`, `user`, `compact`), tools that the answer calls, results that are errors
    output_tokens_logged          length of the answer; at least a quarter of `text_chars`, `thinking_chars` and `tool_chars`

Missing values and null count as zero. Without `trigger` and `tools` no call counts as easy.

A recording shows breaks of its cache: a call well within the lifetime that read much less than the previous prompt followed an edit, a
change of tools or a resumed session. Such breaks belong to the conversation, so they apply to every replayed model; expired lifetimes do
not: they follow from the clock and the model's own rules.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.signals import Phase, Signals, StepKind
from switchwise.observe.journal.files import is_sqlite, parsed
from switchwise.observe.journal.files import rows_of as journal_rows

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
"""Tools that read, search or keep a list: a call that only uses these is easy."""

EASY: Mapping[str, frozenset[str]] = {"reads": READING, "reads+bash": READING | {"Bash"}}
"""Definitions of an easy call, by name."""

COMPACTED = 0.7  # a prompt this much shorter than the one before it was compacted
BROKEN = 0.9  # a read of less than this share of the prompt before is a break
SURE = 0.8  # of the lifetime: a miss after a shorter gap was no lapse
_MOST = 1e12  # tokens, or whatever a column counts: more is a mistake
_LATEST = 1e11  # seconds; today's milliseconds are above it


@dataclass(frozen=True, slots=True)
class BilledTokens:
    """Billed tokens of one call.

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
        kept: leading tokens of the previous prompt that this one keeps; all if it only grew.
        output: length of the answer, in tokens.
        growth: tokens that this step adds to the prompt of the next one.
        easy: the weaker model is assumed to do as well, by the reader's definition.
        turn: it begins with a user message: a new task.
        compacted: the history was summarised just before.
        bill: billed tokens.
        signals: signals for a router.
        by: target of the call, if the recording is a journal.
    """

    at: float
    prompt: int
    kept: int
    output: int
    growth: int
    easy: bool
    turn: bool
    compacted: bool
    bill: BilledTokens
    signals: Signals = Signals()
    by: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """The calls of one agent in one session.

    Parameters:
        session: session of the thread, the unit of resampling.
        agent: empty for the main thread.
        shared: leading tokens cached by other threads of the account when it began.
        ttl: lifetime of the recorded cache: 300 or 3600 seconds.
        steps: its calls, in order.
        kind: kind of the thread, for shared statistics: the agent's name, if known.
    """

    session: str
    agent: str
    shared: int
    ttl: int
    steps: tuple[Step, ...]
    kind: str = ""


def read_sessions(path: str | Path, easy: Collection[str] = EASY["reads"]) -> list[Thread]:
    """Read the threads of a recording, in order of their first call.

    Parameters:
        path: a file of the format, or a folder with `calls.jsonl.gz` or `calls.jsonl`.
        easy: a call after a tool result that only uses these tools is easy.

    Raises:
        ConfigurationError: the file does not exist, or a row is invalid; the message names line and column.
    """
    found: dict[tuple[str, str], list[_Row]] = {}
    path = recording(Path(path))
    for number, line in rows(path):
        row = _row(line, f"{path}:{number}", frozenset(easy))
        found.setdefault((row.session, row.agent), []).append(row)
    return [_thread(calls) for calls in found.values()]


def recording(path: Path) -> Path:
    """The file itself, or that in the folder.

    Raises:
        ConfigurationError: there is none.
    """
    for file in (path, path / "calls.jsonl.gz", path / "calls.jsonl"):
        if file.is_file():
            return file
    others = sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")]) if path.is_dir() else []
    if len(others) == 1:
        return others[0]
    if others:
        raise ConfigurationError(
            f"{path}: {len(others)} recordings there; give one of them: {', '.join(f.name for f in others)}"
        )
    raise ConfigurationError(f"{path}: no recording there; give a .jsonl or .jsonl.gz file, or a folder with calls.jsonl.gz")


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file, plain or gzipped, or of a journal in SQLite, with the numbers of their lines.

    Raises:
        ConfigurationError: a line is no JSON object.
    """
    number = 0
    try:
        if is_sqlite(path):
            yield from journal_rows(path)
            return
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                for row in parsed(line):
                    if not isinstance(row, dict):
                        raise ConfigurationError(f"{path}:{number}: not a JSON object, but {line.decode().strip()[:40]}")
                    yield number, row
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    except ConfigurationError:
        raise
    except (ValueError, RecursionError) as error:  # no JSON, a number of thousands of digits, brackets without end
        raise ConfigurationError(f"{path}:{number}: no JSON: {error}") from None


class _Row(NamedTuple):
    session: str
    agent: str
    step: float | None
    at: float
    trigger: str
    errors: float
    tools: tuple[str, ...]
    easy: bool
    bill: BilledTokens


def _row(row: Mapping[str, Any], where: str, easy: frozenset[str]) -> _Row:
    session, tools = row.get("session"), row.get("tools") or []
    for needed in ("session", "t", "input_tokens"):
        if row.get(needed) is None:
            missing = f"column {needed!r} is null" if needed in row else f"no column {needed!r}"
            raise ConfigurationError(f"{where}: {missing}; see switchwise.evaluation.sessions")
    if isinstance(session, dict | list):
        raise ConfigurationError(f"{where}: column 'session' is {session!r:.60}; it should be a name")
    if not isinstance(tools, list) or not all(isinstance(tool, str) for tool in tools):
        raise ConfigurationError(f"{where}: column 'tools' is {tools!r:.60}; it should be a list of names")

    def number(name: str, most: float = _MOST) -> float:
        value = row.get(name) or 0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise ConfigurationError(f"{where}: column {name!r} is {value!r:.60}; it should be a number from 0 to {most:,.0f}")
        return value

    # More than half of the logged output counts are snapshots of an unfinished stream: the characters are a lower bound.
    chars = sum(number(part) for part in ("text_chars", "thinking_chars", "tool_chars"))
    output = max(int(number("output_tokens_logged")), int(chars) // 4)
    long = int(number("write_1h"))
    short = int(number("write_5m")) or max(0, int(number("cache_write")) - long)
    trigger = str(row.get("trigger") or "")
    return _Row(
        session=str(session),
        agent=str(row.get("agent") or ""),
        step=number("step") if row.get("step") is not None else None,
        at=number("t", _LATEST),
        trigger=trigger,
        errors=number("tool_errors"),
        tools=tuple(tools),
        easy=trigger == "tool" and bool(tools) and easy.issuperset(tools),
        bill=BilledTokens(
            str(row.get("model") or ""), int(number("input_tokens")), int(number("cache_read")), short, long, output
        ),
    )


def _thread(calls: list[_Row]) -> Thread:
    numbers = [row.step for row in calls]
    if None not in numbers and len(set(numbers)) == len(numbers):
        calls.sort(key=lambda row: row.step or 0.0)
    else:
        calls.sort(key=lambda row: row.at)
    prompts = [row.bill.plain + row.bill.read + row.bill.write_5m + row.bill.write_1h for row in calls]
    ttl = 3600 if any(row.bill.write_1h for row in calls) else 300
    steps: list[Step] = []
    for i, (row, prompt) in enumerate(zip(calls, prompts, strict=True)):
        compacted = i > 0 and (row.trigger == "compact" or prompt < COMPACTED * prompts[i - 1])
        sure = i > 0 and row.at - steps[-1].at < SURE * ttl
        kept = _kept(prompts[i - 1], prompt, row.bill.read, sure, compacted) if i else prompt
        growth = prompts[i + 1] - prompt if i + 1 < len(calls) else 0
        steps.append(
            Step(
                at=row.at,
                prompt=prompt,
                kept=kept,
                output=row.bill.output,
                growth=growth if growth > 0 else row.bill.output,
                easy=row.easy,
                turn=i == 0 or row.trigger == "user",
                compacted=compacted,
                bill=row.bill,
                signals=_signals(row, first=i == 0),
            )
        )
    first = calls[0]
    return Thread(first.session, first.agent, first.bill.read, ttl, tuple(steps))


def _signals(row: _Row, *, first: bool) -> Signals:
    """Return the signals of a recorded call. A hard one after a tool's result counts as planning: see `EASY`."""
    if first or row.trigger != "tool":
        return Signals(step=StepKind.USER_TURN, first=first, because="recorded")
    step = StepKind.FAILURE if row.errors and not row.easy else StepKind.TOOL_RESULT
    return Signals(None if row.easy else Phase.PLANNING, step, because="recorded")


def _kept(before: int, prompt: int, read: int, sure: bool, compacted: bool) -> int:
    if compacted or (sure and read < BROKEN * before):
        return min(read, prompt)
    return min(before, prompt)


def easy_share(threads: Iterable[Thread]) -> float:
    """Share of easy calls."""
    labels = [step.easy for thread in threads for step in thread.steps]
    return sum(labels) / max(1, len(labels))
