"""Regret of `Explore` on the shared outcomes, steady and with a model that gets worse half-way.

.venv/bin/python tools/bandits.py            the whole: 30 seeds of 3,000 calls
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from switchwise.evaluation.outcomes import read_outcomes
from switchwise.evaluation.trials.bandits import Regret, regret, regret_of_the_best_single

MODELS = (
    "claude-3-5-sonnet-20241022",
    "gpt-4o-2024-08-06",
    "Llama-3.1-405B-Inst@sambanova",
    "Mistral-Large-2",
    "gpt-4o-mini-2024-07-18",
    "deepseek-v2.5-0908",
    "gemini-1.5-flash",
    "claude-3-haiku-20240307",
)


def main(seeds: int = 30, calls: int = 3_000) -> None:
    """Print the table."""
    data = Path(os.environ.get("SWITCHWISE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    (outcomes,) = read_outcomes(data / "many_models")
    outcomes = outcomes.among(MODELS)
    print(
        f"Regret per 1,000 calls against the best model for each label, {len(MODELS)} models, {seeds} seeds of {calls:,} calls"
    )
    print(f"{'':46} {'steady':>20} {'one model gets worse':>24}")
    rows = {
        "best single model, known beforehand": lambda worsens: regret_of_the_best_single(outcomes, worsens, calls, seeds),
        "Explore, flat prior": lambda worsens: regret(outcomes, prior=0, worsens=worsens, calls=calls, seeds=seeds),
        "Explore, prior off by 0.05, worth 20": lambda worsens: regret(
            outcomes, off=0.05, worsens=worsens, calls=calls, seeds=seeds
        ),
        "Explore, prior off by 0.1, worth 20": lambda worsens: regret(outcomes, worsens=worsens, calls=calls, seeds=seeds),
        "Explore, prior off by 0.1, never forgets": lambda worsens: regret(
            outcomes, notices=False, worsens=worsens, calls=calls, seeds=seeds
        ),
        "Explore, prior off by 0.2, worth 20": lambda worsens: regret(
            outcomes, off=0.2, worsens=worsens, calls=calls, seeds=seeds
        ),
    }
    for name, of in rows.items():
        print(f"{name:46} {_in_words(of(False)):>20} {_in_words(of(True)):>24}", flush=True)


def _in_words(found: Regret) -> str:
    return f"{found.mean:.1f} [{found.low:.0f},{found.high:.0f}]"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
