"""A deterministic token estimate.

Rules:
1. A text of n characters is ceil(n / 4) tokens. No tokeniser: the numbers are stable across versions, not accurate.
2. Every message and every tool costs 4 tokens more; every request 3 more (the priming of the answer).
3. The count of a prefix does not depend on what follows, so a conversation that grows at its end grows by what was added.
4. Images, files and audio cost a constant each, whatever their size: `MEDIA`.
"""

from __future__ import annotations

from collections.abc import Mapping

PER_MESSAGE = 4
PER_REQUEST = 3
CHARS = 4
MEDIA: Mapping[str, int] = {"image": 765, "file": 1500, "audio": 100}


def count(text: str) -> int:
    """Tokens of a text.

    >>> count(""), count("a"), count("abcd"), count("abcde")
    (0, 1, 1, 2)
    """
    return -(-len(text) // CHARS)


def cut(text: str, tokens: int) -> str:
    """The longest beginning of `text` with at most `tokens` tokens."""
    return text[: max(0, tokens) * CHARS]


def pieces(text: str, tokens: int) -> list[str]:
    """`text` in pieces of `tokens` tokens, as a stream sends it."""
    step = max(1, tokens) * CHARS
    return [text[at : at + step] for at in range(0, len(text), step)]
