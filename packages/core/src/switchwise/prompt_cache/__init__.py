"""Models provider prompt caches: what is still cached, what reads and writes cost, and the hints that requests carry."""

from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.prompt_cache.rules import CacheRule, CacheRules

__all__ = ["CacheHints", "CacheRule", "CacheRules"]
