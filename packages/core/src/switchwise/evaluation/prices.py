"""Prices of the models in a replay: the catalogue's. Those of `PAIRS` are frozen, so that the figures of the README can be printed again."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from switchwise.catalog.prices import priced
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Price
from switchwise.prompt_cache.rates import CacheRates
from switchwise.prompt_cache.rules import CacheRules

PAIRS = (
    "claude-opus-4-5/claude-haiku-4-5",
    "claude-opus-5-5/claude-haiku-5-5",
    "claude-opus-5-5/claude-sonnet-5-5",
    "gpt-5/gpt-5-mini",
    "gpt-6.1-sol/gpt-6-luna",
    "gemini-3.1-pro-preview/gemini-3.8-flash",
    "claude-opus-4-5/kimi-k2",
    "claude-opus-5-5/kimi-k2",
    "gpt-5-pro/gpt-5-mini",
)
"""Default pairs of strong and weak models in a replay."""


@cache
def listed(model: str) -> tuple[str, Price] | None:
    """Provider and price of a model in the catalogue; None: it is not there.

    >>> listed("claude-opus-4-5-20251101")[1].input
    5.0
    """
    found = priced("", model, time.time())
    return None if found.price is None else (found.provider, found.price)


@cache
def frozen_prices() -> Mapping[str, tuple[str, Price]]:
    """Models of `PAIRS` -> provider and price, as of the day that stands in the file."""
    table = json.loads(resources.files("switchwise.evaluation").joinpath("prices.json").read_text(encoding="utf-8"))
    return {model: (entry["provider"], _price(entry)) for model, entry in table["models"].items()}


def known_price(model: str, prices: Mapping[str, tuple[str, Price]] | None = None) -> tuple[str, Price] | None:
    """Provider and price of a model; None: unknown. `prices` count instead of the frozen and the listed ones."""
    return (prices or {}).get(model) or frozen_prices().get(model) or listed(model)


def rates_of(model: str, rules: CacheRules, prices: Mapping[str, tuple[str, Price]] | None = None) -> CacheRates:
    """What calls of a model cost.

    Parameters:
        model: its name.
        rules: how caches work.
        prices: prices that count instead of the frozen and the listed ones.

    Raises:
        ConfigurationError: its price is not known.
    """
    found = known_price(model, prices)
    if found is None:
        raise ConfigurationError(f"no price for {model!r} in the catalogue; name another model, or give --router with prices")
    provider, price = found
    return CacheRates(price, rules.of(provider, model))


def _price(entry: Mapping[str, Any]) -> Price:
    parts = {key: value for key, value in entry.items() if key not in ("provider", "long")}
    return Price(**parts, long=_price(entry["long"]) if "long" in entry else None)
