"""Cost model of a call at another model, shared by every policy and the optimum.

Rules
1. A call reads what is warm at its model, writes the rest of its prompt, and leaves the whole prompt warm.
2. Warm is what the model saw in this thread and what survived since: breaks and compactions of the recording cut it for every model,
   the model's own lifetime ends it. The clock runs from call to call, with `SLACK` seconds of grace.
3. Prompts, answers and gaps are as recorded, whatever model is replayed. An easy call at a weaker model may be made to need more
   calls (`inflation`): each extra one adds the same growth again, which stays in the prompt until the next compaction.
4. When a thread begins, the strong model has the shared beginning that the recording read; other models have nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from switchwise.evaluation.sessions import Thread
from switchwise.nouns.target import Price
from switchwise.nouns.usage import Usage
from switchwise.prompt_cache.rates import CacheRates
from switchwise.prompt_cache.rules import CacheRules
from switchwise.switching.plan import Outlook, Standing

SLACK = 30.0
NEVER = float("-inf")


class SimulatedCache:
    """The cache of one model in one thread.

    Parameters:
        rates: its rates and rule.
        warm: cached leading tokens, within the lifetime.
        at: time of the last use, in seconds.
    """

    __slots__ = ("at", "rates", "warm")

    def __init__(self, rates: CacheRates, warm: int = 0, at: float = NEVER) -> None:
        self.rates = rates
        self.warm = warm
        self.at = at

    def cut(self, kept: int) -> None:
        """Keep only the first `kept` tokens."""
        if self.warm > kept:
            self.warm = kept

    def known(self, now: float) -> int:
        """Cached tokens of a call at `now`."""
        return self.rates.rule.whole(self.warm) if now - self.at <= self.rates.longest + SLACK else 0

    def call(self, now: float, prompt: int, output: int) -> float:
        """Return the cost of a call at `now` in USD; afterwards its whole prompt is cached."""
        cost = self.rates.cost(prompt, min(self.known(now), prompt), output)
        self.warm, self.at = prompt, now
        return cost


@dataclass(frozen=True, slots=True)
class BillCheck:
    """The cost model against the recording's own bill, for the input of one class of lifetime.

    Parameters:
        ttl: seconds.
        calls: how many.
        billed, modelled: USD.
    """

    ttl: int
    calls: int
    billed: float
    modelled: float

    @property
    def ratio(self) -> float:
        """Modelled over billed."""
        return self.modelled / self.billed if self.billed else 1.0


def validate(
    threads: Iterable[Thread], prices: Callable[[str], tuple[str, Price] | None], rules: CacheRules
) -> list[BillCheck]:
    """Replay the recorded models themselves and compare with what was billed for the input.

    Parameters:
        threads: the recording.
        prices: model -> provider and price; None: its calls are left out.
        rules: how caches work.
    """
    sums: dict[int, list[float]] = {}
    for thread in threads:
        total = sums.setdefault(thread.ttl, [0, 0.0, 0.0])
        caches: dict[str, SimulatedCache] = {}
        for step in thread.steps:
            for cache in caches.values():
                cache.cut(step.kept)
            bill = step.bill
            found = prices(bill.model)
            if found is None:
                continue
            provider, price = found
            if bill.model not in caches:
                rates = CacheRates(price, rules.of(provider, bill.model), long=thread.ttl == 3600)
                caches[bill.model] = SimulatedCache(rates, 0 if caches else thread.shared, step.at)
            total[0] += 1
            total[1] += _billed(price, step.prompt, bill.plain, bill.read, bill.write_5m, bill.write_1h)
            total[2] += caches[bill.model].call(step.at, step.prompt, 0)
    return [BillCheck(ttl, int(calls), billed, modelled) for ttl, (calls, billed, modelled) in sorted(sums.items())]


def _billed(price: Price, prompt: int, plain: int, read: int, write: int, write_1h: int) -> float:
    return price.tier(prompt).cost(
        Usage(
            plain + read + write + write_1h, 0, cache_read_tokens=read, cache_write_tokens=write, cache_write_1h_tokens=write_1h
        )
    )


class Delegation(NamedTuple):
    """Cost in USD of a run of easy calls in the thread and in a sub-agent, including later costs of the tokens that they leave in the
    thread.

    For harnesses, which can start a sub-agent (a router cannot). A fresh context is short, so even a model that would have to write the
    whole conversation cold is cheap in it; and the thread afterwards holds a summary instead of every step.

    Parameters:
        in_thread: the calls made in the thread.
        delegated: the calls made by a sub-agent.
    """

    in_thread: float
    delegated: float


def delegation(
    here: Standing, worker: CacheRates, prompt: float, outlook: Outlook, *, calls: int, start: float, summary: float
) -> Delegation:
    """Compare a run of `calls` easy calls here and in a sub-agent.

    Parameters:
        here: the model that would make them in the thread.
        worker: the rates of the sub-agent's model; the same model or another.
        prompt: tokens of the thread's prompt now.
        outlook: growth and answers of a call; `life`: how many calls the thread will still make with what is left in it.
        calls: how many the run takes, at least one.
        start: tokens of the sub-agent's first prompt: its tools, its system message and the brief.
        summary: tokens that it hands back.

    >>> from switchwise import Price
    >>> from switchwise.prompt_cache import CacheRule
    >>> from switchwise.prompt_cache.ledger import Expectation
    >>> opus = CacheRates(Price(5, 25, 0.5, 6.25), CacheRule("marked", ttl=300))
    >>> haiku = CacheRates(Price(1, 5, 0.1, 1.25), CacheRule("marked", ttl=300))
    >>> usual = Outlook(1_300, 283, easy=9, hard=9, any=0.95, again_easy=0.9, again_hard=0.9, life=40, rewrites=2)
    >>> found = delegation((opus, Expectation(80_000, chance=1.0)), haiku, 80_000, usual, calls=5, start=5_000, summary=800)
    >>> round(found.in_thread, 3), round(found.delegated, 3)
    (0.477, 0.053)
    """
    growth, output = outlook.growth, outlook.output
    run = _cost_now(here, prompt, output)
    for done in range(1, calls):
        rates = here[0].at(prompt + growth * done)
        run += (prompt + growth * (done - 1)) * rates.read + growth * rates.write + output * rates.output
    alone = worker.cost(start, 0.0, output)
    for done in range(1, calls):
        alone += worker.cost(start + growth * done, start + growth * (done - 1), output)
    rates = here[0].at(prompt)
    kept = outlook.life * rates.read + outlook.rewrites * (rates.write - rates.read)
    return Delegation(run + growth * calls * kept, alone + summary * (rates.write + kept))


def _cost_now(at: Standing, prompt: float, output: float) -> float:
    """USD expected for one call: what it knows is read, the rest written."""
    rates, cached = at
    here = rates.at(prompt)
    read, write, out = here.read, here.write, here.output
    known = cached.chance * min(cached.tokens, prompt)
    return prompt * write - known * (write - read) + output * out
