"""Fingerprint of a recurring task: the words of its text, with numbers, ids, dates and addresses masked."""

from __future__ import annotations

import re
from hashlib import blake2b

LONGEST = 2_000  # characters that count
_MASKS = re.compile(
    r"""
    https?://\S+ | \S+@\S+\.\w+                       # addresses
    | \b[0-9a-f]{8}-[0-9a-f-]{20,30}\b                # UUIDs
    | \b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b               # hashes
    | \b\w*\d[\w.:/-]*                                # numbers, dates, times, ids with a digit in them
    | \b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b
    | \b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b
    """,
    re.VERBOSE,
)


def masked(text: str) -> str:
    """Words of a text in lower case, with numbers, ids, dates and addresses replaced by `#`.

    >>> masked("Summarise ticket ACME-4711 of 2026-11-29, please")
    'summarise ticket acme-# of # please'
    """
    return " ".join(_MASKS.sub("#", text[:LONGEST].lower()).replace(",", " ").split())


def fingerprint(text: str) -> str:
    """Sixteen hexadecimal digits, equal for texts that differ only in masked parts. Empty for an empty text."""
    words = masked(text)
    return blake2b(words.encode(), digest_size=8).hexdigest() if words else ""
