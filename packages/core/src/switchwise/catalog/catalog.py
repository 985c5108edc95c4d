"""The catalogue: overrides first, then genai-prices, then the bundled capabilities."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches

from switchwise.catalog.abilities import abilities
from switchwise.catalog.prices import priced
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.limits import Limits
from switchwise.nouns.target import Capabilities, Defaults, Price, Target
from switchwise.nouns.validation import users_level


class Unpriced(UserWarning):
    """Warning of a target without a known price: budgets in USD and orders by price cannot count it."""


@dataclass(frozen=True, slots=True)
class Known:
    """Price and capabilities of a model.

    Parameters:
        price: None: unknown.
        can: capabilities; each may be unknown.
    """

    price: Price | None = None
    can: Capabilities = Capabilities()


_NO_DEFAULTS = Defaults()


class Catalog:
    """Prices and capabilities by provider and model.

    Parameters:
        overrides: (provider, model) -> `Known`. Fields that are None are looked up as usual.
        variant: request properties with a separate price, such as `{"service_tier": "flex"}` (OpenAI) or `{"speed": "fast"}` (Anthropic).
        clock: seconds since the epoch. Prices with a start date count from that date; they are resolved once, at look-up.

    Raises:
        ConfigurationError: a key of the overrides is not a pair.

    >>> catalog = Catalog({("openai", "gpt-4o"): Known(price=Price(input=2, output=8))})
    >>> known = catalog.look_up("openai", "gpt-4o")
    >>> known.price.output, known.can.window
    (8, 128000)
    """

    def __init__(
        self,
        overrides: Mapping[tuple[str, str], Known] | None = None,
        *,
        variant: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._overrides = dict(overrides or {})
        if strange := [key for key in self._overrides if not (isinstance(key, tuple) and len(key) == 2)]:
            raise ConfigurationError(f"Catalog: {strange[0]!r} is not a key: write ('provider', 'model'): Known(...)")
        for key, known in self._overrides.items():
            if not isinstance(known, Known):
                raise ConfigurationError(f"Catalog: {key!r}: {known!r:.80} is not Known(price=..., can=...)")
        self._variant = variant
        self._clock = clock

    def look_up(self, provider: str, model: str) -> Known:
        """Return price and capabilities of a model; all None if it is unknown.

        Parameters:
            provider: a name such as `openai`, `anthropic`, `google`, `bedrock`; empty: derived from the model.
            model: the provider's name of the model; dated names are understood.
        """
        own = self._overrides.get((provider, model), Known())
        listed = priced(provider, model, self._clock(), self._variant)
        can = _filled(own.can, Capabilities(window=listed.window))
        can = _filled(can, abilities(listed.provider or provider, model, listed.model))
        return Known(listed.price if own.price is None else own.price, can)

    def target(
        self,
        name: str,
        *,
        provider: str = "",
        model: str = "",
        price: Price | None = None,
        can: Capabilities | None = None,
        roles: Iterable[str] = (),
        account: str = "",
        limits: Limits | None = None,
        defaults: Defaults = _NO_DEFAULTS,
    ) -> Target:
        """Return a target with the price and capabilities of its model.

        Parameters:
            name: name in rules and records.
            provider, model: provider, and its name of the model; the model defaults to `name`.
            price: instead of the listed one.
            can: fields that are not None replace the listed ones.
            roles: names that rules may use instead of `name`.
            account: result of `account_of` for its address and key.
            limits: time limits of a call.
            defaults: default settings of its client.

        Warns:
            Unpriced: no price is known or given.
        """
        if not isinstance(name, str) or not isinstance(model, str):
            raise ConfigurationError(f"target({name!r:.80}, model={model!r:.80}): give words")
        known = self.look_up(provider, model or name)
        price = known.price if price is None else price
        if price is None:
            who = f"{provider or 'any provider'}/{model or name}"
            warnings.warn(
                f"no price is known for {who} (target {name!r}{_near(provider, model or name)}): give price=Price(input=..., output=...) in USD per million "
                "tokens; without one, budgets in USD and orders by price cannot count it",
                Unpriced,
                stacklevel=users_level(),
            )
        can = _filled(can or Capabilities(), known.can)
        return Target(name, provider, model or name, price, can, frozenset(roles), account, limits=limits, defaults=defaults)


def _near(provider: str, model: str) -> str:
    """A suggestion of a listed model with a similar name."""
    from genai_prices.data_snapshot import get_snapshot

    known = [listed.id for each in get_snapshot().providers if each.id == provider for listed in each.models]
    near = get_close_matches(model, known, 1, 0.8)
    return f"; did you mean {near[0]!r}?" if near else ""


def _filled(can: Capabilities, further: Capabilities) -> Capabilities:
    """`can`, with unknown fields taken from `further`."""
    unknown = [field.name for field in fields(can) if getattr(can, field.name) is None]
    return replace(can, **{name: getattr(further, name) for name in unknown})
