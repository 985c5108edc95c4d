"""Recorded runs of agents, step by step: from tables with one row per step, and from transcripts.

A file is recognised by its columns, never by its name:

| has | is |
|---|---|
| `session`, `step` and `returncode` | one row per step of a shell agent; `resolved` belongs to the session |
| `session`, `step` and `tool_errors` | one row per call of a coding agent, without an outcome |
| `traj` or `messages`, a list of OpenAI-style messages | one transcript per row, with `reward`, `resolved` or `score` |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from switchwise.evaluation.outcomes.read import Row, files_of, rows_of
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.signals import Turn
from switchwise.reading.tool_kinds import ToolKind, kind_of_call
from switchwise.reading.trajectory import Step, Trajectory, TrajectoryState, read_on

_OUTCOMES = ("resolved", "reward", "score", "solved", "passed", "success")
_CHANGES = frozenset((ToolKind.WRITE, ToolKind.DOCUMENT, ToolKind.TRANSACT))


class RecordedRun(NamedTuple):
    """One run.

    Parameters:
        name: of the run.
        group: runs of the same one are alike: the task.
        solved: how it ended; None: not recorded.
        steps: what each step shows.
        talk: the transcript, where there is one.
    """

    name: str
    group: str
    solved: bool | None
    steps: Sequence[Step]
    talk: Sequence[Turn] = ()

    def course(self) -> list[Trajectory]:
        """The trajectory after each step."""
        run, found = Trajectory(), []
        for step in self.steps:
            run = run.after(step)
            found.append(run)
        return found


def read_runs(path: str | Path) -> dict[str, list[RecordedRun]]:
    """The runs of every file of these formats, in a file or in a folder and the folders in it, by the name of the file.

    Raises:
        ConfigurationError: there is none.
    """
    found: dict[str, list[RecordedRun]] = {}
    for file in files_of(Path(path)):
        rows = list(rows_of(file, strict=Path(path).is_file()))
        runs = list(_runs(rows)) if rows else []
        if runs:
            stem = file.name.split(".")[0]
            found[file.parent.name if stem in ("calls", "trajectories") else stem] = runs
    if not found:
        raise ConfigurationError(
            f"{path}: no recorded runs found; a row is a step with session, step and returncode (or tool_errors), or a transcript with traj "
            "or messages (docs/evaluation.md lists the formats)"
        )
    return found


def _runs(rows: list[Row]) -> Iterator[RecordedRun]:
    first = rows[0]
    if isinstance(first.get("traj", first.get("messages")), list):
        return map(_transcript, rows)
    if {"session", "step", "returncode"} <= first.keys():
        return _table(rows, _shell_steps)
    if {"session", "step", "tool_errors"} <= first.keys():
        return _table(rows, _call_steps)
    return iter(())


def _outcome(row: Row) -> bool | None:
    value = next((row[name] for name in _OUTCOMES if row.get(name) is not None), None)
    return None if value is None else float(value) >= 0.5


def _table(rows: Iterable[Row], steps: Any) -> Iterator[RecordedRun]:
    sessions: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        sessions.setdefault((str(row["session"]), str(row.get("agent") or "")), []).append(row)
    for (session, agent), own in sessions.items():
        task = str(own[0].get("task") or own[0].get("instance") or session)
        yield RecordedRun(f"{session}/{agent}".rstrip("/"), task, _outcome(own[0]), steps(own))


def _shell_steps(rows: Sequence[Row]) -> list[Step]:
    """Steps of an agent that runs one command at a time. One without a return code that is not the last was refused for its form."""
    found = []
    for at, row in enumerate(rows):
        code = row["returncode"]
        timeout = bool(row.get("timeout"))
        malformed = bool(row.get("malformed")) or (code is None and at < len(rows) - 1 and not timeout)
        failed = code not in (0, None) or malformed or timeout
        found.append(
            Step(
                int(failed),
                int(row.get("repeat") or 0),
                int(row.get("fail_repeat") or 0),
                malformed,
                timeout,
                row.get("kind") == "edit" and not malformed,
                bool(row.get("test")) and code == 0,
                int(row.get("out") or row.get("out_tokens") or 0),
            )
        )
    return found


def _call_steps(rows: Sequence[Row]) -> list[Step]:
    """Steps of a log of calls: the results of a call's tools stand in the row of the next one."""
    found = []
    for row, after in zip(rows, [*rows[1:], {}], strict=True):
        tools = row.get("tools") or []
        if tools:
            changed = any(kind_of_call(str(tool)) in _CHANGES for tool in tools)
            written = max(int(row.get("output_tokens_logged") or 0), int(row.get("tool_chars") or 0) // 4)
            found.append(Step(int(after.get("tool_errors") or 0), changed=changed, written=written))
    return found


def _transcript(row: Row) -> RecordedRun:
    talk = [_turn(message) for message in row.get("traj") or row["messages"]]
    steps = [after.step for after, request, _ in read_on(TrajectoryState(), talk) if request is None]
    task = str(row.get("task_id", row.get("task", row.get("id", ""))))
    return RecordedRun(f"{task}/{row.get('trial', 0)}", task, _outcome(row), steps, talk)


def _turn(message: Mapping[str, Any]) -> Turn:
    calls = [each.get("function") or {} for each in message.get("tool_calls") or ()]
    content = message.get("content")
    text = content if isinstance(content, str) else "" if content is None else json.dumps(content)
    names = tuple(str(each.get("name", "")) for each in calls)
    arguments = "\n".join(str(each.get("arguments", "")) for each in calls)
    return Turn(
        str(message.get("role", "")),
        text,
        names,
        arguments,
        str(message.get("name") or "") if message.get("role") == "tool" else "",
    )
