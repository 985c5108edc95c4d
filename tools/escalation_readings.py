"""How firm the AUC of the suspicion is on recorded runs: by reading of the signal, and by chance.

    python tools/escalation_readings.py [../shared/data/agent_outcomes/miniswe_gemini3pro.jsonl.gz]

Two questions about a table that `switchwise escalation` prints. Does another reading of the same columns give another AUC? The rows are read here a
second time, apart from the product, in 24 ways. And how far does a half of a set lie from the whole? The runs stand twice in a made set, of which a half is drawn again and
again: chance alone moves the AUC of the half by this much.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from switchwise.evaluation.outcomes.read import rows_of
from switchwise.evaluation.outcomes.runs import read_runs
from switchwise.quality.run_profile import MARKS, auc

IDLE, ROUNDS = 8, 1_000
AUCs = list[float]


def main(path: Path) -> None:
    """Print both tables."""
    sessions: dict[str, list[Any]] = {}
    for row in rows_of(path, strict=True):
        sessions.setdefault(str(row["session"]), []).append(row)
    solved = np.array([bool(own[0]["resolved"]) for own in sessions.values()])
    print(f"{len(solved)} runs, {1 - solved.mean():.0%} fail; AUC of the suspicion for failure, runs still going\n")
    print(f"{'step':58}" + "".join(f"{step:>7}" for step in MARKS))
    readings = list(product((0.15, 0.3), (True, False), ("any", "not refused", "succeeds"), ("any", "since edit")))
    read = np.array([_aucs([_suspicion(own, *each) for own in sessions.values()], solved) for each in readings])
    print(f"{f'lowest of {len(readings)} readings':58}" + _row(read.min(axis=0)))
    print(f"{f'highest of {len(readings)} readings':58}" + _row(read.max(axis=0)))
    (runs,) = read_runs(path).values()
    courses = [[step.suspicion for step in run.course()] for run in runs]
    at = _aucs(courses, solved)
    print(f"{'as `switchwise escalation` reads it':58}" + _row(at))
    print(f"{'runs that have ended keep their last value':58}" + _row(_aucs([_kept(each) for each in courses], solved)))
    rng = np.random.default_rng(0)
    drawn = [_of(courses, solved, rng.integers(0, len(solved), len(solved))) for _ in range(ROUNDS)]
    for name, end in (("bootstrap over runs, lower end of 95 %", 2.5), ("bootstrap over runs, upper end of 95 %", 97.5)):
        print(f"{name:58}" + _row(np.percentile(drawn, end, axis=0).tolist()))
    twice = np.tile(np.arange(len(solved)), 2)
    whole = _of(courses, solved, twice)
    halves = [_of(courses, solved, rng.choice(twice, len(solved), replace=False)) for _ in range(ROUNDS)]
    apart = np.abs(np.array(halves) - whole)
    print(f"{'a half from its whole, standard deviation':58}" + _row(np.sqrt((apart**2).mean(axis=0)).tolist()))
    print(f"\nOf {ROUNDS:,} halves {(apart.max(axis=1) <= 0.03).mean():.0%} lie within 0.03 of their whole at every step.")


def _suspicion(rows: Sequence[Any], drift: float, refused: bool, edit: str, test: str) -> list[float]:
    """The suspicion after each step.

    Parameters:
        drift: evidence subtracted at each step.
        refused: a call refused for its form counts as a failed tool.
        edit: which edits are changes: any, those not refused, those that succeed.
        test: a passing test counts after any edit of the run, or only as the first one since an edit.
    """
    total, idle, edited, fresh, found = 0.0, 0, False, False, []
    for at, row in enumerate(rows):
        code, timeout = row["returncode"], bool(row["timeout"])
        malformed = code is None and not timeout and at < len(rows) - 1
        failed = code not in (0, None) or (refused and (malformed or timeout))
        changed = row["kind"] == "edit" and {"any": True, "not refused": not malformed, "succeeds": code == 0}[edit]
        idle, edited, fresh = 0 if changed else idle + 1, edited or changed, fresh or changed
        passed = bool(row["test"]) and code == 0 and (fresh if test == "since edit" else edited)
        fresh = fresh and not row["test"]
        evidence = failed + 0.5 * min(row["repeat"], 3) + 1.5 * min(row["fail_repeat"], 3) + 0.5 * malformed + timeout
        total = max(0.0, total + evidence + 0.3 * (idle > IDLE) - passed - drift)
        found.append(total)
    return found


def _kept(course: Sequence[float]) -> list[float]:
    return [*course, *[course[-1]] * (max(MARKS) + 1 - len(course))]


def _aucs(courses: Sequence[Sequence[float]], solved: Any) -> AUCs:
    return _of(courses, solved, range(len(courses)))


def _of(courses: Sequence[Sequence[float]], solved: Any, runs: Any) -> AUCs:
    found = []
    for step in MARKS:
        going = [(courses[i][step], solved[i]) for i in runs if len(courses[i]) > step]
        found.append(auc([([value for value, good in going if not good], [value for value, good in going if good])]))
    return found


def _row(values: Any) -> str:
    return "".join(f"{value:7.3f}" for value in values)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/agent_outcomes/miniswe_gemini3pro.jsonl.gz"))
