"""Policies compared by a replay: simple baselines, and the planner of `Cheapest`.

Each assigns a call from the call and the caches of both models. Hard calls go to the strong model, except in `all_cheap` and `sticky`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import blake2b
from itertools import groupby
from typing import Protocol

from switchwise.evaluation.cost_model import SimulatedCache
from switchwise.evaluation.sessions import Step, Thread
from switchwise.prompt_cache.ledger import Expectation, survival
from switchwise.switching.forecast import PRIORS, CallPriors
from switchwise.switching.plan import Standing
from switchwise.switching.planner import PLAN, Planner
from switchwise.switching.thread_state import NEW

STRONG, CHEAP = 0, 1
EXPLORE = 0.02  # share of runs, where there is no history
BROKEN = 0.5  # a prompt that keeps less than this share of the one before has lost its cache
_ENOUGH = 20  # runs of history
Caches = tuple[SimulatedCache, ...]  # the strong model's, then those of weaker ones


class Policy(Protocol):
    """Assigns calls to the strong model (0) or a weaker one (1; further ones where more than two are compared)."""

    def begin(self, thread: Thread) -> None:
        """A thread begins."""

    def choose(self, step: Step, prompt: int, caches: Caches) -> int:
        """Return the model of this call, as an index into `caches`; `prompt` may be longer than recorded after extra calls."""

    def saw(self, step: Step, prompt: int, kept: int, model: int, cost: float, caches: Caches) -> None:
        """It was called and cost that many USD."""

    def end(self) -> None:
        """The thread ends."""


class Simple:
    """A policy without a memory.

    Parameters:
        rule: (step, prompt, caches) -> 0 or 1.
    """

    def __init__(self, rule: Callable[[Step, int, Caches], int]) -> None:
        self.choose = rule

    def begin(self, thread: Thread) -> None: ...

    def saw(self, step: Step, prompt: int, kept: int, model: int, cost: float, caches: Caches) -> None: ...

    def end(self) -> None: ...


def all_strong() -> Policy:
    """Everything to the strong model."""
    return Simple(lambda *_: STRONG)


def all_cheap() -> Policy:
    """Everything to the cheap model, hard calls too."""
    return Simple(lambda *_: CHEAP)


def naive() -> Policy:
    """Every easy call to the cheap model, whatever is cached."""
    return Simple(lambda step, *_: CHEAP if step.easy else STRONG)


def myopic() -> Policy:
    """An easy call to the model that is cheaper for this call alone, given the caches."""

    def rule(step: Step, prompt: int, caches: Caches) -> int:
        strong, cheap = (cache.rates.cost(prompt, min(cache.known(step.at), prompt), step.output) for cache in caches[:2])
        return CHEAP if step.easy and cheap < strong else STRONG

    return Simple(rule)


class Sticky(Simple):
    """Cheap until the first hard call of a thread, strong from there on."""

    def __init__(self) -> None:
        super().__init__(self._rule)
        self._latched = False

    def begin(self, thread: Thread) -> None:  # noqa: ARG002
        self._latched = False

    def _rule(self, step: Step, prompt: int, caches: Caches) -> int:  # noqa: ARG002
        self._latched = self._latched or not step.easy
        return STRONG if self._latched else CHEAP


class PlannedSwitching:
    """The planner of `Cheapest`, including its assumptions about lifetimes.

    Parameters:
        priors: what it assumes at first.
        history: threads that the strong model did alone before: how many calls it needs is learnt from them. A thread is never
            judged by the half of the sessions that it is in itself (`half`).
        explore: share of easy runs left to the strong model where there is no history.
        seed: of its draws.
    """

    def __init__(
        self, priors: CallPriors = PRIORS, *, history: Iterable[Thread] = (), explore: float = 0.0, seed: int = 0
    ) -> None:
        self.planner = Planner(priors, explore=explore)
        self._explore = explore
        self._rng = random.Random(seed)
        self._state, self._kind = NEW.copy(), ""
        self._mode = PLAN
        self._known: Counter[int] = Counter()  # runs of history in each half
        for thread in history:
            for length in easy_runs(thread):
                self._known[half(thread.session)] += 1
                self.planner.history(f"{kind(thread)}, {half(thread.session)}", length)

    def begin(self, thread: Thread) -> None:
        judged_by = 1 - half(thread.session)
        self._state, self._kind = NEW.copy(), f"{kind(thread)}, {judged_by}"
        # Where most is in one half there is next to no history, and it is learnt as without one; of less than that nothing can be learnt.
        thin = self._known[judged_by] < _ENOUGH <= self._known.total()
        self.planner.explore = max(self._explore, EXPLORE) if thin else self._explore

    def choose(self, step: Step, prompt: int, caches: Caches) -> int:
        self._mode = PLAN
        if not step.easy:
            return STRONG
        home, cheap = (_standing(cache, step.at) for cache in caches[:2])
        target, self._mode, _ = self.planner.decide(self._state, self._kind, prompt, home, {"cheap": cheap}, self._rng.random())
        return CHEAP if target else STRONG

    def saw(self, step: Step, prompt: int, kept: int, model: int, cost: float, caches: Caches) -> None:  # noqa: ARG002
        state = self._state
        self.planner.saw(
            state,
            self._kind,
            step.at,
            prompt,
            step.output,
            easy=step.easy,
            broken=kept < BROKEN * state["prompt"],
            by="cheap" if model == CHEAP else "",
            mode=self._mode,
        )

    def end(self) -> None:
        self.planner.ended(self._state, self._kind)


def kind(thread: Thread) -> str:
    """The kind of a thread; not all recordings name their sub-agents."""
    return thread.kind or ("sub-agent" if thread.agent else "main")


def half(session: str) -> int:
    """Which half of the sessions one belongs to, 0 or 1: a hash of its name."""
    return blake2b(session.encode(), digest_size=1).digest()[0] & 1


def easy_runs(thread: Thread) -> list[int]:
    """Lengths of its runs of easy calls."""
    return [len(list(run)) for easy, run in groupby(thread.steps, key=lambda step: step.easy) if easy]


def _standing(cache: SimulatedCache, now: float) -> Standing:
    rates = cache.rates
    age = now - cache.at
    return rates, Expectation(rates.rule.whole(cache.warm), survival(age, rates.ttl, rates.longest), age)
