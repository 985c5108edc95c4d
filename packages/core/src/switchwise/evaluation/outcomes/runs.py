"""Recorded runs of agents, step by step: from tables with one row per step, and from transcripts.

A file is recognised by its columns, never by its name:

| has | is |
|---|---|
| `session`, `step` and `returncode` | one row per step of a shell agent; `resolved` belongs to the session |
| `session`, `step` and `tool_errors` | one row per call of a coding agent, without an outcome |
| `traj` or `messages`, a list of messages in OpenAI's or Anthropic's form | one transcript per row, with `reward`, `resolved` or `score` |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from switchwise.evaluation.outcomes.read import Row, files_of, number_of, rows_of
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.signals import Turn
from switchwise.reading.tool_kinds import ToolKind, kind_of_call
from switchwise.reading.trajectory import StepObservation, Trajectory, TrajectoryState, read_on

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
    steps: Sequence[StepObservation]
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
            "or messages (docs/guide/evaluation.md lists the formats)"
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


def _outcome(rows: Sequence[Row]) -> bool | None:
    """How a run ended, by the first of its rows that says so."""
    known = (number_of(row.get(name)) for row in rows for name in _OUTCOMES)
    value = next((each for each in known if each is not None), None)
    return None if value is None else value >= 0.5


def _table(rows: Iterable[Row], steps: Any) -> Iterator[RecordedRun]:
    sessions: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if not {"session", "step"} <= row.keys():
            continue  # no step of a run
        sessions.setdefault((str(row["session"]), str(row.get("agent") or "")), []).append(row)
    for (session, agent), own in sessions.items():
        own.sort(key=lambda row: number_of(row["step"]) or 0.0)
        task = str(own[0].get("task") or own[0].get("instance") or session)
        yield RecordedRun(f"{session}/{agent}".rstrip("/"), task, _outcome(own), steps(own))


def _shell_steps(rows: Sequence[Row]) -> list[StepObservation]:
    """Steps of an agent that runs one command at a time. One without a return code that is not the last was refused for its form."""
    found = []
    for at, row in enumerate(rows):
        code, timeout = number_of(row.get("returncode")), bool(number_of(row.get("timeout")))
        malformed = bool(number_of(row.get("malformed"))) or (code is None and at < len(rows) - 1 and not timeout)
        failed = code not in (0, None) or malformed or timeout
        found.append(
            StepObservation(
                int(failed),
                _count(row, "repeat"),
                _count(row, "fail_repeat"),
                malformed,
                timeout,
                row.get("kind") == "edit" and not malformed,
                bool(_count(row, "test")) and code == 0,
                _count(row, "out") or _count(row, "out_tokens"),
            )
        )
    return found


def _call_steps(rows: Sequence[Row]) -> list[StepObservation]:
    """Steps of a log of calls: the results of a call's tools stand in the row of the next one."""
    found = []
    for row, after in zip(rows, [*rows[1:], {}], strict=True):
        tools = row.get("tools") or []
        if tools:
            changed = any(kind_of_call(str(tool)) in _CHANGES for tool in tools)
            written = max(_count(row, "output_tokens_logged"), _count(row, "tool_chars") // 4)
            found.append(StepObservation(_count(after, "tool_errors"), changed=changed, written=written))
    return found


def _count(row: Row, name: str) -> int:
    return int(number_of(row.get(name)) or 0)


def _transcript(row: Row) -> RecordedRun:
    talk = [
        turn
        for message in row.get("traj") or row.get("messages") or ()
        if isinstance(message, Mapping)
        for turn in _turns(message)
    ]
    steps = [after.step for after, request, _ in read_on(TrajectoryState(), talk) if request is None]
    task = str(row.get("task_id", row.get("task", row.get("id", ""))))
    return RecordedRun(f"{task}/{row.get('trial', 0)}", task, _outcome([row]), steps, talk)


def _turns(message: Mapping[str, Any]) -> Iterator[Turn]:
    """The turns of a message in the form of OpenAI (`tool_calls`, role `tool`) or of Anthropic (blocks `tool_use` and `tool_result`)."""
    role, content = str(message.get("role", "")), message.get("content")
    blocks = [block for block in content if isinstance(block, Mapping)] if isinstance(content, list) else []
    for block in blocks:
        if block.get("type") == "tool_result":
            yield Turn("tool", f"{'Error: ' if block.get('is_error') else ''}{_text_of(block.get('content'))}")
    calls = [each.get("function") or {} for each in message.get("tool_calls") or ()]
    calls += [
        {"name": block.get("name"), "arguments": block.get("input")} for block in blocks if block.get("type") == "tool_use"
    ]
    text = _text_of(content)
    if blocks and not text and not calls:
        return
    names = tuple(str(each.get("name", "")) for each in calls)
    arguments = "\n".join(_text_of(each.get("arguments", "")) for each in calls)
    yield Turn(role, text, names, arguments, str(message.get("name") or "") if role == "tool" else "")


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        texts = [block.get("text", "") if isinstance(block, Mapping) else block for block in content]
        return "\n".join(str(text) for text in texts if text)
    return content if isinstance(content, str) else "" if content is None else json.dumps(content)
