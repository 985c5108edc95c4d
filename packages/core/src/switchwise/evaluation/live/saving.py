"""An amount of USD with its 95 % interval over sessions: the calls of one session are alike, so sessions are resampled."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from switchwise.display.figures import usd


@dataclass(frozen=True, slots=True)
class Saving:
    """USD that could be saved; negative: that would be spent in addition.

    Parameters:
        value: the sum.
        low, high: ends of its 95 % interval; None: one session has none.
    """

    value: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def over(cls, sessions: Sequence[float], samples: int = 400, seed: int = 0) -> Saving:
        """The sum over sessions, with a bootstrap over them.

        >>> Saving.over([1.0, 1.0, 1.0]), str(Saving.over([0.25]))
        (Saving(value=3.0, low=3.0, high=3.0), '$0.250 (one session: no interval)')
        """
        total = sum(sessions)
        if len(sessions) < 2 or not samples:
            return cls(total)
        rng = random.Random(seed)
        drawn = sorted(sum(rng.choices(sessions, k=len(sessions))) for _ in range(samples))
        return cls(total, drawn[int(0.025 * samples)], drawn[min(int(0.975 * samples), samples - 1)])

    def __neg__(self) -> Saving:
        if self.low is None or self.high is None:
            return Saving(-self.value)
        return Saving(-self.value, -self.high, -self.low)

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{usd(self.value)} (one session: no interval)"
        return f"{usd(self.value)} [{usd(self.low)}, {usd(self.high)}]"
