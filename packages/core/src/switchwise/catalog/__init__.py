"""Prices, context windows and capabilities by provider and model.

    from switchwise import Pool, Price, catalog
    pool = Pool([catalog.target("strong", provider="anthropic", model="claude-opus-5-5"),
                 catalog.target("own", provider="vllm", model="qwen-3-32b", price=Price(0.1, 0.3))])

A `Catalog` with overrides is an ordinary object to pass on; there is no process-wide registry.
"""

from switchwise.catalog.catalog import Catalog, Known, Unpriced
from switchwise.catalog.hosts import account_of, provider_at

__all__ = ["Catalog", "Known", "Unpriced", "account_of", "look_up", "provider_at", "target"]

look_up = Catalog().look_up
target = Catalog().target
