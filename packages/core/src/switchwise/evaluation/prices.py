"""The price table that replays use, frozen so that a replay can be repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Price
from switchwise.prompt_cache.rates import Tariff
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
"""Strong and weak models that a replay compares unless told otherwise."""


@cache
def frozen_prices() -> Mapping[str, tuple[str, Price]]:
    """Model -> its provider and price."""
    table = json.loads(resources.files("switchwise.evaluation").joinpath("prices.json").read_text(encoding="utf-8"))
    return {model: (entry["provider"], _price(entry)) for model, entry in table["models"].items()}


def tariff_of(model: str, rules: CacheRules, prices: Mapping[str, tuple[str, Price]] | None = None) -> Tariff:
    """The tariff of a model in the table.

    Raises:
        ConfigurationError: it is not there.
    """
    table = frozen_prices() if prices is None else prices
    if model not in table:
        raise ConfigurationError(f"no price for {model!r} in the replay table; it knows: {', '.join(sorted(table))}")
    provider, price = table[model]
    return Tariff(price, rules.of(provider, model))


def _price(entry: Mapping[str, Any]) -> Price:
    parts = {key: value for key, value in entry.items() if key not in ("provider", "long")}
    return Price(**parts, long=_price(entry["long"]) if "long" in entry else None)
