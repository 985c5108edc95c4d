"""Convert outcomes to grades for an estimator: verdicts on attempts, feedback by decision id, ends of tasks. Each counts once.

An estimator that learns inherits from `Learning`. The policies that use it pass on the outcomes that the router reports, so that one estimator in
several policies receives each outcome several times: known outcomes are remembered, and count once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.feedback import WEIGHTS
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.view import View
from switchwise.quality.estimate import Filed, Grade
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store, Table

WAITING = 10_000  # decisions that await an outcome
ANY = ""  # feedback has only the decision's id, which is random: its tenant is unknown


class Learning(ABC):
    """Base class of estimators that learn: a verdict grades a call, feedback grades its task.

    Parameters:
        store: where state is kept; None: in this process.
        name: prefix of its tables in the store; estimators that must not share state need different names.
        waiting: most decisions remembered until their outcome arrives.
    """

    def __init__(self, store: Store | None, name: str, waiting: int = WAITING) -> None:
        self._given_store = store is not None
        self._store: Store = InProcess() if store is None else store
        self._sizes: dict[str, tuple[str, int]] = {}
        self._decisions = self._keep("_decisions", f"quality/{name}/decisions", waiting)
        self._graded = self._keep("_graded", f"quality/{name}/graded", 2 * waiting)
        self._spent = self._keep("_spent", f"quality/{name}/spent", waiting)

    def _keep(self, attribute: str, table: str, size: int) -> Table:
        """Open the table of that name and keep it under `attribute`, also when the store changes."""
        self._sizes[attribute] = (table, size)
        return self._store.table(table, size)

    def use_store(self, store: Store) -> None:
        """Move the state to `store`; no effect if the constructor got a store."""
        if self._given_store:
            return
        self._store, self._given_store = store, True
        for attribute, (name, size) in self._sizes.items():
            new = store.table(name, size)
            for key, value in getattr(self, attribute).items():
                if new.get(key) is None:
                    new.put(key, value)
            setattr(self, attribute, new)

    @abstractmethod
    def filed(self, view: View) -> Filed:
        """What is needed of the view when the outcome arrives, as JSON data without text."""

    @abstractmethod
    def observe(self, filed: Filed, target: str, grade: Grade) -> None:
        """Learn an outcome of a target."""

    def learn(self, attempt: Attempt) -> None:
        """Learn an attempt: its cost, and its verdict if it was judged."""
        call, view = attempt.call, attempt.call.view
        if (
            call.ask is not None
            or attempt.reply is None
            or not self._new((view.scope.tenant, f"{view.decision}/{len(view.attempts)}"))
        ):
            return
        filed = self.filed(view)
        spending = view.scope.key(Level.TASK)
        seconds, cost = max(attempt.latency, 0.0), attempt.cost

        def more(now: list[float] | None) -> list[float]:
            dollars, took, unknown = now or [0.0, 0.0, 0.0]
            return [dollars + (cost or 0.0), took + seconds, unknown + (cost is None)]

        self._spent.update(spending, more)
        found = {"filed": filed, "target": attempt.target.base, "spending": list(spending)}
        self._decisions.put((ANY, view.decision), found)
        if attempt.verdict is not None:
            solved = 1.0 if attempt.verdict.accepted else 0.0
            self.observe(filed, attempt.target.base, Grade(solved, "verdict"))

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Learn the outcome of a decision. A second outcome of the same kind does not count.

        A checked outcome (weight 1) ends the task: the task's cost so far is its cost.

        Parameters:
            decision: id of the decision.
            reward: from 0 (bad) to 1 (good).
            kind: source of the outcome, one of `switchwise.nouns.exchange.feedback.WEIGHTS`.
        """
        found = self._decisions.get((ANY, decision))
        if found is None or not self._new((ANY, f"{decision}:{kind}")):
            return
        spending = tuple(found["spending"])
        spent = self._spent.get(spending) if WEIGHTS.get(kind, 0.0) >= 1 else None
        dollars = seconds = None
        if spent is not None:
            dollars, seconds = (None if spent[2] else spent[0]), spent[1]
            self._spent.put(spending, [0.0, 0.0, 0.0])
        self.observe(found["filed"], found["target"], Grade(reward, kind, dollars or None, seconds or None))

    def dump_waiting(self) -> Mapping[str, Any]:
        """Decisions that await an outcome, as JSON types."""
        parts = {"decisions": self._decisions, "graded": self._graded, "spent": self._spent}
        return {name: entries(table) for name, table in parts.items()}

    def load_waiting(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump_waiting`."""
        try:
            for name, table in (("decisions", self._decisions), ("graded", self._graded), ("spent", self._spent)):
                for key, value in state[name]:
                    table.put(tuple(map(str, key)), value)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"{type(self).__name__}: the state is not what its dump gives ({error!r})") from error

    def _new(self, what: Key) -> bool:
        first = False

        def mark(known: bool | None) -> bool:
            nonlocal first
            first = known is None
            return True

        self._graded.update(what, mark)
        return first


def entries(table: Table) -> list[list[Any]]:
    """The entries of a table, as JSON types."""
    return [[list(key), value] for key, value in table.items()]
