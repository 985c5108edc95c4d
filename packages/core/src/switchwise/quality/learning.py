"""How outcomes reach an estimator: attempts and their verdicts, feedback by decision id, the end of a task. Each counts once.

An estimator that learns inherits from `Learning`. The policies that use it pass on what the router tells them, so that one estimator in
several policies is told several times: what was told is remembered, and counts once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Level
from switchwise.nouns.view import View
from switchwise.quality.estimate import Filed, Grade
from switchwise.state.in_process import Memory

WAITING = 10_000  # decisions whose outcome is still awaited


class Learning:
    """Turns what a router tells into grades: of a call when it was judged, of its task when somebody says how that ended.

    Parameters:
        waiting: decisions that are remembered until somebody says how they turned out.
    """

    def __init__(self, waiting: int = WAITING) -> None:
        self._decisions: Memory[str, dict[str, Any]] = Memory(waiting)
        self._told: Memory[str, bool] = Memory(2 * waiting)
        self._spent: Memory[str, list[float]] = Memory(waiting)

    def filed(self, view: View) -> Filed:
        """What is needed of the view once the outcome is known, as JSON data without text."""
        raise NotImplementedError

    def observe(self, filed: Filed, target: str, grade: Grade) -> None:
        """Take in how well a target did."""
        raise NotImplementedError

    def learn(self, attempt: Attempt) -> None:
        """Take in an attempt: what it cost, and its verdict where it was judged."""
        call, view = attempt.call, attempt.call.view
        if call.ask is not None or attempt.reply is None or not self._new(f"{view.decision}/{len(view.attempts)}"):
            return
        filed = self.filed(view)
        spending = "/".join(view.scope.key(Level.TASK))
        seconds, cost = max(attempt.latency, 0.0), attempt.cost

        def more(now: list[float] | None) -> list[float]:
            dollars, took, unknown = now or [0.0, 0.0, 0.0]
            return [dollars + (cost or 0.0), took + seconds, unknown + (cost is None)]

        self._spent.update(spending, more)
        self._decisions.put(view.decision, {"filed": filed, "target": attempt.target.name, "spending": spending})
        if attempt.verdict is not None:
            solved = 1.0 if attempt.verdict.accepted else 0.0
            self.observe(filed, attempt.target.name, Grade(solved, "verdict"))

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Take in how a decision turned out; its task's cost so far counts as the task's. A second word of the same kind does not count.

        Parameters:
            decision: its id.
            reward: from 0 (bad) to 1 (good).
            kind: what said so; see `switchwise.quality.estimate.WEIGHTS`.
        """
        found = self._decisions.get(decision)
        if found is None or not self._new(f"{decision}:{kind}"):
            return
        spent = self._spent.get(found["spending"])
        dollars = seconds = None
        if spent is not None:
            dollars, seconds = (None if spent[2] else spent[0]), spent[1]
            self._spent.put(found["spending"], [0.0, 0.0, 0.0])
        self.observe(found["filed"], found["target"], Grade(reward, kind, dollars or None, seconds or None))

    def dump_waiting(self) -> Mapping[str, Any]:
        """The decisions whose outcome is awaited, as JSON types."""
        parts = {"decisions": self._decisions, "told": self._told, "spent": self._spent}
        return {name: [[key, value] for key, value in memory.items()] for name, memory in parts.items()}  # type: ignore[attr-defined]

    def load_waiting(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump_waiting` gave."""
        try:
            self._decisions.restore((str(key), dict(value)) for key, value in state["decisions"])
            self._told.restore((str(key), bool(value)) for key, value in state["told"])
            self._spent.restore((str(key), [float(each) for each in value]) for key, value in state["spent"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"{type(self).__name__}: the state is not what its dump gives ({error!r})") from error

    def _new(self, what: str) -> bool:
        first = False

        def mark(known: bool | None) -> bool:
            nonlocal first
            first = known is None
            return True

        self._told.update(what, mark)
        return first
