"""Order the targets by the expected cost of this call and of those that follow from it.

Use it last in a chain, after the policies that send hard steps to strong targets: where an earlier preference has chosen one
target, it only learns. Where a prompt cache is at stake it compares plans: which target has how much cached, the cost of a cold
write, and how many easy calls repay it. Otherwise the cheapest by list price always leads: for a prompt below the cacheable
minimum, targets that do not cache, a single question, or a view without the prefix of its thread.

Source: `switchwise.switching` and docs/guide/prompt-caching.md; else list prices, with a running mean of the answers seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import floor, inf, isclose, log10
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Key
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.target import Target
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.prompt_cache.rules import CacheRules
from switchwise.state.codec import is_amount, mapping, rows
from switchwise.state.in_process import InProcess
from switchwise.state.store import Store, Table
from switchwise.switching.advisor import Advice, Advisor
from switchwise.switching.forecast import PRIORS, CallPriors
from switchwise.switching.plan import Choice
from switchwise.switching.planner import CONTROL, PLAN, TRIAL

PRIOR_WEIGHT = 5  # weight of the prior, in answers
MEMORY = 100  # answers after which an old one fades, so that the mean follows changes
_WHAT = "state of Cheapest"


class Cheapest:
    """Order by expected cost in USD. Targets without a price come last; if none has a price, no opinion.

    Parameters:
        output: expected length of an answer in tokens before the first; later the running mean of the same agent in the same
            phase.
        when: condition on the request; None: always.
        size: most pairs of agent and phase remembered; the least recently used one is evicted first.
        explore: share of the runs of easy calls used to learn how many calls each target needs per call of the strongest, such
            as 0.02. 0: every target is assumed to need one, unless that was taught (`switchwise.evaluation.teach`) or loaded.
        rules: how the prompt cache of each model works; None: the shipped table.
        priors: assumptions about the calls before any was observed.
        accounts: target -> account name: targets of one account and one model share a prompt cache.
        plans: False: ignore caches and use list prices.
        store: where lengths of answers and threads are kept; None: the router's store, else this process.

    Raises:
        ConfigurationError: a parameter has a wrong type or is out of range.

    >>> from switchwise import Pool, Price, Router, Target, View
    >>> opus, haiku = Target("opus", price=Price(4, 20)), Target("haiku", price=Price(0.1, 0.5))
    >>> decision = Router(Pool([opus, haiku]), Cheapest()).decide(View(tokens=10_000))
    >>> decision.names, decision.decider.because
    (('haiku', 'opus'), 'cheapest: about $0.0013 for 10,000 tokens in and 500 out; next opus at $0.0500')
    """

    name = "Cheapest"

    def __init__(
        self,
        output: int = 500,
        when: Callable[[View], bool] | None = None,
        size: int = 10_000,
        *,
        explore: float = 0.0,
        rules: CacheRules | None = None,
        priors: CallPriors = PRIORS,
        accounts: Mapping[str, str] | None = None,
        plans: bool = True,
        store: Store | None = None,
    ) -> None:
        number("Cheapest", "output", output, above=True)
        number("Cheapest", "explore", explore, most=1.0)
        if not (when is None or callable(when)):
            raise ConfigurationError(
                f"Cheapest(when={when!r}): give a function of the view that says whether to have an opinion"
            )
        if not (rules is None or isinstance(rules, CacheRules)):
            raise ConfigurationError(f"Cheapest(rules={rules!r}): give a switchwise.prompt_cache.CacheRules")
        self.output = output
        self.when = when
        self.advisor = Advisor(rules, priors, explore=explore, accounts=accounts, store=store) if plans else None
        self.size = size
        self._store = store
        self.table = self._table(store or InProcess())

    def use_store(self, store: Store) -> None:
        """Keep lengths of answers and threads in `store`, unless the constructor got a store."""
        if self._store is not None:
            return
        self._store, self.table = store, self._table(store)
        if self.advisor is not None:
            self.advisor.use_store(store)

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        if len(shortlist.targets) < 2 or (self.when is not None and not self.when(view)):
            return shortlist
        advisor = self.advisor if view.prefix is not None else None
        if advisor is not None:
            if (count := shortlist.tied) < 2:
                return shortlist
            advice = advisor.advise(view, shortlist.targets[:count], shortlist.pool.targets)
            if advice is not None:
                return shortlist.order(
                    advice.values,
                    lambda target: _because(advice, target) + _unpriced(shortlist),
                    remember=(self, advice.mode),
                )
        ranked = self.by_list_price(view, shortlist)
        return ranked if advisor is None else ranked.remember(self, PLAN)

    def by_list_price(self, view: View, shortlist: Shortlist) -> Shortlist:
        """Order by list price and expected length of the answer; no opinion without prices."""
        output = self.expected_output(view)
        costs = {target.name: expected_cost(target, view, output) for target in shortlist.targets}
        least = min(costs.values(), default=inf)
        if least == inf:
            return shortlist

        def because(target: Target) -> str:
            size = f"{view.tokens:,} tokens in and {output:,.0f} out"
            return _listed(target.name, costs, size) + (_unpriced(shortlist) if target.price is not None else "")

        return shortlist.order(costs, because)

    def expected_output(self, view: View) -> float:
        """Expected length of the answer in tokens."""
        seen = self.table.get((view.scope.tenant, view.scope.agent, view.signals.phase or ""))
        return float(self.output) if seen is None else float(seen[0])

    def learn(self, attempt: Attempt) -> None:
        """Learn the called target, the cached tokens and the length of the answer."""
        reply, call = attempt.reply, attempt.call
        if reply is None or call.ask is not None:
            return
        if self.advisor is not None and call.view.prefix is not None:
            memo = call.shortlist.memo
            mode = next((value for owner, value in memo if owner is self), None) if memo else None
            self.advisor.learn(attempt, easy=mode is not None, mode=mode or PLAN)
        if reply.usage is None:
            return
        scope, length = call.view.scope, reply.usage.output_tokens

        def change(seen: list[float] | None) -> list[float]:
            mean, count = seen or (float(self.output), PRIOR_WEIGHT)
            count = min(count + 1, MEMORY)
            return [mean + (length - mean) / count, count]

        self.table.update((scope.tenant, scope.agent, call.view.signals.phase or ""), change)

    def dump(self) -> Mapping[str, Any]:
        """Mean lengths of answers and the state of caches as JSON data: see `Advisor.dump`."""
        known = {"advisor": self.advisor.dump()} if self.advisor is not None else {}
        return {"answers": [[list(key), list(seen)] for key, seen in self.table.items()], **known}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`.

        Raises:
            ConfigurationError: `state` is not a result of `dump`.
        """
        answers: list[tuple[Key, list[float]]] = []
        if "answers" not in mapping(state, _WHAT):
            raise ConfigurationError(f"{_WHAT}: 'answers' is missing; start without that state")
        for row in rows(state, "answers", _WHAT):
            match row:
                case [[str() as tenant, str() as agent, str() as phase], [mean, int() as count]] if (
                    is_amount(mean) and count > 0
                ):
                    answers.append(((tenant, agent, phase), [float(mean), count]))
                case _:
                    raise ConfigurationError(f"{_WHAT}: {row!r:.80} is not a mean length of answers")
        if self.advisor is not None and "advisor" in state:
            self.advisor.load(state["advisor"])
        for key, seen in answers:
            self.table.put(key, seen)

    def _table(self, store: Store) -> Table:
        return store.table("Cheapest answers", self.size)


