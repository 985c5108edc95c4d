"""How well trajectories predict failing runs: AUC by step, and rules of escalation, on recorded runs.

At each step the runs that are still going are compared; beside them all runs, those that have ended with their last value. Rules say at which step they would have given a run to another target; what the other
one would have made of it is not recorded. A rule that learns from finished runs is taught by one half of the groups and judged on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from switchwise.evaluation.measures.interval import Interval
from switchwise.evaluation.outcomes.runs import RecordedRun
from switchwise.nouns.errors import ConfigurationError
from switchwise.quality.run_profile import ARMED, MARKS, UNKNOWN, FinishedRun, Marks, Profile, auc, profile
from switchwise.reading.trajectory import Trajectory

CONFIRM, THRESHOLD, LOOP = 2, 2.0, 3  # as `Escalate` has them
Rule = Callable[[Sequence[Trajectory], RecordedRun], int | None]
"""The step after which a run is given to another target, from 1; None: never."""


class Found(NamedTuple):
    """What one rule does.

    Parameters:
        share: of the runs that it escalates.
        precision: of those, the share that fails; printed next to the share of all runs that fail.
        recall: of the failing runs, how many it escalates.
        step: the median step at which it does, None: it never does.
    """

    share: float
    precision: Interval
    recall: Interval
    step: float | None


class AtStep(NamedTuple):
    """How well the suspicion after one step predicts failure.

    Parameters:
        auc: for "this run will fail", among the runs that have this step.
        runs: how many these are.
        all_runs: the same AUC among all runs, where one that has ended keeps its last suspicion.
    """

    auc: Interval
    runs: int
    all_runs: Interval


class Escalations(NamedTuple):
    """Results for the trajectories of one set.

    Parameters:
        name: of the set.
        runs, failed: how many runs, and the share that fails; None: no outcome is recorded.
        by_step: step, counted from 0 as recordings number them -> how well the suspicion after it predicts failure.
        effort: AUC of the effort at the end of the run, each run ranked among those of the other half.
        profile: what `Escalate` would know of the target after these runs.
        rules: what each rule does.
    """

    name: str
    runs: int
    failed: float | None
    by_step: dict[int, AtStep]
    effort: Interval
    profile: Profile
    rules: dict[str, Found]

    def as_dict(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            "name": self.name,
            "runs": self.runs,
            "failed": self.failed,
            "auc_by_step": {
                str(step): {**found.auc.as_dict(), "runs": found.runs, "all_runs": found.all_runs.as_dict()}
                for step, found in self.by_step.items()
            },
            "auc_effort": self.effort.as_dict(),
            "armed": {"failures": self.profile.failures_predict, "effort": self.profile.effort_predicts},
            "measured": {"failures": self.profile.failures, "effort": self.profile.laborious},
            "rules": {
                name: {**found._asdict(), "precision": found.precision.as_dict(), "recall": found.recall.as_dict()}
                for name, found in self.rules.items()
            },
        }


def escalations(
    name: str, runs: Sequence[RecordedRun], samples: int = 300, seed: int = 0, more: dict[str, Rule] | None = None
) -> Escalations:
    """Measure the trajectories of one set, which one target made.

    Parameters:
        name: of the set.
        runs: recorded ones; those without steps are left out, and those without an outcome where others have one.
        samples: resamples of the groups for the intervals; 0: none.
        seed: of resamples and halves.
        more: further rules by name, such as those of other routers.

    Raises:
        ConfigurationError: fewer than two tasks have runs with steps.
    """
    import numpy as np

    runs = [run for run in runs if run.steps]
    runs = [run for run in runs if run.solved is not None] or runs
    if len({run.group for run in runs}) < 2:
        raise ConfigurationError(
            f"{name}: runs with tool calls of fewer than two tasks; measuring a signal needs some that fail and some that do not"
        )
    courses = [run.course() for run in runs]
    draws = [np.arange(len(runs)), *_draws([run.group for run in runs], samples, seed)]
    graded = {run.solved for run in runs} == {True, False}
    by_step: dict[int, AtStep] = {}
    finished = [_finished(run, course) for run, course in zip(runs, courses, strict=True)]
    halves = _halves([run.group for run in runs], seed)
    taught = {half: profile([each for each, own in zip(finished, halves, strict=True) if own != half]) for half in (0, 1)}
    ranks = [taught[half].rank(each.effort) for each, half in zip(finished, halves, strict=True)]
    if graded:
        for mark in MARKS:
            going = {i: course[mark].suspicion for i, course in enumerate(courses) if len(course) > mark}
            if len({runs[i].solved for i in going}) == 2:
                last = {i: course[min(mark, len(course) - 1)].suspicion for i, course in enumerate(courses)}
                by_step[mark] = AtStep(_auc(runs, going, draws), len(going), _auc(runs, last, draws))
    rules: dict[str, Rule] = {
        f"suspicion > {THRESHOLD:g}, {CONFIRM} steps": lambda course, _: _suspicion(course, THRESHOLD, CONFIRM),
        "suspicion > 1": lambda course, _: _suspicion(course, 1.0, 1),
        "suspicion > 5": lambda course, _: _suspicion(course, 5.0, 1),
        f"same failing output {LOOP} times": lambda _, run: _first(step.again + 1 >= LOOP for step in run.steps),
        "2 failed tools": lambda _, run: _count(run, 2, row=False),
        "3 failed tools in a row": lambda _, run: _count(run, 3, row=True),
        "20 steps": lambda course, _: 20 if len(course) > 20 else None,
        **(more or {}),
    }
    laborious = [
        _first(taught[half].rank(run.effort) > taught[half].limit for run in course)
        for course, half in zip(courses, halves, strict=True)
    ]
    escalated = {name: [rule(course, run) for course, run in zip(courses, runs, strict=True)] for name, rule in rules.items()}
    escalated["effort above the 80th percentile"] = laborious
    return Escalations(
        name,
        len(runs),
        None if runs[0].solved is None else sum(not run.solved for run in runs) / len(runs),
        by_step,
        _auc(runs, dict(enumerate(ranks)), draws) if graded else Interval(None),
        profile(finished) if graded else Profile(len(runs)),
        {rule: _found(runs, steps, draws, graded) for rule, steps in escalated.items()},
    )


def text(found: Sequence[Escalations]) -> str:
    """As tables."""
    return "\n\n".join(map(_text, found))


def _text(found: Escalations) -> str:
    fails = "no outcomes" if found.failed is None else f"{found.failed:.0%} fail"
    lines = [f"{found.name}: {found.runs} runs, {fails}"]
    if found.by_step:
        lines.append(
            "  AUC of the suspicion for failure, of the runs still going; of all, those that have ended with their last value:"
        )
        lines += [
            f"    step {step:<3} {at.auc!s:24} of {at.runs:>4} runs; all {at.all_runs}" for step, at in found.by_step.items()
        ]
        lines.append(f"  AUC of the effort at the end: {found.effort}")
        for channel, value, armed in (
            ("failures", found.profile.failures, found.profile.failures_predict),
            ("effort", found.profile.laborious, found.profile.effort_predicts),
        ):
            measured = "not measured" if value == UNKNOWN else f"measured {value:.2f}"
            lines.append(f"  channel {channel}: {measured}, {'armed' if armed else f'disarmed (below {ARMED:g})'}")
    width = max(map(len, found.rules))
    lines.append(f"  {'rule':{width}}  escalates  at step  {'precision':22} recall")
    for name, rule in found.rules.items():
        step = "-" if rule.step is None else f"{rule.step:g}"
        lines.append(f"  {name:{width}}  {rule.share:9.0%}  {step:>7}  {rule.precision!s:22} {rule.recall}")
    return "\n".join(lines)


def _finished(run: RecordedRun, course: Sequence[Trajectory]) -> FinishedRun:
    marks = Marks()
    for each in course:
        marks = marks.after(each)
    return marks.finished(course[-1], 1.0 if run.solved else 0.0)


def _auc(runs: Sequence[RecordedRun], values: dict[int, float], draws: Sequence[Any]) -> Interval:
    import numpy as np

    found = []
    for draw in draws:
        own = [int(i) for i in draw if int(i) in values]
        value = auc([([values[i] for i in own if not runs[i].solved], [values[i] for i in own if runs[i].solved])])
        found.append(np.nan if value == UNKNOWN else value)
    return Interval.of(np.array(found))


def _found(runs: Sequence[RecordedRun], steps: Sequence[int | None], draws: Sequence[Any], graded: bool) -> Found:
    import numpy as np

    out = np.array([step is not None for step in steps])
    at = sorted(step for step in steps if step is not None)
    median = float(np.median(at)) if at else None
    if not graded:
        return Found(float(out.mean()), Interval(None), Interval(None), median)
    failed = np.array([not run.solved for run in runs])

    def share(of: Any, among: Any) -> Interval:
        counts = [(int((of & among)[draw].sum()), int(among[draw].sum())) for draw in draws]
        return Interval.of(np.array([top / bottom if bottom else np.nan for top, bottom in counts]))

    return Found(float(out.mean()), share(failed, out), share(out, failed), median)


def _draws(groups: Sequence[str], samples: int, seed: int) -> list[Any]:
    import numpy as np

    rng = np.random.default_rng(seed)
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    own = [np.array(each) for each in members.values()]
    return [np.concatenate([own[i] for i in rng.integers(0, len(own), len(own))]) for _ in range(samples)]


def _halves(groups: Sequence[str], seed: int) -> list[int]:
    import numpy as np

    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    half = {names[i]: int(place >= len(names) / 2) for place, i in enumerate(order)}
    return [half[group] for group in groups]


def _suspicion(course: Sequence[Trajectory], threshold: float, confirm: int) -> int | None:
    row = 0
    for at, run in enumerate(course, 1):
        row = row + 1 if run.suspicion > threshold else 0
        if row >= confirm:
            return at
    return None


def _first(tests: Any) -> int | None:
    return next((at for at, test in enumerate(tests, 1) if test), None)


def _count(run: RecordedRun, most: int, row: bool) -> int | None:
    count = 0
    for at, step in enumerate(run.steps, 1):
        count = count + 1 if step.failed else 0 if row else count
        if count >= most:
            return at
    return None
