"""The chain of policies of `Router.default`; docs/design/default-chain.md gives the reasons."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from switchwise.engine.policy import Opinion, Policy
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.signals import Phase, StepKind
from switchwise.nouns.target import Pool, Price
from switchwise.nouns.view import View
from switchwise.policies.anchor import Anchor
from switchwise.policies.by_phase import ByPhase
from switchwise.policies.by_step import ByStep
from switchwise.policies.cheapest import Cheapest
from switchwise.policies.fits import Fits
from switchwise.policies.follow_decision import Follows
from switchwise.policies.healthy import Healthy
from switchwise.policies.hold import hold
from switchwise.policies.rules import Rules
from switchwise.quality.priors import Priors

Aim = Literal["quality", "balanced", "cost"]
"""The aim of a default chain."""
POINTS = {"balanced": 0.02, "cost": 0.10}
"""Accepted loss of success probability against the best model, by aim."""
PATIENCE = 10  # routine steps within which a second prompt cache must pay for itself
_HARD = frozenset([Phase.PLANNING, Phase.DEBUGGING])
_TOOL_RESULT = StepKind.TOOL_RESULT  # a look-up in its class takes ten times as long in Python 3.11


def default_chain(pool: Pool, healthy: Healthy | None = None, aim: Aim = "quality") -> tuple[Policy, ...]:
    """Return the chain of an aim: requirements of fit and health, then the aim's preferences.

    `quality`: the order of the pool is the order of strength, and easy steps go to cheaper targets where that pays. `balanced`,
    `cost`: each session, and each of its agents, gets the cheapest target whose chance of success is within 2 (10) points of
    the best, by the shipped table of outcomes for that kind of work. It keeps that target, so no prompt cache is lost. Where
    there is evidence, the order of the pool does not count.

    With `quality`, hard steps go to the strongest target, routine steps to the cheapest; the rest of the pool is the fallback.

    Hard steps are the first step, a user's turn, a failure, planning and debugging. A routine step follows a tool that
    succeeded. It goes to a cheaper target only if that pays although the target must first read the whole conversation:
    `Cheapest` compares plans where the view has the thread's prefix (`View.prefix`); otherwise list prices decide
    (`steps_to_pay`), and the thread then keeps the target. Without prices, it goes to `fast`, by the order of the pool. A pool
    in which no switch pays is used strongest first.

    >>> from switchwise import Pool, Router, Signals, StepKind, Target, View
    >>> router = Router.default(Pool([Target("opus"), Target("haiku")]))
    >>> router.decide(View(signals=Signals(first=True))).names
    ('opus', 'haiku')
    >>> router.decide(View(signals=Signals(step=StepKind.TOOL_RESULT))).names
    ('haiku', 'opus')
    """
    if aim not in get_args(Aim):
        raise ConfigurationError(f"aim={aim!r}: give one of {', '.join(get_args(Aim))}")
    chain: list[Policy] = [Follows(), Fits(), healthy or Healthy()]
    if aim in POINTS:
        return (*chain, hold(Anchor(Priors(), within=POINTS[aim]), per="agent"))
    chain += [
        ByStep(first="strong", failure="strong", user_turn="strong", tool_result=None),
        ByPhase(planning="strong", debugging="strong"),
    ]
    strong = next(target for target in pool if target.name in pool.select("strong"))
    priced = {target.name: target.price for target in pool if target.price is not None}
    worth = [name for name, price in priced.items() if strong.price and _pays(strong.price, price)]
    if strong.price and len(priced) > 1:
        cheapest = Cheapest(when=_followed)
        chain.append(cheapest)
        if worth:
            chain.append(_ByListPrice(cheapest, frozenset(worth)))
    if not worth and (pool.select("fast") - priced.keys() or strong.price is None):
        chain.append(Rules().prefer("fast", when=routine, because="a routine step, and no prices to go by"))
    return tuple(chain)


def routine(view: View) -> bool:
    """Return whether a step is routine: it follows a tool that succeeded, outside planning and debugging."""
    signals = view.signals
    return signals.step is _TOOL_RESULT and signals.phase not in _HARD and not signals.first


def _followed(view: View) -> bool:
    return view.signals.step is _TOOL_RESULT and view.prefix is not None and routine(view)


def steps_to_pay(strong: Price, cheap: Price) -> float:
    """Number of steps after which a switch to `cheap` pays for itself if `strong` has the prompt cached; infinite: never.

    Each token of the conversation is written once more, and read at every further step: n steps cost
    w + (n - 1) r at the cheap target and n R at the strong one, so that n = (w - r) / (R - r). What the cheaper answer
    saves is left out, so this errs on the side of staying.

    >>> round(steps_to_pay(Price(5, 25, cache_read=0.5, cache_write=6.25), Price(1, 5, cache_read=0.1, cache_write=1.25)), 1)
    2.9
    >>> round(steps_to_pay(Price(4, 20, cache_read=0.2, cache_write=5), Price(2, 10, cache_read=0.1, cache_write=2.5)), 1)
    24.0
    """
    read_strong = strong.input if strong.cache_read is None else strong.cache_read
    read = cheap.input if cheap.cache_read is None else cheap.cache_read
    write = cheap.input if cheap.cache_write is None else cheap.cache_write
    return (write - read) / (read_strong - read) if read < read_strong else float("inf")


def _pays(strong: Price, cheap: Price) -> bool:
    """Return whether a switch pays soon enough, for any length of the prompt."""
    lengths = [0, *(price.above + 1 for price in (strong, cheap) if price.above)]
    return all(steps_to_pay(strong.tier(length), cheap.tier(length)) <= PATIENCE for length in lengths)


class _ByListPrice(hold):
    """Keep each agent's target by list price, on routine steps of threads without a known prefix: among those to which a switch pays."""

    def __init__(self, cheapest: Cheapest, worth: Collection[str]) -> None:
        def by_list_price(view: View, shortlist: Shortlist) -> Shortlist:
            """Order the targets by list price."""
            return cheapest.by_list_price(view, shortlist)

        by_list_price.name = cheapest.name  # type: ignore[attr-defined]  # `hold` reads it
        super().__init__(by_list_price, per="agent")
        self._worth = worth

    def __call__(self, view: View, shortlist: Shortlist) -> Opinion:
        if view.prefix is not None or not routine(view):
            return shortlist
        because = "a routine step, and cheap enough to read the conversation once more"
        return super().__call__(view, shortlist.prefer(self._worth, because))
