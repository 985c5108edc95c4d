"""Tokens of an answer, wherever an integration left them. Unknown is None, never zero.

Source: the fields of OpenAI's Chat Completions and Responses and of Anthropic's Messages, as LlamaIndex's integrations pass
them on: `raw.usage` (an SDK object), `raw["usage"]`, `message.additional_kwargs["usage"]` (Anthropic's streams), totals in
`additional_kwargs` (others).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead import Usage


def usage_of(response: Any) -> Usage | None:
    """Tokens of a chat or completion response, or of the last chunk of a stream; None: it does not say."""
    raw = getattr(response, "raw", None)
    for said in (_get(raw, "usage"), _get(_get(raw, "response"), "usage")):
        if said is not None and (usage := _read(said)) is not None:
            return usage
    more: Mapping[str, Any] = getattr(response, "additional_kwargs", None) or {}
    kept = getattr(getattr(response, "message", None), "additional_kwargs", None) or {}
    for said in (kept.get("usage"), more.get("usage"), more):
        if said and (usage := _read(said)) is not None:
            return usage
    return None


def _read(said: Any) -> Usage | None:
    if (prompt := _count(said, "prompt_tokens")) is not None:
        read, made = _get(said, "prompt_tokens_details"), _get(said, "completion_tokens_details")
        made_tokens = _count(said, "completion_tokens")
    elif (prompt := _count(said, "input_tokens")) is not None:
        read, made = _get(said, "input_tokens_details"), _get(said, "output_tokens_details")
        made_tokens = _count(said, "output_tokens")
        if read is None:
            return _anthropic(said, prompt, made_tokens)
    else:
        return None
    if not prompt and not made_tokens:  # an error at the end of a stream is followed by a count of zeros
        return None
    return Usage(
        prompt,
        made_tokens or 0,
        _count(read, "cached_tokens"),
        _count(read, "cache_write_tokens"),
        None,
        _count(made, "reasoning_tokens"),
    )


def _anthropic(said: Any, prompt: int, made: int | None) -> Usage | None:
    """Anthropic counts what was cached beside `input_tokens`, and splits what was written by its lifetime."""
    read, written = _count(said, "cache_read_input_tokens"), _count(said, "cache_creation_input_tokens")
    split = _get(said, "cache_creation")
    long = _count(split, "ephemeral_1h_input_tokens")
    if written is not None and long is not None:
        written -= long
    return Usage(prompt + (read or 0) + (written or 0) + (long or 0), made or 0, read, written, long)


def _get(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def _count(holder: Any, name: str) -> int | None:
    value = _get(holder, name)
    return value if isinstance(value, int) else None
