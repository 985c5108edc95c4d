"""Whether a run of easy calls should be given to a sub-agent with a fresh context, rather than be made in the thread.

A router cannot start a sub-agent, a harness can: this is the arithmetic to ask. A fresh context is short, so even a model that would
have to write the whole conversation cold is cheap in it; and the thread afterwards holds a summary instead of every step.
"""

from __future__ import annotations

from typing import NamedTuple

from switchwise.prompt_cache.rates import CacheRates
from switchwise.switching.plan import Outlook, Standing


class Delegation(NamedTuple):
    """The two ways, in USD, each with what the thread is billed later for what they leave in it.

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
    >>> opus = CacheRates(Price(5, 25, 0.5, 6.25), CacheRule("marked", ttl=300))
    >>> haiku = CacheRates(Price(1, 5, 0.1, 1.25), CacheRule("marked", ttl=300))
    >>> usual = Outlook(1_300, 283, easy=9, hard=9, any=0.95, again_easy=0.9, again_hard=0.9, life=40, rewrites=2)
    >>> found = delegation(Standing(opus, 80_000), haiku, 80_000, usual, calls=5, start=5_000, summary=800)
    >>> round(found.in_thread, 3), round(found.delegated, 3)
    (0.477, 0.053)
    """
    growth, output = outlook.growth, outlook.output
    run = _cost_now(here, prompt, output)
    for done in range(1, calls):
        rates = here.rates.at(prompt + growth * done)
        run += (prompt + growth * (done - 1)) * rates.read + growth * rates.write + output * rates.output
    alone = worker.cost(start, 0.0, output)
    for done in range(1, calls):
        alone += worker.cost(start + growth * done, start + growth * (done - 1), output)
    rates = here.rates.at(prompt)
    kept = outlook.life * rates.read + outlook.rewrites * (rates.write - rates.read)
    return Delegation(run + growth * calls * kept, alone + summary * (rates.write + kept))


def _cost_now(at: Standing, prompt: float, output: float) -> float:
    """USD expected for one call: what it knows is read, the rest written."""
    read, write, _, out = at.rates.at(prompt)
    known = at.chance * min(at.warm, prompt)
    return prompt * write - known * (write - read) + output * out
