"""The least that any assignment of a thread's calls can cost, hard calls at the strong model: an exact dynamic programme.

After a call, all that matters of the past is what is warm at the two models and since when. The model called last has the
whole prompt; so the states differ in one model's (tokens, time). A state that costs no less than another and is warm no longer and no
further is dropped, and so is what has lapsed: what remains is exact and needs a handful of states per call, O(n^2) at worst.
"""

from __future__ import annotations

from fairlead.caching.tariff import Tariff
from fairlead.evaluation.cost_model import NEVER, SLACK
from fairlead.evaluation.sessions import Thread

_State = tuple[float, int, float, int, float]  # USD so far; tokens and time at the strong model; at the cheap one


def optimum(thread: Thread, strong: Tariff, cheap: Tariff) -> float:
    """USD of the cheapest assignment that leaves hard calls to the strong model."""
    states: list[_State] = [(0.0, thread.shared, thread.steps[0].at, 0, NEVER)]
    for step in thread.steps:
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
        states = _worth(at_strong, 3) + _worth(at_cheap, 1)
    return min(spent for spent, *_ in states)


def _left(tariff: Tariff, warm: int, at: float, now: float) -> tuple[int, float]:
    return (warm, at) if now - at <= tariff.longest + SLACK else (0, NEVER)


def _worth(states: list[_State], other: int) -> list[_State]:
    """The states that no cheaper one matches in what the other model (at that place of the tuple) knows and since when."""
    states.sort(key=lambda state: (state[0], -state[other + 1], -state[other]))
    kept: list[_State] = []
    for state in states:
        if not any(better[other] >= state[other] and better[other + 1] >= state[other + 1] for better in kept):
            kept.append(state)
    return kept
