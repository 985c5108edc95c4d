"""Alerts of budgets to observers and the log: passed thresholds, exhausted budgets; and amounts in words."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from math import inf
from typing import Final

from switchwise.display.figures import exact
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Key
from switchwise.nouns.validation import number
from switchwise.nouns.view import View
from switchwise.observe.observer import Channel, Event, EventKind
from switchwise.state.in_process import Memory
from switchwise.state.spending import Amount, KeepsSpending, SpendingLimits

_log = logging.getLogger("switchwise.budget")
_audit = logging.getLogger("switchwise.audit")
STEPS: Final = (100, 95, 80, 50)
"""Percent of a limit."""
_LOUD: Final = 80


class Alerts:
    """The alerts of one budget.

    Parameters:
        size: most scopes remembered, so that each threshold is reported once.
    """

    __slots__ = ("_gone", "_steps", "channel")

    def __init__(self, size: int) -> None:
        self.channel = Channel()
        self._steps: Memory[Key, int] = Memory(size)
        self._gone: Memory[Key, bool] = Memory(size)

    def look(self, key: Key, who: str, spending: KeepsSpending, now: float) -> None:
        """Report the threshold that the scope has passed, if it is new.

        Parameters:
            key, who: the scope, and its name in words.
            spending: spending of all scopes.
            now: on the router's clock.
        """
        limits, left = spending.limits(key, now), spending.left(key, now)
        share = share_of(limits, left)
        step = next((step for step in STEPS if share * 100 >= step), 0)
        last = self._steps.get(key) or 0
        if step == last:
            return
        self._steps.update(key, lambda _: step or None)
        if step > last:
            self._say(who, step, now)
        else:
            self._gone.update(key, lambda _: None)

    def heard(self, who: str, step: int) -> None:
        """Report a threshold that this process is the first to pass, of all that share the store."""
        self._say(who, step, None)

    def charged(self, name: str, limits: SpendingLimits, left: tuple[float, float], now: float, decision: str) -> None:
        """Report the rest after a call."""
        found = {unit: rest for unit, limit, rest in zip(limits._fields, limits, left, strict=True) if limit is not None}
        self.channel.send(Event(EventKind.BUDGET_CHARGED, name, "", now, decision, {"left": found}))

    def exhausted(self, key: Key, who: str, because: str, view: View, trouble: str = "") -> None:
        """Report once that the budget is exhausted; with `trouble` of its store, log once that calls are refused."""
        if (reported := self._gone.get(key)) or (trouble and reported is not None):
            return
        self._gone.put(key, not trouble)
        if trouble:
            _log.warning("calls are refused: %s", because)
            return
        _log.warning("a budget is used up: %s", because)
        self.channel.send(Event(EventKind.BUDGET_EXHAUSTED, who, because, view.now, view.decision))

    def _say(self, who: str, step: int, now: float | None) -> None:
        _log.log(logging.WARNING if step >= _LOUD else logging.INFO, "%d %% of the budget is spent: %s", step, who)
        because = f"{step} % of the limit is spent"
        self.channel.send(Event(EventKind.BUDGET_ALERT, who, because, now, details={"percent": step}))


def overridden(limits: SpendingLimits, given: SpendingLimits, now: float, until: float) -> SpendingLimits:
    """The limits with those of an override in their place.

    Raises:
        ConfigurationError: none is given, one is negative, the budget has no limit of that unit, or the override would be over already.
    """
    who = "Budget.override"
    number(who, "until", until, least=now, above=True)
    if given == SpendingLimits(None, None):
        raise ConfigurationError(f"{who}: no limit; give usd= or tokens=")
    for unit, limit, new in zip(limits._fields, limits, given, strict=True):
        if new is None:
            continue
        number(who, unit, new)
        if limit is None:
            raise ConfigurationError(f"{who}({unit}={new!r}): the budget has no limit of {unit} that it could replace")
    return SpendingLimits(
        limits.usd if given.usd is None else given.usd, limits.tokens if given.tokens is None else given.tokens
    )


def audit_override(who: str, given: SpendingLimits, until: float, by: str, because: str) -> None:
    """Write the line of an override into the audit log."""
    end = datetime.fromtimestamp(until, UTC).isoformat()
    amounts = {unit: amount for unit, amount in zip(given._fields, given, strict=True) if amount is not None}
    line = {"event": "budget_override", "budget": who, **amounts, "until": end, "by": by, "because": because}
    _audit.warning("%s", json.dumps(line))


def share_of(limits: SpendingLimits, left: tuple[float, float]) -> float:
    """The larger spent share of the limits."""
    return max((1 - rest / limit for limit, rest in zip(limits, left, strict=True) if limit), default=0.0)


def spent_in_words(limits: SpendingLimits, left: tuple[float, float]) -> str:
    """Format the spent part of the limits.

    >>> spent_in_words(SpendingLimits(0.10, None), (0.03, float("inf")))
    '$0.0700 of $0.10'
    >>> spent_in_words(SpendingLimits(0.00002, None), (0.00001, float("inf")))
    '$0.0000100 of $0.0000200'
    """
    spent = []
    if limits.usd is not None:
        spent.append(f"{exact(limits.usd - left[0])} of {exact(limits.usd, 2)}")
    if limits.tokens is not None:
        spent.append(f"{limits.tokens - left[1]:,.0f} of {limits.tokens:,} tokens")
    return " and ".join(spent)


def amount_in_words(amount: Amount, usd: bool, tokens: bool) -> str:
    """USD, tokens or both."""
    dollars = "an unknown price" if amount[0] == inf else exact(amount[0])
    return " and ".join([*([dollars] if usd else []), *([f"{amount[1]:,} tokens"] if tokens else [])])
