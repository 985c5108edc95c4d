"""What holds of each target: how its cache works, by its listing and by what its replies show, and what it costs.

How requests ask for caching is up to the caller: whether they do, and for how long, the usage of the replies tells.

Memory: about 1 kB for each target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from switchwise.nouns.target import Price, Target
from switchwise.nouns.usage import Usage
from switchwise.prompt_cache.accounts import Account
from switchwise.prompt_cache.rates import Tariff
from switchwise.prompt_cache.rules import CacheRule, CacheRules
from switchwise.state.codec import words
from switchwise.switching.planner import Warmth

NEVER = float("inf")
NOT_CACHED = CacheRule()
PRICED = CacheRule("automatic", minimum=1024, step=128, ttl=300, assured=False)
"""What is taken to hold of a cache of which only the price is known."""


class Known(NamedTuple):
    """What holds of one target, by its listing and by what was seen.

    Parameters:
        price: at this time of the day.
        account: where its cache is kept.
        listed: how its cache works.
        rule: the same, as far as its requests make use of it.
        tariff: what it costs.
        cold: where nothing is cached of a prompt.
    """

    price: Price
    account: Account
    listed: CacheRule
    rule: CacheRule
    tariff: Tariff
    cold: Warmth


class KnownTargets:
    """What is known of all targets.

    Parameters:
        rules: how each model's cache works.
        accounts: target -> name of the account behind it. One that is not named has an account of its own.
    """

    def __init__(self, rules: CacheRules, accounts: Mapping[str, str]) -> None:
        self.rules = rules
        self.version = 0  # what was made of them before is out of date
        self._accounts = dict(accounts)
        self._known: dict[str, Known] = {}
        self._long: set[str] = set()  # entries are written with the long lifetime
        self._unmarked: set[str] = set()  # requests mark nothing to be kept, though they would have to

    def of(self, target: Target, price: Price, now: float) -> Known:
        """What is known of a target with that price. Worked out once, while nothing changes."""
        if price.hours:
            price = price.at(now)
        name = target.name
        known = self._known.get(name)
        if known is not None and known.price is price:
            return known
        listed = self.rules.of(target.provider, target.model or name)
        if not listed.known and price.cache_read is not None:
            listed = PRICED  # whoever lists a price of cache reads has a cache
        rule, long = listed, name in self._long and listed.ttl_long > 0
        if name in self._unmarked:
            rule, long = NOT_CACHED, False
        elif long:
            rule = replace(rule, ttl=rule.ttl_long, fades=0.0)
        account = Account(self._accounts.get(name, name), target.provider, target.model)
        tariff = Tariff(price, rule, long=long)
        known = self._known[name] = Known(price, account, listed, rule, tariff, Warmth(tariff, age=NEVER))
        return known

    def notice(self, name: str, rule: CacheRule, usage: Usage) -> None:
        """Take in a reply of the target whose listed rule is given."""
        wrote = bool(usage.cache_write_tokens or usage.cache_write_1h_tokens)
        if usage.cache_write_1h_tokens and name not in self._long:
            self._long.add(name)
            self._changed(name)
        if wrote:
            if name in self._unmarked:
                self._unmarked.discard(name)
                self._changed(name)
            return
        silent = rule.mode == "marked" and usage.cache_read_tokens == 0 and usage.input_tokens >= rule.minimum
        if silent and name not in self._unmarked:
            self._unmarked.add(name)
            self._changed(name)

    def dump(self) -> dict[str, Any]:
        """What the replies showed, as JSON types."""
        return {"long": sorted(self._long), "unmarked": sorted(self._unmarked)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `dump` gave.

        Raises:
            ConfigurationError: it is something else.
        """
        long, unmarked = words(state, "long", "state of the targets"), words(state, "unmarked", "state of the targets")
        self._long.update(long)
        self._unmarked.update(unmarked)
        self._known.clear()
        self.version += 1

    def _changed(self, name: str) -> None:
        self._known.pop(name, None)
        self.version += 1
