"""Outcomes from files: the shared sets, RouterBench's and RouterArena's tables, LangSmith and JSONL exports, a router's own journal.

A file is recognised by its columns, never by its name:

| has | is |
|---|---|
| `strong` and `weak` | one strong and one weak model on the same prompts; the cost is the share of calls to the strong one |
| columns `X` and `X total_cost` (joined by a bar) | RouterBench's wide table, written as CSV or JSON lines |
| `global index`, `prediction`, `accuracy` | RouterArena's evaluated predictions, one file per router |
| `run_type` and `feedback_stats` | runs exported from LangSmith, with feedback |
| `switchwise.schema` | a journal; `switchwise.feedback` lines or verdicts are its outcomes |
| a task, a target and a score, by the names in `NAMES` | one row per run; further rows of the same task and target are repeats |

Rows that share an id with a file of questions (an id and a `prompt`, no target) get its text.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from switchwise.evaluation.outcomes.duplicates import duplicate_groups
from switchwise.evaluation.outcomes.rows import ScoredRun, gathered
from switchwise.evaluation.outcomes.table import Outcomes
from switchwise.nouns.errors import ConfigurationError
from switchwise.observe.journal.files import SQLITE, is_sqlite, parsed, sqlite_rows
from switchwise.observe.journal.files import files_of as rotated

_log = logging.getLogger(__name__)
Row = Mapping[str, Any]
SUFFIXES = (*SQLITE, ".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".json", ".json.gz")
NAMES: Mapping[str, tuple[str, ...]] = {
    "task": (
        "id",
        "task",
        "instance",
        "task_id",
        "query_id",
        "sample_id",
        "global index",
        "global_index",
        "example_id",
        "problem",
    ),
    "target": ("model", "target", "config", "prediction", "agent_model"),
    "score": ("score", "resolved", "ok", "passed", "accuracy", "correct", "solved", "reward", "success"),
    "most": ("max_score",),
    "cost": ("cost_usd", "usd", "cost", "dollars", "total_cost"),
    "seconds": ("seconds", "agent_seconds", "latency"),
    "benchmark": ("benchmark", "dataset", "eval_name", "service"),
    "label": ("label", "repo", "category", "group", "subject", "domain"),
    "text": ("question", "prompt", "instruction", "text", "query"),
    "in_tokens": ("in_tokens", "input_tokens", "prompt_tokens"),
    "out_tokens": ("out_tokens", "output_tokens", "completion_tokens"),
}
SCALES = (1.0, 5.0, 10.0, 100.0)  # of scores, where no column says what the most is
AGENTIC = frozenset(["instance", "task", "turns", "tool_calls", "harness", "config"])  # columns of whole agent tasks


def read_outcomes(path: str | Path) -> list[Outcomes]:
    """Every set of outcomes in a file, or in a folder and the folders in it. Files of other formats are passed over.

    Raises:
        ConfigurationError: nothing there is readable, or holds no outcomes.
    """
    path = Path(path)
    files = files_of(path)
    texts: dict[tuple[Path, str], Row] = {}
    tables: list[tuple[Path, list[Row]]] = []
    for file in files:
        rows = list(rows_of(file, strict=path.is_file()))
        if not rows:
            continue
        if "switchwise.schema" in rows[0]:
            rows = [row for older in rotated(file)[:-1] for row in rows_of(older, strict=path.is_file())] + rows
        if (
            _column(rows[0], "target") is None
            and _column(rows[0], "text")
            and "strong" not in rows[0]
            and "run_type" not in rows[0]
        ):
            texts |= {(file.parent, str(row[_column(row, "task") or "id"])): row for row in rows if _column(row, "task")}
        tables.append((file, rows))
    found: list[Outcomes] = []
    for file, rows in tables:
        runs = list(_runs(rows))
        if not runs:
            continue
        own = {task: row for (folder, task), row in texts.items() if folder == file.parent}
        found += gathered(_stem(file), runs, {task: _text(row) for task, row in own.items()}, duplicate_groups)
    if not found:
        raise ConfigurationError(
            f"{path}: no outcomes found; a row needs a task, a target and a score, by one of the names "
            f"{', '.join(NAMES['task'][:4])} ...; {', '.join(NAMES['target'][:3])} ...; {', '.join(NAMES['score'][:4])} ... "
            "(docs/guide/evaluation.md lists the formats)"
        )
    return found


def files_of(path: Path) -> list[Path]:
    """The files that may hold tables: the file itself, or those in a folder and the folders in it.

    Raises:
        ConfigurationError: there is no such file or folder.
    """
    if not path.exists():
        raise ConfigurationError(f"{path}: there is no such file or folder")
    return [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.name.endswith(SUFFIXES))


def _stem(file: Path) -> str:
    name = file.name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        name = name.removesuffix(suffix)
    return file.parent.name if name in ("outcomes", "results") else name


def rows_of(file: Path, strict: bool) -> Iterator[Row]:
    """The rows of a table; of one that cannot be read nothing, or an error where `strict`."""
    raw = file.read_bytes()
    try:
        if is_sqlite(file):
            yield from (row for _, row in sqlite_rows(file))
            return
        content = gzip.decompress(raw) if file.name.endswith(".gz") else raw
        kind = file.name.removesuffix(".gz").rsplit(".", 1)[-1]
        if kind == "csv":
            for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"))):
                row.pop(None, None)  # cells beyond the heading
                yield row
        elif kind == "json":
            whole = json.loads(content.decode("utf-8-sig"))
            if isinstance(whole, Mapping):
                whole = next((value for value in whole.values() if isinstance(value, list)), [])
            yield from (row for row in whole if isinstance(row, Mapping)) if isinstance(whole, list) else ()
        else:
            for number, line in enumerate(content.split(b"\n"), 1):
                yield from (row for row in _line(number, line) if isinstance(row, Mapping))
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error, csv.Error) as error:
        if strict:
            raise ConfigurationError(f"{file}: cannot be read: {error}") from None
        _log.warning("%s: left out, it cannot be read: %s", file, error)


def _line(number: int, line: bytes) -> tuple[Any] | tuple[()]:
    try:
        return parsed(line)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from None


def _runs(rows: list[Row]) -> Iterator[ScoredRun]:
    first = rows[0]
    if "strong" in first and "weak" in first:
        return _pairs(rows)
    if any(name.endswith("|total_cost") for name in first):
        return _wide(rows)
    if "run_type" in first:
        return _langsmith(rows)
    if "switchwise.schema" in first:
        return _journal(rows)
    if "step" in first or "attempts" in first:  # steps of sessions, attempts of a cascade: no outcome per row
        return iter(())
    if all(_column(first, name) for name in ("task", "target", "score")):
        return _long(rows)
    return iter(())


def _column(row: Row, what: str) -> str | None:
    return next((name for name in NAMES[what] if name in row), None)


def _text(row: Row) -> str:
    name = _column(row, "text")
    return str(row[name]) if name else ""


def number_of(value: Any) -> float | None:
    """A finite number, or a truth as 1 or 0, also as text; None: neither."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return float(value.lower() == "true")
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if isfinite(found) else None


