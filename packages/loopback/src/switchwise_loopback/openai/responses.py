"""OpenAI Responses: request bodies to neutral requests, answers to responses and events.

Source of the shapes: recorded responses of 2025-2026 and the types of openai 2.54.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..nouns.errors import Reject, invalid
from ..nouns.prompt import Prompt, openai_prompt
from ..nouns.tokens import pieces
from ..nouns.types import STOP_REASONS, Request, Tool, ToolCall, ToolResult, Turn
from ..serving.caching import rule_for
from ..serving.disturbed import Event
from ..serving.faults import Fault
from ..serving.wire import Reply, named
from . import responses_checks
from .chat import plain, served_tier, tool_choice
from .responses_store import Item, ResponseStore, seal

MEDIA: Mapping[str, str] = {"input_image": "image", "input_audio": "audio", "input_file": "file"}
UNREAD = ("id", "status", "encrypted_content", "phase")
"""Fields of items outside the prompt."""

EMPTY: Mapping[str, Mapping[str, Any]] = {
    # type of item: how it opens in a stream
    "message": {"content": []},
    "function_call": {"arguments": ""},
    "reasoning": {"summary": []},
}

Send = Callable[..., Event]


class Responses:
    """POST /v1/responses."""

    provider = "openai"
    api = "responses"

    def __init__(self, trusted: frozenset[str] = frozenset()) -> None:
        self.store = ResponseStore(trusted)

    def check(self, body: Mapping[str, Any]) -> None:
        """See `responses_checks` and `responses_store`."""
        responses_checks.check(body)
        items = self.store.conversation(body)
        given = body.get("input") or ()
        self.store.check(items, body["model"], inherited=len(items) - (1 if isinstance(given, str) else len(given)))
        responses_checks.check_calls(items)

    def prompt(self, body: Mapping[str, Any]) -> Prompt:
        """See `prompt.openai_prompt`; earlier responses that the request continues are part of it."""
        items = [_readable(item) for item in self.store.conversation(body)]
        return openai_prompt({**body, "input": [item for item in items if item]})

    def overflow(self, _prompt: int, _max_tokens: int, _window: int, /) -> Reject:
        """`context_length_exceeded`, without numbers."""
        text = "Your input exceeds the context window of this model. Please adjust your input and try again."
        return invalid(text, "input", "context_length_exceeded")

    def read(self, body: Mapping[str, Any]) -> Request:
        """The neutral request."""
        choice, forced = tool_choice(body.get("tool_choice"), None)
        form = (body.get("text") or {}).get("format") or {}
        return Request(
            provider=self.provider,
            api=self.api,
            model=body["model"],
            messages=turns(body.get("instructions"), self.store.conversation(body)),
            tools=tuple(map(_tool, body.get("tools") or ())),
            tool_choice=choice if forced or choice != "tool" else "auto",
            forced_tool=forced,
            parallel_tool_calls=body.get("parallel_tool_calls") is not False,
            response_schema=form.get("schema") if form.get("type") == "json_schema" else None,
            json_mode=form.get("type") == "json_object",
            stream=bool(body.get("stream")),
            max_tokens=body.get("max_output_tokens"),
            thinking=responses_checks.reasons(body["model"]),
            body=body,
        )

    def whole(self, reply: Reply) -> dict[str, Any]:
        """A `response`; it is kept unless `store` is false."""
        output = self._output(reply)
        made = _frame(reply, _status(reply), output)
        if reply.request.body.get("store") is not False:
            self.store.keep(made["id"], reply.request.model, self.store.conversation(reply.request.body), output)
        return made

    def stream(self, reply: Reply) -> Iterator[Event]:
        """`response.created` ... `response.completed`."""
        numbers = itertools.count()

        def send(kind: str, content: bool = False, closing: bool = False, **rest: Any) -> Event:
            return named({"type": kind, "sequence_number": next(numbers), **rest}, content, closing)

        whole = self.whole(reply)
        begun = _frame(reply, "in_progress", [])
        yield send("response.created", response=begun)
        yield send("response.in_progress", response=begun)
        for index, item in enumerate(whole["output"]):
            yield from _item_events(send, index, item, reply.chunk_tokens)
        yield send(
            "response.completed" if whole["status"] == "completed" else "response.incomplete", closing=True, response=whole
        )

    def failures(self, reply: Reply, /) -> Mapping[Fault, tuple[Event, ...]]:
        """`error` events, which SDKs raise, and `response.failed`, which they do not."""
        broken = {"code": "server_error", "message": "The server had an error while processing your request. Sorry about that!"}
        error = _error({"type": "server_error", "param": None, **broken})
        spent = "You exceeded your current quota, please check your plan and billing details."
        quota = _error({"type": "insufficient_quota", "code": "insufficient_quota", "message": spent, "param": None})
        failed = {**_frame(reply, "failed", []), "error": broken, "usage": None}
        return {
            Fault.STREAM_ERROR_FIRST: (error,),
            Fault.STREAM_ERROR_MID: (error,),
            Fault.STREAM_QUOTA: (quota,),
            Fault.STREAM_FAILED: (named({"type": "response.failed", "sequence_number": 99, "response": failed}, closing=True),),
        }

    def _output(self, reply: Reply) -> list[dict[str, Any]]:
        answer, body = reply.answer, reply.request.body
        status = "completed" if _status(reply) == "completed" else "incomplete"
        made: list[dict[str, Any]] = []
        if answer.reasoning and reply.request.thinking:
            sealed = "reasoning.encrypted_content" in (body.get("include") or ())
            summarised = bool((body.get("reasoning") or {}).get("summary")) and not answer.redacted
            item = {
                "id": reply.id("rs_", length=48),
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": answer.reasoning}] if summarised else [],
            }
            made.append({**item, "encrypted_content": seal(reply.request.model, answer.reasoning)} if sealed else item)
        for at, query in enumerate(answer.searches):
            action = {"type": "search", "query": query}
            made.append(
                {"id": reply.id("ws_", at, length=48), "type": "web_search_call", "status": "completed", "action": action}
            )
        if answer.text or not answer.tool_calls:
            part = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}
            if answer.stop == "refusal":
                part = {"type": "refusal", "refusal": answer.text}
            made.append(
                {"id": reply.id("msg_", length=48), "type": "message", "status": status, "content": [part], "role": "assistant"}
            )
        for at, call in enumerate(answer.tool_calls):
            item = {"id": reply.id("fc_", at, length=48), "type": "function_call", "status": status}
            made.append(
                {**item, "arguments": call.arguments_json, "call_id": call.id or reply.id("call_", at), "name": call.name}
            )
        return made


def turns(instructions: Any, items: list[Item]) -> tuple[Turn, ...]:
    """The neutral conversation: the output of one response is one assistant turn."""
    made: list[Turn] = [Turn("system", instructions)] if isinstance(instructions, str) and instructions else []
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call_output":
            output = item["output"]
            result = ToolResult(item["call_id"], output if isinstance(output, str) else plain(output))
            before = made.pop() if made and made[-1].role == "tool" else Turn("tool")
            made.append(Turn("tool", results=(*before.results, result)))
        elif kind == "function_call":
            call = ToolCall(item["name"], item["arguments"], item["call_id"])
            before = made.pop() if made and made[-1].role == "assistant" else Turn("assistant")
            made.append(Turn("assistant", before.text, (*before.tool_calls, call)))
        elif kind == "message":
            content, role = item["content"], item["role"]
            media = tuple(MEDIA[part["type"]] for part in content if part["type"] in MEDIA) if isinstance(content, list) else ()
            if role == "assistant" and made and made[-1].role == "assistant":
                before = made.pop()
                text = "\n".join(filter(None, (before.text, plain(content))))
                made.append(Turn("assistant", text, before.tool_calls))
            else:
                made.append(Turn("system" if role == "developer" else role, plain(content), media=media))
    return tuple(made)


def _frame(reply: Reply, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    body = reply.request.body
    text = body.get("text") or {}
    reason = STOP_REASONS.get(reply.answer.stop, {}).get("responses", "")
    return {
        "id": reply.id("resp_", length=48),
        "object": "response",
        "created_at": reply.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": None,
        "model": reply.request.model,
        "output": output,
        "parallel_tool_calls": reply.request.parallel_tool_calls,
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
        "safety_identifier": None,
        "service_tier": served_tier(reply.request.body),
        "store": body.get("store") is not False,
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium", **text},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_logprobs": 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None if status == "in_progress" else _usage(reply),
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def _usage(reply: Reply) -> dict[str, Any]:
    spent = reply.usage
    details = {"cached_tokens": spent.cache_read}
    if rule_for(reply.request.model).exact:
        details["cache_write_tokens"] = spent.cache_write
    return {
        "input_tokens": spent.input_tokens,
        "input_tokens_details": details,
        "output_tokens": spent.output_tokens,
        "output_tokens_details": {"reasoning_tokens": spent.reasoning_tokens},
        "total_tokens": spent.input_tokens + spent.output_tokens,
    }


def _item_events(send: Send, index: int, item: Mapping[str, Any], size: int) -> Iterator[Event]:
    kind, place = item["type"], {"item_id": item["id"], "output_index": index}
    opening = {key: value for key, value in item.items() if key != "action"}
    if "status" in item:
        opening["status"] = "in_progress"
    opening.update(EMPTY.get(kind, {}))
    yield send("response.output_item.added", item=opening, output_index=index)
    if kind == "message":
        yield from _part_events(send, place, item["content"][0], size)
    elif kind == "function_call":
        for piece in pieces(item["arguments"], size):
            yield send("response.function_call_arguments.delta", content=True, **place, delta=piece)
        yield send("response.function_call_arguments.done", **place, arguments=item["arguments"])
    elif kind == "web_search_call":
        for step in ("in_progress", "searching", "completed"):
            yield send(f"response.web_search_call.{step}", **place)
    else:
        for at, part in enumerate(item["summary"]):
            yield from _summary_events(send, {**place, "summary_index": at}, part, size)
    yield send("response.output_item.done", item=dict(item), output_index=index)


def _part_events(send: Send, place: Mapping[str, Any], part: Mapping[str, Any], size: int) -> Iterator[Event]:
    kind, key = part["type"], "text" if part["type"] == "output_text" else "refusal"
    here = {**place, "content_index": 0}
    logprobs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
    yield send("response.content_part.added", **here, part={**part, key: ""})
    for piece in pieces(part[key], size):
        yield send(f"response.{kind}.delta", content=True, **here, delta=piece, **logprobs)
    yield send(f"response.{kind}.done", **here, **{key: part[key]}, **logprobs)
    yield send("response.content_part.done", **here, part=dict(part))


def _summary_events(send: Send, here: Mapping[str, Any], part: Mapping[str, Any], size: int) -> Iterator[Event]:
    yield send("response.reasoning_summary_part.added", **here, part={**part, "text": ""})
    for piece in pieces(part["text"], size):
        yield send("response.reasoning_summary_text.delta", content=True, **here, delta=piece)
    yield send("response.reasoning_summary_text.done", **here, text=part["text"])
    yield send("response.reasoning_summary_part.done", **here, part=dict(part))


def _status(reply: Reply) -> str:
    return "completed" if STOP_REASONS.get(reply.answer.stop, {}).get("responses", "completed") == "completed" else "incomplete"


def _error(error: Mapping[str, Any]) -> Event:
    return named({"type": "error", "sequence_number": 99, "error": error})


def _readable(item: Item) -> dict[str, Any]:
    """The part of an item that the model reads: without ids, and nothing of reasoning."""
    if item.get("type") == "reasoning":
        return {}
    made = {key: value for key, value in item.items() if key not in UNREAD}
    if item.get("type", "message") == "message":
        made.pop("type", None)
        if isinstance(made.get("content"), list):
            made["content"] = [
                {key: value for key, value in part.items() if key not in ("annotations", "logprobs")}
                for part in made["content"]
            ]
    return made


def _tool(tool: Mapping[str, Any]) -> Tool:
    if tool["type"] != "function":
        return Tool(tool.get("name") or tool["type"], tool.get("description") or "", {}, tool["type"])
    return Tool(tool["name"], tool.get("description") or "", tool.get("parameters") or {})
