"""Combine estimators: each changes the estimates of the previous one as far as its evidence goes.

Use it to combine published results (`Priors`), your outcomes (`LabelTable`), outcomes of the same task (`TaskMemory`) and the
text (`TextDifficulty`), in this order: the most general first.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.view import View
from switchwise.quality.estimate import Estimate, Estimator, Filed, Grade, Observes
from switchwise.quality.learning import Learning
from switchwise.state.store import Store


class Shrunk(Learning):
    """Apply the estimators in order, each to the estimates of the previous one.

    The effect of the text is kept separate (`Estimate.base`): policies use it only if its promised success exceeds a guard, so
    that the result is not worse than the table otherwise.

    Parameters:
        parts: at least one estimator, the most general first.
        store: where decisions awaiting an outcome are kept; the parts have their own. None: in this process.

    Raises:
        ConfigurationError: no part is given, or an argument is not an estimator.

    >>> from switchwise import Scope, Target, View
    >>> from switchwise.quality import Grade, LabelTable, Priors, Shrunk, estimate
    >>> quality, view = Shrunk(Priors(), LabelTable()), View(Scope(agent="coder"))
    >>> for _ in range(50):
    ...     quality.observe(quality.filed(view), "opus", Grade(0.0, "task"))
    >>> before, after = estimate(Priors(), view, [Target("opus")])[0].p, estimate(quality, view, [Target("opus")])[0].p
    >>> after < 0.5 * before
    True
    """

    def __init__(self, *parts: Estimator, store: Store | None = None) -> None:
        super().__init__(store, "shrunk")
        if not parts:
            raise ConfigurationError("Shrunk(): give at least one estimator, such as Priors()")
        for part in parts:
            if isinstance(part, type) or not callable(getattr(part, "estimate", None)):
                name = part.__name__ if isinstance(part, type) else repr(part)
                raise ConfigurationError(f"Shrunk({name}): give estimators, such as Priors() or LabelTable()")
        self.parts = parts
        self._observing = {i: part for i, part in enumerate(parts) if isinstance(part, Observes)}

    def estimate(self, view: View, targets: Sequence[Target], given: Sequence[Estimate]) -> Sequence[Estimate]:
        for part in self.parts:
            given = part.estimate(view, targets, given)
        return given

    @property
    def asks(self) -> tuple[Target, ...]:
        """The models outside the pool that the parts ask."""
        return tuple(target for part in self.parts for target in getattr(part, "asks", ()))

    def check(self, pool: Pool) -> None:
        """Let the parts check the pool."""
        for part in self.parts:
            if (check := getattr(part, "check", None)) is not None:
                check(pool)

    def use_store(self, store: Store) -> None:
        """Keep the state of all parts in `store`."""
        super().use_store(store)
        for part in self.parts:
            if (use := getattr(part, "use_store", None)) is not None:
                use(store)

    def prepare(self, view: View) -> Generator[Any, Any, None] | None:
        """Questions that the parts must ask a model first; None if there are none."""
        flows = [
            flow
            for part in self.parts
            if (ask := getattr(part, "prepare", None)) is not None and (flow := ask(view)) is not None
        ]
        return _one_after_the_other(flows) if flows else None

    def filed(self, view: View) -> Filed:
        return {str(i): part.filed(view) for i, part in self._observing.items()}

    def observe(self, filed: Filed, target: str, grade: Grade) -> None:
        for i, part in self._observing.items():
            part.observe(filed[str(i)], target, grade)

    def dump(self) -> Mapping[str, Any]:
        """The state of the parts as JSON types."""
        parts = {str(i): part.dump() for i, part in enumerate(self.parts) if hasattr(part, "dump")}
        return {"parts": parts, "waiting": self.dump_waiting()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`."""
        for i, part in enumerate(self.parts):
            if hasattr(part, "load"):
                part.load(state["parts"][str(i)])
        self.load_waiting(state["waiting"])

    @staticmethod
    def _examples() -> list[Shrunk]:
        from switchwise.quality.label_table import LabelTable
        from switchwise.quality.priors import Priors
        from switchwise.quality.task_memory import TaskMemory

        return [Shrunk(Priors(), LabelTable(), TaskMemory(lambda view: view.scope.task))]


def _one_after_the_other(flows: Sequence[Generator[Any, Any, None]]) -> Generator[Any, Any, None]:
    for flow in flows:
        yield from flow
