"""Estimate success on recurring tasks from earlier runs of the same task: nightly jobs, similar tickets, a test suite.

Use it for recurring tasks: one remembered outcome per model is worth ten points of success there. It does not change the
estimates of new tasks, and costs little. Not for chats, which do not repeat.

Source: repeated runs of MCPMark and terminal-bench; docs/guide/quality.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import View
from switchwise.quality.estimate import Estimate, Filed, Grade
from switchwise.quality.learning import Learning, entries
from switchwise.quality.text.fingerprint import fingerprint
from switchwise.state.store import Store

RUNS = 2.0  # weight of the given estimate, in runs; 1 to 3 are about equal
TASK_PRIOR = 4.0  # weight of "no harder than usual", in outcomes over all targets
_NOTHING = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def usual_key(view: View) -> str:
    """Fingerprint of the user's last turn: its words, with numbers, ids and dates masked. Empty without a text."""
    return fingerprint(view.conversation.last_user)


class TaskMemory(Learning):
    """Estimate from outcomes of recurring tasks, shrunk towards the given estimate.

    Outcomes also measure how hard a task is: if all its runs fell short of expectation, targets that have not tried it are
    lowered too.

    Parameters:
        key: function of the view that returns the task's key; empty: not remembered. None: a fingerprint of the user's last
            turn.
        runs: weight of the given estimate in runs, from 1 to 3.
        size: most tasks remembered; the least recently used one is evicted first.
        store: where outcomes are kept; None: in this process.
        name: prefix of its tables in the store.

    Raises:
        ConfigurationError: a parameter is out of range.

    >>> from switchwise import Scope, Target, View
    >>> from switchwise.quality import Grade, TaskMemory, estimate
    >>> memory, view = TaskMemory(key=lambda view: view.scope.task), View(Scope(task="nightly report"))
    >>> for solved in (0.0, 0.0, 0.0):
    ...     memory.observe(memory.filed(view), "haiku", Grade(solved, "task"))
    >>> [round(found.p, 2) for found in estimate(memory, view, [Target("haiku"), Target("opus")])]
    [0.11, 0.29]
    """

    def __init__(
        self,
        key: Callable[[View], str] | None = None,
        *,
        runs: float = RUNS,
        size: int = 10_000,
        store: Store | None = None,
        name: str = "tasks",
    ) -> None:
        super().__init__(store, name)
        if key is not None and not callable(key):
            raise ConfigurationError(
                f"TaskMemory(key={key!r}): give a function of the view, such as lambda view: view.scope.task"
            )
        number("TaskMemory", "runs", runs, least=0, above=True)
        whole("TaskMemory", "size", size)
        self._key = key or usual_key
        self._runs = runs
        self._tasks = self._keep("_tasks", f"quality/{name}/cells", size)  # (tenant, task) -> target -> cell

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:
        key = self._key(view)
        known = self._tasks.get((view.scope.tenant, key)) if key else None
        if not known:
            return given
        surplus = count = 0.0
        for target, before in zip(targets, given, strict=True):
            if (cell := known.get(target.name)) is not None:
                surplus += cell[1] - cell[0] * before.p
                count += cell[0]
        shift = surplus / (count + TASK_PRIOR)
        return [self._of(known.get(target.name), before, shift, count) for target, before in zip(targets, given, strict=True)]

    def _of(self, cell: list[float] | None, given: Estimate, shift: float, count: float) -> Estimate:
        expected = min(max(given.p + shift, 0.01), 0.99)
        if cell is None:
            return (
                given._replace(p=expected, source=f"{given.source}; {count:g} runs of this task by others") if count else given
            )
        n, solved, priced, spent, timed, took = cell
        dollars, seconds = given.dollars, given.seconds
        if priced:
            dollars = spent / priced if dollars is None else (spent + self._runs * dollars) / (priced + self._runs)
        if timed:
            seconds = took / timed if seconds is None else (took + self._runs * seconds) / (timed + self._runs)
        p = (solved + self._runs * expected) / (n + self._runs)
        return Estimate(p, n + min(given.n, self._runs), dollars, seconds, f"{n:g} runs of this task")

    def filed(self, view: View) -> Filed:
        key = self._key(view)
        return [view.scope.tenant, key] if key else []

    def observe(self, filed: Filed, target: str, grade: Grade) -> None:
        if not filed:
            return
        weight, priced, timed = grade.weight, grade.dollars is not None, grade.seconds is not None
        change = [
            weight,
            weight * grade.solved,
            weight * priced,
            weight * (grade.dollars or 0.0),
            weight * timed,
            weight * (grade.seconds or 0.0),
        ]

        def added(known: dict[str, list[float]] | None) -> dict[str, list[float]]:
            known = dict(known or {})
            known[target] = [a + b for a, b in zip(known.get(target, _NOTHING), change, strict=True)]
            return known

        self._tasks.update(tuple(filed), added)

    def dump(self) -> Mapping[str, Any]:
        """The state as JSON types."""
        return {"tasks": entries(self._tasks), "waiting": self.dump_waiting()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`."""
        tasks = [
            (tuple(map(str, key)), {str(name): [float(each) for each in cell] for name, cell in known.items()})
            for key, known in state["tasks"]
        ]
        if any(len(cell) != len(_NOTHING) for _, known in tasks for cell in known.values()):
            raise ConfigurationError("TaskMemory: the state is of another version; start without it")
        for key, known in tasks:
            self._tasks.put(key, known)
        self.load_waiting(state["waiting"])

    @staticmethod
    def _examples() -> list[TaskMemory]:
        return [TaskMemory(), TaskMemory(lambda view: view.scope.task, runs=1)]
