"""Estimates how many calls a weaker model needs for each call of the home model, from the lengths of runs of easy calls.

A run of easy calls up to the next hard one is a unit of work. If each call of a weaker model does only a part of a call's work,
its runs are longer: an accelerated failure time model. So a `LifeTable` counts how often a run continued and ended after its
k-th call, with the home model alone and with each other model. If a call does the work w, then

    P(it goes on after k calls, if it did after k - 1) = S(w k) / S(w (k - 1))

where S is the survival of the home model's runs, between whole calls by interpolation. Each call is evidence, so a run that is
too long is detected before it ends. `CallsNeeded` weighs five possibilities by that likelihood. Its prior: most models need no
more calls, but some need twice as many. The evidence lies between two samples: where few runs of the home model reach a
position, observations there count little, however many there are of another model.

Source: accelerated failure time: Cox and Oakes, "Analysis of Survival Data" (1984); life tables with withdrawals: Kaplan and Meier (1958);
trials by a draw from the posterior: Thompson, "On the likelihood that one unknown probability exceeds another" (1933).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import exp, log, log1p

WORK = (1.0, 0.8, 2 / 3, 0.5, 1 / 3)
"""Possible work of a weaker model's call relative to the home model's: it needs 1, 1.25, 1.5, 2 or 3 calls."""
PRIOR = (0.70, 0.10, 0.08, 0.08, 0.04)
"""Prior probability of each."""
MOST = 1.0 / WORK[-1]
"""Most calls that a model may need."""
_LAST = 24  # positions in a run; later ones count as the last
_CLASSES = (1, 2, 3, 5, 8, 12)  # positions whose evidence is pooled
_FEWEST = 5  # runs of the home model needed for a life table
_SMOOTH = 3.0  # weight of the previous position, in calls
_SURELY, _SELDOM = 0.98, 0.005  # bounds of the probability that a run ends at a position
_GROWN = 1.2  # growth of the number of runs after which survival is recomputed
_ALIKE = 0.6  # weight of a run: runs of one session are correlated

Evidence = Sequence[float]  # logarithms of likelihoods, one for each of `WORK`
_Counts = list[float]  # by position in the run


class LifeTable:
    """Lengths of runs of easy calls in one kind of thread. About 1 kB, and 0.5 kB for each other model."""

    __slots__ = ("_built", "_calls", "_ends", "_logs", "others", "runs")

    def __init__(self) -> None:
        self._calls: _Counts = [0.0] * (_LAST + 1)  # of the home model
        self._ends: _Counts = [0.0] * (_LAST + 1)  # of those, the last ones of their run
        self.others: dict[str, list[_Counts]] = {}  # by model: calls after which the run went on, and after which it ended
        self.runs = 0  # that the home model did to the end
        self._built = 0.0  # of them, those that the following was computed from
        self._logs: tuple[list[_Counts], list[_Counts]] = ([], [])  # of the chances to go on, and to end: [of `WORK`][position]

    def add(self, length: int, *, ended: bool = True) -> None:
        """Add a run of the home model of that many calls. `ended`: False if another model took over."""
        if ended:
            self.runs += 1
            self._ends[min(length, _LAST)] += 1
        for position in range(1, length + 1):
            self._calls[min(position, _LAST)] += 1

    def called(self, model: str, position: int, *, ended: bool) -> None:
        """Add a call of another model. `position`: of the call in its run, from 1; `ended`: it was the last one."""
        if model not in self.others:
            self.others[model] = [[0.0] * (_LAST + 1), [0.0] * (_LAST + 1)]
        self.others[model][ended][min(position, _LAST)] += 1

    def evidence(self, model: str) -> Evidence | None:
        """Evidence of all calls of `model`; None if there is too little."""
        if self.runs < _FEWEST or model not in self.others:
            return None
        if self.runs >= _GROWN * self._built:
            self._build()
        on, ends = self.others[model]
        weights = [0.0] * (_LAST + 1)
        for low, high in pairwise((0, *_CLASSES, _LAST)):
            known, seen = sum(self._calls[low + 1 : high + 1]), sum(on[low + 1 : high + 1]) + sum(ends[low + 1 : high + 1])
            weights[low + 1 : high + 1] = [_ALIKE * known / (known + seen) if seen else 0.0] * (high - low)
        weighed = [(w * a, w * b) for w, a, b in zip(weights, on, ends, strict=True)]
        return [
            sum([a * x + b * y for (a, b), x, y in zip(weighed, going, ending, strict=True) if a or b])
            for going, ending in zip(*self._logs, strict=True)
        ]

    @property
    def sound(self) -> bool:
        """Whether its numbers are consistent; those of a loaded state may not be."""
        pairs = list(self.others.values())
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            return False
        tables = [self._calls, self._ends, *(each for two in pairs for each in two)]
        return self.runs <= sum(self._calls) and all(map(_counts, tables))

    def _build(self) -> None:
        self._built = self.runs
        usual, lived = self.runs / sum(self._calls), [0.0]  # the logarithm of S
        for position in range(1, _LAST + 1):
            usual = (self._ends[position] + _SMOOTH * usual) / (self._calls[position] + _SMOOTH)
            usual = min(_SURELY, max(_SELDOM, usual))
            lived.append(lived[-1] + log1p(-usual))
        steps = [[_between(lived, work * position) for position in range(_LAST + 1)] for work in WORK]
        on = [[0.0, *(after - before for before, after in pairwise(each))] for each in steps]
        self._logs = on, [[log(1.0 - exp(each)) if each else 0.0 for each in going] for going in on]


class CallsNeeded:
    """Calls that one model needs where the home model needs one."""

    __slots__ = ("_evidence", "calls", "chances")

    def __init__(self) -> None:
        self._evidence: dict[str, Evidence] = {}
        self._conclude()

    def learn(self, kind: str, evidence: Evidence) -> None:
        """Replace the evidence of one kind of thread."""
        self._evidence[kind] = evidence
        self._conclude()

    def drawn(self, draw: float) -> float:
        """Calls needed at quantile `1 - draw`: uniform draws sample the posterior distribution."""
        place = bisect_right([*accumulate(reversed(self.chances))], draw)
        return 1.0 / WORK[-1 - min(place, len(WORK) - 1)]

    def _conclude(self) -> None:
        logs = [sum(each) for each in zip(*self._evidence.values(), strict=True)] or [0.0] * len(WORK)
        most = max(logs)
        odds = [prior * exp(each - most) for prior, each in zip(PRIOR, logs, strict=True)]
        whole = sum(odds)
        self.chances = [each / whole for each in odds]  # of each of `WORK`
        self.calls = sum([chance / work for work, chance in zip(WORK, self.chances, strict=True)])  # expected


def _between(values: Sequence[float], place: float) -> float:
    whole = int(place)
    if whole >= len(values) - 1:
        return values[-1]
    return values[whole] + (place - whole) * (values[whole + 1] - values[whole])


def _counts(table: object) -> bool:
    return isinstance(table, list) and len(table) == _LAST + 1 and all(isinstance(n, int | float) and n >= 0 for n in table)
