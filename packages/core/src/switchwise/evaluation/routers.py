"""Replay a router: it decides each recorded call, the replay follows its decision, and the router learns from the attempts.

No calls are made. Cost and usage of a call come from the cost model that all replays share. The router sees the recorded facts: session
and agent, the length of the prompt and how it changed, whether a user turn, a tool result or a failure preceded, whether the thread has tools (it has
results of some); for a journal, the view
of its own router. In a recording of the `agent_sessions` format, a call that is not easy by the definition in use is reported as
planning, so that the definition holds for all columns.

Its policies are used directly, so they keep what they learned in the replay. Its journal is not written, and no reply is judged: there
are none.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import random
import sys
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from switchwise.engine.run import Run
from switchwise.evaluation.policies import Caches, kind
from switchwise.evaluation.replay import PolicyTotals, simulate
from switchwise.evaluation.sessions import Step, Thread
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.prompt_prefix import Block, PromptPrefix
from switchwise.nouns.scope import Scope
from switchwise.nouns.signals import StepKind
from switchwise.nouns.target import Target
from switchwise.nouns.usage import Usage
from switchwise.nouns.view import Needs, View
from switchwise.prompt_cache.rates import CacheRates
from switchwise.prompt_cache.rules import CacheRules
from switchwise.router import Router


class ReplayedDecision(NamedTuple):
    """One replayed decision: what the router saw, and the target that it called."""

    view: View
    target: Target


def replay_router(
    router: Router, threads: Sequence[Thread], inflation: float = 1.0, seed: int = 0, rules: CacheRules | None = None
) -> PolicyTotals:
    """Return the totals of `router` on these threads.

    Parameters:
        router: any router; its policies learn from the replay.
        threads: a recording of any kind.
        inflation: calls that other targets need per call of the strongest.
        seed: seed of random draws.
        rules: cache rules of the bill, such as those that a journal shows (`Journal.rules`); None: those of the router, else the shipped ones.

    Raises:
        ConfigurationError: a target has no price, or a policy would have to ask a model.
        NoTarget: the router has no target for a call.
    """
    return replay_decisions(router, threads, inflation, seed, rules)[0]


def replay_decisions(
    router: Router, threads: Sequence[Thread], inflation: float = 1.0, seed: int = 0, rules: CacheRules | None = None
) -> tuple[PolicyTotals, list[ReplayedDecision]]:
    """As `replay_router`, with every decision in the order of the threads' first calls."""
    ordered = sorted(threads, key=lambda thread: thread.steps[0].at)
    routed, tally = _Routed(router, seed), PolicyTotals()
    for thread in ordered:
        strong, *weak = cache_rates(router, rules, thread.steps[0].at)
        simulate([thread], strong, weak, routed, inflation, tally)
    return tally, routed.decided


def cache_rates(router: Router, rules: CacheRules | None = None, now: float | None = None) -> list[CacheRates]:
    """Cache rates of the router's targets, strongest first.

    Parameters:
        router: any.
        rules: of the caches; None: those of the router, else the shipped ones.
        now: when prices hold that depend on the hour; None: the highest ones.

    Raises:
        ConfigurationError: a target has no price.
    """
    if rules is None:
        advisors = [advisor for policy in router.policies if (advisor := advisor_of(policy)) is not None]
        rules = advisors[0].targets.rules if advisors else CacheRules()
    return [_rates(target, rules, now) for target in router.pool.targets]


def advisor_of(policy: Any) -> Any:
    """The cache advisor of a policy, held or not; None if it has none."""
    return getattr(getattr(policy, "policy", policy), "advisor", None)


def load_router(place: str) -> Router:
    """Load the router at `module:name` or `file.py:name`: a `Router`, an object with one, or a function that returns one.

    Raises:
        ConfigurationError: there is none.
    """
    where, colon, name = place.rpartition(":")
    if not colon or not where or not name:
        raise ConfigurationError(f"{place!r} names no router: write module:name or path/to/file.py:name")
    module = _module(where)
    if not hasattr(module, name):
        raise ConfigurationError(f"{where} has no {name!r}")
    found: Any = getattr(module, name)
    if not isinstance(found, Router) and callable(found) and not isinstance(found, type) and not hasattr(found, "router"):
        found = _made(found, place)
    found = getattr(found, "router", found)
    if not isinstance(found, Router):
        raise ConfigurationError(f"{place} is not a Router, but a {type(found).__name__}")
    return found