def _cost(value: Any) -> float | None:
    found = number_of(value)
    return None if found is None or found < 0 else found


def _pairs(rows: Sequence[Row]) -> Iterator[ScoredRun]:
    known = [(number_of(row.get("strong")), number_of(row.get("weak"))) for row in rows]
    scale = _scale([score for pair in known for score in pair if score is not None])
    for number, (row, scores) in enumerate(zip(rows, known, strict=True)):
        if row.get("contaminated") in (1, "1", True) or None in scores:
            continue
        task, label = str(row.get("id", number)), str(row.get("group", ""))
        twin = str(row["question_id"]) if row.get("question_id") not in (None, "") else None
        for target, score, cost in zip(("strong", "weak"), scores, (1.0, 0.0), strict=True):
            yield ScoredRun(
                str(row.get("benchmark", "")), task, target, label, (score or 0.0) / scale, cost, _text(row), twin, "share"
            )


def _scale(scores: Sequence[float]) -> float:
    """What scores are divided by: the scale of a set is the least of `SCALES` that holds them all.

    Raises:
        ConfigurationError: a score is below 0, or above all scales.
    """
    low, top = min(scores, default=0.0), max(scores, default=0.0)
    if low < 0 or top > SCALES[-1]:
        raise ConfigurationError(
            f"scores from {low:g} to {top:g}: give scores from 0 to {SCALES[-1]:g}, or the most that can be had as max_score"
        )
    return next(scale for scale in SCALES if top <= scale)


