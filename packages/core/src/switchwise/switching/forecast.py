"""Statistics of the calls of a deployment: time between calls, tokens that a call adds, share of easy calls.

Each number starts at a prior with the weight of a few dozen calls, so a wrong prior fades after some hundred. One forecast
serves all threads: separate ones by thread, by kind of thread or by length of a run of easy calls changed costs by less than
the noise.

A call is easy if several targets are acceptable, hard if an earlier preference has chosen one.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from switchwise.nouns.validation import number
from switchwise.switching.plan import Outlook
from switchwise.switching.thread_state import ThreadState

# Upper ends of the bins of pauses between calls, in seconds. Most calls of an agent follow within seconds, a person's turn within minutes or
# hours, and today's lifetimes are 300, 600, 1800, 3600, 43,200 and 86,400 s.
_PAUSES = tuple(map(float, "2 5 10 20 30 60 120 180 240 300 450 600 1200 1800 3600 43200 86400".split()))
_LABELS = 20.0  # weight of the priors, in transitions between easy and hard
_CARRY = 1.5  # an extra call falls into a longer than usual thread: there are more calls in those


@dataclass(frozen=True, slots=True)
class CallPriors:
    """Assumptions before any observation. The defaults fit coding agents.

    Parameters:
        growth: tokens that a call adds to the prompt.
        output: tokens of an answer.
        easy_after_easy, easy_after_hard: share of easy calls among those that follow an easy, a hard one.
        hazard: probability per call that the cache is lost before the next one.
        weight: weight of these priors, in calls.

    Raises:
        ConfigurationError: a parameter is out of range.
    """

    growth: float = 1_300.0
    output: float = 283.0
    easy_after_easy: float = 0.6
    easy_after_hard: float = 0.45
    hazard: float = 0.05
    weight: float = 50.0

    def __post_init__(self) -> None:
        for name in ("growth", "output", "weight"):
            number("CallPriors", name, getattr(self, name), above=True)
        for name in ("easy_after_easy", "easy_after_hard"):
            number("CallPriors", name, getattr(self, name), most=1.0)
        number("CallPriors", "hazard", self.hazard, most=1.0, above=True)


PRIORS = CallPriors()


class Forecast:
    """Learned statistics of the calls. Not thread-safe: the owner locks it.

    Parameters:
        priors: starting values.
    """

    __slots__ = ("_after", "_drops", "_growth", "_losses", "_outlooks", "_output", "_pauses", "calls", "priors")

    def __init__(self, priors: CallPriors = PRIORS) -> None:
        weight = priors.weight
        self.priors = priors
        self.calls = weight
        self._growth = priors.growth * weight
        self._output = priors.output * weight
        self._losses = priors.hazard * weight
        self._drops = priors.hazard * weight / 2
        self._pauses = [0.0] * (len(_PAUSES) + 1)
        self._after = [[share * _LABELS, _LABELS] for share in (priors.easy_after_hard, priors.easy_after_easy)]  # easy, all
        self._outlooks: dict[float, Outlook] = {}

    def hazard(self, ttl: float) -> float:
        """Probability per call that a cache of that lifetime, in seconds, is lost before the next one."""
        longer = sum(self._pauses[bisect_right(_PAUSES, ttl) :])
        return min(0.95, max(0.002, (self._losses + longer) / self.calls))

    def pause_between(self, shortest: float, longest: float) -> float:
        """Probability that the next call comes after `shortest` and within `longest` seconds."""
        return max(0.0, self._within(longest) - self._within(shortest))

    def saw(self, thread: ThreadState, now: float, prompt: float, output: float, *, easy: bool, broken: bool = False) -> None:
        """Learn one call; see `Planner.saw`. `thread`: its state before the call."""
        self.calls += 1
        if thread["calls"] == 0 or broken:  # as many threads end as begin
            self._losses += 1
            self._drops += 1
            self._growth += self._growth / self.calls
        else:
            self._pauses[bisect_right(_PAUSES, now - thread["at"])] += 1
            self._growth += max(0.0, prompt - thread["prompt"])
        if thread["calls"]:
            seen = self._after[thread["run"] > 0]
            seen[0] += easy
            seen[1] += 1
        self._output += output
        self._outlooks = {ttl: self._outlook(ttl) for ttl in list(self._outlooks)}  # now, so that the next decision need not

    def outlook(self, ttl: float) -> Outlook:
        """Expected calls after an easy call now, for caches of that lifetime in seconds.

        Easy and hard calls follow each other as a Markov chain that each step may end with the hazard of losing the cache.
        """
        found = self._outlooks.get(ttl)
        if found is None:
            found = self._outlooks[ttl] = self._outlook(ttl)
        return found

    def _outlook(self, ttl: float) -> Outlook:
        hazard = self.hazard(ttl)
        survive = 1.0 - hazard
        (turned, hard_ones), (stayed, easy_ones) = self._after
        turn_easy, stay_easy = turned / hard_ones, stayed / easy_ones
        from_hard = survive * turn_easy / (1.0 - survive * (1.0 - turn_easy))  # an easy call follows a hard one at all
        again_easy = survive * (stay_easy + (1.0 - stay_easy) * from_hard)
        calls, easy = survive / hazard, again_easy / (1.0 - again_easy)
        life = _CARRY * self.calls / self._drops
        again_hard = survive * (1.0 - stay_easy) / (1.0 - survive * stay_easy)
        growth, output = self._growth / self.calls, self._output / self.calls
        easy, hard = (easy, calls - easy) if easy < calls else (calls, 0.0)
        return Outlook(growth, output, easy, hard, survive, again_easy, again_hard, life, life * hazard)

    def _within(self, seconds: float) -> float:
        pauses = self._pauses
        counted = sum(pauses)
        if seconds <= 0.0 or not counted:
            return 0.0
        place = bisect_right(_PAUSES, seconds)
        low = _PAUSES[place - 1] if place else 0.0
        high = _PAUSES[place] if place < len(_PAUSES) else 2.0 * low
        part = min(1.0, (seconds - low) / (high - low))
        return (sum(pauses[:place]) + part * pauses[place]) / counted