def _module(where: str) -> ModuleType:
    if not where.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            raise ConfigurationError(f"cannot import {where!r}: {error}") from None
        finally:
            sys.path.pop(0)
    if not Path(where).is_file():
        raise ConfigurationError(f"{where}: no such file")
    spec = importlib.util.spec_from_file_location("replayed_router", where)
    assert spec is not None, "it ends in .py"
    assert spec.loader is not None, "so Python's own loader reads it"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ConfigurationError(f"{where}:{error.lineno}: {error.msg}") from None
    return module


def _made(function: Any, place: str) -> Any:
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise ConfigurationError(f"{place} makes no Router by itself: {error}") from None
    return function()


def _rates(target: Target, rules: CacheRules, now: float | None) -> CacheRates:
    if target.price is None:
        raise ConfigurationError(f"target {target.name!r} has no price: a replay needs one to compute costs")
    price = target.price if now is None else target.price.at(now)
    return CacheRates(price, rules.of(target.provider, target.model or target.name))


class _Clock:
    """A clock with the time of the replayed call."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class _Routed:
    """A router as a policy of the replay."""

    def __init__(self, router: Router, seed: int) -> None:
        self._clock = _Clock()
        self._router = Router(router.pool, *router.policies, clock=self._clock, timer=lambda: 0.0, rng=random.Random(seed))
        self._places = {target.name: place for place, target in enumerate(router.pool.targets)}
        self._blocks = 0  # made so far: each is another text
        self._run: Run | None = None
        self.decided: list[ReplayedDecision] = []

    def begin(self, thread: Thread) -> None:
        self._scope = (thread.session, kind(thread))
        self._needs = Needs(tools=any(step.signals.step in (StepKind.TOOL_RESULT, StepKind.FAILURE) for step in thread.steps))
        self._chain = PromptPrefix()
        self._ends: list[int] = []  # of its blocks, in tokens
        self._turn = self._calls = 0
        self._last: Step | None = None

    def choose(self, step: Step, prompt: int, caches: Caches) -> int:
        self._grow(step, prompt)
        self._turn += step.turn and step is not self._last
        self._last = step
        self._clock.now = step.at
        scope = Scope(*self._scope, task=str(self._turn), step=self._calls)
        self._calls += 1
        self._run = run = self._router.start(View(scope, prompt, self._needs, step.signals, prefix=self._chain))
        while run.call is not None and run.call.queued:
            self._clock.now += run.call.delay
            run.waited()
        call = run.call
        if call is None or call.ask is not None:
            raise ConfigurationError("a policy of this router asks a model before it decides: a replay has no answers for it")
        self.decided.append(ReplayedDecision(call.view, call.target))
        place = self._places[call.target.name]
        self._known = min(caches[place].known(step.at), prompt)
        return place

    def saw(self, step: Step, prompt: int, kept: int, model: int, cost: float, caches: Caches) -> None:  # noqa: ARG002
        rule = caches[model].rates.rule
        wrote = prompt - self._known if rule.caches and prompt >= rule.minimum else 0
        assert self._run is not None, "it was called because of a run"
        self._run.ended(Reply(usage=Usage(prompt, step.output, self._known, wrote), model="replayed"))

    def end(self) -> None: ...

    def _grow(self, step: Step, prompt: int) -> None:
        last = self._last
        ends = self._ends
        if last is not None and step is not last and step.kept < last.prompt:
            del ends[bisect_right(ends, step.kept) :]
        while ends and ends[-1] > prompt:
            ends.pop()
        shared, new = len(ends), prompt - (ends[-1] if ends else 0)
        blocks = []
        if new > 0:
            self._blocks += 1
            blocks = [Block(self._blocks, new)]
            ends.append(prompt)
        self._chain.grow(shared, blocks)
