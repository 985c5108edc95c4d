"""What a verifier's questions cost, and how often outcomes bear its verdicts out.

A verdict is borne out by feedback on the same decision (`Router.feedback`): good where it accepted, bad where it rejected. Without outcomes
nothing is known of its accuracy, and `None` says so. A cascade pays only with a verifier that is right often enough: docs/guide/quality.md.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Reply, Verdict
from switchwise.nouns.view import View
from switchwise.quality.estimate import WEIGHTS
from switchwise.state.codec import is_amount, mapping
from switchwise.state.in_process import Memory

_GOOD = 0.5
_COUNTS = ("verdicts", "accepted", "asked", "usd", "known", "right", "accepted_known", "accepted_right")


@dataclass(slots=True)
class VerdictCounts:
    """What is known of a verifier.

    Parameters:
        verdicts, accepted: how many it gave, and how many of them accepted.
        asked: answers that it asked for.
        usd: what those cost, as far as that is known.
        known, right: verdicts of which an outcome is known, and how many it bore out.
        accepted_known, accepted_right: the same of those that accepted.
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
        """Share of the verdicts with a known outcome that it bore out; None: none is known."""
        return self.right / self.known if self.known else None

    @property
    def usd_per_verdict(self) -> float | None:
        """What a verdict costs; None: it gave none."""
        return self.usd / self.verdicts if self.verdicts else None


class Counted:
    """A verifier that keeps count: of its verdicts, of what its questions cost, and of what outcomes say.

    `counts` can be read at any time; a router carries it (`Router.dump`) and passes feedback on.
    """

    def __init__(self, size: int = 10_000) -> None:
        self.counts = VerdictCounts()
        self._given: Memory[str, bool] = Memory(size)
        self._counting = threading.RLock()

    def asked(self, *replies: object) -> None:
        """Count the answers among what came of questions."""
        with self._counting:
            for reply in replies:
                if isinstance(reply, Reply):
                    self.counts.asked += 1
                    self.counts.usd += reply.cost or 0.0

    def given(self, view: View, verdict: Verdict) -> Verdict:
        """Count a verdict, and give it on. The last one of a decision is about the reply that is shown."""
        with self._counting:
            self.counts.verdicts += 1
            self.counts.accepted += verdict.accepted
        self._given.put(view.decision, verdict.accepted)
        return verdict

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Compare the verdict with how the decision turned out, once."""
        if kind not in WEIGHTS or (accepted := self._given.get(decision)) is None:
            return
        self._given.update(decision, lambda _: None)
        with self._counting:
            right = (reward >= _GOOD) is accepted
            self.counts.known += 1
            self.counts.right += right
            self.counts.accepted_known += accepted
            self.counts.accepted_right += accepted and right

    def dump(self) -> Mapping[str, Any]:
        """The counts."""
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
