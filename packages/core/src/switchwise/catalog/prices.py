"""List prices from genai-prices (MIT, Pydantic), as our own records.

They are resolved once per target: genai-prices needs 70 us per call, `Price.cost` under 1 us. Its snapshot is loaded on first use, never
replaced (`set_custom_snapshot` is global to the process), and never fetched.

Three pitfalls. A write price of None or 0 means "no surcharge", so the input price applies. `context_window` is the whole window, prompt
and answer together. Prices may depend on the hour: the highest one is the price, the cheaper parts of the day are its `hours`, so that
code that ignores the hour never counts too little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from switchwise.nouns.target import DAY, Hours, Price

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

PROVIDERS: Mapping[str, str] = {  # the frameworks' names -> those of genai-prices
    "amazon_bedrock": "aws",
    "anthropic-bedrock": "aws",
    "anthropic-mantle": "aws",
    "anthropic_bedrock": "aws",
    "anthropicvertex": "google",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "gemini": "google",
    "google_anthropic_vertex": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "vertex_ai": "google",
    "xai": "x-ai",
}
_TIERS = {tier: {"service_tier": tier} for tier in ("flex", "priority", "fast")} | {"batch": {"processing": "batch"}}
_KEYS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """Entry of genai-prices for a model, with its own names of provider and model; empty if unknown."""

    provider: str = ""
    model: str = ""
    price: Price | None = None
    window: int | None = None


def priced(provider: str, model: str, now: float, variant: Mapping[str, str] | None = None) -> Listed:
    """Look up a model.

    Parameters:
        provider: name; empty: derived from the model.
        model: name, with or without a date.
        now: seconds since the epoch; prices that begin later do not count yet.
        variant: request properties with a separate price.

    >>> priced("anthropic", "claude-opus-4-5-20251101", now=0).price.cache_write_1h
    10.0
    """
    from genai_prices.data_snapshot import get_snapshot

    name = PROVIDERS.get(provider, provider) or None
    try:
        found, info = get_snapshot().find_provider_model(model.removeprefix("models/"), None, name, None)
    except LookupError:
        return Listed()
    return Listed(found.id, info.id, _over_the_day(info, now, variant), info.context_window)


def _over_the_day(info: ModelInfo, now: float, variant: Mapping[str, str] | None) -> Price | None:
    """The highest price of the day, with the cheaper parts of the day."""
    today = datetime.fromtimestamp(now, UTC).date()
    edges = sorted({0, DAY, *_edges(info)})
    parts = [(start, end, _price(info.get_prices(_moment(today, start), variant))) for start, end in pairwise(edges)]
    prices = [price for _, _, price in parts if price is not None]
    if not prices:
        return None
    dearest = max(prices, key=lambda price: (price.input, price.output))
    cheaper = tuple(Hours(start, end, price) for start, end, price in parts if price is not None and price != dearest)
    if cheaper:
        dearest = replace(dearest, hours=cheaper)
    tiers = {
        tier: price
        for tier, asked in _TIERS.items()
        if (price := _price(info.get_prices(_moment(today, 0), asked))) is not None
    }
    tiers = {
        tier: price
        for tier, price in tiers.items()
        if not variant and (price.input, price.output) != (dearest.input, dearest.output)
    }
    return replace(dearest, tiers=tiers) if tiers else dearest


def _moment(day: date, second: int) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(seconds=second)


def _edges(info: ModelInfo) -> list[int]:
    """The seconds of the UTC day at which the price may change."""
    conditions = [*(info.prices if isinstance(info.prices, list) else ()), *(info.price_variants or ())]
    ends = [getattr(condition.constraint, name, None) for condition in conditions for name in ("start_time", "end_time")]
    return [_second(end) for end in ends if end is not None]


def _second(clock: time) -> int:
    moment = datetime.combine(date(2000, 1, 2), clock if clock.tzinfo else clock.replace(tzinfo=UTC)).astimezone(UTC)
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _price(listed: ModelPrice) -> Price | None:
    """Convert to our record; None if text is not priced by the token (speech by the hour)."""
    rates = {name: value for name, key in _KEYS.items() if (value := getattr(listed, key)) is not None}
    if "input" not in rates:
        return None
    limits = sorted({tier.start for rate in rates.values() for tier in getattr(rate, "tiers", ())})
    *shorter, price = [_level(rates, limit) for limit in (-1, *limits)]
    for above, level in zip(reversed(limits), reversed(shorter), strict=True):
        price = replace(level, above=above, long=price)
    return price


def _level(rates: Mapping[str, Any], limit: int) -> Price:
    """The price of a prompt longer than `limit`, up to the next limit."""
    at = {name: _rate(rate, limit) for name, rate in rates.items()}
    write, write_1h = at.get("cache_write") or None, at.get("cache_write_1h") or None  # 0: no surcharge
    return Price(at["input"], at.get("output", 0.0), at.get("cache_read"), write, write_1h)


def _rate(rate: Any, limit: int) -> float:
    if not hasattr(rate, "tiers"):
        return float(rate)
    reached = [tier.price for tier in rate.tiers if tier.start <= limit]
    return float(reached[-1] if reached else rate.base)
