"""Tables of tasks x targets: outcomes, costs and durations. Needs numpy (`pip install "switchwise[quality]"`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from switchwise.nouns.errors import ConfigurationError

MANY_LABELS = 5  # from so many labels on, intervals for labels that were left out resample labels instead of tasks
LEAST_TASKS = 10


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One set of tasks, each tried by several targets.

    Parameters:
        name: of the set.
        targets: names, in any order.
        tasks: one id per task.
        labels: one kind of work per task: a subject, a repository, a category.
        runs: (tasks, targets, repeats) how well each run did, from 0 to 1; NaN: not run.
        costs: (tasks, targets) mean cost of a run in `unit`; NaN: not known.
        unit: `usd`, `tokens`, `calls to the strong model`, or empty: nothing is known of costs.
        texts: one per task, to read difficulty from; None: not recorded.
        duplicates: one number per task; tasks that are nearly the same share it.
        agentic: whole tasks of agents; False: single questions.
    """

    name: str
    targets: tuple[str, ...]
    tasks: tuple[str, ...]
    labels: tuple[str, ...]
    runs: Any
    costs: Any
    unit: str = "usd"
    texts: tuple[str, ...] | None = None
    duplicates: Any = None
    agentic: bool = False

    def __post_init__(self) -> None:
        shape = (len(self.tasks), len(self.targets))
        if self.runs.shape[:2] != shape or self.costs.shape != shape or len(self.labels) != len(self.tasks):
            raise ConfigurationError(
                f"Outcomes({self.name!r}): runs, costs and labels are of {self.runs.shape}, {self.costs.shape} and {len(self.labels)}; "
                f"give them for {shape[0]} tasks and {shape[1]} targets"
            )

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def scores(self) -> Any:
        """(tasks, targets) mean over the repeats; NaN: never run."""
        import numpy as np

        known = ~np.isnan(self.runs)
        total = np.where(known, self.runs, 0.0).sum(axis=2)
        return np.where(known.any(axis=2), total / np.maximum(known.sum(axis=2), 1), np.nan)

    @property
    def label_ids(self) -> Any:
        """One whole number per task for its label, in the order of the labels' names."""
        import numpy as np

        return np.unique(np.array(self.labels), return_inverse=True)[1]

    def groups(self, by_label: bool = False) -> Any:
        """One whole number per task: tasks of one group are resampled together. Near duplicates; labels where these are what is left out."""
        import numpy as np

        if by_label and len(set(self.labels)) >= MANY_LABELS:
            return self.label_ids
        return np.arange(len(self)) if self.duplicates is None else np.unique(self.duplicates, return_inverse=True)[1]

    def part(self, tasks: Any, name: str = "") -> Outcomes:
        """Some of the tasks, by their indices."""
        return replace(
            self,
            name=name or self.name,
            tasks=tuple(self.tasks[i] for i in tasks),
            labels=tuple(self.labels[i] for i in tasks),
            runs=self.runs[tasks],
            costs=self.costs[tasks],
            texts=None if self.texts is None else tuple(self.texts[i] for i in tasks),
            duplicates=None if self.duplicates is None else self.duplicates[tasks],
        )

    def among(self, targets: Sequence[str], name: str = "") -> Outcomes:
        """Some of the targets."""
        chosen = [self.targets.index(target) for target in targets]
        return replace(
            self, name=name or self.name, targets=tuple(targets), runs=self.runs[:, chosen], costs=self.costs[:, chosen]
        )

    def complete(self) -> Outcomes:
        """The largest part in which every target tried every task and its cost is known, by tasks times targets.

        Raises:
            ConfigurationError: fewer than two targets or ten tasks are left.
        """
        import numpy as np

        known = ~np.isnan(self.scores)
        if self.unit:
            known &= ~np.isnan(self.costs)
        order = np.argsort(-known.mean(axis=0), kind="stable")
        sizes = [(count * int(known[:, order[:count]].all(axis=1).sum()), count) for count in range(2, len(order) + 1)]
        count = max(sizes, default=(0, 0))[1]
        tasks = np.flatnonzero(known[:, order[:count]].all(axis=1))
        if count < 2 or len(tasks) < LEAST_TASKS:
            raise ConfigurationError(
                f"{self.name}: no two targets tried the same {LEAST_TASKS} tasks (of {len(self)}) at a known cost (one that is 0 for all tasks is unknown); "
                "comparing routers needs that much"
            )
        return self.part(tasks).among([target for i, target in enumerate(self.targets) if i in set(order[:count].tolist())])
