"""Model the providers' prompt caches: cached prefixes, cost of reads and writes, and cache hints of requests."""

from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.prompt_cache.rules import CacheRule, CacheRules

__all__ = ["CacheHints", "CacheRule", "CacheRules"]
