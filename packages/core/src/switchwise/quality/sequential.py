"""Anytime-valid tests: they keep their level when checked after every observation and stopped at any time.

Each tracks the wealth of a gambler who bets against the hypothesis: if it is true, the wealth ever exceeds `1 / level` with
probability at most `level`. A mixture of fixed bets needs no tuning.

Source: A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, "Game-theoretic statistics and safe anytime-valid inference" (2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, hypot, inf, log, sqrt
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import number

_Z = 1.96
_BETS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)  # shares of the wealth that is at stake


class AtLeast:
    """Test that a mean is at least `least`; `rejected` when it is shown to be lower.

    Parameters:
        least: mean of the hypothesis, strictly between 0 and 1.
        level: chance of rejecting a true hypothesis.

    Raises:
        ConfigurationError: a parameter is out of range.

    >>> test = AtLeast(0.6)
    >>> for _ in range(6):
    ...     test.observe(0.0)
    >>> test.rejected, test.count
    (True, 6)
    """

    def __init__(self, least: float, level: float = 0.05) -> None:
        number("AtLeast", "least", least, least=0, most=1, above=True)
        number("AtLeast", "level", level, least=0, most=1, above=True)
        self.least, self.level = min(least, 1 - 1e-9), level
        self.count, self.total = 0, 0.0
        self._logs = [0.0] * len(_BETS)
        self._most = -inf

    def observe(self, value: float) -> None:
        """Add an observation, from 0 to 1."""
        self.count += 1
        self.total += value
        most = 1 / (1 - self.least)  # the largest bet that a value of 1 cannot lose entirely
        self._logs = [each + log(1 + bet * most * (self.least - value)) for each, bet in zip(self._logs, _BETS, strict=True)]
        self._most = max(self._most, self.wealth)

    @property
    def wealth(self) -> float:
        """Evidence against the hypothesis, as a factor."""
        top = max(self._logs)
        return exp(min(top, 700)) * sum(exp(each - top) for each in self._logs) / len(self._logs)

    @property
    def rejected(self) -> bool:
        """Whether the mean is shown to be lower."""
        return self._most >= 1 / self.level

    @property
    def mean(self) -> float | None:
        """Mean of the observations; None without observations."""
        return self.total / self.count if self.count else None

    def dump(self) -> Mapping[str, Any]:
        """Its state, as JSON types."""
        return {"count": self.count, "total": self.total, "logs": list(self._logs), "most": max(self._most, 0.0)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`.

        Raises:
            ConfigurationError: `state` is not a result of `dump`.
        """
        logs = [float(each) for each in state["logs"]]
        if len(logs) != len(_BETS):
            raise ConfigurationError("AtLeast: the state is of another version; start without it")
        self.count, self.total, self._logs, self._most = int(state["count"]), float(state["total"]), logs, float(state["most"])


