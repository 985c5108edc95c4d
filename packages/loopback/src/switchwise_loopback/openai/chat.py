"""OpenAI Chat Completions: request bodies to neutral requests, answers to responses and chunks.

Source of the shapes: recorded responses of 2025-2026 and the types of openai 2.54.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..nouns.errors import Reject, invalid
from ..nouns.prompt import Prompt, openai_prompt
from ..nouns.tokens import pieces
from ..nouns.types import STOP_REASONS, Request, Tool, ToolCall, ToolResult, Turn, Usage
from ..serving.caching import rule_for
from ..serving.disturbed import Event
from ..serving.faults import Fault
from ..serving.wire import Reply, data
from . import checks

DONE = Event(b"data: [DONE]\n\n", closing=True)
MEDIA: Mapping[str, str] = {"image_url": "image", "input_audio": "audio", "file": "file"}


class ChatCompletions:
    """POST /v1/chat/completions."""

    provider = "openai"
    api = "chat"

    def check(self, body: Mapping[str, Any]) -> None:
        """See `checks`."""
        checks.check(body)

    def prompt(self, body: Mapping[str, Any]) -> Prompt:
        """See `prompt.openai_prompt`."""
        return openai_prompt(body)

    def overflow(self, prompt: int, max_tokens: int, window: int) -> Reject:
        """`context_length_exceeded`."""
        asked = f"However, your messages resulted in {prompt} tokens. Please reduce the length of the messages."
        if prompt <= window:
            asked = (
                f"However, you requested {prompt + max_tokens} tokens "
                f"({prompt} in the messages, {max_tokens} in the completion). "
                "Please reduce the length of the messages or completion."
            )
        return invalid(
            f"This model's maximum context length is {window} tokens. {asked}", "messages", "context_length_exceeded"
        )

    def read(self, body: Mapping[str, Any]) -> Request:
        """The neutral request."""
        choice, forced = tool_choice(body.get("tool_choice"), "function")
        shape = body.get("response_format") or {}
        stop = body.get("stop") or ()
        return Request(
            provider=self.provider,
            api=self.api,
            model=body["model"],
            messages=turns(body["messages"]),
            tools=tuple(map(_tool, body.get("tools") or ())),
            tool_choice=choice,
            forced_tool=forced,
            parallel_tool_calls=body.get("parallel_tool_calls") is not False,
            response_schema=(shape.get("json_schema") or {}).get("schema") if shape.get("type") == "json_schema" else None,
            json_mode=shape.get("type") == "json_object",
            stream=bool(body.get("stream")),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            body=body,
        )

    def whole(self, reply: Reply) -> dict[str, Any]:
        """A `chat.completion`."""
        answer = reply.answer
        refused = answer.stop == "refusal"
        message: dict[str, Any] = {"role": "assistant", "content": answer.text or (None if answer.tool_calls else "")}
        if answer.tool_calls:
            message["tool_calls"] = [_call(reply, at, call) for at, call in enumerate(answer.tool_calls)]
        message |= {"content": None, "refusal": answer.text} if refused else {"refusal": None}
        message["annotations"] = []
        choices = [
            {"index": index, "message": message, "logprobs": None, "finish_reason": _finish(reply)}
            for index in range(_choices(reply))
        ]
        return {
            "id": reply.id("chatcmpl-"),
            "object": "chat.completion",
            "created": reply.created,
            "model": reply.request.model,
            "choices": choices,
            "usage": usage(reply.usage, reply.request.model),
            "service_tier": served_tier(reply.request.body),
            "system_fingerprint": "fp_loopback",
        }

    def stream(self, reply: Reply) -> Iterator[Event]:
        """`chat.completion.chunk` events and `[DONE]`."""
        answer = reply.answer
        with_usage = bool((reply.request.body.get("stream_options") or {}).get("include_usage"))
        key = "refusal" if answer.stop == "refusal" else "content"
        for index in range(_choices(reply)):
            opening: dict[str, Any] = {
                "role": "assistant",
                "content": None if answer.tool_calls and not answer.text else "",
                "refusal": None,
            }
            yield self._chunk(reply, opening, with_usage, index)
            for piece in pieces(answer.text, reply.chunk_tokens):
                yield self._chunk(reply, {key: piece}, with_usage, index, content=True)
            for at, call in enumerate(answer.tool_calls):
                whole = _call(reply, at, call)
                head = {"index": at, **whole, "function": {"name": call.name, "arguments": ""}}
                yield self._chunk(reply, {"tool_calls": [head]}, with_usage, index, content=True)
                for piece in pieces(call.arguments_json, reply.chunk_tokens):
                    delta = {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}
                    yield self._chunk(reply, delta, with_usage, index, content=True)
            yield self._chunk(reply, {}, with_usage, index, finish=_finish(reply))
        if with_usage:
            yield self._usage_chunk(reply, reply.usage)
        yield DONE

    def failures(self, reply: Reply) -> Mapping[Fault, tuple[Event, ...]]:
        """An error object in the stream; after content, a usage chunk of zeros and `[DONE]` follow, as recorded."""
        message = "The server had an error while processing your request. Sorry about that!"
        error = data({"error": {"message": message, "type": "server_error", "param": None, "code": None}})
        spent = "You exceeded your current quota, please check your plan and billing details."
        quota = data({"error": {"message": spent, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}})
        after = (error, self._usage_chunk(reply, Usage()), DONE)
        return {
            Fault.STREAM_ERROR_FIRST: (error,),
            Fault.STREAM_ERROR_MID: after,
            Fault.STREAM_FAILED: after,
            Fault.STREAM_QUOTA: (quota,),
        }

    def _chunk(
        self,
        reply: Reply,
        delta: dict[str, Any],
        with_usage: bool,
        index: int,
        finish: str | None = None,
        content: bool = False,
    ) -> Event:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        value = {**_chunk_head(reply), "choices": [choice]}
        return data({**value, "usage": None} if with_usage else value, content, finish is not None)

    def _usage_chunk(self, reply: Reply, spent: Usage) -> Event:
        return data({**_chunk_head(reply), "choices": [], "usage": usage(spent, reply.request.model)}, closing=True)


def _chunk_head(reply: Reply) -> dict[str, Any]:
    return {
        "id": reply.id("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": reply.created,
        "model": reply.request.model,
        "service_tier": served_tier(reply.request.body),
        "system_fingerprint": "fp_loopback",
    }


def served_tier(body: Mapping[str, Any]) -> str:
    """The tier that serves a request: the requested one if it exists, else the default."""
    asked = body.get("service_tier")
    return asked if asked in ("flex", "priority", "fast") else "default"


def usage(spent: Usage, model: str) -> dict[str, Any]:
    """`prompt_tokens` includes cached tokens; writes are reported by the models that do."""
    details = {"cached_tokens": spent.cache_read, "audio_tokens": 0}
    if rule_for(model).exact:
        details["cache_write_tokens"] = spent.cache_write
    return {
        "prompt_tokens": spent.input_tokens,
        "completion_tokens": spent.output_tokens,
        "total_tokens": spent.input_tokens + spent.output_tokens,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": spent.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def turns(messages: Any) -> tuple[Turn, ...]:
    """The conversation, neutral; neighbouring tool messages become one turn."""
    made: list[Turn] = []
    for message in messages:
        role, text = message["role"], plain(message.get("content"))
        if role in ("tool", "function"):
            result = ToolResult(message.get("tool_call_id") or message.get("name") or "", text)
            if made and made[-1].role == "tool":
                made[-1] = Turn("tool", results=(*made[-1].results, result))
            else:
                made.append(Turn("tool", results=(result,)))
            continue
        calls = tuple(_read_call(call) for call in message.get("tool_calls") or ())
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        media = tuple(MEDIA[part["type"]] for part in parts if part.get("type") in MEDIA)
        made.append(Turn("system" if role == "developer" else role, text, calls, media=media))
    return tuple(made)


def plain(content: Any) -> str:
    """The text of a content field."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(
        str(part.get("text") or part.get("refusal") or "") for part in content if "text" in part or "refusal" in part
    )


