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


class Opening:
    """Holds back what a stream begins with as long as it says nothing: until its first word another target may take over.

    Streams begin with a role, with usage, with an empty block; some providers fail only then.
    """

    __slots__ = ("_held", "_open")

    def __init__(self) -> None:
        self._held: list[Any] = []
        self._open = False

    def let(self, chunk: Any) -> list[Any]:
        """What may be shown now that `chunk` has come."""
        if self._open:
            return [chunk]
        self._held.append(chunk)
        if not says_something(chunk):
            return []
        self._open = True
        return self.rest()

    def rest(self) -> list[Any]:
        """What is still held back, at the end of a stream that was complete."""
        held, self._held = self._held, []
        return held


def says_something(chunk: Any) -> bool:
    """Whether a chunk, or an event of the v3 protocol, holds anything of the answer itself."""
    if isinstance(chunk, dict) and "event" in chunk:
        return chunk["event"] not in ("message-start", "content-block-start")
    if not isinstance(chunk, AIMessage):
        return True  # a parsed answer
    if isinstance(chunk, AIMessageChunk) and chunk.tool_call_chunks:
        return True
    content = chunk.content
    if isinstance(content, str):
        return bool(content or chunk.tool_calls or chunk.additional_kwargs)
    return any(isinstance(block, str) or block.get("type") != "text" or block.get("text") for block in content)
