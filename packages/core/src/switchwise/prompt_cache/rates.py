"""Cache rates of one model: its price and its cache rule as USD per token read, written, uncached and answered."""

from __future__ import annotations

from math import inf

from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.target import PER_MILLION, Price
from switchwise.prompt_cache.rules import UNKNOWN, CacheRule


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per token.

    Parameters:
        read: read from the cache.
        write: written to the cache.
        plain: uncached input.
        output: output.
    """

    read: float
    write: float
    plain: float
    output: float


class CacheRates:
    """The rates of one model, by the length of the prompt.

    Parameters:
        price: list price. Without listed prices of cache reads or writes, the rule's multiples of the input price are used.
        rule: cache rule of the model.
        long: entries are written with the long lifetime.

    >>> from switchwise import Price
    >>> rates = CacheRates(Price(input=4, output=20, cache_read=0.2, cache_write=5), CacheRule("marked", ttl=300))
    >>> round(rates.cost(prompt=100_000, warm=99_000, output=300), 4)
    0.0308
    """

    __slots__ = ("_above", "_base", "_plain", "_plain_top", "flat", "longest", "minimum", "rule", "top", "ttl")

    def __init__(self, price: Price, rule: CacheRule, *, long: bool = False) -> None:
        self.rule = rule
        self.minimum = rule.minimum
        long = long and rule.ttl_long > 0
        self.ttl = rule.ttl_long if long else rule.ttl
        self.longest = rule.ttl_long if long else rule.gone
        self._above, top = price.above or inf, (price.above and price.long) or price
        self._base, self._plain = _rates(price, rule, long), _rates(price, UNKNOWN, long)
        self.top, self._plain_top = _rates(top, rule, long), _rates(top, UNKNOWN, long)
        self.flat = max(self.minimum, (price.above or -1) + 1)  # tokens from which on the rates are `top`

    def at(self, prompt: float) -> Rates:
        """Rates of a prompt of that many tokens; below the minimum nothing is cached."""
        if prompt >= self.minimum:
            return self._base if prompt <= self._above else self.top
        return self._plain if prompt <= self._above else self._plain_top

    def cost(self, prompt: float, warm: float, output: float) -> float:
        """Cost in USD of a call that reads `warm` tokens of its `prompt` and writes the rest."""
        rates = self.at(prompt)
        return warm * rates.read + (prompt - warm) * rates.write + output * rates.output


def _rates(price: Price, rule: CacheRule, long: bool) -> Rates:
    plain = read = write = price.input
    if rule.caches:
        listed, multiple = (price.cache_write_1h, rule.write_long or rule.write) if long else (price.cache_write, rule.write)
        read = plain * rule.read if price.cache_read is None else price.cache_read
        write = listed or plain * multiple  # price maps write "no surcharge" as None or 0.0: such tokens cost the input price
    return Rates(read * PER_MILLION, write * PER_MILLION, plain * PER_MILLION, price.output * PER_MILLION)
