"""Cache rules and prices per target, corrected by what its replies report.

Callers decide how requests ask for caching: the usage of the replies shows whether they do, and for how long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.target import Price, Target
from switchwise.nouns.usage import Usage
from switchwise.prompt_cache.ledger import Cache
from switchwise.prompt_cache.rates import CacheRates
from switchwise.prompt_cache.rules import CacheRule, CacheRules
from switchwise.state.codec import words

PRICED = CacheRule("automatic", minimum=1024, step=128, ttl=300)
"""Assumed rule of a cache with a price but no rule."""
_WHAT = "state of the targets"


@dataclass(frozen=True, slots=True)
class TargetRule:
    """Rule of one target.

    Parameters:
        price: its price at this time of day and service tier.
        listed: its cache rule, and `cache` as far as its requests use it.
        rates: its rates by that rule.
        least: tokens of the shortest prompt that it caches; infinite if it caches none.
    """

    price: Price
    listed: CacheRule
    cache: Cache
    rates: CacheRates
    least: float


class TargetRules:
    """Rules of all targets.

    Parameters:
        rules: cache rules by model.
        accounts: target -> account name. Other targets have their own account.
    """

    def __init__(self, rules: CacheRules, accounts: Mapping[str, str]) -> None:
        self.rules = rules
        self._accounts = dict(accounts)
        self._found: dict[str, TargetRule] = {}
        self._long: set[str] = set()  # entries are written with the long lifetime
        self._unmarked: set[str] = set()  # requests set no cache marks although the provider needs them

    def of(self, target: Target, now: float, tier: str = "") -> TargetRule | None:
        """The rule of a target at a time and service tier; None without a price. Cached until something changes."""
        price, name = target.price, target.name
        if price is None:
            return None
        if price.hours or (price.tiers and (tier or target.defaults.tier)):  # where it can differ
            price = target.price_at(now, tier) or price
        found = self._found.get(name)
        if found is not None and found.price is price:
            return found
        listed = self.rules.of(target.provider, target.model or name)
        if not listed.known and price.cache_read is not None:
            listed = PRICED  # a listed price of cache reads implies a cache
        rule, long = listed, name in self._long and listed.ttl_long > 0
        if name in self._unmarked:
            rule, long = CacheRule(), False
        elif long:
            rule = replace(rule, ttl=rule.ttl_long, fades=0.0)
        whose = self._accounts.get(name) or (target.account or target.model if target.effort else "") or name
        account = front = "/".join((whose, target.provider, target.model))
        if target.effort and rule.effort != "same":
            account = f"{account}@{target.effort}"
            front = front if rule.effort == "messages" else account
        cache = Cache(account, target.model or account, rule, front)
        rates, least = CacheRates(price, rule, long=long), rule.minimum if rule.caches else inf
        found = self._found[name] = TargetRule(price, listed, cache, rates, least)
        return found

    def notice(self, name: str, rule: CacheRule, usage: Usage) -> None:
        """Learn from a reply of a target with the given listed rule."""
        wrote = bool(usage.cache_write_tokens or usage.cache_write_1h_tokens)
        silent = rule.mode == "marked" and not wrote and usage.cache_read_tokens == 0 and usage.input_tokens >= rule.minimum
        for names, seen in ((self._long, bool(usage.cache_write_1h_tokens)), (self._unmarked, silent)):
            if seen and name not in names:
                names.add(name)
                self._found.pop(name, None)
        if wrote and name in self._unmarked:
            self._unmarked.discard(name)
            self._found.pop(name, None)

    def dump(self) -> dict[str, Any]:
        """What the replies showed, as JSON types."""
        return {"long": sorted(self._long), "unmarked": sorted(self._unmarked)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a result of `dump`; raise `ConfigurationError` for anything else."""
        long, unmarked = words(state, "long", _WHAT), words(state, "unmarked", _WHAT)
        self._long.update(long)
        self._unmarked.update(unmarked)
        self._found.clear()
