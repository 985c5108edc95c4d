"""Feedback in a journal."""

from __future__ import annotations

from pathlib import Path

from switchwise.evaluation.sessions import recording, rows
from switchwise.observe.journal.files import files_of


def rewards(path: str | Path) -> dict[str, float]:
    """Return decision id -> last reward, from 0 (bad) to 1 (good); of a rotated journal from all files.

    Raises:
        ConfigurationError: the file cannot be read; the message names the line.
    """
    return {
        str(row.get("switchwise.decision")): float(row["switchwise.feedback"])
        for file in files_of(recording(Path(path)))
        for _, row in rows(file)
        if isinstance(row.get("switchwise.feedback"), int | float)
    }
