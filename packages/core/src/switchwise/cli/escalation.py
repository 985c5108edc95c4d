"""`switchwise escalation`: how well trajectories predict failing runs, and rules of escalation, on recorded runs."""

from __future__ import annotations

import sys

from switchwise.cli.measuring import Folder, Samples, Seed, need_numpy
from switchwise.cli.output import AsJson, as_json, console, working
from switchwise.nouns.errors import ConfigurationError


def escalation(folder: Folder, json_: AsJson = False, samples: Samples = 300, seed: Seed = 0) -> None:
    """Measure how well trajectories predict failure: AUC by step of the signals of Escalate, and simple rules for comparison."""
    need_numpy("escalation")
    from switchwise.evaluation.outcomes.runs import read_runs
    from switchwise.evaluation.trials.escalation import escalations, text

    found, left_out = [], []
    with working(f"reading {folder}") as now:
        for name, runs in read_runs(folder).items():
            now(f"{name}: signals and rules, {samples} resamples")
            try:
                found.append(escalations(name, runs, samples, seed))
            except ConfigurationError as error:
                left_out.append(str(error))
    if not found:
        raise ConfigurationError("; ".join(left_out))
    for reason in left_out:
        sys.stderr.write(f"left out: {reason}\n")
    if json_:
        as_json({"sets": [each.as_dict() for each in found]})
        return
    armed = sum(each.profile.failures_predict or each.profile.effort_predicts for each in found)
    console().print(
        f"On {armed} of {len(found)} sets a signal predicts failure well enough for Escalate to act on it.\n", markup=False
    )
    console().print(text(found), markup=False, soft_wrap=True)
