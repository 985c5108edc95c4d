"""Base classes of policies with an estimator: pass outcomes on, weigh success against money and time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Pool, Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.quality.estimate import UNKNOWN, Estimate, Estimator
from switchwise.state.store import Store

GUARD = 0.01  # promised success above which the text may overrule the table
ANSWER = 500  # assumed tokens of an answer where only list prices are known


class UsesQuality:
    """Base class of policies with an estimator: it passes outcomes on and includes the estimator's state in `dump` and `load`.

    Parameters:
        quality: an estimator.

    Raises:
        ConfigurationError: `quality` is not an estimator.
    """

    name = "UsesQuality"
    when: Callable[[View], bool] | None = None  # where it is False, the estimator is not asked

    def __init__(self, quality: Estimator) -> None:
        if isinstance(quality, type) or not callable(getattr(quality, "estimate", None)):
            raise ConfigurationError(
                f"{self.name}({quality!r}): give an estimator, such as Priors() or Shrunk(Priors(), LabelTable())"
            )
        self.quality = quality
        self._prepare = getattr(quality, "prepare", None)

    @property
    def asks(self) -> tuple[Target, ...]:
        """The models outside the pool that the estimator asks."""
        return tuple(getattr(self.quality, "asks", ()))

    def check(self, pool: Pool) -> None:
        """Let the estimator check the pool."""
        if (check := getattr(self.quality, "check", None)) is not None:
            check(pool)

    def __call__(self, view: View, shortlist: Shortlist) -> Any:
        if len(shortlist.targets) < 2 or (self.when is not None and not self.when(view)):
            return shortlist
        flow = self._prepare(view) if self._prepare is not None else None
        return self._opinion(view, shortlist) if flow is None else self._asked(flow, view, shortlist)

    def _asked(self, flow: Generator[Any, Any, None], view: View, shortlist: Shortlist) -> Generator[Any, Any, Shortlist]:
        yield from flow
        return self._opinion(view, shortlist)

    def _opinion(self, view: View, shortlist: Shortlist) -> Shortlist:
        raise NotImplementedError

    def _estimates(self, view: View, targets: Sequence[Target]) -> Sequence[Estimate]:
        if not any(target.key_of for target in targets):
            return self.quality.estimate(view, targets, [UNKNOWN] * len(targets))
        models = {target.base: target for target in reversed(targets)}  # all keys of a model are as good as each other
        each = [replace(target, name=name, key_of="") for name, target in models.items()]
        found = dict(zip(models, self.quality.estimate(view, each, [UNKNOWN] * len(each)), strict=True))
        return [found[target.base] for target in targets]

    def use_store(self, store: Store) -> None:
        """Keep the estimator's state in `store`."""
        if (use := getattr(self.quality, "use_store", None)) is not None:
            use(store)

    def learn(self, attempt: Attempt) -> None:
        """Pass the attempt to the estimator."""
        if (learn := getattr(self.quality, "learn", None)) is not None:
            learn(attempt)

    def feedback(self, decision: str, reward: float, kind: str = "feedback") -> None:
        """Pass the outcome of a decision to the estimator."""
        if (learn := getattr(self.quality, "feedback", None)) is not None:
            learn(decision, reward, kind)

    def dump(self) -> Mapping[str, Any]:
        """The state of the estimator as JSON data."""
        dump = getattr(self.quality, "dump", None)
        return {"quality": dump() if dump is not None else {}}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`."""
        if (load := getattr(self.quality, "load", None)) is not None:
            load(state["quality"])


class Weighs(UsesQuality):
    """Base class of policies that order targets by value in dollars: `p` x `value` - cost - seconds x `second`.

    Parameters:
        quality: an estimator.
        value: worth of a solved task in USD.
        second: cost of a second of waiting in USD.
        guard: promised success above which an estimate from the text may overrule the table.
        when: condition on the request; None: always.

    Raises:
        ConfigurationError: a parameter is out of range.
    """

    def __init__(
        self,
        quality: Estimator,
        value: float,
        second: float = 0.0,
        guard: float = GUARD,
        when: Callable[[View], bool] | None = None,
    ) -> None:
        super().__init__(quality)
        number(self.name, "value", value, least=0, above=True)
        number(self.name, "second", second, least=0)
        number(self.name, "guard", guard, least=0, most=1)
        if when is not None and not callable(when):
            raise ConfigurationError(f"{self.name}(when={when!r}): give a function of the view, or leave it out")
        self.value, self.second, self.guard = value, second, guard
        self.when = when

    def _spent(self, view: View, targets: Sequence[Target], estimates: Sequence[Estimate]) -> list[float] | None:
        """Cost in USD and waiting of each target: of whole tasks if all are known, else of one call at list prices; None if
        unknown.
        """
        second = self.second
        known = [each.dollars for each in estimates if each.n and each.dollars is not None]
        if known and len(known) == sum([each.n > 0 for each in estimates]):
            usual = sum(known) / len(known)
            costs = [usual if each.dollars is None else each.dollars for each in estimates]
            return [cost + second * (each.seconds or 0.0) for cost, each in zip(costs, estimates, strict=True)]
        found = []
        for target, each in zip(targets, estimates, strict=True):
            price = target.price_at(view.now, view.needs.tier)
            if price is None:
                return None
            found.append(price.estimate(view.tokens, ANSWER) + second * (each.seconds or 0.0))
        return found

    def _ranked(
        self,
        shortlist: Shortlist,
        estimates: Sequence[Estimate],
        spent: Sequence[float],
        chances: Sequence[float],
        how: str = "",
    ) -> Shortlist:
        """The shortlist ordered by value; targets without evidence come last."""
        targets, value = shortlist.targets, self.value
        worth = [chance * value - cost for chance, cost in zip(chances, spent, strict=True)]
        unknown = -1e9
        ranked = [each if estimate.n else unknown for each, estimate in zip(worth, estimates, strict=True)]
        best = max(range(len(ranked)), key=ranked.__getitem__)
        if not how and estimates[best].base is not None:
            based = [
                unknown if not estimate.n else (estimate.p if estimate.base is None else estimate.base) * value - cost
                for estimate, cost in zip(estimates, spent, strict=True)
            ]
            table = max(range(len(based)), key=based.__getitem__)
            if table != best and ranked[best] - ranked[table] <= self.guard * value:
                top = ranked[best] + 1e-9  # the text's promised success is too low to overrule the table
                ranked = [
                    top if target.base == targets[table].base else each for target, each in zip(targets, ranked, strict=True)
                ]
        at = {target.name: i for i, target in enumerate(targets)}

        def because(target: Target) -> str:
            i = at[target.name]
            found = estimates[i]
            return f"{chances[i]:.0%} likely to solve it{how} ({found.source}) at ${spent[i]:.4g}; a solved one is worth ${value:g}"

        return shortlist.order(lambda target: -ranked[at[target.name]], because)
