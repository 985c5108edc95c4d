"""What each provider still has cached, what reading and writing it costs, and what a request may say to find it again."""

from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.prompt_cache.rules import CacheRule, CacheRules

__all__ = ["CacheHints", "CacheRule", "CacheRules"]
