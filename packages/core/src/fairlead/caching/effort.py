"""How many calls a weaker model needs where the strong one needs one, learnt from how long easy stretches become.

An easy stretch is a run of easy calls up to the next hard one: a piece of work that gets finished. `Stretches` knows how many calls the
strong model needs from the k-th one of a stretch on, from stretches that it did alone, or as far as it did them. Where a weaker model
takes over at the k-th call, each of its calls should therefore finish 1 / rest(k) of a stretch. So

    work = (prior + stretches finished) / (prior + stretches that should have been finished)

is what one call of the weaker model does, in calls of the strong one, and 1 / work the calls that it needs. It counts call by
call, so that a stretch that goes on for too long tells before it ends. Evidence is worth no more than what is known of the strong
model: with few stretches of its own to compare with, little is concluded.

Three numbers come of it: the likely work, by which bills are judged; the calls that plans reckon with, on the cautious side (backing off early
costs little, late much); and one that is drawn, by which a verdict that rests on bad luck is now and then tried again.

Source: the rate of a Poisson process with a Gamma prior; the trials are Thompson's (1933), the caution that of conservative bandits
(Wu et al., 2016); survival by position is the estimator of Kaplan and Meier (1958).
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

_LONGEST = 12  # positions in a stretch from there on are one class
_FEWEST = 5  # stretches of the strong model that make a mean
_SMOOTH = 3.0  # calls at a position that the mean over all positions counts like
_PRIOR = 4.0  # stretches that the prior counts like
_USUAL = 0.9  # the prior: a weaker model rather needs more calls than fewer
_CAUTION = 0.5  # standard errors by which plans reckon with less work
_LEAST = 0.25  # work of a call: nothing is taken to need more than four
_STRANGE = 10.0  # stretches; how soon what is known of the strong model counts as known
_NORMAL = NormalDist()


class Stretches:
    """How long easy stretches of one kind of thread are when the strong model does them."""

    __slots__ = ("_calls", "_ends", "given", "own")

    def __init__(self) -> None:
        self._calls = [0.0] * (_LONGEST + 1)  # by position in the stretch
        self._ends = [0.0] * (_LONGEST + 1)  # of those, the last ones of their stretch
        self.own = 0  # stretches that the strong model did to the end
        self.given = 0  # stretches that another took part in

    def add(self, length: int, *, ended: bool = True) -> None:
        """Take in a stretch, in calls.

        Parameters:
            length: calls of the strong model from its beginning on.
            ended: False: another model took over.
        """
        if ended:
            self.own += 1
            self._ends[min(length, _LONGEST)] += 1
        for position in range(1, length + 1):
            self._calls[min(position, _LONGEST)] += 1

    def rest(self, begun: int) -> float | None:
        """Calls that the strong model needs from the `begun`-th on, that one included; None: too little was seen."""
        if self.own < _FEWEST:
            return None
        usual = self.own / sum(self._calls)
        reached, total = 1.0, 0.0
        for position in range(min(begun, _LONGEST), _LONGEST):
            total += reached
            reached *= 1.0 - self._ending(position, usual)
        return total + reached / self._ending(_LONGEST, usual)

    def _ending(self, position: int, usual: float) -> float:
        return (self._ends[position] + _SMOOTH * usual) / (self._calls[position] + _SMOOTH)


class Effort:
    """The work that one call of a weaker model does, in calls of the strong one."""

    __slots__ = ("_due", "_ended", "_error", "calls", "least", "work")

    def __init__(self) -> None:
        self._ended = 0.0
        self._due = 0.0
        self._error = 0.0
        self.work = 1.0  # of one call, as it most likely is
        self.least = 1.0  # as it well may be
        self.calls = 1.0  # calls needed for one of the strong model's: what plans count with

    def called(self, rest: float, own: int) -> None:
        """Take in one call.

        Parameters:
            rest: calls that the strong model would have needed from the one on at which this model took over.
            own: stretches that this is known from.
        """
        self._due += 1.0 / rest
        self._learn(own)

    def finished(self, own: int) -> None:
        """Its last call ended a stretch."""
        self._ended += 1.0
        self._learn(own)

    def tried(self, draw: float) -> float:
        """Calls that it needs if the evidence is wrong to the degree that `draw` in (0.5, 1) says."""
        return 1.0 / _within(self.work + _NORMAL.inv_cdf(min(0.999, draw)) * self._error)

    def _learn(self, own: int) -> None:
        weight = own / (own + self._due)
        seen = _USUAL * _PRIOR + weight * self._ended
        due = weight * self._due
        work = seen / (_PRIOR + due)
        self._error = work / sqrt(seen)
        self.work = _within(work)
        self.least = _within(work - self._error * (self._due + _STRANGE) / (own + self._due + _STRANGE))
        self.calls = 1.0 / _within(work - _CAUTION * self._error * due / (due + _PRIOR))


def _within(work: float) -> float:
    return min(1.0, max(_LEAST, work))
