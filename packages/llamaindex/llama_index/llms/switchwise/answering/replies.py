"""Convert the results of native LLMs to the core's replies, and add the decision record to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json
from pydantic import BaseModel

from llama_index.llms.switchwise.answering.stream import end_fields, end_reason
from llama_index.llms.switchwise.models.native import Native
from switchwise import Reply, Usage
from switchwise.nouns.errors import Broken

STAMP = "switchwise"
"""Key of the decision in `additional_kwargs` of a response; never in those of its message, which are sent again."""
# The copied values are validated already: they are set in pydantic's storage.
_set_values, _set_given, _set_extra, _set_private = [
    vars(BaseModel)[name].__set__
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
]
_NO_CALLS: tuple[tuple[str, Mapping[str, Any]], ...] = ()


def reply_of(
    response: Any,
    usage: Usage | None,
    native: Native,
    first_chunk: float | None = None,
    end: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Convert a chat response, a completion response, or a structured answer to a reply.

    Parameters:
        response: the LLM's response; for a stream, its last chunk.
        usage: tokens of the call; None if unknown.
        native: the called LLM.
        first_chunk: seconds until the first chunk.
        end: how a stream ended; None: not a stream.
        headers: headers of the HTTP response; None: not captured.
    """
    raw = getattr(response, "raw", None)
    if end is None:
        end = end_fields(raw, native) if raw is not None else {}
    message, calls = getattr(response, "message", None), _NO_CALLS
    if isinstance(message, ChatMessage):
        blocks = message.blocks
        if len(blocks) == 1 and type(blocks[0]) is TextBlock:  # the common case, as a fast path
            text = blocks[0].text
        else:
            text = message.content or ""
            calls = tuple([(b.tool_name, _arguments(b.tool_kwargs)) for b in blocks if isinstance(b, ToolCallBlock)])
    elif isinstance(response, BaseModel) and not hasattr(response, "raw"):
        ended = end_reason(native, end, raw, calls=False)
        return Reply(response.model_dump_json(), (), usage, response, "", first_chunk, ended, headers=headers)
    else:
        text = getattr(response, "text", "") or ""
    ended = end_reason(native, end, raw, bool(calls))
    model = "" if raw is None else _model(raw)
    return Reply(text, calls, usage, response, model, first_chunk, ended, headers=headers)


def stamped(response: Any, stamp: dict[str, Any]) -> Any:
    """Return a copy of `response` with the decision; a structured answer has no place for it and is returned unchanged.

    A copy, because an LLM may return one response object twice. Same as `model_copy(update=...)`, in a quarter of the time.
    """
    kwargs = getattr(response, "additional_kwargs", None)
    if kwargs is None and not hasattr(response, "raw"):
        return response
    copied = object.__new__(type(response))
    extra, private = response.__pydantic_extra__, response.__pydantic_private__
    _set_values(copied, {**response.__dict__, "additional_kwargs": {**kwargs, STAMP: stamp} if kwargs else {STAMP: stamp}})
    _set_given(copied, {*response.__pydantic_fields_set__, "additional_kwargs"})
    _set_extra(copied, extra and dict(extra))
    _set_private(copied, private and dict(private))
    return copied


def continued(chunk: Any, shown: str) -> Any:
    """Return a chunk whose text, the whole answer so far, begins with the shown part of the reply that it continues."""
    if not shown:
        return chunk
    message = getattr(chunk, "message", None)
    if not isinstance(message, ChatMessage):
        return chunk.model_copy(update={"text": shown + chunk.text}) if isinstance(getattr(chunk, "text", None), str) else chunk
    blocks = list(message.blocks)
    for i, block in enumerate(blocks):
        if isinstance(block, TextBlock):
            blocks[i] = TextBlock(text=shown + block.text)
            break
    else:
        blocks.insert(0, TextBlock(text=shown))
    return chunk.model_copy(update={"message": message.model_copy(update={"blocks": blocks})})


def signal_of(broken: Broken, streams_text: bool) -> Any:
    """Return an empty chunk that signals a broken reply: the shown text is discarded or continued.

    Its `raw`, which LlamaIndex's `AgentStream` events include, is {"switchwise_restarted": ...} or {"switchwise_continued": ...}.

    Parameters:
        broken: the broken reply.
        streams_text: the chunks are those of a completion.
    """
    raw = {broken.signal: broken.details}
    if streams_text:
        return CompletionResponse(text=broken.text, delta="", raw=raw)
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=broken.text), delta="", raw=raw)


def target_named(response: Any) -> str:
    """The target of a response, by its record; empty without a record."""
    stamp = (getattr(response, "additional_kwargs", None) or {}).get(STAMP)
    return str(stamp.get("target", "")) if isinstance(stamp, Mapping) else ""


def tool_calls_in(response: ChatResponse, error_on_no_tool_call: bool) -> list[ToolSelection]:
    """The tool calls of a response of an unknown target.

    Raises:
        ValueError: there is none, and `error_on_no_tool_call`.
    """
    blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    if not blocks and error_on_no_tool_call:
        raise ValueError("Expected at least one tool call, but got 0 tool calls.")
    return [
        ToolSelection(tool_id=block.tool_call_id or "", tool_name=block.tool_name, tool_kwargs=_partial(block.tool_kwargs))
        for block in blocks
    ]


def _partial(end: Any) -> dict[str, Any]:
    """Partial arguments, in the middle of a stream."""
    if not isinstance(end, str):
        return dict(end)
    try:
        found = parse_partial_json(end)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _arguments(end: Any) -> Mapping[str, Any]:
    if isinstance(end, str):
        try:
            end = json.loads(end)
        except ValueError:  # a partial stream, or invalid JSON of the model: the caller handles it
            return {}
    return end if isinstance(end, dict) else {}


def _model(raw: Any) -> str:
    model = raw.get("model") if isinstance(raw, dict) else getattr(raw, "model", None)
    return model if isinstance(model, str) else ""
