"""Runs, one by one, gathered into tables of tasks x targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from switchwise.evaluation.outcomes.table import Outcomes

UNITS = {"share": "calls to the strong model"}


class ScoredRun(NamedTuple):
    """One run of one target on one task.

    Parameters:
        benchmark: the set that it belongs to; tasks of several may share a file.
        task, target: who did what.
        label: the kind of work.
        score: from 0 to 1.
        cost: in `unit`; None: not known.
        text: of the task; empty: not recorded.
        twin: tasks with the same one are never split; None: found by their texts.
        unit: `usd`, `tokens` or `share` (of calls to the strong model).
        agentic: a whole task of an agent.
    """

    benchmark: str
    task: str
    target: str
    label: str
    score: float
    cost: float | None
    text: str
    twin: str | None
    unit: str
    agentic: bool = False


def gathered(
    name: str, runs: Sequence[ScoredRun], texts: Mapping[str, str] | None, twins: Callable[[Sequence[str]], Any]
) -> list[Outcomes]:
    """Tables of the runs: one for all single questions of a file, one for each benchmark of whole agent tasks.

    Dollars of agent benchmarks are counted differently and never pooled. A target whose runs all cost nothing has unknown costs.

    Parameters:
        name: of the file.
        runs: at least one.
        texts: task -> text, for runs without one.
        twins: finds near duplicates among texts.
    """
    parts: dict[str, list[ScoredRun]] = defaultdict(list)
    for run in runs:
        parts[run.benchmark if run.agentic else ""].append(run)
    return [_table(f"{name}/{part}" if part else name, own, texts, twins) for part, own in parts.items()]


def _table(
    name: str, runs: Sequence[ScoredRun], texts: Mapping[str, str] | None, twins: Callable[[Sequence[str]], Any]
) -> Outcomes:
    import numpy as np

    tasks = list(dict.fromkeys((run.benchmark, run.task) for run in runs))
    targets = list(dict.fromkeys(run.target for run in runs))
    at = {task: i for i, task in enumerate(tasks)}
    column = {target: i for i, target in enumerate(targets)}
    cells: dict[tuple[int, int], list[ScoredRun]] = defaultdict(list)
    about: dict[int, ScoredRun] = {}
    for run in runs:
        row = at[run.benchmark, run.task]
        cells[row, column[run.target]].append(run)
        about.setdefault(row, run)
    repeats = max(map(len, cells.values()))
    scores = np.full((len(tasks), len(targets), repeats), np.nan)
    costs = np.full((len(tasks), len(targets)), np.nan)
    for (row, col), own in cells.items():
        scores[row, col, : len(own)] = [run.score for run in own]
        known = [run.cost for run in own if run.cost is not None]
        if known:
            costs[row, col] = sum(known) / len(known)
    free = ~(np.nan_to_num(costs) > 0).any(axis=0)
    unit = runs[0].unit
    if unit != "share":
        costs[:, free] = np.nan
    words = [about[i].text or (texts or {}).get(tasks[i][1], "") for i in range(len(tasks))]
    twinned = [about[i].twin for i in range(len(tasks))]
    duplicates = None
    if all(twin is not None for twin in twinned):
        duplicates = np.unique(np.array(twinned), return_inverse=True)[1]
    elif any(words):
        duplicates = twins(words)
    labels = [about[i].label or about[i].benchmark for i in range(len(tasks))]
    return Outcomes(
        name=name,
        targets=tuple(targets),
        tasks=tuple(task for _, task in tasks),
        labels=tuple(labels),
        runs=scores,
        costs=costs,
        unit="" if np.isnan(costs).all() else UNITS.get(unit, unit),
        texts=tuple(words) if any(words) else None,
        duplicates=duplicates,
        agentic=runs[0].agentic,
    )