class NotWorse:
    """Test that a new variant is at most `margin` worse than the old one, from runs of both in any order.

    Runs are paired in their order of arrival, per variant; each pair is one bet.

    Parameters:
        margin: tolerated loss of mean.
        level: chance of stopping a variant that is good enough.

    >>> test = NotWorse(margin=0.05)
    >>> for _ in range(12):
    ...     test.observe("old", 1.0)
    ...     test.observe("new", 0.0)
    >>> test.rejected
    True
    """

    def __init__(self, margin: float = 0.02, level: float = 0.05) -> None:
        number("NotWorse", "margin", margin, least=0, most=0.99)
        self.margin = margin
        self._test = AtLeast((1 - margin) / 2, level)
        self.waiting: dict[str, list[float]] = {"old": [], "new": []}
        self.sums = {"old": [0, 0.0], "new": [0, 0.0]}

    def observe(self, variant: str, value: float) -> None:
        """Add the outcome of a run of `old` or `new`, from 0 to 1."""
        other = {"old": "new", "new": "old"}[variant]
        self.sums[variant][0] += 1
        self.sums[variant][1] += value
        if self.waiting[other]:
            partner = self.waiting[other].pop(0)
            gain = value - partner if variant == "new" else partner - value
            self._test.observe((gain + 1) / 2)
        elif len(self.waiting[variant]) < 1_000:
            self.waiting[variant].append(value)

    @property
    def rejected(self) -> bool:
        """Whether the new variant is shown to be worse."""
        return self._test.rejected

    @property
    def pairs(self) -> int:
        """Number of compared pairs."""
        return self._test.count

    def means(self) -> dict[str, float | None]:
        """Mean of each variant; None without runs."""
        return {name: total / count if count else None for name, (count, total) in self.sums.items()}

    def difference(self) -> tuple[float, float, float] | None:
        """Mean of new minus mean of old, with the 95 % interval of this moment; None before both have outcomes.

        The interval is that of two proportions, which is wide enough for any outcomes from 0 to 1; only `rejected` may be looked at again and again.

        Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10.

        >>> test = NotWorse()
        >>> for value in [1.0] * 8 + [0.0] * 2:
        ...     test.observe("old", value)
        ...     test.observe("new", value)
        >>> [round(each, 2) for each in test.difference()]
        [0.0, -0.34, 0.34]
        """
        if not all(count for count, _ in self.sums.values()):
            return None
        (old, old_low, old_high), (new, new_low, new_high) = (_wilson(*self.sums[name]) for name in ("old", "new"))
        apart = new - old
        return apart, apart - hypot(new - new_low, old_high - old), apart + hypot(new_high - new, old - old_low)

    @property
    def verdict(self) -> str:
        """What is known, in words: it is worse, as good within the margin, or still open."""
        if self.rejected:
            return f"stopped: shown to be more than {self.margin:.0%} worse"
        found = self.difference()
        if found is not None and found[1] > -self.margin:
            return f"goes on: at most {self.margin:.0%} worse"
        return f"goes on: too few outcomes to exclude that it is more than {self.margin:.0%} worse"

    def dump(self) -> Mapping[str, Any]:
        """Its state, as JSON types."""
        return {
            "test": self._test.dump(),
            "waiting": {name: list(values) for name, values in self.waiting.items()},
            "sums": {name: list(pair) for name, pair in self.sums.items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`."""
        self._test.load(state["test"])
        self.waiting = {name: [float(value) for value in state["waiting"][name]] for name in ("old", "new")}
        self.sums = {name: [int(state["sums"][name][0]), float(state["sums"][name][1])] for name in ("old", "new")}


def _wilson(count: float, total: float) -> tuple[float, float, float]:
    """(mean, low, high) of outcomes from 0 to 1, at 95 %."""
    mean, square = total / count, _Z**2 / count
    middle, half = mean + square / 2, _Z * sqrt(mean * (1 - mean) / count + square / (4 * count))
    return mean, (middle - half) / (1 + square), (middle + half) / (1 + square)


class Cusum:
    """Detect that a rate has dropped, by the one-sided cumulative sum of log likelihood ratios against a drop to a share of it.

    Parameters:
        rate: the former rate.
        drop: share of the rate to which it may have dropped.
        threshold: on the scale of natural logs; false alarms are rare from 6.

    >>> alarm = Cusum(0.8)
    >>> [alarm.observe(value) for value in [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]].index(True)
    9

    Source: E. S. Page, "Continuous inspection schemes" (1954).
    """

    def __init__(self, rate: float, drop: float = 0.7, threshold: float = 6.0) -> None:
        rate = min(max(rate, 0.02), 0.98)
        number("Cusum", "drop", drop, least=0, most=1, above=True)
        number("Cusum", "threshold", threshold, least=0, above=True)
        self.rate = rate
        low = rate * min(drop, 1 - 1e-9)
        self._solved, self._failed = log(low / rate), log((1 - low) / (1 - rate))
        self.threshold, self.sum = threshold, 0.0

    def observe(self, value: float) -> bool:
        """Add an outcome from 0 to 1; return True if the rate has dropped."""
        self.sum = max(0.0, self.sum + value * self._solved + (1 - value) * self._failed)
        return self.sum > self.threshold
