"""Convert results of native models to the core's replies: usage, text, tool calls, and completeness of a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_ai_message_chunks

from langchain_switchwise.models.dialect import dialect_of_maker
from switchwise import EndReason, FailureKind, Reply, TargetError, Usage
from switchwise import usage_of as read_usage
from switchwise.dialects.answer_end import end_of, end_of_any, whole
from switchwise.dialects.table import DIALECTS, OTHER
from switchwise.failures import IncompleteStream
from switchwise.nouns.usage import in_tier

_SHORT, _LONG = "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"
_PROMPT = frozenset(["audio", "cache_creation", "cache_read", _SHORT, _LONG])
_ANSWER = frozenset(["audio", "reasoning"])
_TOTALS = frozenset(["completion_tokens", "input_tokens", "output_tokens", "prompt_tokens", "total_tokens"])
_WHOLE = frozenset(["token_usage", "usage"])
"""Metadata keys of answers that were not streamed, whatever LangChain does inside `invoke`."""
_MARKERS = frozenset(name for dialect in DIALECTS for name in dialect.ends.fields)
_UNDER_WAY = ("in_progress", "queued")


def reply_of(
    message: AIMessage,
    end: EndReason,
    first_chunk: float | None = None,
    raw: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Convert a message, checked by `complete`, to a reply; `raw` is its container, if any."""
    content = message.content
    return Reply(
        content if isinstance(content, str) else str(message.text),
        tuple([(call["name"], call["args"]) for call in message.tool_calls]) if message.tool_calls else (),
        usage_of(message),
        message if raw is None else raw,
        message.response_metadata.get("model_name") or "",
        first_chunk,
        end,
        headers=headers,
    )


def usage_of(message: AIMessage) -> Usage | None:
    """Tokens of a message; None if unknown.

    LangChain's own count lacks some fields: cache reads of DeepSeek and Moonshot, the passes of a multi-pass Anthropic answer. If the
    message has the provider's usage, that is used. An answer from LangChain's own response cache has a `total_cost` of 0: no tokens were
    used.
    """
    counted: Mapping[str, Any] | None = message.usage_metadata
    if counted and counted.get("total_cost") == 0:
        return Usage(0, 0)
    metadata = message.response_metadata
    reported = metadata.get("token_usage") or metadata.get("usage")
    usage, tier = _plain(counted) or read_usage(counted), metadata.get("service_tier")
    if reported and (usage is None or "iterations" in reported or (usage.cache_read_tokens is None and _has_parts(reported))):
        more = read_usage(reported)
        if more is not None and (usage is None or more.cache_read_tokens is not None):
            usage = more
    if usage is None:
        return None
    if reported and usage.cost is None and reported.get("cost") is not None and (more := read_usage(reported)) is not None:
        usage = replace(usage, cost=more.cost)
    return in_tier(usage, tier) if tier else usage


def _has_parts(reported: Mapping[str, Any]) -> bool:
    """Return whether a provider's usage says more than totals; local servers often do not."""
    return any(name not in _TOTALS and value is not None for name, value in reported.items())


def _plain(counted: Mapping[str, Any] | None) -> Usage | None:
    """LangChain's count, if it is sufficient: most answers, in a third of the time; None if not."""
    if not counted:
        return None
    prompt, answer = counted["input_tokens"], counted["output_tokens"]
    if not prompt or prompt + answer != counted["total_tokens"]:
        return None
    read, made = counted.get("input_token_details"), counted.get("output_token_details")
    if not read and not made:
        return Usage(prompt, answer)
    read, made = read or {}, made or {}
    if not _PROMPT.issuperset(read) or not _ANSWER.issuperset(made) or read.get(_SHORT) or read.get(_LONG):
        return None
    cached, written = read.get("cache_read"), read.get("cache_creation")
    if (cached or 0) + (written or 0) > prompt:
        return None
    return Usage(prompt, answer, cached, written, read.get(_LONG), made.get("reasoning"))


def complete(message: AIMessage, chunks: Sequence[Any] | None = None, marked: bool = True, alone: bool = False) -> EndReason:
    """Check that a message is complete: its stream ended, by the provider's marker or a final usage record, and it has content or an end
    reason.

    Neither the SDKs nor LangChain detect a stream that ends early without an error, or an answer without choices. An unstreamed answer
    needs no marker.

    Parameters:
        message: the merged message; LangChain may stream inside `invoke`.
        chunks: chunks of the stream; None: unknown.
        marked: whether its server marks the end of streams, or this is unknown.
        alone: there is no other target: then an empty message of a model without metadata is passed on, as without a router.

    Returns:
        The end reason.

    Raises:
        IncompleteStream: the marker of a provider that always sends one is missing, or there is neither content nor an end.
        TargetError: the provider reports that the answer failed.
    """
    metadata = message.response_metadata
    dialect, calls = dialect_of_maker(metadata.get("model_provider", ""), metadata), bool(message.tool_calls)
    if dialect is OTHER:
        end = end_of_any(metadata, calls)
    else:
        end = end_of(dialect, metadata, calls, refused=bool(message.additional_kwargs.get("refusal")))
    if end is EndReason.ERROR:
        raise TargetError(FailureKind.SERVER_ERROR, "the provider says that its answer failed", billable=True)
    says = message.content or calls or message.invalid_tool_calls or message.additional_kwargs
    if not says and not _has_ended(metadata) and (metadata or not alone):
        raise IncompleteStream("an answer without content and without an end")
    if not marked or dialect is OTHER or not _WHOLE.isdisjoint(metadata):
        return end
    usage = message.usage_metadata is not None if chunks is None else _closes(chunks)
    if not whole(dialect, metadata, usage):
        raise IncompleteStream("the stream ended without its terminal marker")
    return end


