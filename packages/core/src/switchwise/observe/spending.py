"""Spending of a block of code, over all routers and threads.

with spending() as spent:
    agent.invoke(...)
print(spent)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from switchwise.display.figures import many, percent, seconds, usd
from switchwise.nouns.call import Attempt


class Spending:
    """Attempts of one block; calls begun in it are counted even if they end later.

    >>> from switchwise import Pool, Price, Router, Target, Usage, View, drive, spending
    >>> from switchwise.testing import Says, Script
    >>> router = Router(Pool([Target("opus", price=Price(4, 20))]))
    >>> with spending() as spent:
    ...     _ = list(drive(router.start(View()), Script(opus=Says("Yes.", usage=Usage(1_000, 100))).perform))
    >>> spent.cost, spent.calls, spent.by_target
    (0.006, 1, {'opus': 0.006})
    """

    def __init__(self) -> None:
        self._attempts: list[Attempt] = []

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Attempts in order of their end, including questions of policies and verifiers."""
        return tuple(self._attempts)

    @property
    def cost(self) -> float:
        """Known cost in USD."""
        return sum(attempt.cost or 0.0 for attempt in self._attempts)

    @property
    def unpriced(self) -> int:
        """Number of replies with unknown cost."""
        return sum(attempt.cost is None for attempt in self._attempts if attempt.reply is not None)

    @property
    def calls(self) -> int:
        """Number of accepted answers."""
        return sum(attempt.accepted and attempt.call.ask is None for attempt in self._attempts)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompts."""
        return sum(usage.input_tokens for each in self._attempts if each.reply and (usage := each.reply.usage))

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompts read from a prompt cache."""
        return sum(usage.cache_read_tokens or 0 for each in self._attempts if each.reply and (usage := each.reply.usage))

    @property
    def output_tokens(self) -> int:
        """Tokens of the answers."""
        return sum(usage.output_tokens for each in self._attempts if each.reply and (usage := each.reply.usage))

    @property
    def by_target(self) -> Mapping[str, float]:
        """Target -> USD, highest first."""
        found: dict[str, float] = {}
        for attempt in self._attempts:
            found[attempt.target.name] = found.get(attempt.target.name, 0.0) + (attempt.cost or 0.0)
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {usd(cost)}" for name, cost in self.by_target.items())
        cached = f", {percent(self.cached_tokens / self.prompt_tokens)} of the prompt cached" if self.prompt_tokens else ""
        unknown = f"; {many(self.unpriced, 'reply', 'replies')} without a known price" if self.unpriced else ""
        return f"{usd(self.cost)} for {many(self.calls, 'answer')}{f' ({shares})' if shares else ''}{cached}{unknown}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from switchwise.display.tables import card, table

        groups: dict[str, list[Attempt]] = {}
        for attempt in self._attempts:
            groups.setdefault(attempt.target.name, []).append(attempt)
        rows = [
            [name, f"{sum(each.accepted for each in groups[name]):,}", f"{sum(each.kind is not None for each in groups[name]):,}", usd(cost),
             seconds(sum(each.latency for each in groups[name]))]
            for name, cost in self.by_target.items()
        ]  # fmt: skip
        return card(str(self), table(("target", "answers", "failed", "cost", "took"), rows, numbers=(1, 2, 3, 4)))


blocks: ContextVar[tuple[Spending, ...]] = ContextVar("switchwise_spending", default=())
"""The blocks that are counted here."""


@contextmanager
def spending() -> Iterator[Spending]:
    """Count the cost of calls in this block: in this thread or task, and in those started from it with its context (as asyncio, LangChain
    and LangGraph do). Blocks may be nested; each counts.
    """
    spent = Spending()
    token = blocks.set((*blocks.get(), spent))
    try:
        yield spent
    finally:
        blocks.reset(token)


def count(attempt: Attempt) -> None:
    """Count an attempt, of any router, in the blocks around it."""
    for spent in blocks.get():
        spent._attempts.append(attempt)
