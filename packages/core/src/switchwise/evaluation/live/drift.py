"""Drift alarms: a target solves or answers fewer calls than before, or costs more per call.

    drift = Drift(lambda alarm: log.warning("%s", alarm))
    router = Router(pool, *policies, observers=[drift])

Solved: by the verdicts on its answers, and by the outcomes reported to `drift.outcome(target, solved)`. Answered: calls that did not fail.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Literal

from switchwise.nouns.call import Attempt
from switchwise.nouns.validation import number, whole
from switchwise.observe.observer import Observer
from switchwise.quality.sequential import Cusum
from switchwise.state.forking import rlock

_log = logging.getLogger("switchwise.evaluation.drift")
What = Literal["quality", "answers", "cost"]
SLACK = 0.5  # least drift of the cost, in standard deviations


@dataclass(frozen=True, slots=True)
class Alarm:
    """A detected drift.

    Parameters:
        target: name of the target.
        what: `quality`, `answers` or `cost`.
        before: rate of solved or of answered calls, or USD per call, at first.
        after: the same for the latest calls.
        calls: number of observed calls.
    """

    target: str
    what: What
    before: float
    after: float
    calls: int

    def __str__(self) -> str:
        if self.what == "cost":
            return f"{self.target}: costs ${self.after:.4g} per call, ${self.before:.4g} before ({self.calls} calls)"
        does = "solves" if self.what == "quality" else "answers"
        return f"{self.target}: {does} {self.after:.0%} of its calls, {self.before:.0%} before ({self.calls} calls)"


class _Course:
    def __init__(self) -> None:
        self.first: list[float] = []
        self.last: list[float] = []
        self.calls = 0
        self.cusum: Cusum | None = None
        self.high = 0.0


class Drift(Observer):
    """Observer that learns the usual values from the first calls of each target, then detects a change.

    Parameters:
        alarm: called once per change, after which the learned values are reset; None: log it.
        usual: number of calls for learning.
        drop: share of the usual rate that counts as a drop.
        threshold: threshold of the cumulative sums; higher is slower with fewer false alarms.

    Raises:
        ConfigurationError: a parameter is out of range.
    """

    def __init__(
        self, alarm: Callable[[Alarm], None] | None = None, *, usual: int = 50, drop: float = 0.7, threshold: float = 6.0
    ) -> None:
        whole("Drift", "usual", usual, least=5)
        number("Drift", "drop", drop, most=1, above=True)
        number("Drift", "threshold", threshold, above=True)
        self._tell = alarm or (lambda found: _log.warning("%s", found))
        self._usual, self._drop, self._threshold = usual, drop, threshold
        self._courses: dict[tuple[str, What], _Course] = {}
        self._lock = rlock()
        self.alarms: list[Alarm] = []

    def settled(self, attempt: Attempt) -> None:
        """Take in an attempt."""
        if attempt.abandoned or attempt.call.ask is not None:
            return
        name = attempt.target.name
        self._rate(name, "answers", float(attempt.reply is not None))
        if attempt.verdict is not None:
            self.outcome(name, float(attempt.verdict.accepted))
        if attempt.cost is not None and attempt.cost > 0:
            self._cost(name, attempt.cost)

    def outcome(self, target: str, solved: float) -> None:
        """Learn the outcome of a call or task of a target, from 0 to 1."""
        number("Drift.outcome", "solved", solved, most=1)
        self._rate(target, "quality", solved)

    def _rate(self, target: str, what: What, value: float) -> None:
        with self._lock:
            course = self._seen(target, what, value)
            if course.cusum is None:
                if len(course.first) == self._usual:
                    course.cusum = Cusum(sum(course.first) / self._usual, self._drop, self._threshold)
                return
            if course.cusum.observe(value):
                self._alarm(target, what, course)

    def _cost(self, target: str, cost: float) -> None:
        with self._lock:
            course = self._seen(target, "cost", cost)
            if len(course.first) < self._usual or course.calls <= self._usual:
                return
            logs = [log(each) for each in course.first]
            mean = sum(logs) / len(logs)
            spread = (sum((each - mean) ** 2 for each in logs) / len(logs)) ** 0.5 + 0.05
            course.high = max(0.0, course.high + (log(cost) - mean) / spread - SLACK)
            if course.high > 2 * self._threshold:
                self._alarm(target, "cost", course)

    def _seen(self, target: str, what: What, value: float) -> _Course:
        course = self._courses.setdefault((target, what), _Course())
        course.calls += 1
        if len(course.first) < self._usual:
            course.first.append(value)
        course.last = [*course.last[-(self._usual // 2 - 1) :], value]
        return course

    def _alarm(self, target: str, what: What, course: _Course) -> None:
        before, after = (sum(values) / len(values) for values in (course.first, course.last))
        found = Alarm(target, what, before, after, course.calls)
        self._courses[target, what] = _Course()
        self.alarms.append(found)
        self._tell(found)
