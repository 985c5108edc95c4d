"""The router: a pool, the policies that choose from it, and their state."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from switchwise.adapting.target_clients import TargetClient, with_all_clients, with_clients
from switchwise.engine.calls import FlowContext
from switchwise.engine.deciding import decide_alone
from switchwise.engine.endings import observed
from switchwise.engine.policy import Breaks, Caches, Learns, Policy, Remembers, Verifier, name_of
from switchwise.engine.recovery import Recovery
from switchwise.engine.refusals import refuse_circuit, refuse_feedback, refuse_what_is_no_view
from switchwise.engine.requirements import (
    OutcomeListeners,
    Reservers,
    described,
    learn_all,
    observers_of,
    refuse_options,
    refuse_what_is_no_pool,
    report_to,
    sound,
    take_over,
    use_store,
)
from switchwise.engine.route import route
from switchwise.engine.run import Run
from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.on_broken import OnBroken, on_broken_of
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool
from switchwise.nouns.view import View
from switchwise.observe.decision_record import decision_of
from switchwise.observe.observer import Event, EventKind, Observes, tell
from switchwise.observe.telemetry.found import found
from switchwise.policies.rotation import Rotation, with_rotation
from switchwise.state.forking import Draws
from switchwise.state.opening import opened
from switchwise.state.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from switchwise.catalog import Catalog
    from switchwise.config.configuration import Configuration, Recipe
    from switchwise.config.references import TargetEndpoint
    from switchwise.config.reloading import Source
    from switchwise.engine.circuit import CircuitState
    from switchwise.observe.explain import Explanation
    from switchwise.policies.default_chain import Aim
    from switchwise.policies.healthy import Healthy
    from switchwise.suggestion import Suggestion

M = TypeVar("M")


class Router:
    """Send each call to the target that should answer it.

    Parameters:
        pool: the targets, strongest first.
        policies: in order of importance; see `switchwise.policies`.
        verify: verifier of replies before they are shown; see `switchwise.verifiers`.
        observers: receive decisions, attempts and events, such as `JsonLines("journal.jsonl")`; see `switchwise.observe`.
        cache: stores whole answers and returns them again; see `switchwise.response_cache`. None: every request is a call.
        store: where the policies keep their state; see `switchwise.state`. A shared store, or its address (`redis://localhost:6379/0`, the path
            of a SQLite file), is shared by all processes that use it. A policy with its own store keeps that. Routers with one store share the
            state of policies of the same name and level. None: each policy keeps its state in this process.
        recovery: decides what a failed attempt rules out.
        on_broken: what to do when a streamed reply breaks off after part of it was shown: `raise` (`Interrupted`), `restart` (another target
            answers from the start, after a signal to the reader), or `Continue(prompt)` (another target continues the text).
        clock: seconds since the epoch.
        timer: monotonic seconds, for durations of decisions and calls.
        rng: source of each step's seed; give a seeded one for repeatable decisions.

    Raises:
        ConfigurationError: a part is invalid; the message names the field and the remedy.

    >>> from switchwise import Pool, Router, Target, View
    >>> from switchwise.policies import Rules
    >>> router = Router(Pool([Target("opus"), Target("haiku")]), Rules().prefer("fast", when=lambda view: view.tokens < 500))
    >>> router.decide(View(tokens=100)).names
    ('haiku', 'opus')
    """

    def __init__(
        self,
        pool: Pool,
        *policies: Policy,
        verify: Verifier | None = None,
        observers: Sequence[Observes] = (),
        cache: Caches | None = None,
        store: Store | str | None = None,
        recovery: Recovery | None = None,
        on_broken: OnBroken = "raise",
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.perf_counter,
        rng: random.Random | None = None,
    ) -> None:
        refuse_options(pool, store := opened(store) if isinstance(store, str) else store, recovery, clock, timer, rng)
        self._draws, self._rotation = Draws(rng or random.Random()), Rotation()
        self._clock, self._timer, self._recovery, self._store = clock, timer, recovery or Recovery(), store
        self._file: Source | None = None
        self._outcomes = OutcomeListeners(self.feedback)
        self._assemble(pool, policies, verify, observers, cache, on_broken)

    def _assemble(
        self, pool: Pool, policies: tuple[Policy, ...], verify: Any, observers: Sequence[Observes], cache: Any, on_broken: Any
    ) -> None:
        """Use these parts, or refuse them and keep the present ones."""
        watching, policies = observers_of(observers), with_rotation(pool, policies, self._rotation)
        parts, models = sound(pool, policies, verify, cache)
        use_store(parts, self._store)
        if watching.event:
            report_to(parts, self.report)
        self.pool, self.policies, self.verify, self.cache = pool, policies, verify, cache
        self._models, self._observers, self._looked = models, tuple(observers), False
        self._reservers = Reservers(parts)
        self._learners = [part.learn for part in parts if isinstance(part, Learns) and part is not cache]
        self._breakers = [part for part in parts if isinstance(part, Breaks)]
        self._outcomes = OutcomeListeners(self.feedback, parts, self._outcomes)
        self._remembering = {f"{i}:{name_of(part)}": part for i, part in enumerate(parts) if isinstance(part, Remembers)}
        self._context = FlowContext(
            pool.with_asked(models),
            tuple([(name_of(policy), policy) for policy in policies]),
            self._recovery,
            verify,
            self._reservers.reserve,
            partial(learn_all, self._learners),
            self._reservers.release,
            self._clock,
            self._timer,
            watching,
            cache,
            on_broken_of(on_broken),
        )

    @classmethod
    def default(cls, pool: Pool, aim: Aim = "quality", *, healthy: Healthy | None = None, **options: Any) -> Router:
        """Return a router with a recommended chain; `print(router.explain())` shows it.

        Parameters:
            pool: the targets, strongest first.
            aim: `quality`: planning, first turns and failures go to the strongest, routine steps to the cheapest where that pays;
                `balanced`: each session goes to the cheapest within 2 points of the best expected success; `cost`: within 10.
            healthy: circuit breakers with your own thresholds and pauses; None: `Healthy()`.
            options: those of `Router`.
        """
        from switchwise.policies.default_chain import default_chain
        from switchwise.policies.healthy import Healthy

        refuse_what_is_no_pool(pool)
        if healthy is not None and not isinstance(healthy, Healthy):
            raise ConfigurationError(f"healthy={healthy!r:.80}: give Healthy(...)")
        return cls(pool, *default_chain(pool, healthy, aim), **options)

    def set_clients(self, clients: Mapping[str, TargetClient], argument: str = "models") -> None:
        """Fill in missing account, defaults and further keys of targets from their clients. For adapters; see `with_all_clients`."""
        before, self.pool = self.pool, with_all_clients(self.pool, clients, argument)
        if before.rotating != self.pool.rotating:
            self._assemble(self.pool, self.policies, self.verify, self._observers, self.cache, self._context.on_broken)
        self._context = replace(self._context, pool=self.pool.with_asked(self._models))

    @classmethod
    def from_file(
        cls,
        path: str | Path | None = None,
        router: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        reload: float | None = None,
        catalog: Catalog | None = None,
        observers: Sequence[Observes] = (),
        **options: Any,
    ) -> Self:
        """Return a router from a configuration file; docs/reference/configuration.md describes the format.

        Parameters:
            path: a .toml or .yaml file; None: the file named by the environment variable SWITCHWISE_CONFIG, else `./switchwise.toml`.
            router: name of a router in the file; None: chosen by `labels`, else the default one.
            labels: labels of the calls; the first router in the file that matches them is used.
            reload: seconds between checks for a changed file; see `reload`. None: never.
            catalog: prices and capabilities; None: the shipped lists.
            observers: in addition to those of the file.
            options: further options of `Router`: store (in place of the file's), recovery, clock, timer, rng.

        Raises:
            ConfigurationError: the file is invalid; the message names file, line, field and remedy of each problem.
        """
        from switchwise.config import load

        configuration = load(path, catalog)
        recipe = configuration.pick(router, labels)
        return cls.from_recipe(configuration, recipe, reload=reload, catalog=catalog, observers=observers, **options)

    @classmethod
    def from_recipe(
        cls,
        configuration: Configuration,
        recipe: Recipe,
        *,
        reload: float | None = None,
        catalog: Catalog | None = None,
        observers: Sequence[Observes] = (),
        fixed: bool = False,
        **options: Any,
    ) -> Self:
        """Return a router from a recipe of a loaded configuration: `from_file` for a file that is read already.

        Parameters:
            configuration, recipe: of `switchwise.config.load`.
            reload, catalog, observers, options: as in `from_file`.
            fixed: an adapter has models for the present targets: a changed file may remove targets, not add any.
        """
        from switchwise.catalog import Unpriced
        from switchwise.config.reloading import Source

        if unpriced := [target.name for target in recipe.pool if target.price is None]:
            message = f"no price is known for {', '.join(unpriced)}: write price = {{ input = ..., output = ... }} for each"
            warnings.warn(message, Unpriced, stacklevel=3)
        parts = {"verify": recipe.verify, "cache": recipe.cache, "on_broken": recipe.on_broken, **options}
        options = {"store": recipe.store and recipe.store.open(), "observers": [*recipe.observers, *observers], **parts}
        made = cls(recipe.pool, *recipe.policies, **options)
        reachable = {target.name: (target.provider, target.model) for target in recipe.pool} if fixed else None
        made._file = Source(configuration, recipe, reload, catalog, tuple(observers), made._timer, reachable)
        return made

    @classmethod
    def with_models(
        cls,
        build: Callable[[TargetEndpoint], M],
        path: str | Path | None = None,
        router: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        catalog: Catalog | None = None,
        **options: Any,
    ) -> tuple[dict[str, M], Self]:
        """Return the models of a router's targets by name, and the router, whose targets are then fixed. For adapters.

        Parameters:
            build: function of a target in the file that returns its model.
            path, router, labels, catalog, options: as in `from_file`.

        Raises:
            ConfigurationError: as `from_file` and `build` do.
        """
        from switchwise.config import load

        recipe = (configuration := load(path, catalog)).pick(router, labels)
        models = {target.name: build(configuration.endpoints[target.name]) for target in recipe.pool}
        return models, cls.from_recipe(configuration, recipe, catalog=catalog, fixed=True, **options)

    def reload(self) -> bool:
        """Reload the router's file if it has changed; return whether it had.

        Unchanged policies stay, with their state; the state of a changed policy is passed to the new one if it fits. Calls
        under way finish with the old policies. A router made by an adapter cannot get targets without models.

        Raises:
            ConfigurationError: the router has no file, or the new file is invalid: the router is unchanged.
        """
        from switchwise.config.reloading import carry_over

        if self._file is None:
            raise ConfigurationError("this router was not made from a file: use Router.from_file")
        if (found := (file := self._file).changed()) is None:
            return False
        configuration, recipe = found
        before = [part for part in self._remembering.values() if isinstance(part, Remembers)]
        pool = with_clients(recipe.pool, {target.name: target for target in self.pool})
        watching = [*recipe.observers, *file.observers]
        self._assemble(pool, recipe.policies, recipe.verify, watching, recipe.cache, recipe.on_broken)
        carry_over(before, [part for part in self._remembering.values() if isinstance(part, Remembers)])
        self._file = file.now(configuration, recipe)
        return True

    def start(self, view: View, *observers: Observes) -> Run:
        """Begin one step; pass the result to `drive` or `adrive`.

        Parameters:
            view: the request.
            observers: also observe this step, such as an adapter's own events.

        Raises:
            NoTarget, BudgetExceeded: no target may be called.
        """
        view, context = self.begin(view)
        if observers:
            context = replace(context, observers=context.observers.with_further(observers))
        flow = route(view, context)
        if context.observers.finished:
            flow = observed(flow, view, context.timer, context.observers)
        return Run(flow, self._clock, context.observers, self._reservers.resend, context.on_broken)

    def begin(self, view: View) -> tuple[View, FlowContext]:
        """Return the view at the start of its step, and the context of its flow. For callers with their own driver."""
        if self._file is not None:
            self._file.look(self.reload)
        if not self._looked:
            self._look_for_telemetry()
        refuse_what_is_no_view(view)
        return view.begun(self._context.clock(), self._draws.bits()), self._context

    def decide(self, view: View) -> Shortlist:
        """Return the decision for `view` without any call: a policy that would ask a model is skipped."""
        return decide_alone(*self.begin(view))

    def explain(self, view: View | None = None) -> Explanation:
        """Explain the decision for `view` or an empty request: ruled out targets, order, reasons, estimates; print it."""
        from switchwise.suggestion import explained

        return explained(view := view or View(), self.decide(view), self.policies, self.verify)

    def suggest(self, view: View, than: str | None = None) -> Suggestion:
        """Return the decision as a suggestion: the target instead of `than` (the first of the pool), reason, savings and losses."""
        from switchwise.suggestion import suggestion

        return suggestion(view.begun(self._context.clock(), 0), self.decide(view), self.policies, than)

    def health(self) -> dict[str, CircuitState]:
        """Circuits of the called targets and accounts by name; empty without `Healthy` in the chain."""
        now = self._context.clock()
        return {name: state for breaker in self._breakers for name, state in breaker.health(now).items()}

    def reset(self, name: str | None = None) -> None:
        """Close circuits at once, for use after a key, an account or a model name is corrected.

        Parameters:
            name: a target, a provider, an account or a name from `health`; None: all.
        """
        refuse_circuit(name)
        for breaker in self._breakers:
            breaker.reset(name)

    def feedback(self, decision: object, reward: float, kind: str = "feedback") -> None:
        """Report the outcome of a decision to the policies, the verifier, joined gates and the observers.

        Parameters:
            decision: its id, or the answer itself: an outcome, a message of LangChain, a response of LlamaIndex, a decision record.
            reward: from 0 (bad) to 1 (good).
            kind: source of the outcome, one of `switchwise.nouns.exchange.feedback.WEIGHTS`: `feedback`, `task` (the end of a whole task) ...

        Raises:
            ConfigurationError: no decision is named, the reward is out of range, or the kind is unknown.
        """
        refuse_feedback(decision := decision_of(decision), reward, kind)
        self._outcomes.feedback(decision, reward, kind)
        self.report(Event(EventKind.FEEDBACK, decision, "", self._context.clock(), decision, {"reward": reward, "kind": kind}))

    def report(self, event: Event) -> None:
        """Send an event to the observers. For gates and other components."""
        tell(self._context.observers.event, event)

    def join(self, part: object) -> None:
        """Connect a component outside of the chain, such as a gate: its events and verdicts reach the router, outcomes reach it."""
        self._outcomes.join(part, self.report)

    def observe(self, attempt: Attempt) -> None:
        """Let the policies learn from an attempt of another router, such as the live one of a shadow."""
        learn_all(self._learners, attempt)

    def dump(self) -> dict[str, Any]:
        """The state of the policies as JSON types."""
        return {name: policy.dump() for name, policy in self._remembering.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump` of a router with the same policies: all of it, or nothing.

        Raises:
            ConfigurationError: the state is from other policies or another version, or is damaged; the message names the policy.
        """
        take_over(self._remembering, state)

    def _look_for_telemetry(self) -> None:
        """Add the telemetry that the application has configured by the first step."""
        self._looked = True
        if more := found(self._observers):
            self._context = replace(self._context, observers=self._context.observers.with_further(more))
            report_to([*self.policies, self.verify], self.report)

    def __repr__(self) -> str:
        return f"Router({', '.join(target.name for target in self.pool)}; {', '.join(map(name_of, self.policies)) or 'no policies'})"

    def _repr_html_(self) -> str:
        from switchwise.display.tables import router_html

        return router_html(self.pool, map(described, self.policies), described(self.verify)[0] if self.verify else "")