def expected_cost(target: Target, view: View, output: float) -> float:
    """Cost of a call to `target` in USD with nothing cached; infinite without a price."""
    price = target.price_at(view.now, view.needs.tier)
    if price is None:
        return inf
    price = price.tier(view.tokens)
    return (view.tokens * price.input + output * price.output) * 1e-6


def dollars(usd: float, beside: float | None = None) -> str:
    """Format an amount with four decimals; below a tenth of a cent with three significant digits.

    Parameters:
        usd: the amount.
        beside: another amount in the same sentence; if it differs, so many decimals are shown that both differ.

    >>> dollars(0.02163), dollars(0.0000416), dollars(0.0)
    ('$0.0216', '$0.0000416', '$0.0000')
    >>> dollars(0.02163, beside=0.02164), dollars(0.02164, beside=0.02163)
    ('$0.02163', '$0.02164')
    """
    decimals = 2 - floor(log10(usd)) if 0.0 < usd < 0.001 else 4
    if beside is not None and not isclose(usd, beside):
        while f"{usd:.{decimals}f}" == f"{beside:.{decimals}f}":
            decimals += 1
    return f"${usd:.{decimals}f}"


def _unpriced(shortlist: Shortlist) -> str:
    """What the reason says of targets without a price; empty if all have one."""
    names = ", ".join([target.name for target in shortlist.targets if target.price is None])
    return f"; without a price, and so last: {names}" if names else ""


