"""What a provider says a call consumed, in the one meaning of `fairlead.usage.Usage`. Unknown is None, never zero.

The shapes differ in what their totals mean: OpenAI's prompt tokens include what was read from the cache, Anthropic's
`input_tokens` exclude what was read and what was written. Written tokens come in two lifetimes; Anthropic's total includes both.

Source: docs/design/clients.md; the fields were measured on openai 2.54 and anthropic 2.10.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.usage import Usage


def usage_of(told: object) -> Usage | None:
    """The usage that an answer of OpenAI (chat, Responses) or Anthropic carries; None where it carries none.

    Parameters:
        told: the usage as a mapping or an SDK's object; or the whole answer that has it as `usage`.

    >>> usage_of({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}).input_tokens
    100
    >>> usage_of({"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 90}}).input_tokens
    100
    """
    fields = _mapping(told)
    if "usage" in fields:
        fields = _mapping(fields["usage"])
    if "prompt_tokens" in fields:
        return chat_usage(fields)
    if "input_tokens_details" in fields or "total_tokens" in fields:
        return responses_usage(fields)
    return messages_usage(fields) if "input_tokens" in fields else None


def chat_usage(told: Mapping[str, Any]) -> Usage | None:
    """Of OpenAI's chat completions, and of those who speak their language (DeepSeek's `prompt_cache_hit_tokens`)."""
    prompt, answer = _mapping(told.get("prompt_tokens_details")), _mapping(told.get("completion_tokens_details"))
    read = _first(prompt.get("cached_tokens"), told.get("prompt_cache_hit_tokens"))
    return _usage(told.get("prompt_tokens"), told.get("completion_tokens"), read, prompt, answer)


def responses_usage(told: Mapping[str, Any]) -> Usage | None:
    """Of OpenAI's Responses."""
    prompt, answer = _mapping(told.get("input_tokens_details")), _mapping(told.get("output_tokens_details"))
    return _usage(told.get("input_tokens"), told.get("output_tokens"), prompt.get("cached_tokens"), prompt, answer)


def _usage(
    input_tokens: Any, output_tokens: Any, read: Any, prompt: Mapping[str, Any], answer: Mapping[str, Any]
) -> Usage | None:
    if not input_tokens:  # no prompt is empty: OpenAI reports zeros for a stream that failed
        return None
    reasoning = answer.get("reasoning_tokens")
    return Usage(input_tokens, output_tokens or 0, read, prompt.get("cache_write_tokens"), reasoning_tokens=reasoning)


def messages_usage(told: Mapping[str, Any]) -> Usage | None:
    """Of Anthropic's Messages. Where an answer took several passes (compaction, an advisor, a fallback), all of them are paid."""
    passes = [_mapping(each) for each in told.get("iterations") or ()] or [told]
    read = _sum(each.get("cache_read_input_tokens") for each in passes)
    written = _sum(each.get("cache_creation_input_tokens") for each in passes)
    plain = _sum(each.get("input_tokens") for each in passes)
    if plain is None or plain + (read or 0) + (written or 0) == 0:
        return None
    split = _sum(_mapping(each.get("cache_creation")).get("ephemeral_1h_input_tokens") for each in passes)
    return Usage(
        input_tokens=plain + (read or 0) + (written or 0),
        output_tokens=_sum(each.get("output_tokens") for each in passes) or 0,
        cache_read_tokens=read,
        cache_write_tokens=None if written is None else written - (split or 0),
        cache_write_1h_tokens=split,
        reasoning_tokens=_mapping(told.get("output_tokens_details")).get("thinking_tokens"),
    )


def _mapping(told: object) -> Mapping[str, Any]:
    if isinstance(told, Mapping):
        return told
    if told is None:
        return {}
    dump = getattr(told, "model_dump", None)
    fields: Mapping[str, Any] = dump(warnings=False) if dump else {}
    return fields


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
