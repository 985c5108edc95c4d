"""What the calls of a deployment are like: how long caches live, how much a call adds, how many calls are easy.

Each number starts at a prior that counts like a few dozen calls. It is learnt over all threads of a kind, and from there over
each thread. Wrong priors are therefore forgotten after some hundred calls.

A call is easy when any of several models would have done, hard when an earlier opinion had settled on one. Easy calls come in
stretches: the longer one lasts, the likelier the next call is easy too; so the probability is kept by the length so far.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from switchwise.nouns.validation import number
from switchwise.switching.plan import Outlook

# Upper ends of the bins of pauses between calls, in seconds. Most calls of an agent follow within seconds, a person's turn within minutes or
# hours, and today's lifetimes are 300, 600, 1800, 3600, 43,200 and 86,400 s.
_PAUSES = (
    2.0,
    5.0,
    10.0,
    15.0,
    20.0,
    30.0,
    45.0,
    60.0,
    90.0,
    120.0,
    180.0,
    240.0,
    300.0,
    450.0,
    600.0,
    1200.0,
    1800.0,
    3600.0,
    43_200.0,
    86_400.0,
)
_STRETCHES = (4, 7, 12)  # lengths at which the next class of stretches begins
_LABEL_WEIGHT = 20.0  # transitions that the priors of the shares count like
_CARRY = 1.5  # an extra call falls into a longer than usual thread: there are more calls in those


@dataclass(frozen=True, slots=True)
class Priors:
    """What is assumed before anything was seen. The defaults fit coding agents.

    Parameters:
        growth: tokens that a call adds to the prompt.
        output: tokens of an answer.
        easy_after_easy, easy_after_hard: share of easy calls among those that follow an easy, a hard one.
        hazard: probability per call that the cache is lost before the next one.
        weight: calls that these count like.
        thread_weight: calls that what was learnt over all threads counts like in each.

    Raises:
        ConfigurationError: one of them is out of range.
    """

    growth: float = 1_300.0
    output: float = 283.0
    easy_after_easy: float = 0.6
    easy_after_hard: float = 0.45
    hazard: float = 0.05
    weight: float = 50.0
    thread_weight: float = 6.0

    def __post_init__(self) -> None:
        for name in ("growth", "output", "weight", "thread_weight"):
            number("Priors", name, getattr(self, name), above=True)
        for name in ("easy_after_easy", "easy_after_hard"):
            number("Priors", name, getattr(self, name), most=1.0)
        number("Priors", "hazard", self.hazard, most=1.0, above=True)


PRIORS = Priors()


class Habits:
    """What was learnt over all threads of a kind. Not locked: its owner sees to that.

    Parameters:
        priors: where it starts.
    """

    __slots__ = (
        "_after_easy",
        "_after_hard",
        "_drops",
        "_growth",
        "_losses",
        "_output",
        "_pauses",
        "_stretches",
        "_up_to",
        "calls",
        "priors",
    )

    def __init__(self, priors: Priors = PRIORS) -> None:
        weight = priors.weight
        self.priors = priors
        self.calls = weight
        self._growth = priors.growth * weight
        self._output = priors.output * weight
        self._losses = priors.hazard * weight
        self._drops = priors.hazard * weight / 2
        self._pauses = [0.0] * (len(_PAUSES) + 1)
        self._up_to = [0.0] * (len(_PAUSES) + 2)  # running sums of the pauses
        self._after_easy = [priors.easy_after_easy * _LABEL_WEIGHT, _LABEL_WEIGHT]
        self._after_hard = [priors.easy_after_hard * _LABEL_WEIGHT, _LABEL_WEIGHT]
        self._stretches = [[priors.easy_after_easy * _LABEL_WEIGHT, _LABEL_WEIGHT] for _ in range(len(_STRETCHES) + 1)]

    def hazard(self, ttl: float) -> float:
        """Probability per call that a cache of that lifetime, in seconds, is lost before the next one."""
        up_to = self._up_to
        longer = up_to[-1] - up_to[bisect_right(_PAUSES, ttl)]
        return min(0.95, max(0.002, (self._losses + longer) / self.calls))

    def pause_between(self, shortest: float, longest: float) -> float:
        """Probability that the next call comes after `shortest` and within `longest` seconds."""
        return max(0.0, self._within(longest) - self._within(shortest))

    def paused(self, seconds: float) -> None:
        """Take in the time between two calls of a thread."""
        self._pauses[bisect_right(_PAUSES, seconds)] += 1
        self._up_to[1:] = accumulate(self._pauses)

    def _within(self, seconds: float) -> float:
        up_to = self._up_to
        if seconds <= 0.0 or not up_to[-1]:
            return 0.0
        bin_ = bisect_right(_PAUSES, seconds)
        low = _PAUSES[bin_ - 1] if bin_ else 0.0
        high = _PAUSES[bin_] if bin_ < len(_PAUSES) else 2.0 * low
        part = min(1.0, (seconds - low) / (high - low))
        return (up_to[bin_] + part * self._pauses[bin_]) / up_to[-1]


class Rhythm:
    """What was learnt in one thread, on top of the habits of its kind. About 0.4 kB.

    Parameters:
        habits: what it starts from, and adds to.
    """

    __slots__ = ("_after_easy", "_after_hard", "_growth", "_output", "_prompt", "at", "calls", "habits", "stretch")

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.calls = 0
        self.at = 0.0
        self.stretch = 0  # easy calls in a row, up to now
        self._growth = 0.0
        self._output = 0.0
        self._prompt = 0.0
        self._after_easy = [0, 0]
        self._after_hard = [0, 0]

    def saw(self, now: float, prompt: float, output: float, easy: bool, *, broken: bool = False) -> None:
        """Take in one call.

        Parameters:
            now: when it began, in seconds.
            prompt, output: tokens.
            easy: any of several models would have done.
            broken: most of what the prompt before it began with is no longer there: an edit, a compaction.
        """
        habits = self.habits
        habits.calls += 1
        if self.calls == 0 or broken:  # as many threads end as begin
            habits._losses += 1
            habits._drops += 1
            habits._growth += habits._growth / habits.calls
        else:
            habits.paused(now - self.at)
            grown = max(0.0, prompt - self._prompt)
            self._growth += grown
            habits._growth += grown
        if self.calls:
            if self.stretch:
                seen = habits._stretches[bisect_right(_STRETCHES, self.stretch)]
                seen[0] += easy
                seen[1] += 1
            mine, everywhere = (
                (self._after_easy, habits._after_easy) if self.stretch else (self._after_hard, habits._after_hard)
            )
            mine[0] += easy
            mine[1] += 1
            everywhere[0] += easy
            everywhere[1] += 1
        habits._output += output
        self._output += output
        self.calls += 1
        self.stretch = self.stretch + 1 if easy else 0
        self._prompt, self.at = prompt, now

    def outlook(self, ttl: float) -> Outlook:
        """What to expect after an easy call now, for caches of that lifetime in seconds.

        Easy and hard calls follow each other as a Markov chain that each step may end with the hazard of losing the cache.
        """
        habits = self.habits
        weight = habits.priors.thread_weight
        hazard = habits.hazard(ttl)
        survive = 1.0 - hazard
        stay_easy = _mixed(habits._after_easy, self._after_easy, weight)
        turn_easy = _mixed(habits._after_hard, self._after_hard, weight)
        length = habits._stretches[bisect_right(_STRETCHES, self.stretch + 1)]
        local = weight * self._after_easy[1] / (weight + self._after_easy[1])
        still = (10.0 * length[0] / length[1] + local * stay_easy) / (10.0 + local)

        from_hard = survive * turn_easy / (1.0 - survive * (1.0 - turn_easy))  # an easy call follows a hard one at all
        per_chain = survive * (stay_easy + (1.0 - stay_easy) * from_hard)
        easy_later = per_chain / (1.0 - per_chain)  # easy calls expected after an easy one
        easy_after_hard = from_hard * (1.0 + easy_later)
        easy = survive * (still + (1.0 - still) * easy_after_hard) / (1.0 - survive * still)
        calls = survive / hazard
        life = _CARRY * habits.calls / habits._drops
        return Outlook(
            growth=(weight * habits._growth / habits.calls + self._growth) / (weight + self.calls),
            output=(weight * habits._output / habits.calls + self._output) / (weight + self.calls),
            easy=min(easy, calls),
            hard=max(0.0, calls - easy),
            any=survive,
            again_easy=survive * (still + (1.0 - still) * from_hard),
            again_hard=survive * (1.0 - still) / (1.0 - survive * still),
            life=life,
            rewrites=life * hazard,
        )


def _mixed(all_: list[float], mine: list[int], weight: float) -> float:
    return (weight * all_[0] / all_[1] + mine[0]) / (weight + mine[1])
