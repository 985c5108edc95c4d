"""Words and pairs of neighbouring words, hashed into buckets: the features of `TextDifficulty`.

All hashes of a text are one vector expression: with the prefix sums `S` of `(byte + 1) * p**i` (modulo 2**64), the hash of the
bytes from `start` to `end` is `(S[end] - S[start]) * p**-start`, without cutting out words. Needs numpy.

Source: M. O. Rabin, "Fingerprinting by random polynomials" (1981); K. Weinberger et al., "Feature hashing for large scale multitask
learning" (2009).
"""

from __future__ import annotations

from functools import cache
from typing import Any

HEAD = 600  # characters read from the beginning of a text, and as many from its end
BITS = 17
BUCKETS = 1 << BITS
_PRIME = 0x100000001B3
_MIX, _MIX_PAIR = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F


def cut(text: str, head: int = HEAD) -> str:
    """The first and last `head` characters of a text; a shorter text unchanged.

    >>> cut("abcdefgh", head=2)
    'ab gh'
    """
    return text if len(text) <= 2 * head else f"{text[:head]} {text[-head:]}"


def buckets(text: bytes) -> Any:
    """The distinct buckets of the words and word pairs of a text, in order: an array of integers below `BUCKETS`.

    Parameters:
        text: UTF-8. A word is a run of letters, digits and bytes that are not ASCII; case does not count.

    >>> [len(buckets(text)) for text in (b"", b"one", b"one Two one two")]
    [0, 1, 4]
    """
    np, powers, inverses, kinds = _tables()
    raw = np.frombuffer(text.lower(), np.uint8)
    length = len(raw)
    inside = np.zeros(length + 2, np.int8)
    inside[1:-1] = kinds[raw]
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return starts
    sums = np.zeros(length + 1, np.uint64)
    np.cumsum((raw + np.uint64(1)) * powers[:length], out=sums[1:])
    words = (sums[ends] - sums[starts]) * inverses[starts]
    words *= np.uint64(_MIX)
    words ^= words >> np.uint64(29)
    pairs = words[:-1] * np.uint64(_MIX_PAIR) + words[1:]
    both = np.concatenate((words, pairs))
    both *= np.uint64(_MIX)
    both >>= np.uint64(64 - BITS)
    both.sort()
    fresh = np.empty(len(both), bool)
    fresh[0] = True
    np.not_equal(both[1:], both[:-1], out=fresh[1:])
    return both[fresh].astype(np.int64)


@cache
def _tables() -> tuple[Any, Any, Any, Any]:
    import numpy as np

    longest = 4 * (2 * HEAD + 1) + 1  # bytes of a text that was cut, if each character takes four
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(longest, _PRIME, np.uint64)) * np.uint64(pow(_PRIME, -1, 1 << 64))
        inverses = np.cumprod(np.full(longest, pow(_PRIME, -1, 1 << 64), np.uint64)) * np.uint64(_PRIME)
    kinds = np.zeros(256, np.int8)
    for byte in range(256):
        kinds[byte] = byte >= 128 or chr(byte).isalnum()
    return np, powers, inverses, kinds
