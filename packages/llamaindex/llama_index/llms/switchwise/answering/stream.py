"""Read a streamed answer: which chunks to show when, whether it is complete, and data that the integration loses.

Rules:
1. Chunks without visible content (a role, a piece of a tool call) wait for the first with content: until then another target may still
   answer.
2. A stream is complete only with its provider's terminal marker. Neither the SDKs nor LlamaIndex notice a stream that was cut: it looks
   like a short answer. A usage record that is sent last is an end too.
3. Calls with the same index are distinguished by their ids: OpenAI's integration would join them.

Source of the markers: `EndRules` of `switchwise.dialects`; of the events, `response.completed` and `response.incomplete` (Responses).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llama_index.core.base.llms.types import TextBlock, ToolCallBlock
from pydantic import BaseModel

from llama_index.llms.switchwise.models.native import Native
from switchwise import EndReason, TargetError, usage_of
from switchwise.dialects.answer_end import end_of
from switchwise.engine.timing.time_limits import streaming, tokens_came
from switchwise.failures import IncompleteStream, classify
from switchwise.protocols.chat_stream import grow
from switchwise.protocols.openai_chat import REASONING

_ENDED = frozenset({"response.completed", "response.incomplete"})
_FAILED = frozenset({"response.failed", "error"})


class EmptyStream(IncompleteStream):
    """Raised for a stream without any chunk."""


class StreamEnd:
    """Whether and how a stream ended.

    Parameters:
        native: the called LLM. marked: its server says where streams end, or it is unknown.
    """

    def __init__(self, native: Native, marked: bool = True) -> None:
        self._native = native
        self._marked = marked
        self._ended: bool | None = None
        self._closed = False
        self.fields: dict[str, Any] = {}

    def hear(self, chunk: Any) -> None:
        """Take in a chunk.

        Raises:
            TargetError: it reports a failure that the integration lets through.
        """
        ended = state_of(chunk)
        if ended is not None:
            self._ended = ended or self._ended or False
        raw = getattr(chunk, "raw", None)
        self._closed = getattr(raw, "choices", None) == [] and usage_of(raw) is not None
        if ended or (ended is None and raw is not None):
            self.fields.update(end_fields(raw, self._native))

    def check(self) -> None:
        """Say it when the stream is over.

        Raises:
            IncompleteStream: it broke off.
        """
        closed = self._closed and self._native.dialect.ends.usage_ends
        if self._ended is False and not closed and self._marked:
            raise IncompleteStream("the stream ended without its terminal marker")


class StreamReader:
    """Read the chunks of one stream: return those to show, and check at the end that it is complete.

    Parameters:
        native: the called LLM. clock: seconds; only differences count.
        structured: the chunks are the user's own objects, filled in step by step.
        marked: its server says where streams end, or it is unknown.

    `message` is the Chat Completions message if it has tool calls or reasoning, else empty.
    """

    def __init__(self, native: Native, clock: Callable[[], float], structured: bool = False, marked: bool = True) -> None:
        self.last: Any = None
        self.first_chunk: float | None = None
        self.message: dict[str, Any] = {}
        self._clock = clock
        self._started = clock()
        streaming()
        self._waiting: list[Any] | None = []
        self._end = None if structured else StreamEnd(native, marked)
        self._mends = native.integration == "openai"
        self._says_nothing = is_empty if structured else says_nothing

    @property
    def fields(self) -> Mapping[str, Any]:
        """Fields about its end."""
        return self._end.fields if self._end is not None else {}

    def hear(self, chunk: Any) -> list[Any]:
        """Return the chunks that may be shown now.

        Raises:
            TargetError: the chunk reports a failure that the integration lets through.
        """
        if has_tokens(chunk):
            tokens_came()
        if self._end is not None:
            self._end.hear(chunk)
            chunk = self._with_calls(chunk) if self._mends else chunk
        self.last = chunk
        if self._waiting is None:
            return [chunk]
        if self._says_nothing(chunk):
            self._waiting.append(chunk)
            return []
        self.first_chunk = self._clock() - self._started
        shown, self._waiting = [*self._waiting, chunk], None
        return shown

    def rest(self) -> list[Any]:
        """Return the held chunks, at the end of the stream.

        Raises:
            IncompleteStream: the stream broke off.
        """
        if self.last is None:
            raise EmptyStream("the stream ended before its first chunk")
        if self._end is not None:
            self._end.check()
        return self._waiting or []

    def _with_calls(self, chunk: Any) -> Any:
        """The chunk with the merged tool calls; the chunk itself if the integration merges them correctly."""
        choices = getattr(getattr(chunk, "raw", None), "choices", None)
        delta = getattr(choices[0], "delta", None) if choices else None
        if choices and choices[0].index:  # one of several answers: the integration merges them all
            self._mends, self.message = False, {}
            return chunk
        if delta is not None and (delta.tool_calls or not (delta.model_extra or {}).keys().isdisjoint(REASONING)):
            grow(self.message, delta.model_dump(exclude_none=True))
        calls = self.message.get("tool_calls")
        message = getattr(chunk, "message", None)
        if not calls or message is None:
            return chunk
        blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
        if [block.tool_call_id for block in blocks] == [call.get("id") for call in calls]:
            return chunk
        rest = [block for block in message.blocks if not isinstance(block, ToolCallBlock)]
        kwargs = {name: value for name, value in message.additional_kwargs.items() if name != "tool_calls"}
        new = message.model_copy(update={"blocks": [*rest, *map(_call_block, calls)], "additional_kwargs": kwargs})
        return chunk.model_copy(update={"message": new})


def _call_block(call: Mapping[str, Any]) -> ToolCallBlock:
    function = call.get("function") or {}
    return ToolCallBlock(
        tool_call_id=call.get("id"), tool_name=function.get("name") or "", tool_kwargs=function.get("arguments") or {}
    )


def state_of(response: Any) -> bool | None:
    """Return whether a chunk is the last of its answer; None for an unknown protocol.

    Raises:
        TargetError: it reports a failure (Responses reports failures as events, and as a status).
    """
    raw = getattr(response, "raw", None)
    if raw is None:
        return None
    if isinstance(raw, dict):  # Anthropic's events come as such
        if raw.get("type") == "message_delta":
            return getattr(raw.get("delta"), "stop_reason", None) is not None
        return False if "type" in raw and ("delta" in raw or "index" in raw) else None
    choices = getattr(raw, "choices", None)
    if choices is not None:
        return bool(choices) and getattr(choices[0], "finish_reason", None) is not None
    kind = getattr(raw, "type", None)
    if not isinstance(kind, str):
        return None
    if kind in _FAILED:
        raise _failure(getattr(raw, "response", raw))
    return kind in _ENDED if kind.startswith("response.") else None


def end_fields(raw: Any, native: Native) -> dict[str, Any]:
    """The fields of `EndRules` in an answer or a part of its stream."""
    names, found = native.dialect.ends.fields, dict[str, Any]()
    for holder in _holders(raw):
        for name in names if holder is not None else ():
            if (value := _get(holder, name)) is not None and name not in found:
                found[name] = value.model_dump() if isinstance(value, BaseModel) else value
        if len(found) == len(names):
            break
    return found


def _holders(raw: Any) -> Iterator[Any]:
    """What may hold the fields about the end of an answer, the likeliest first."""
    yield raw
    yield _first(raw, "choices")
    yield _first(raw, "candidates")
    for name in ("response", "delta", "messageStop"):
        yield _get(raw, name)


def end_reason(native: Native, fields: Mapping[str, Any], raw: Any, calls: bool) -> EndReason:
    """The end reason of an answer.

    Parameters:
        native: the called LLM.
        fields: fields about its end.
        raw: the provider's answer, as LlamaIndex passes it on; None if it does not.
        calls: whether it calls tools.
    """
    refused = raw is not None and bool(_get(_get(_first(raw, "choices"), "message"), "refusal"))
    return end_of(native.dialect, fields, calls, refused)


def check(raw: Any) -> None:
    """Raise the failure in an answer with status 200 (Responses: `status: failed`).

    Parameters:
        raw: the provider's answer, as LlamaIndex passes it on.

    Raises:
        TargetError: the answer reports a failure.
    """
    if getattr(raw, "object", None) == "response" and getattr(raw, "status", None) == "failed":
        raise _failure(raw)


def says_nothing(chunk: Any) -> bool:
    """Return whether a chunk has no visible content. Partial tool calls do not count: calls wait until they are complete."""
    if getattr(chunk, "delta", True):
        return False
    if (chunk.additional_kwargs or {}).get("thinking_delta"):
        return False
    message = getattr(chunk, "message", None)
    if message is None:
        return not chunk.text
    if message.additional_kwargs.get("thinking_delta"):
        return False
    return all(isinstance(block, ToolCallBlock) or (type(block) is TextBlock and not block.text) for block in message.blocks)


def has_tokens(chunk: Any) -> bool:
    """Return whether a chunk has a piece of the answer, visible or not: pieces of tool calls count, empty chunks do not."""
    if not hasattr(chunk, "raw"):
        return not is_empty(chunk)
    if not says_nothing(chunk):
        return True
    raw = chunk.raw
    if isinstance(raw, dict):  # Anthropic's events
        return raw.get("type") == "content_block_delta"
    delta = _get(_first(raw, "choices"), "delta")
    return bool(_get(delta, "tool_calls")) or str(getattr(raw, "type", "")).endswith(".delta")


def is_empty(chunk: Any) -> bool:
    """Return whether a structured answer has no field filled in yet."""
    return isinstance(chunk, BaseModel) and all(value is None for value in vars(chunk).values())


def _failure(fields: Any) -> TargetError:
    error = getattr(fields, "error", None) or fields
    body = error.model_dump() if hasattr(error, "model_dump") else error
    kind, wait = classify(None, body)
    return TargetError(kind, str(getattr(error, "message", "") or "the response failed"), wait, billable=True)


def _get(holder: Any, name: str) -> Any:
    if isinstance(holder, BaseModel):  # slow to say that it has not what it is asked for
        extra = holder.__pydantic_extra__
        return holder.__dict__.get(name) if not extra or name in holder.__dict__ else extra.get(name)
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def _first(holder: Any, name: str) -> Any:
    items = _get(holder, name)
    return items[0] if isinstance(items, list | tuple) and items else None
