"""Whole answers, kept and given again: to the same request, or to one that means the same, with a bound on wrong answers."""

from switchwise.response_cache.cache import ResponseCache

__all__ = ["ResponseCache"]
