"""Baselines: cost of the same calls without routing, by the cost model of `evaluation`.

The calls as they were made are billed by the model too, so that both sides have the same errors: a baseline's USD are what was paid for
the answers, times its modelled bill over that of the calls as made. `trust` is the ratio of the model to the bill. Without caches no
model is needed: every prompt token costs the input price. A baseline makes exactly the calls of the journal. Rejected replies and
questions of policies are part of routing's bill, not of a baseline's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isnan

from switchwise.evaluation import policies
from switchwise.evaluation.bootstrap import ratio
from switchwise.evaluation.journals import journal
from switchwise.evaluation.policies import Caches, Policy, Simple
from switchwise.evaluation.replay import simulate
from switchwise.evaluation.sessions import Step, Thread
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Target
from switchwise.observe.journal.record import Record
from switchwise.prompt_cache.rates import CacheRates
from switchwise.prompt_cache.rules import CacheRules
from switchwise.report.spending import besides

_WIDE = 1.96  # standard errors on each side: 95 %


@dataclass(frozen=True, slots=True)
class Baseline:
    """One baseline.

    Parameters:
        name: for people.
        kind: `caching_only` (all on the strongest target, with prompt caches), `uncached` (the same without caches), `one_target`,
            `by_kind` (routine calls to the cheapest target, whatever is cached), `no_cache` (as routed, without caches).
        target: of `caching_only`, `uncached` and `one_target`; else empty.
        cost: USD.
        saving: share saved by routing; negative if routing cost more.
        low, high: 95 % interval of the saving, by resampling sessions; None: there are fewer than two.
    """

    name: str
    kind: str
    target: str
    cost: float
    saving: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Baselines:
    """All of them.

    Parameters:
        routed: USD paid for the compared calls, including `besides`.
        besides: USD of that for rejected replies and questions.
        trust: the modelled bill of the answers over the recorded one.
        rows: `caching_only` first.
        counted: number of compared calls.
        left_out: attempts not compared, because their tokens are unknown.
    """

    routed: float
    besides: float
    trust: float
    rows: tuple[Baseline, ...]
    counted: int
    left_out: int

    @property
    def headline(self) -> Baseline:
        """All on the strongest target, prompt caches at work."""
        return self.rows[0]


def baselines_of(records: Sequence[Record], samples: int = 400) -> Baselines | None:
    """The baselines of a journal; None: it has no call whose tokens and prices are known.

    Parameters:
        records: of the journal.
        samples: resamples of the bootstrap over sessions.
    """
    try:
        found = journal(records)
    except ConfigurationError:  # no call counts any tokens
        return None
    priced = [target for target in found.targets if target.price is not None]
    if not priced or not {step.by for thread in found.threads for step in thread.steps} <= {target.name for target in priced}:
        return None
    paid, extra = _paid(records, found.threads)
    threads = sorted(found.threads, key=lambda thread: thread.steps[0].at)
    rates = [_rates(target, found.rules) for target in priced]
    places = {target.name: place for place, target in enumerate(priced)}
    made = simulate(threads, rates[0], rates[1:], Simple(lambda step, *_: places[step.by])).cost
    trust = fsum(made.values()) / fsum(paid.values()) if fsum(paid.values()) else 0.0
    if not trust:
        return None
    routed = _plus(paid, extra)
    rows: list[Baseline] = []

    def add(name: str, kind: str, cost: Mapping[str, float], target: str = "") -> None:
        """Compare on both sides by the model, or on both sides by what is billed."""
        exact = kind in ("uncached", "no_cache")
        own = routed if exact else _plus(made, {session: usd * trust for session, usd in extra.items()})
        rows.append(_baseline(name, kind, target, cost, own, 1.0 if exact else 1.0 / trust, samples))

    strongest = priced[0]
    for place, target in enumerate(priced):
        kind = "one_target" if place else "caching_only"
        add(
            f"all on {target.name}, caching alone",
            kind,
            simulate(threads, rates[0], rates[1:], _always(place)).cost,
            target.name,
        )
        if place == 0:
            add(f"all on {target.name}, nothing cached", "uncached", _uncached(threads, {}, strongest), target.name)
    if len(priced) > 1:
        cheap = min(range(1, len(priced)), key=lambda place: rates[place].cost(10_000, 0, 500))
        naive = simulate(threads, rates[0], rates[cheap], policies.naive()).cost
        add(f"routine calls to {priced[cheap].name}, caches ignored", "by_kind", naive)
        as_made = _uncached(threads, {target.name: target for target in priced}, strongest)
        add("as routed, nothing cached", "no_cache", _plus(as_made, extra))
    counted = sum(len(thread.steps) for thread in threads)
    return Baselines(fsum(routed.values()), fsum(extra.values()), trust, tuple(rows), counted, found.lost)


def _paid(records: Sequence[Record], threads: Sequence[Thread]) -> tuple[dict[str, float], dict[str, float]]:
    """Session -> USD paid for answers, and besides, as far as known."""
    paid = {thread.session: 0.0 for thread in threads}
    extra = dict(paid)
    for record in records:
        if record.session in paid:
            (extra if besides(record) else paid)[record.session] += record.cost or 0.0
    return paid, extra


def _rates(target: Target, rules: CacheRules) -> CacheRates:
    assert target.price is not None, "only priced targets are compared"
    return CacheRates(target.price, rules.of(target.provider, target.model or target.name))


def _always(place: int) -> Policy:
    def rule(step: Step, prompt: int, caches: Caches) -> int:  # noqa: ARG001
        return place

    return Simple(rule)


def _uncached(threads: Sequence[Thread], by: Mapping[str, Target], otherwise: Target) -> dict[str, float]:
    """Session -> USD at list price, every token of the prompt at the input price."""
    found: dict[str, float] = {}
    for thread in threads:
        for step in thread.steps:
            price = by.get(step.by, otherwise).price
            assert price is not None, "only priced targets are compared"
            found[thread.session] = found.get(thread.session, 0.0) + price.at(step.at).estimate(step.prompt, step.output)
    return found


def _plus(costs: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    return {session: cost + more[session] for session, cost in costs.items()}


def _baseline(
    name: str, kind: str, target: str, cost: Mapping[str, float], routed: Mapping[str, float], scale: float, samples: int
) -> Baseline:
    sessions = sorted(cost)
    share = ratio([routed[session] for session in sessions], [cost[session] for session in sessions], samples=samples)
    saving = 0.0 if isnan(share.value) else 1.0 - share.value
    known = not isnan(share.error)
    low, high = saving - _WIDE * share.error, min(saving + _WIDE * share.error, 1.0)
    return Baseline(name, kind, target, fsum(cost.values()) * scale, saving, low if known else None, high if known else None)