def _wide(rows: Iterable[Row]) -> Iterator[ScoredRun]:
    for number, row in enumerate(rows):
        targets = [name.removesuffix("|total_cost") for name in row if name.endswith("|total_cost")]
        label = str(row.get("eval_name", ""))
        for target in targets:
            score = number_of(row.get(target))
            if score is not None:
                cost = _cost(row[f"{target}|total_cost"])
                yield ScoredRun("", str(row.get("sample_id", number)), target, label, score, cost, _text(row), None, "usd")


def _table_in(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The table in a field, also as JSON text, which is what a CSV file holds; empty: there is none."""
    found = row.get(name)
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return {}
    return found if isinstance(found, Mapping) else {}


def _langsmith(rows: Iterable[Row]) -> Iterator[ScoredRun]:
    for row in rows:
        metadata = _table_in(_table_in(row, "extra"), "metadata")
        decision = _table_in(metadata, "switchwise")
        target = decision.get("target") or metadata.get("switchwise_target") or metadata.get("ls_model_name")
        stats = _table_in(row, "feedback_stats")
        scores = [number_of(each.get("avg")) for each in stats.values() if isinstance(each, Mapping)]
        score = next((each for each in scores if each is not None), None)
        task = row.get("reference_example_id") or metadata.get("thread_id") or metadata.get("session_id") or row.get("id")
        if target and score is not None:
            label = str(metadata.get("langgraph_node") or metadata.get("lc_agent_name") or row.get("name") or "")
            yield ScoredRun(
                "", str(task), str(target), label, score, _cost(row.get("total_cost")), "", None, "usd", agentic=True
            )


def _journal(rows: Iterable[Row]) -> Iterator[ScoredRun]:
    """The last attempt of a decision is paid with all of it; feedback outranks the verdict."""
    spent: dict[str, float] = defaultdict(float)
    last: dict[str, Row] = {}
    stated: dict[str, float] = {}
    for row in rows:
        decision = str(row.get("switchwise.decision", ""))
        if "switchwise.feedback" in row:
            if (score := number_of(row["switchwise.feedback"])) is not None:
                stated[decision] = score
        elif row.get("switchwise.purpose") == "answer" and row.get("switchwise.target"):
            spent[decision] += number_of(row.get("switchwise.cost")) or 0.0
            last[decision] = row
    for decision, row in last.items():
        result = row.get("switchwise.result")
        score = stated.get(decision, 0.0 if result in ("rejected", "failed") else None)
        if score is not None:
            parts = [str(row.get(f"switchwise.{name}") or "") for name in ("agent", "phase", "task")]
            label = "/".join(dict.fromkeys(part for part in parts if part))  # as `usual_label` has it
            yield ScoredRun("", decision, str(row["switchwise.target"]), label, score, spent[decision], "", None, "usd")


def _long(rows: list[Row]) -> Iterator[ScoredRun]:
    first = rows[0]
    named = {what: _column(first, what) for what in NAMES}
    agentic = bool(AGENTIC & first.keys()) and "question" not in first

    def value(row: Row, what: str) -> Any:
        name = named[what]
        return None if name is None else row.get(name)

    harnesses = {row.get("harness") for row in rows}
    usual = max(harnesses, key=lambda name: sum(row.get("harness") == name for row in rows))
    known = [number_of(value(row, "score")) for row in rows]
    scale = 1.0 if named["most"] else _scale([score for score in known if score is not None])
    for row in rows:
        score, most = number_of(value(row, "score")), number_of(value(row, "most"))
        if score is None:
            continue
        target, task = str(value(row, "target")), str(value(row, "task"))
        if row.get("harness") != usual:
            target = f"{target} ({row['harness']})"
        cost, unit = _cost(value(row, "cost")), "usd"
        if named["cost"] is None and named["in_tokens"] and named["out_tokens"]:
            used = [number_of(value(row, "in_tokens")), number_of(value(row, "out_tokens"))]
            cost, unit = (used[0] + 5 * used[1] if None not in used else None), "tokens"  # type: ignore[operator]
        label = value(row, "label")
        benchmark = str(value(row, "benchmark") or "")
        if "global index" in row or "global_index" in row:
            label = task.rsplit("_", 1)[0]
        if label is None:
            label = task.rsplit("__", 1)[0] if "__" in task else benchmark
        yield ScoredRun(benchmark, task, target, str(label), score / (most or scale), cost, _text(row), None, unit, agentic)
