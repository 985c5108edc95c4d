"""Tokens of an answer, wherever an integration left them. Unknown is None, never zero.

LlamaIndex's integrations pass on what the provider told as `raw` (an SDK object, a dictionary, an event of a stream), or keep a
part of it: `additional_kwargs["usage"]` of the response (OpenAI's Responses) or of its message (Anthropic's streams), totals in
`additional_kwargs` (others). What is fullest is read first; what the numbers mean, `fairlead.usage_of` knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import CachePoint, ChatMessage
from pydantic import BaseModel

from fairlead import Usage
from fairlead import usage_of as read_usage
from llama_index.llms.fairlead.dialect import Dialect
from llama_index.llms.fairlead.native import Native

_MARK = "cache_control"


def usage_of(response: Any) -> Usage | None:
    """Tokens of a chat or completion response, or of the last chunk of a stream; None: it does not say."""
    raw = getattr(response, "raw", None)
    usage = read_usage(_told(raw)) if raw is not None else None
    if usage is not None:
        return usage
    kept = getattr(getattr(response, "message", None), "additional_kwargs", None)
    usage = read_usage(kept.get("usage")) if kept else None
    return usage or read_usage(getattr(response, "additional_kwargs", None))


def whole_prompt(
    usage: Usage | None, native: Native, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]
) -> Usage | None:
    """`usage`, if it counts the whole prompt; else None.

    Anthropic counts what it read from its cache, and what it wrote to it, beside the prompt. A stream tells these counts with its
    first event, which the integration keeps to itself, and not every server repeats them with the last. Where they are missing
    although something was marked to be cached, the rest of the prompt is not the prompt.

    Parameters:
        usage: what the answer tells.
        native: who gave it.
        messages, kwargs: what it was asked.
    """
    if usage is None or native.dialect is not Dialect.ANTHROPIC:
        return usage
    told = usage.cache_read_tokens is not None or usage.cache_write_tokens is not None
    return usage if told or not _marked(native, messages, kwargs) else None


def _marked(native: Native, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> bool:
    """Whether a request to Anthropic asks for something to be cached: nothing is, unasked."""
    if native.marks or _MARK in kwargs or _MARK in (getattr(native.llm, "additional_kwargs", None) or {}):
        return True
    return any(
        message.additional_kwargs.get(_MARK) or any(isinstance(block, CachePoint) for block in message.blocks)
        for message in messages
    )


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
