"""What a native LLM gave back, read into the core's nouns; and the decision, stamped on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json
from pydantic import BaseModel

from fairlead import Attempt, Call, Outcome, Reply, Usage
from llama_index.llms.fairlead.usage import usage_of

STAMP = "fairlead"
"""Where the decision stands in `additional_kwargs` of a response. Never in those of its message: they are sent again."""


def reply_of(response: Any, heard: Usage | None = None, first_chunk: float | None = None) -> Reply:
    """The reply that a chat response, a completion response, or a structured answer is.

    Parameters:
        response: what the LLM gave; of a stream, its last chunk.
        heard: tokens of a structured answer, which cannot tell them itself.
        first_chunk: seconds that it took to come.
    """
    message = getattr(response, "message", None)
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    if isinstance(message, ChatMessage):
        text = message.content or ""
        calls = tuple([(b.tool_name, _arguments(b.tool_kwargs)) for b in message.blocks if isinstance(b, ToolCallBlock)])
    elif isinstance(response, BaseModel) and not hasattr(response, "raw"):
        return Reply(response.model_dump_json(), (), heard, response, "", first_chunk)
    else:
        text = getattr(response, "text", "") or ""
    return Reply(text, calls, usage_of(response), response, _model(getattr(response, "raw", None)), first_chunk)


def stamp_of(outcome: Outcome) -> dict[str, Any]:
    """The record of a finished step: decision id, who answered, why, what was tried, and what it cost in USD."""
    return {
        **_reason(outcome.attempt.call),
        "attempts": _tried(outcome.attempts),
        "accepted": outcome.accepted,
        "cost": outcome.cost,
    }


def open_stamp_of(call: Call) -> dict[str, Any]:
    """The record of a step that is still being streamed; it is completed when the stream is."""
    tried = [*_tried(call.view.attempts), {"target": call.target.name, "result": "streaming"}]
    return {**_reason(call), "attempts": tried, "accepted": None, "cost": None}


def stamped(response: Any, stamp: dict[str, Any]) -> Any:
    """A copy of `response` that carries the decision; a structured answer has no place for it and stays as it is.

    A copy, because an LLM may hand out one response object twice.
    """
    kwargs = getattr(response, "additional_kwargs", None)
    if kwargs is None and not hasattr(response, "raw"):
        return response
    copied = response.model_copy()
    copied.additional_kwargs = {**(kwargs or {}), STAMP: stamp}
    return copied


def _reason(call: Call) -> dict[str, Any]:
    note = call.shortlist.decider
    return {
        "decision": call.view.decision,
        "target": call.target.name,
        "level": note.level.name.lower(),
        "policy": note.policy,
        "because": note.because,
    }


def _tried(attempts: tuple[Attempt, ...]) -> list[dict[str, str]]:
    return [{"target": attempt.target.name, "result": _result(attempt)} for attempt in attempts]


def _result(attempt: Attempt) -> str:
    if attempt.kind is not None:
        return attempt.kind.value
    return "accepted" if attempt.accepted else "rejected"


def target_named(response: Any) -> str:
    """The target that gave a response, by its stamp; empty: it carries none."""
    stamp = (getattr(response, "additional_kwargs", None) or {}).get(STAMP)
    return str(stamp.get("target", "")) if isinstance(stamp, Mapping) else ""


def tool_calls_in(response: ChatResponse, error_on_no_tool_call: bool) -> list[ToolSelection]:
    """The tool calls of a response whose giver is not known.

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


def _partial(told: Any) -> dict[str, Any]:
    """Arguments as far as they have come, in the middle of a stream."""
    if not isinstance(told, str):
        return dict(told)
    try:
        return dict(parse_partial_json(told))
    except ValueError:
        return {}


def _arguments(told: Any) -> Mapping[str, Any]:
    if isinstance(told, str):
        try:
            told = json.loads(told)
        except ValueError:  # half a stream, or a model that cannot write JSON: the caller will see it
            return {}
    return told if isinstance(told, dict) else {}


def _model(raw: Any) -> str:
    model = raw.get("model") if isinstance(raw, Mapping) else getattr(raw, "model", None)
    return model if isinstance(model, str) else ""
