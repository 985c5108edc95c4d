"""The cheapest assignment of a thread's calls, with hard calls at the strong model: an exact dynamic programme.

After a call, all that matters of the past is what is warm at the two models and since when. The model called last has the
whole prompt; so the states differ in one model's (tokens, time). A state that costs no less than another and is warm no longer and no
further is dropped, and so is what has lapsed: what remains is exact and needs a handful of states per call, O(n^2) at worst.
"""

from __future__ import annotations

from collections.abc import Sequence

from switchwise.evaluation.cost_model import NEVER, SLACK, SimulatedCache
from switchwise.evaluation.sessions import Step, Thread
from switchwise.prompt_cache.rates import CacheRates

_State = tuple[float, int, float, int, float]  # USD so far; tokens and time at the strong model; at the cheap one


def optimum(thread: Thread, strong: CacheRates, cheap: CacheRates) -> float:
    """USD of the cheapest assignment that leaves hard calls to the strong model."""
    states: list[_State] = [(0.0, thread.shared, thread.steps[0].at, 0, NEVER)]
    for step in thread.steps:
        at_strong, at_cheap = _called(states, step, strong, cheap)
        states = at_strong + at_cheap
    return min(spent for spent, *_ in states)


class Foresight:
    """A policy that knows the next calls of the thread, and assigns an easy call so that these are cheapest.

    It measures how much of the distance to the optimum is due to knowledge of the future.

    Parameters:
        calls: number of known calls, the present one included.
    """

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self._steps: Sequence[Step] = ()
        self._next = 0

    def begin(self, thread: Thread) -> None:
        self._steps, self._next = thread.steps, 0

    def choose(self, step: Step, prompt: int, caches: Sequence[SimulatedCache]) -> int:  # noqa: ARG002
        if not step.easy:
            return 0
        strong, cheap = caches[:2]
        begun: list[_State] = [(0.0, strong.warm, strong.at, cheap.warm, cheap.at)]
        ways = list(_called(begun, step, strong.rates, cheap.rates))
        for later in self._steps[self._next + 1 : self._next + self.calls]:
            for i, states in enumerate(ways):
                at_strong, at_cheap = _called(states, later, strong.rates, cheap.rates)
                ways[i] = at_strong + at_cheap
        stay, go = (min(spent for spent, *_ in states) for states in ways)
        return int(go < stay)

    def saw(self, step: Step, prompt: int, kept: int, model: int, cost: float, caches: Sequence[SimulatedCache]) -> None:  # noqa: ARG002
        self._next += 1

    def end(self) -> None: ...


def _called(states: Sequence[_State], step: Step, strong: CacheRates, cheap: CacheRates) -> tuple[list[_State], list[_State]]:
    """The states after that call: made by the strong model, and by the cheap one if it may."""
    prompt, now = step.prompt, step.at
    at_strong: list[_State] = []
    at_cheap: list[_State] = []
    for spent, warm_s, at_s, warm_c, at_c in states:
        warm_s, at_s = _left(strong, min(warm_s, step.kept), at_s, now)
        warm_c, at_c = _left(cheap, min(warm_c, step.kept), at_c, now)
        cost = spent + strong.cost(prompt, min(strong.rule.whole(warm_s), prompt), step.output)
        at_strong.append((cost, prompt, now, warm_c, at_c))
        if step.easy:
            cost = spent + cheap.cost(prompt, min(cheap.rule.whole(warm_c), prompt), step.output)
            at_cheap.append((cost, warm_s, at_s, prompt, now))
    return _worth(at_strong, 3), _worth(at_cheap, 1)


def _left(rates: CacheRates, warm: int, at: float, now: float) -> tuple[int, float]:
    return (warm, at) if now - at <= rates.longest + SLACK else (0, NEVER)


def _worth(states: list[_State], other: int) -> list[_State]:
    """The states that no cheaper one matches in what the other model (at that place of the tuple) knows and since when."""
    states.sort(key=lambda state: (state[0], -state[other + 1], -state[other]))
    kept: list[_State] = []
    for state in states:
        if not any(better[other] >= state[other] and better[other + 1] >= state[other + 1] for better in kept):
            kept.append(state)
    return kept
