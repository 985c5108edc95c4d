"""How likely an entry of a provider's cache is still there."""

from __future__ import annotations

# Measured on 20,985 calls of a coding agent: of the entries with a lifetime of 300 s, 99 % were found after less than 240 s, 91 % after
# 240 to 300 s, 48 % in the minute after, and none later. With 3600 s it was 79 to 94 %, most misses being breaks of the prefix.
_LAST_FIFTH = 0.91
_GRACE = 60.0  # seconds
_IN_GRACE = 0.5


def survival(age: float, ttl: float, gone: float) -> float:
    """Probability that an entry lives.

    Parameters:
        age: seconds since the start of the request that used it last.
        ttl: seconds that it is promised to live.
        gone: seconds after which it is surely gone, where the provider says more than the promise; else `ttl`.

    >>> survival(100, 300, 300), survival(290, 300, 300), survival(330, 300, 300), survival(400, 300, 300)
    (1.0, 0.91, 0.5, 0.0)
    >>> survival(450, 300, 600)
    0.5
    """
    if age <= 0.8 * ttl:
        return 1.0
    if age <= ttl:
        return _LAST_FIFTH
    if gone > ttl:
        return max(0.0, 1.0 - (age - ttl) / (gone - ttl))
    return _IN_GRACE if age <= ttl + _GRACE else 0.0
