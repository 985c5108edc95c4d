"""What a native model gave back, read into the core's nouns: usage, text, tool calls, and whether a stream was complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks

from fairlead import Reply, Usage
from fairlead.failures import IncompleteStream

_TERMINAL = {"openai": ("finish_reason", "status"), "anthropic": ("stop_reason",)}


def reply_of(message: AIMessage, first_chunk: float | None = None) -> Reply:
    """The reply that a complete message is."""
    content = message.content
    return Reply(
        content if isinstance(content, str) else str(message.text),
        tuple([(call["name"], call["args"]) for call in message.tool_calls]) if message.tool_calls else (),
        usage_of(message),
        message,
        message.response_metadata.get("model_name") or "",
        first_chunk,
    )


def usage_of(message: AIMessage) -> Usage | None:
    """Tokens of a message; None: the provider did not say.

    ChatAnthropic reports the split by lifetime beside a `cache_creation` of 0, and OpenAI's service tiers put their name
    before the keys. An answer from LangChain's own response cache has a `total_cost` of 0: nothing was consumed.
    """
    said = message.usage_metadata
    if not said:
        return None
    if said.get("total_cost") == 0:
        return Usage(0, 0)
    read: Mapping[str, Any] = said.get("input_token_details") or {}
    made: Mapping[str, Any] = said.get("output_token_details") or {}
    if not read and not made:
        return Usage(said["input_tokens"], said["output_tokens"])
    return Usage(
        said["input_tokens"],
        said["output_tokens"],
        _sum(read, "cache_read", "priority_cache_read", "flex_cache_read"),
        _sum(read, "cache_creation", "ephemeral_5m_input_tokens", "priority_cache_creation", "flex_cache_creation"),
        _sum(read, "ephemeral_1h_input_tokens"),
        _sum(made, "reasoning", "priority_reasoning", "flex_reasoning"),
    )


def _sum(details: Mapping[str, Any], *keys: str) -> int | None:
    found = [value for key in keys if (value := details.get(key)) is not None]
    return sum(found) if found else None


def complete(message: AIMessage) -> None:
    """Check that a message has its provider's terminal marker, without which it is a stream that was cut.

    Neither the SDKs nor LangChain notice a stream that ends early without an error.

    Raises:
        IncompleteStream: the marker of a provider that always sends one is missing.
    """
    metadata = message.response_metadata
    markers = _TERMINAL.get(metadata.get("model_provider", ""))
    if markers and not any(metadata.get(marker) for marker in markers):
        raise IncompleteStream("the stream ended without its terminal marker")


def merged(chunks: Sequence[AIMessage]) -> AIMessage:
    """The message that the chunks of a stream add up to.

    Raises:
        IncompleteStream: there is none.
    """
    if not chunks:
        raise IncompleteStream("the stream ended before its first chunk")
    first, *rest = chunks
    if not rest or not isinstance(first, AIMessageChunk):
        return first
    return add_ai_message_chunks(first, *[chunk for chunk in rest if isinstance(chunk, AIMessageChunk)])