def _has_ended(metadata: Mapping[str, Any]) -> bool:
    """Return whether any provider's end marker is among the metadata."""
    return any((value := metadata.get(marker)) and value not in _UNDER_WAY for marker in _MARKERS)


def _closes(chunks: Sequence[Any]) -> bool:
    """Return whether a stream reports its usage once, at the end. Some servers repeat it in every chunk."""
    reported = [place for place, chunk in enumerate(chunks) if isinstance(chunk, AIMessage) and chunk.usage_metadata]
    return len(reported) == 1 and not any(says_something(chunk) for chunk in chunks[reported[0] :])


def merged(chunks: Sequence[AIMessage]) -> AIMessage:
    """Merge the chunks of a stream.

    Raises:
        IncompleteStream: there are no chunks.
    """
    if not chunks:
        raise IncompleteStream("the stream ended before its first chunk")
    first, *rest = chunks
    if not rest or not isinstance(first, AIMessageChunk):
        return first
    added = add_ai_message_chunks(first, *[chunk for chunk in rest if isinstance(chunk, AIMessageChunk)])
    if added.usage_metadata:
        counts = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
        if len(counts) > 1 and _running(counts):
            added.usage_metadata = counts[-1]
    return added


def _running(counts: Sequence[UsageMetadata]) -> bool:
    """Return whether the chunks have running totals: then LangChain's sum is too large.

    Servers with OpenAI's protocol do so (vLLM's `continuous_usage_stats`, xAI, Perplexity); OpenAI itself counts once, at the end.
    """
    prompts = {count["input_tokens"] for count in counts}
    answers = [count["output_tokens"] for count in counts]
    return len(prompts) == 1 and prompts != {0} and answers == sorted(answers)


class HoldUntilContent:
    """Hold back the beginning of a stream until its first content: until then another target may take over.

    Streams begin with a role, with usage, with an empty block; some providers fail only then.
    """

    __slots__ = ("_held", "_open")

    def __init__(self) -> None:
        self._held: list[Any] = []
        self._open = False

    def let(self, chunk: Any) -> list[Any]:
        """Return the chunks to show after `chunk`."""
        if self._open:
            return [chunk]
        self._held.append(chunk)
        if not says_something(chunk):
            return []
        self._open = True
        return self.rest()

    def rest(self) -> list[Any]:
        """Return the held chunks, at the end of a complete stream."""
        held, self._held = self._held, []
        return held


class CallNumbers:
    """Number the tool calls of a stream: some servers number every call 0, so that LangChain would merge them.

    A new id begins a new call; pieces without an id belong to the latest with their number.
    """

    __slots__ = ("_numbers", "_owners")

    def __init__(self) -> None:
        self._owners: dict[int, str] = {}
        self._numbers: dict[int, int] = {}

    def renumber(self, chunk: Any) -> None:
        """Set the numbers of the pieces in a chunk, in place."""
        if not isinstance(chunk, AIMessageChunk) or not chunk.tool_call_chunks:
            return
        for piece in chunk.tool_call_chunks:
            given, named = piece.get("index"), piece.get("id")
            if not isinstance(given, int):
                continue
            if named and self._owners.get(given, named) != named:
                known = next((number for number, owner in self._owners.items() if owner == named), None)
                self._numbers[given] = max([*self._owners, *self._numbers]) + 1 if known is None else known
            number = self._numbers.get(given, given)
            if named:
                self._owners.setdefault(number, named)
            piece["index"] = number


_WORDS = frozenset(["text-delta", "reasoning-delta", "data-delta"])
_CALLS = frozenset(["tool_use", "tool_call", "tool_call_chunk", "input_json_delta", "function_call", "invalid_tool_call"])


def says_something(chunk: Any) -> bool:
    """Return whether a chunk, or an event of the v3 protocol, has visible content.

    Pieces of a tool call do not count: calls wait until they are complete or text arrives.
    """
    if isinstance(chunk, dict) and "event" in chunk:
        return chunk["event"] == "content-block-delta" and (chunk.get("delta") or {}).get("type") in _WORDS
    if not isinstance(chunk, AIMessage):
        return True  # a parsed answer
    content = chunk.content
    if isinstance(content, str):
        return bool(content or chunk.additional_kwargs.keys() - {"tool_calls", "function_call"})
    return any(isinstance(block, str) or (block.get("type") not in _CALLS and _has_words(block)) for block in content)


def has_tokens(chunk: Any) -> bool:
    """Return whether a chunk, or an event of the v3 protocol, has a piece of the answer, visible or not: pieces of tool calls count,
    empty chunks do not.
    """
    if isinstance(chunk, dict) and "event" in chunk:
        return bool(chunk["event"] == "content-block-delta")
    return says_something(chunk) or bool(getattr(chunk, "tool_call_chunks", None) or chunk.content)


def _has_words(block: Mapping[str, Any]) -> bool:
    return block.get("type") != "text" or bool(block.get("text"))


def token_text(said: Any) -> str:
    """The text of a handler's argument: a token, blocks of content, or an event of the v3 protocol."""
    if isinstance(said, str):
        return said
    if isinstance(said, dict):
        delta = said.get("delta") or {}
        return str(delta.get("text") or "") if delta.get("type") == "text-delta" else ""
    blocks = said if isinstance(said, list) else ()
    return "".join(str(block.get("text") or "") for block in blocks if isinstance(block, dict) and block.get("type") == "text")
