"""How many calls a weaker model needs where the strong one needs one, learnt from how long easy stretches become.

An easy stretch is a run of easy calls up to the next hard one: a piece of work that gets finished. How many calls the strong model
needs from its k-th call on is known from history: recorded stretches that it did alone, or a few that are left to it as a
control. A stretch that a weaker model takes over at its k-th call should hold as much work. Over all such stretches

    y = (work expected - calls of the strong model) / calls of the weaker one

is the work that one call of the weaker model does, and 1 / y the calls it needs. It starts at one to one, moves as evidence comes,
and is taken on the low side by as many standard errors as the evidence has weight: backing off early costs little, late much.
A verdict is doubted the more the fewer calls it rests on: with probability `doubt` a stretch is tried all the same, so that bad luck at the
beginning does not last.

Source: a ratio estimator with a normal prior; the caution is that of conservative bandits (Wu et al., 2016).
"""

from __future__ import annotations

from math import sqrt

_LONGEST = 8  # stretches longer than that are one class
_FEWEST = 5  # stretches of history that make a mean
_PRIOR = 0.25  # standard deviation of the work of one call, before any evidence
_TRIALS = 4.0  # calls: a verdict that rests on n of them is doubted with probability _TRIALS / n
_CAUTION = 0.5  # standard errors, times the weight of the evidence
_LEAST = 0.25  # work of a call
_SPREAD = 3.0  # stretches of one thread are alike: their sum varies that much more than independent ones would


class Stretches:
    """How long easy stretches of one kind of thread are when the strong model does them alone."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = [[0.0, 0.0, 0.0] for _ in range(_LONGEST + 1)]

    def add(self, length: int) -> None:
        """Take in one finished stretch, in calls."""
        for begun in range(1, length + 1):
            seen, rest = self._seen[min(begun, _LONGEST)], length - begun + 1
            seen[0] += 1
            seen[1] += rest
            seen[2] += rest * rest

    def rest(self, begun: int) -> tuple[float, float] | None:
        """Mean and variance of the calls from the `begun`-th on, that one included; None: too little was seen."""
        count, total, squares = self._seen[min(begun, _LONGEST)]
        if count < _FEWEST:
            return None
        mean = total / count
        return mean, max(0.0, squares / count - mean * mean)


class Effort:
    """The work that one call of a weaker model does, in calls of the strong one."""

    __slots__ = ("_calls", "_expected", "_home_calls", "_variance", "calls", "work")

    def __init__(self) -> None:
        self._expected = 0.0
        self._variance = 0.0
        self._home_calls = 0
        self._calls = 0
        self.work = 1.0  # of one call, as it most likely is
        self.calls = 1.0  # calls needed for one of the strong model's, taken cautiously: what plans count with

    def finished(self, expected: tuple[float, float], home_calls: int, calls: int) -> None:
        """Take in the rest of a stretch from the call on at which the weaker model took over.

        Parameters:
            expected: mean and variance of the calls that the strong model would have needed.
            home_calls, calls: calls that the strong and the weaker model made.
        """
        self._expected += expected[0]
        self._variance += expected[1]
        self._home_calls += home_calls
        self._calls += calls
        seen = (self._expected - self._home_calls) / self._calls
        prior = _PRIOR * _PRIOR
        weight = prior / (prior + _SPREAD * self._variance / self._calls**2)
        work = 1.0 + weight * (seen - 1.0)
        self.work = min(1.0, max(_LEAST, work))
        self.calls = 1.0 / min(1.0, max(_LEAST, work - _CAUTION * weight * sqrt(prior * (1.0 - weight))))

    @property
    def doubt(self) -> float:
        """Probability with which a stretch should be tried although this says no: high while little was seen."""
        return min(0.5, _TRIALS / max(1.0, self._calls))
