"""Tokens of an answer, wherever an integration left them. Unknown is None, never zero.

LlamaIndex's integrations pass on what the provider told as `raw` (an SDK object, a dictionary, an event of a stream), or keep a
part of it: `additional_kwargs["usage"]` of the response (OpenAI's Responses) or of its message (Anthropic's streams), totals in
`additional_kwargs` (others). What is fullest is read first; what the numbers mean, `fairlead.usage_of` knows.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from fairlead import Usage
from fairlead import usage_of as read_usage


def usage_of(response: Any) -> Usage | None:
    """Tokens of a chat or completion response, or of the last chunk of a stream; None: it does not say."""
    raw = getattr(response, "raw", None)
    usage = read_usage(_told(raw)) if raw is not None else None
    if usage is not None:
        return usage
    kept = getattr(getattr(response, "message", None), "additional_kwargs", None)
    usage = read_usage(kept.get("usage")) if kept else None
    return usage or read_usage(getattr(response, "additional_kwargs", None))


def _told(raw: Any) -> Any:
    """The usage in `raw`, where it stands at one of the usual places; else all that `raw` says."""
    fields = _fields(raw)
    if not isinstance(fields, dict):
        return raw
    usage = fields.get("usage")
    if usage is None and (response := fields.get("response")) is not None:  # the last event of OpenAI's Responses
        response = _fields(response)
        usage = response.get("usage") if isinstance(response, dict) else None
    if usage is None:
        return fields
    usage = _fields(usage)
    return {name: _fields(value) for name, value in usage.items()} if isinstance(usage, dict) else usage


def _fields(told: Any) -> Any:
    """An SDK's object as a dictionary: pydantic takes long to say that it has no such field, and most shapes are looked for."""
    return {**told.__dict__, **(told.__pydantic_extra__ or {})} if isinstance(told, BaseModel) else told
