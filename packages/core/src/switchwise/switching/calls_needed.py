"""How many calls a weaker model needs where the strong one needs one, learnt from how long easy stretches become.

An easy stretch is a run of easy calls up to the next hard one: a piece of work that gets finished. Where each call of a weaker model
does only a part of a call's work, its stretches last longer: it is as if its clock ran slower (an accelerated failure time). So
`Stretches` keeps two life tables for each kind of thread: how often a stretch went on and ended after its k-th call, with the strong
model alone, and with each other one. If a call does the work w, then

    P(it goes on after k calls, if it did after k - 1) = S(w k) / S(w (k - 1))

where S is the survival of the strong model's stretches, between whole calls by interpolation. Each call is evidence, so a stretch that goes on
for too long tells before it ends. `Effort` weighs five possibilities by that likelihood. Its prior: most models need no more calls,
but some need twice as many. It is evidence between two samples: where few stretches of the strong model reach a position, what
happens there counts for little, whoever else was seen there how often.

Source: accelerated failure time: Cox and Oakes, "Analysis of Survival Data" (1984); life tables with withdrawals: Kaplan and Meier (1958).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import exp, log, log1p
from operator import mul
from typing import NamedTuple

WORK = (1.0, 0.8, 2 / 3, 0.5, 1 / 3)
"""What a call of a weaker model may do of a call of the strong one: it needs 1, 1.25, 1.5, 2 or 3 calls."""
PRIOR = (0.60, 0.12, 0.12, 0.11, 0.05)
"""How likely each of them is before anything was seen."""
_LAST = 24  # positions in a stretch; from there on they are one
_CLASSES = (1, 2, 3, 5, 8, 12)  # positions up to which evidence is weighed together
_FEWEST = 5  # stretches of the strong model that make a life table
_SMOOTH = 3.0  # calls at a position that what was seen at the one before counts like
_SURELY, _SELDOM = 0.98, 0.005  # no position ends a stretch more surely, or less
_GROWN = 1.2  # times the stretches: then what follows from them is worked out anew
_ALIKE = 0.6  # what a stretch says counts less than one that knows nothing of the others: those of one session are alike
_TAIL = 0.1  # probability that a call does less than `Effort.least`

Evidence = Sequence[float]  # logarithms of likelihoods, one for each of `WORK`


class _Going(NamedTuple):
    """Logarithms of the chances that a stretch goes on or ends after its k-th call: [k][one for each of `WORK`]."""

    on: list[list[float]]
    ends: list[list[float]]


class _Seen(NamedTuple):
    """Calls of a model by class of positions, and the logarithms of their likelihoods: [one for each of `WORK`][class]."""

    calls: list[float]
    logs: list[list[float]]


class Stretches:
    """How long easy stretches of one kind of thread are: with the strong model, and with others. About 3 kB, and 1 kB for each other model."""

    __slots__ = ("_built", "_calls", "_ends", "_going", "_known", "_others", "_seen", "own")

    def __init__(self) -> None:
        self._calls = [0.0] * (_LAST + 1)  # of the strong model, by position in the stretch
        self._ends = [0.0] * (_LAST + 1)  # of those, the last ones of their stretch
        self._others: dict[str, list[list[float]]] = {}  # by model: calls by position that went on, and that ended the stretch
        self.own = 0  # stretches that the strong model did to the end
        self._built = 0.0  # of them, those that the following was worked out from
        self._going: _Going | None = None
        self._known: tuple[float, ...] = ()  # calls of the strong model in each class of positions
        self._seen: dict[str, _Seen] = {}  # by model

    def add(self, length: int, *, ended: bool = True) -> None:
        """Take in a stretch of the strong model, in calls.

        Parameters:
            length: calls from its beginning on.
            ended: False: another model took over.
        """
        if ended:
            self.own += 1
            self._ends[min(length, _LAST)] += 1
        for position in range(1, length + 1):
            self._calls[min(position, _LAST)] += 1

    def called(self, model: str, position: int, *, ended: bool) -> Evidence | None:
        """Take in what followed a call of another model, and tell what all of its calls say; None: too little is known of the strong one.

        Parameters:
            model: its name.
            position: of the call in its stretch, from 1.
            ended: it was the last one.
        """
        position = min(position, _LAST)
        if model not in self._others:
            self._others[model] = [[0.0] * (_LAST + 1), [0.0] * (_LAST + 1)]
        self._others[model][ended][position] += 1
        if model in self._seen and self.own < _GROWN * self._built and self._going is not None:
            self._count(self._seen[model], self._going, position, ended, 1.0)
        return self.evidence(model)

    def evidence(self, model: str) -> Evidence | None:
        """What all calls of `model` say; None: too little is known."""
        if self.own < _FEWEST or model not in self._others:
            return None
        if self._going is None or self.own >= _GROWN * self._built:
            self._going = self._build()
        seen = self._seen.get(model)
        if seen is None:
            seen = self._seen[model] = _Seen([0.0] * len(self._known), [[0.0] * len(self._known) for _ in WORK])
            for ended, counts in enumerate(self._others[model]):
                for position, count in enumerate(counts):
                    if count:
                        self._count(seen, self._going, position, bool(ended), count)
        weights = [
            _ALIKE * known / (known + count) if count else 0.0 for known, count in zip(self._known, seen.calls, strict=True)
        ]
        return [sum(map(mul, weights, logs)) for logs in seen.logs]

    @property
    def models(self) -> Sequence[str]:
        """Those of which something was seen."""
        return tuple(self._others)

    @property
    def sound(self) -> bool:
        """Its numbers are what they should be; those of a loaded state may not be."""
        tables = [table for tables in self._others.values() for table in tables] if _pairs(self._others) else [[]]
        return self.own <= sum(self._calls) and all(map(_counts, [self._calls, self._ends, *tables]))

    @staticmethod
    def _count(seen: _Seen, going: _Going, position: int, ended: bool, count: float) -> None:
        place = bisect_left(_CLASSES, position)
        seen.calls[place] += count
        for logs, each in zip(seen.logs, (going.ends if ended else going.on)[position], strict=True):
            logs[place] += count * each

    def _build(self) -> _Going:
        self._built = self.own
        self._seen.clear()
        usual, lived = self.own / sum(self._calls), [0.0]  # the logarithm of S
        known = [0.0] * (len(_CLASSES) + 1)
        for position in range(1, _LAST + 1):
            calls = self._calls[position]
            known[bisect_left(_CLASSES, position)] += calls
            usual = min(_SURELY, max(_SELDOM, (self._ends[position] + _SMOOTH * usual) / (calls + _SMOOTH)))
            lived.append(lived[-1] + log1p(-usual))
        self._known = tuple(known)
        by_work = [[_between(lived, work * position) for position in range(_LAST + 1)] for work in WORK]
        on = [
            [0.0] * len(WORK),
            *([*step] for step in zip(*([b - a for a, b in pairwise(each)] for each in by_work), strict=True)),
        ]
        return _Going(on, [[log(1.0 - exp(each)) if each else 0.0 for each in step] for step in on])


class Effort:
    """The work that one call of a weaker model does, in calls of the strong one."""

    __slots__ = ("_evidence", "_logs", "calls", "chances", "least", "work")

    def __init__(self) -> None:
        self._evidence: dict[str, Evidence] = {}
        self._logs = [0.0] * len(WORK)
        self._conclude()

    def learn(self, kind: str, evidence: Evidence) -> None:
        """Take in what is known from one kind of thread, in place of what was known from it before."""
        before = self._evidence.get(kind)
        self._evidence[kind] = evidence
        for i, each in enumerate(evidence):
            self._logs[i] += each - (before[i] if before is not None else 0.0)
        self._conclude()

    def tried(self, draw: float) -> float:
        """Calls that it needs if it does as much as `draw` of the probability says (Thompson, 1933): 0.5 the middle, 1 the most."""
        return 1.0 / self._quantile(draw)

    def _conclude(self) -> None:
        most = max(self._logs)
        odds = [prior * exp(each - most) for prior, each in zip(PRIOR, self._logs, strict=True)]
        whole = sum(odds)
        self.chances = [each / whole for each in odds]  # of each of `WORK`
        self.work = sum([work * chance for work, chance in zip(WORK, self.chances, strict=True)])  # of one call, expected
        self.calls = sum([chance / work for work, chance in zip(WORK, self.chances, strict=True)])  # needed for one, expected
        self.least = self._quantile(_TAIL)  # work of one call, as it well may be

    def _quantile(self, share: float) -> float:
        below = WORK[-1]
        for work, chance in zip(reversed(WORK), reversed(self.chances), strict=True):
            if share < chance:
                return below + (work - below) * share / chance
            share, below = share - chance, work
        return WORK[0]


def _between(values: Sequence[float], place: float) -> float:
    whole = int(place)
    if whole >= len(values) - 1:
        return values[-1]
    return values[whole] + (place - whole) * (values[whole + 1] - values[whole])


def _pairs(tables: dict[str, list[list[float]]]) -> bool:
    return all(isinstance(pair, list) and len(pair) == 2 for pair in tables.values())


def _counts(table: object) -> bool:
    return isinstance(table, list) and len(table) == _LAST + 1 and all(isinstance(n, int | float) and n >= 0 for n in table)
