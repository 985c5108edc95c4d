"""Cache rules and prices per target, corrected by what its replies report.

How requests ask for caching is up to the caller: whether they do, and for how long, shows in the usage of the replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from switchwise.nouns.target import Price, Target
from switchwise.nouns.usage import Usage
from switchwise.prompt_cache.ledger import Cache
from switchwise.prompt_cache.rates import CacheRates
from switchwise.prompt_cache.rules import CacheRule, CacheRules
from switchwise.state.codec import words

PRICED = CacheRule("automatic", minimum=1024, step=128, ttl=300)
"""What is taken to hold of a cache of which only the price is known."""
_WHAT = "state of the targets"


class TargetRule(NamedTuple):
    """What holds of one target: its price at this time of the day, how its cache works, as much of that as its requests use, and its rates."""

    price: Price
    listed: CacheRule
    cache: Cache
    rates: CacheRates


class TargetRules:
    """What is known of all targets.

    Parameters:
        rules: how each model's cache works.
        accounts: target -> name of the account behind it. One that is not named has an account of its own.
    """

    def __init__(self, rules: CacheRules, accounts: Mapping[str, str]) -> None:
        self.rules = rules
        self._accounts = dict(accounts)
        self._found: dict[str, TargetRule] = {}
        self._long: set[str] = set()  # entries are written with the long lifetime
        self._unmarked: set[str] = set()  # requests mark nothing to be kept, though they would have to

    def of(self, target: Target, now: float) -> TargetRule | None:
        """What is known of a target; None: it has no price. Computed once, while nothing changes."""
        price, name = target.price, target.name
        if price is None:
            return None
        if price.hours:
            price = price.at(now)
        found = self._found.get(name)
        if found is not None and found.price is price:
            return found
        listed = self.rules.of(target.provider, target.model or name)
        if not listed.known and price.cache_read is not None:
            listed = PRICED  # whoever lists a price of cache reads has a cache
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
        found = self._found[name] = TargetRule(price, listed, cache, CacheRates(price, rule, long=long))
        return found

    def notice(self, name: str, rule: CacheRule, usage: Usage) -> None:
        """Take in a reply of the target whose listed rule is given."""
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
        """Take over what `dump` gave; a ConfigurationError if it is something else."""
        long, unmarked = words(state, "long", _WHAT), words(state, "unmarked", _WHAT)
        self._long.update(long)
        self._unmarked.update(unmarked)
        self._found.clear()
