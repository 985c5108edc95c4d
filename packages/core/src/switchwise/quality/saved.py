"""Save and load estimators trained by `fit`: `quality.json` has names and counts, `quality.npz` numbers. No pickle."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.view import View
from switchwise.quality.fitting.learned import FittedTable, TextModel, as_arrays, from_arrays
from switchwise.quality.label_table import EMPTY, Label, LabelTable
from switchwise.quality.priors import Priors
from switchwise.quality.shrunk import Shrunk
from switchwise.quality.task_memory import TaskMemory
from switchwise.quality.text_difficulty import TextDifficulty

VERSION = 1
KNOWN = 20  # graded calls that a label needs before its texts are used


def save_quality(
    folder: str | Path, table: FittedTable, text: TextModel | None, about: Mapping[str, Any] | None = None
) -> None:
    """Write a trained table, and the text model if there is one.

    Parameters:
        folder: created if missing; its files are replaced.
        table, text: results of `switchwise.quality.fitting.learned`.
        about: provenance (sources, dates, measured effect) as JSON types.
    """
    import numpy as np

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    named = {"version": VERSION, "labels": list(table.labels), "targets": list(table.targets), "about": dict(about or {})}
    arrays = as_arrays(table, text)
    with (folder / "quality.npz").open("wb") as file:
        np.savez_compressed(file, **arrays)
    (folder / "quality.json").write_text(json.dumps(named, indent=1) + "\n", encoding="utf-8")


def load_quality(
    folder: str | Path, label: Callable[[View], Label] | None = None, names: Mapping[str, str] | None = None
) -> Shrunk:
    """Load an estimator that keeps learning: shipped priors, the trained table, a task memory, the text model.

    Parameters:
        folder: folder written by `switchwise fit` or `save_quality`.
        label: function of the view that returns its label, as in the training; None: agent, phase, task.
        names: name in the training -> name of the target in the pool; other names are unchanged.

    Raises:
        ConfigurationError: the folder holds no trained estimator, or one of another version.
    """
    table, text = _read(Path(folder))
    targets = [(names or {}).get(target, target) for target in table.targets]
    learnt = LabelTable(label)
    learnt.load(_cells(table, targets))
    memory = TaskMemory()
    if text is None:
        return Shrunk(Priors(), learnt, memory)
    known = [name for name, counts in zip(table.labels, table.counts, strict=True) if counts.min() >= KNOWN]
    return Shrunk(Priors(), learnt, memory, TextDifficulty(text, targets, known, label))


def _read(folder: Path) -> tuple[FittedTable, TextModel | None]:
    import numpy as np

    try:
        named = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
        with np.load(folder / "quality.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if named["version"] != VERSION:
            raise ConfigurationError(
                f"{folder}: version {named['version']}, this one reads {VERSION}: run `switchwise fit` again"
            )
        return from_arrays(named["labels"], named["targets"], arrays)
    except (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile, zlib.error) as error:
        raise ConfigurationError(f"{folder}: not a folder that `switchwise fit` wrote ({error!r})") from None


def _cells(table: FittedTable, targets: Sequence[str]) -> Mapping[str, Any]:
    """The table as the state of a `LabelTable`, in raw counts, so that shrinkage continues with new outcomes."""
    import numpy as np

    solved = table.success * (table.counts + table.k) - table.k * table.mean_success
    cells: dict[Label, dict[str, list[float]]] = {}
    for i, name in enumerate(table.labels):
        label = ("", *name.split("/"))
        for j, target in enumerate(targets):
            n = float(table.counts[i, j])
            if n > 0:
                s = float(np.clip(solved[i, j], 0, n))
                cost = float(table.costs[i, j])
                own = [n, s, s, n * (cost > 0), n * cost, 0.0, 0.0]
                for depth in range(1, len(label) + 1):
                    row = cells.setdefault(label[:depth], {})
                    row[target] = [a + b for a, b in zip(row.get(target, EMPTY), own, strict=True)]
    waiting: Mapping[str, Any] = {"decisions": [], "graded": [], "spent": []}
    return {
        "cells": [[list(label), row] for label, row in cells.items()],
        "k": table.k,
        "learnt": [int(table.counts.sum()), int(table.counts.sum() * 1.2) + 1],
        "alarms": [],
        "waiting": waiting,
    }
