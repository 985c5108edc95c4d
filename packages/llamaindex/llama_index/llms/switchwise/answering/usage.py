"""Read the tokens of an answer from the places where integrations put them. Unknown is None, never zero.

LlamaIndex's integrations pass on the provider's answer as `raw` (an SDK object, a dictionary, an event of a stream), or keep a part of
it: `additional_kwargs["usage"]` of the response (OpenAI's Responses) or of its message (Anthropic's streams), totals in
`additional_kwargs` (others). The most complete source is read first; `switchwise.usage_of` interprets the numbers.
"""

from __future__ import annotations

from typing import Any

from switchwise import Usage
from switchwise import usage_of as read_usage


def usage_of(response: Any) -> Usage | None:
    """Tokens of a chat or completion response, or of the last chunk of a stream; None if unknown."""
    raw = getattr(response, "raw", None)
    usage = read_usage(raw) if raw is not None else None
    if usage is None and (kept := getattr(getattr(response, "message", None), "additional_kwargs", None)):
        usage = read_usage(kept.get("usage"))
    return usage or read_usage(getattr(response, "additional_kwargs", None))
