"""CPU seconds of the cross-fitted predictions for MMLU's questions, in one process and in two: what stays with the first one.

.venv/bin/python tools/parallel.py [../shared/data]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from switchwise.evaluation.outcomes import read_outcomes
from switchwise.evaluation.trials import assignments
from switchwise.evaluation.trials.predict import folds, predict
from switchwise.quality.text.featuriser import Read


def main(data: Path) -> None:
    """Print a line for each number of processes."""
    (outcomes,) = read_outcomes(data / "strong_weak" / "mmlu.jsonl.gz")
    whole = outcomes.complete()
    read, prices = Read(whole.texts or ()), assignments.trades(whole.costs)
    for jobs in (1, 2):
        began, spent = time.perf_counter(), time.process_time()
        predict(whole, read, folds(whole, False, 0), prices, jobs)
        print(
            f"jobs {jobs}: {time.perf_counter() - began:.1f} s, {time.process_time() - spent:.1f} s of CPU in the first process"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else "../shared/data"))
