"""What a call would have cost at another model: one model of cost for every policy and for the optimum.

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

from switchwise.evaluation.sessions import Thread
from switchwise.nouns.target import Price
from switchwise.nouns.usage import Usage
from switchwise.prompt_cache.rates import CacheRates
from switchwise.prompt_cache.rules import CacheRules

SLACK = 30.0
NEVER = float("-inf")


class Lane:
    """The cache of one model in one thread.

    Parameters:
        rates: its rates and rule.
        warm: leading tokens that it knows, while it lives.
        at: when it was used last, in seconds.
    """

    __slots__ = ("at", "rates", "warm")

    def __init__(self, rates: CacheRates, warm: int = 0, at: float = NEVER) -> None:
        self.rates = rates
        self.warm = warm
        self.at = at

    def cut(self, kept: int) -> None:
        """Only the first `kept` tokens are as they were."""
        if self.warm > kept:
            self.warm = kept

    def known(self, now: float) -> int:
        """Tokens that a call at `now` would read."""
        return self.rates.rule.whole(self.warm) if now - self.at <= self.rates.longest + SLACK else 0

    def call(self, now: float, prompt: int, output: int) -> float:
        """USD for a call at `now`; afterwards its whole prompt is warm."""
        cost = self.rates.cost(prompt, min(self.known(now), prompt), output)
        self.warm, self.at = prompt, now
        return cost


@dataclass(frozen=True, slots=True)
class Check:
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


def validate(threads: Iterable[Thread], prices: Callable[[str], tuple[str, Price] | None], rules: CacheRules) -> list[Check]:
    """Replay the recorded models themselves and compare with what was billed for the input.

    Parameters:
        threads: the recording.
        prices: model -> provider and price; None: its calls are left out.
        rules: how caches work.
    """
    sums: dict[int, list[float]] = {}
    for thread in threads:
        total = sums.setdefault(thread.ttl, [0, 0.0, 0.0])
        lanes: dict[str, Lane] = {}
        for step in thread.steps:
            for lane in lanes.values():
                lane.cut(step.kept)
            bill = step.bill
            found = prices(bill.model)
            if found is None:
                continue
            provider, price = found
            if bill.model not in lanes:
                rates = CacheRates(price, rules.of(provider, bill.model), long=thread.ttl == 3600)
                lanes[bill.model] = Lane(rates, 0 if lanes else thread.shared, step.at)
            total[0] += 1
            total[1] += _billed(price, step.prompt, bill.plain, bill.read, bill.write_5m, bill.write_1h)
            total[2] += lanes[bill.model].call(step.at, step.prompt, 0)
    return [Check(ttl, int(calls), billed, modelled) for ttl, (calls, billed, modelled) in sorted(sums.items())]


def _billed(price: Price, prompt: int, plain: int, read: int, write: int, write_1h: int) -> float:
    return price.tier(prompt).cost(
        Usage(
            plain + read + write + write_1h, 0, cache_read_tokens=read, cache_write_tokens=write, cache_write_1h_tokens=write_1h
        )
    )