def tool_choice(choice: Any, key: str | None) -> tuple[str, str | None]:
    """Neutral choice and forced tool. `key` is the field with the name; None: the choice itself."""
    if choice is None or isinstance(choice, str):
        return choice or "auto", None
    if choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools", choice)
        return allowed.get("mode", "auto"), None
    named = choice.get(choice["type"], {}) if key else choice
    return "tool", named.get("name")


def _tool(tool: Mapping[str, Any]) -> Tool:
    inner = tool.get(tool["type"]) or {}
    return Tool(inner.get("name", ""), inner.get("description") or "", inner.get("parameters") or {})


def _read_call(call: Mapping[str, Any]) -> ToolCall:
    inner = call.get("function") or call.get("custom") or {}
    return ToolCall(inner.get("name", ""), inner.get("arguments", inner.get("input", "")), call.get("id"))


def _call(reply: Reply, at: int, call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id or reply.id("call_", at),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments_json},
    }


def _finish(reply: Reply) -> str:
    forced = reply.request.tool_choice == "tool" and reply.answer.stop == "tool_calls"
    return "stop" if forced else STOP_REASONS.get(reply.answer.stop, {}).get("chat", reply.answer.stop)


def _choices(reply: Reply) -> int:
    return int(reply.request.body.get("n") or 1)
