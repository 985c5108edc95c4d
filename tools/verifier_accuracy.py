"""Accuracy of two verifiers on recorded outcomes: existing tests as a check of patches, and a second cheap answer as a witness.

    .venv/bin/python tools/verifier_accuracy.py [../shared/data]

1. `aider_swe_cascade`: a patch passed if its edits applied, it linted, and the tests that were there passed; later the hidden tests decided. What
   `Command` with a repository's own tests would have said, and how often it was right.
2. `many_models`: `Witness` accepts where a second model gives the same answer. Two right answers always agree, a right and a wrong one never do; whether
   two wrong ones agree is not recorded. So the share of right answers that it accepts is exact, and of the rest there are bounds: two wrong answers are
   always the same, or never. Rejected questions go to the best single model; all calls are paid.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from switchwise.evaluation.measures.curves import Resamples
from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.outcomes import read_outcomes
from switchwise.evaluation.outcomes.read import rows_of

SAMPLES = 500
FIRST, WITNESSES = "gpt-4o-mini-2024-07-18", ("claude-3-haiku-20240307", "deepseek-v2.5-0908", "gemma-2-27b-it")


def main(data: Path) -> None:
    """Print both."""
    tests_that_were_there(data / "agent_outcomes" / "aider_swe_cascade.jsonl.gz")
    witnesses(data / "many_models")


def tests_that_were_there(path: Path) -> None:
    """How often a repository's own tests are right about a patch."""
    rows = list(rows_of(path, strict=True))
    passed = np.array([bool(row["edit"] and row["lint"] and row["test"]) for row in rows])
    right = np.array([bool(row["resolved"]) for row in rows])
    draws = Resamples(np.arange(len(rows)), SAMPLES)
    accepts, rejects = _share(passed, right, draws), _share(~passed, ~right, draws)
    print(f"edits apply, lint, existing tests pass: {len(rows)} patches, {right.mean():.0%} resolve their issue")
    print(f"  accepts of the right ones  {_text(accepts)}")
    print(f"  rejects of the wrong ones  {_text(rejects)}")
    print(f"  AUC                        {_text((accepts + rejects) / 2)}")
    print(f"  an accepted one resolves   {_text(_share(right, passed, draws))}\n")


def witnesses(path: Path) -> None:
    """A cheap answer, a cheap witness, and the best model where they differ."""
    (outcomes,) = read_outcomes(path)
    at = {name: i for i, name in enumerate(outcomes.targets)}
    best = int(outcomes.scores.mean(axis=0).argmax())
    draws = Resamples(outcomes.groups(), SAMPLES)
    right, costs = outcomes.scores > 0.5, outcomes.costs
    alone, paid = _means(right[:, best], draws), _means(costs[:, best], draws)
    print(f"first {FIRST}, then {outcomes.targets[best]} where the witness disagrees; {len(right)} questions; value [95 %]")
    print(
        f"{'witness':26} {'accepts right ones':20} {'rejects wrong ones':30} {'solved - best alone, points':38} cost / best alone"
    )
    for name in WITNESSES:
        mine, other = right[:, at[FIRST]], right[:, at[name]]
        ends = []
        for same_error in (True, False):
            agree = np.where(mine, other, ~other & same_error)
            solved = np.where(agree, mine, right[:, best])
            spent = costs[:, at[FIRST]] + costs[:, at[name]] + np.where(agree, 0.0, costs[:, best])
            apart = 100 * (_means(solved, draws) - alone)
            ends.append((_share(~agree, ~mine, draws), apart, _means(spent, draws) / paid))
        accepts = _text(_share(other, mine, draws))
        rejects, solved_apart = (f"{_text(ends[0][part])} to {_text(ends[1][part])}" for part in (0, 1))
        print(f"{name:26} {accepts:20} {rejects:30} {solved_apart:38} {_text(ends[0][2])} to {_text(ends[1][2])}")


def _means(values: Any, draws: Resamples) -> Any:
    return draws.means(values[None].astype(float))[:, 0]


def _share(part: Any, of: Any, draws: Resamples) -> Any:
    """(resamples,) share of `of` that is in `part`."""
    return _means(part & of, draws) / _means(of, draws)


def _text(values: Any) -> str:
    found = Interval.of(values)
    digits = 1 if abs(found.value or 0.0) >= 1.5 or (found.low or 0.0) < -0.001 else 2
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
