"""Parses the rate-limit headers of an answer: OpenAI's, Anthropic's, and those of compatible servers.

| | limit, left | reset |
|---|---|---|
| OpenAI, Groq, Azure | `x-ratelimit-{limit,remaining}-{requests,tokens}` | a duration: `12ms`, `21m36.001s` |
| Anthropic | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining}` | a time of RFC 3339, counted from the header `date` |

Azure sends -1 for what it does not count, and Anthropic has sent the epoch as a time: both are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from switchwise.nouns.exchange.allowance import Allowance

_OPENAI = ("requests", "tokens")
_ANTHROPIC = ("requests", "input-tokens", "output-tokens", "tokens")
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "h": 3600.0, "m": 60.0, "s": 1.0}


def allowances(headers: Mapping[str, str]) -> tuple[Allowance, ...]:
    """Return the remaining allowances that the headers of an answer report; empty if they report none.

    Parameters:
        headers: with lower-case names, or a mapping that ignores case.

    >>> allowances({"x-ratelimit-limit-tokens": "800000", "x-ratelimit-remaining-tokens": "750000", "x-ratelimit-reset-tokens": "3.75s"})
    (Allowance(of='tokens', limit=800000, left=750000, resets=3.75),)
    """
    found = []
    for of in _OPENAI:
        limit, left = _count(headers.get(f"x-ratelimit-limit-{of}")), _count(headers.get(f"x-ratelimit-remaining-{of}"))
        if limit and left is not None:
            found.append(Allowance(of, limit, left, _duration(headers.get(f"x-ratelimit-reset-{of}"))))
    if found:
        return tuple(found)
    sent = _time(headers.get("date"), http=True)
    for of in _ANTHROPIC:
        name = f"anthropic-ratelimit-{of}"
        limit, left = _count(headers.get(f"{name}-limit")), _count(headers.get(f"{name}-remaining"))
        if limit and left is not None:
            full = _time(headers.get(f"{name}-reset"))
            resets = full - sent if full and sent and full >= sent else None
            found.append(Allowance(of.replace("-", "_"), limit, left, resets))
    return tuple(found)


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _duration(text: str | None) -> float | None:
    parts = _PART.findall(text or "")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts) if parts else None


def _time(text: str | None, http: bool = False) -> float | None:
    if not text:
        return None
    try:
        return (parsedate_to_datetime(text) if http else datetime.fromisoformat(text)).timestamp()
    except (ValueError, OverflowError):
        return None
