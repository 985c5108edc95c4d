"""Read the wait requested by a provider, in seconds, from headers or text.

Source: RFC 9110 section 10.2.3 (`retry-after`: seconds or a date); `retry-after-ms` of OpenAI and Azure; the words "try
again in 23.03s" of OpenAI's messages. Anthropic sends `retry-after` on good answers too, so it is read on errors only;
Azure may send -1, which says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite

from switchwise.failures.evidence import Evidence

_DURATION = r"\d{1,9}(?:\.\d{1,9})?\s{0,3}(?:ms|milliseconds?|hours?|minutes?|seconds?|h|m|s)\b|\d{1,9}(?:\.\d{1,9})?[hm](?=\d)"
_IN_WORDS = re.compile(rf"(?:try(?: again)?|retry) (?:in|after) ((?:(?:{_DURATION})\s{{0,3}}){{1,6}})", re.IGNORECASE)
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s{0,3}(ms|milli|h|m|s)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "milli": 0.001, "h": 3600.0, "m": 60.0, "s": 1.0}


def retry_after(evidence: Evidence, clock: Callable[[], float]) -> float | None:
    """Seconds that the provider asks to wait; None if unknown."""
    if evidence.status is not None:
        if (asked := _number(evidence.header("retry-after-ms"))) is not None:
            return asked / 1000
        header = evidence.header("retry-after")
        asked = _number(header)
        if asked is None and header:
            asked = _until(header, evidence.header("date"), clock)
        if asked is not None:
            return asked
    return _worded(evidence.text)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else -1.0
    except ValueError:
        return None
    return number if number >= 0 and isfinite(number) else None


def _until(date: str, sent: str | None, clock: Callable[[], float]) -> float | None:
    """Seconds from when the response was sent, by the provider's own clock if known, up to `date`."""
    from email.utils import parsedate_to_datetime  # a slow import, only for the rare date

    try:
        then = parsedate_to_datetime(date).timestamp()
        since = parsedate_to_datetime(sent).timestamp() if sent else clock()
    except (ValueError, OverflowError):  # not a date, or out of range
        return None
    return max(0.0, then - since)


def _worded(text: str) -> float | None:
    if not (found := _IN_WORDS.search(text)):
        return None
    return sum(float(number) * _SECONDS[unit.lower()] for number, unit in _PART.findall(found[1]))
