"""Count the verdicts of a verifier or gate, the cost of its questions, and its accuracy by later outcomes.

Feedback on the same decision (`Router.feedback`) confirms a verdict: good after acceptance, bad after rejection. Without
outcomes the accuracy is None. A cascade pays only with an accurate verifier: docs/guide/quality.md.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.feedback import WEIGHTS
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.view import View
from switchwise.state.codec import is_amount, mapping
from switchwise.state.in_process import Memory

_GOOD = 0.5  # above it is good, below it is bad
_STRONG = 0.5  # weight from which on an outcome is compared with a verdict
_COUNTS = ("verdicts", "accepted", "asked", "usd", "known", "right", "accepted_known", "accepted_right")


@dataclass(slots=True)
class VerdictCounts:
    """Counts of a verifier.

    Parameters:
        verdicts, accepted: number of verdicts, and of acceptances among them.
        asked: answers that it requested.
        usd: known cost of those answers in USD.
        known, right: verdicts with a known outcome, and how many of them it confirmed.
        accepted_known, accepted_right: the same for acceptances.
    """

    verdicts: float = 0
    accepted: float = 0
    asked: float = 0
    usd: float = 0.0
    known: float = 0
    right: float = 0
    accepted_known: float = 0
    accepted_right: float = 0

    @property
    def accuracy(self) -> float | None:
        """Share of confirmed verdicts among those with a known outcome; None without outcomes."""
        return self.right / self.known if self.known else None

    @property
    def usd_per_verdict(self) -> float | None:
        """Mean cost of a verdict in USD; None without verdicts."""
        return self.usd / self.verdicts if self.verdicts else None

    def __str__(self) -> str:
        """Say it in a line.

        >>> str(VerdictCounts(verdicts=4, accepted=3, usd=0.002, known=2, right=1))
        '4 verdicts, 3 accepted, $0.0005 each; outcomes confirm 1 of 2 (50 %)'
        """
        if not self.verdicts:
            return "no verdicts yet"
        cost = f", ${self.usd_per_verdict:.3g} each" if self.usd else ""
        known = (
            f"outcomes confirm {self.right:g} of {self.known:g} ({self.accuracy:.0%})".replace("%", " %")
            if self.known
            else "no outcome is known"
        )
        return f"{self.verdicts:g} verdicts, {self.accepted:g} accepted{cost}; {known}"


class Counted:
    """Base class of verifiers that count their verdicts, costs and later outcomes.

    `counts` can be read at any time; `Router.dump` includes it, and the router passes feedback on.
    """

    def __init__(self, size: int = 10_000) -> None:
        self.counts = VerdictCounts()
        self._given: Memory[str, bool] = Memory(size)
        self._counting = threading.RLock()

    def asked(self, *replies: object) -> None:
        """Count the answers to its questions."""
        with self._counting:
            for reply in replies:
                if isinstance(reply, Reply):
                    self.counts.asked += 1
                    self.counts.usd += reply.cost or 0.0

    def given(self, view: View, verdict: Verdict) -> Verdict:
        """Count a verdict and return it. The last one of a decision is about the reply that is shown."""
        self.count(view.decision, verdict.accepted)
        return verdict

    def count(self, decision: str, accepted: bool, usd: float = 0.0) -> None:
        """Count a verdict on a decision (empty: unknown, so no outcome will confirm it), and its cost in USD."""
        with self._counting:
            self.counts.verdicts += 1
            self.counts.accepted += accepted
            self.counts.usd += usd
        if decision:
            self._given.put(decision, accepted)

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Compare the verdict with the outcome of its decision, once. Weak outcomes (`user_turn`) and undecided ones do not count."""
        if WEIGHTS.get(kind, 0.0) < _STRONG or reward == _GOOD or (accepted := self._given.get(decision)) is None:
            return
        self._given.update(decision, lambda _: None)
        with self._counting:
            right = (reward > _GOOD) is accepted
            self.counts.known += 1
            self.counts.right += right
            self.counts.accepted_known += accepted
            self.counts.accepted_right += accepted and right

    def dump(self) -> Mapping[str, Any]:
        """The counts as JSON data."""
        with self._counting:
            return {name: getattr(self.counts, name) for name in _COUNTS}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` if `state` is not a result of `dump`."""
        what = f"state of {type(self).__name__}"
        for name in _COUNTS:
            if not is_amount(value := mapping(state, what).get(name)):
                raise ConfigurationError(f"{what}: {name} is {value!r:.80}, not a number; start without that state")

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`.

        Raises:
            ConfigurationError: `state` is not a result of `dump`; nothing is restored.
        """
        self.check_state(state)
        with self._counting:
            self.counts = VerdictCounts(*(state[name] for name in _COUNTS))