def _listed(name: str, costs: Mapping[str, float], size: str) -> str:
    """The reason by list price, if `name` leads."""
    cost, best = costs[name], min(costs, key=costs.__getitem__)
    least = costs[best]
    if cost == inf:
        return f"{name} has no price, but leads; {best} would cost about {dollars(least)} for {size}"
    others = {other: each for other, each in costs.items() if cost <= each < inf and other != name}
    after, beside = "", min(others, key=others.__getitem__, default=name)
    if others and isclose(costs[beside], cost):
        after = f"; {beside} costs the same"
    elif others:
        after = f"; next {beside} at {dollars(costs[beside], cost)}"
    if cost > least:
        return (
            f"cheapest of those that lead: about {dollars(cost, least)} for {size}; {best}, at {dollars(least, cost)}, does not"
        )
    return f"cheapest: about {dollars(cost, costs[beside])} for {size}{after}"


def _because(advice: Advice, target: Target) -> str:
    """The reason with its numbers, in one line."""
    blind = ", ".join(name for name, rule in advice.known.items() if not rule.listed.known)
    known = f"; caching at {blind} is unknown" if blind else ""
    if advice.mode == CONTROL:
        return f"stay: this run is left to {advice.home}, to learn how many calls it needs{known}"
    if target.name in advice.choices:
        trial = " (tried although it seemed to need more calls)" if advice.mode == TRIAL else ""
        return f"go: {_go(advice.choices[target.name], advice.home)}{trial}{known}"
    if not advice.choices:
        return f"{target.name} is the only one with a price{known}"
    name, choice = min(advice.choices.items(), key=lambda item: item[1].other)
    return f"stay: {_stay(choice, name)}{known}"


def _go(choice: Choice, home: str) -> str:
    if choice.cold > 0.5 * choice.other_call and choice.saving > 0.0:
        return f"a cold write of {dollars(choice.cold)} is repaid by {choice.easy:.1f} easy calls that save {dollars(choice.saving)} each"
    other, here = choice.other_call, choice.home_call
    return f"{dollars(other, here)} against {dollars(here, other)} at {home}"


def _stay(choice: Choice, name: str) -> str:
    if choice.saving <= 0.0:
        more = f"{dollars(-choice.saving)} more than" if choice.saving else "as much as"
        return f"a call at {name} would cost {more} reading what is cached here"
    if choice.cold > 0.5 * choice.other_call and choice.cold > choice.easy * choice.saving:
        return f"a cold write of {dollars(choice.cold)} would not be repaid by {choice.easy:.1f} easy calls that save {dollars(choice.saving)} each"
    other, here = choice.other_call, choice.home_call
    return f"{dollars(other, here)} at {name} now, and what would have to be written again here, against {dollars(here, other)}"
