"""Anthropic Messages: request bodies to neutral requests, answers to messages and events.

Source of the shapes: recorded responses of 2025-2026 and the types of anthropic 2.10.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..nouns.errors import Reject, invalid
from ..nouns.prompt import Prompt, anthropic_prompt
from ..nouns.tokens import pieces
from ..nouns.types import STOP_REASONS, Request, Tool, ToolCall, ToolResult, Turn, Usage
from ..serving.disturbed import Event
from ..serving.faults import Fault
from ..serving.wire import Reply, dumps, named
from . import checks, thinking
from .diagnostics import Diagnostics

MEDIA: Mapping[str, str] = {"image": "image", "document": "file"}
CHOICES: Mapping[str, str] = {"auto": "auto", "any": "required", "none": "none", "tool": "tool"}


class Messages:
    """POST /v1/messages."""

    provider = "anthropic"
    api = "messages"

    def __init__(self, trusted: frozenset[str] = frozenset()) -> None:
        self._trusted = trusted
        self._diagnostics = Diagnostics()

    def check(self, body: Mapping[str, Any]) -> None:
        """See `checks` and `thinking`."""
        checks.check(body)
        thinking.check(body, self._trusted)

    def prompt(self, body: Mapping[str, Any]) -> Prompt:
        """See `prompt.anthropic_prompt`. Dropped thinking is no part of it."""
        return anthropic_prompt(thinking.shown(body))

    def overflow(self, prompt: int, max_tokens: int, window: int) -> Reject:
        """`prompt is too long`, or the prompt together with `max_tokens`."""
        if prompt > window:
            return invalid(f"prompt is too long: {prompt} tokens > {window} maximum")
        return invalid(
            f"input length and `max_tokens` exceed context limit: {prompt} + {max_tokens} > {window}, "
            "decrease input length or `max_tokens` and try again"
        )

    def read(self, body: Mapping[str, Any]) -> Request:
        """The neutral request."""
        choice = body.get("tool_choice") or {"type": "auto"}
        form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
        return Request(
            provider=self.provider,
            api=self.api,
            model=body["model"],
            messages=turns(body),
            tools=tuple(map(_tool, body.get("tools") or ())),
            tool_choice=CHOICES[choice["type"]],
            forced_tool=choice.get("name"),
            parallel_tool_calls=not choice.get("disable_parallel_tool_use"),
            response_schema=form.get("schema"),
            stream=bool(body.get("stream")),
            max_tokens=body["max_tokens"],
            stop=tuple(body.get("stop_sequences") or ()),
            thinking=thinking.enabled(body),
            body=body,
        )

    def whole(self, reply: Reply) -> dict[str, Any]:
        """A `message`."""
        stop, made, body = _stop(reply), reply.id("msg_01", length=22), reply.request.body
        extra = {
            "stop_details": _refusal(reply) if stop == "refusal" else None,
            "input_transformations": thinking.dropped(body) or None,
            "diagnostics": self._diagnostics.compare(made, reply.request.model, self.prompt(body), body.get("diagnostics")),
        }
        return {
            "model": reply.request.model,
            "id": made,
            "type": "message",
            "role": "assistant",
            "content": _content(reply),
            "stop_reason": stop,
            "stop_sequence": reply.stop_sequence,
            "usage": usage(reply, final=True),
            **{key: value for key, value in extra.items() if value is not None},
        }

    def stream(self, reply: Reply) -> Iterator[Event]:
        """`message_start` ... `message_stop`."""
        start = {
            **self.whole(reply),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage(reply, final=False),
        }
        start.pop("stop_details", None)
        yield named({"type": "message_start", "message": start})
        for index, block in enumerate(_content(reply)):
            opening, deltas = _deltas(block, reply.chunk_tokens)
            yield named({"type": "content_block_start", "index": index, "content_block": opening}, content=not deltas)
            if index == 0:
                yield named({"type": "ping"})
            for delta in deltas:
                yield named({"type": "content_block_delta", "index": index, "delta": delta}, content=True)
            yield named({"type": "content_block_stop", "index": index})
        stop = _stop(reply)
        final: dict[str, Any] = {"stop_reason": stop, "stop_sequence": reply.stop_sequence}
        if stop == "refusal":
            final["stop_details"] = _refusal(reply)
        spent = {key: value for key, value in usage(reply, final=True).items() if key not in ("cache_creation", "service_tier")}
        yield named({"type": "message_delta", "delta": final, "usage": spent}, closing=True)
        yield named({"type": "message_stop"}, closing=True)

    def failures(self, _reply: Reply, /) -> Mapping[Fault, tuple[Event, ...]]:
        """An `error` event. Anthropic sends nothing after it."""
        overloaded = _error("overloaded_error", "Overloaded")
        broken = _error("api_error", "Internal server error")
        spent = _error("invalid_request_error", "Your credit balance is too low to access the Anthropic API.")
        return {
            Fault.STREAM_ERROR_FIRST: (overloaded,),
            Fault.STREAM_ERROR_MID: (overloaded,),
            Fault.STREAM_FAILED: (broken,),
            Fault.STREAM_QUOTA: (spent,),
        }


def turns(body: Mapping[str, Any]) -> tuple[Turn, ...]:
    """The conversation, neutral. A user message with tool results gives a tool turn, then a user turn if it says more."""
    system = _plain(body.get("system"))
    made = [Turn("system", system)] if system else []
    for message in body["messages"]:
        parts = _parts(message["content"])
        results = tuple(
            ToolResult(part["tool_use_id"], _plain(part.get("content")), bool(part.get("is_error")))
            for part in parts
            if part["type"] == "tool_result"
        )
        if results:
            made.append(Turn("tool", results=results))
        calls = tuple(ToolCall(part["name"], part["input"], part["id"]) for part in parts if part["type"] == "tool_use")
        media = tuple(MEDIA[part["type"]] for part in parts if part["type"] in MEDIA)
        text = _plain([part for part in parts if part["type"] == "text"])
        if text or calls or media or not results:
            merge = bool(made) and made[-1].role == message["role"] == "user"
            before = made.pop() if merge else Turn(message["role"])
            joined = "\n".join(filter(None, (before.text, text)))
            made.append(Turn(message["role"], joined, calls, media=before.media + media))
    return tuple(made)


def usage(reply: Reply, final: bool) -> dict[str, Any]:
    """`input_tokens` excludes what was read from or written to the cache."""
    spent: Usage = reply.usage
    made: dict[str, Any] = {
        "input_tokens": spent.input_tokens - spent.cache_read - spent.cache_write,
        "cache_creation_input_tokens": spent.cache_write,
        "cache_read_input_tokens": spent.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": spent.cache_write_5m,
            "ephemeral_1h_input_tokens": spent.cache_write_1h,
        },
        "output_tokens": spent.output_tokens if final else min(1, spent.output_tokens),
        "service_tier": "standard",
    }
    if final and spent.reasoning_tokens:
        made["output_tokens_details"] = {"thinking_tokens": spent.reasoning_tokens}
    if final and reply.answer.searches:
        made["server_tool_use"] = {"web_search_requests": len(reply.answer.searches)}
    return made


def _content(reply: Reply) -> list[dict[str, Any]]:
    answer = reply.answer
    blocks: list[dict[str, Any]] = []
    if reply.request.thinking and answer.reasoning:
        blocks.append(thinking.block(reply.request.body, answer.reasoning, answer.redacted))
    for at, query in enumerate(answer.searches):
        blocks.extend(_search(reply, at, query))
    if answer.text and answer.stop != "refusal":
        blocks.append({"type": "text", "text": answer.text})
    for at, call in enumerate(answer.tool_calls):
        made = call.id or reply.id("toolu_01", at, length=22)
        blocks.append({"type": "tool_use", "id": made, "name": call.name, "input": call.arguments_dict})
    return blocks


def _search(reply: Reply, at: int, query: str) -> list[dict[str, Any]]:
    made = reply.id("srvtoolu_01", at, length=22)
    found = {
        "type": "web_search_result",
        "title": f"About {query}",
        "url": f"https://example.com/{at}",
        "encrypted_content": reply.id("enc", at),
        "page_age": None,
    }
    return [
        {"type": "server_tool_use", "id": made, "name": "web_search", "input": {"query": query}},
        {"type": "web_search_tool_result", "tool_use_id": made, "content": [found]},
    ]


def _deltas(block: Mapping[str, Any], size: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The opening of a block and its deltas."""
    kind = block["type"]
    if kind == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"], size)]
    if kind == "thinking":
        shown = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"], size)]
        return {"type": "thinking", "thinking": "", "signature": ""}, [
            *shown,
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    if kind in ("tool_use", "server_tool_use"):
        written = pieces(dumps(block["input"]), size) if block["input"] else []
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *written]]
    return dict(block), []


def _stop(reply: Reply) -> str:
    return STOP_REASONS.get(reply.answer.stop, {}).get("messages", reply.answer.stop)


def _refusal(reply: Reply) -> dict[str, Any]:
    return {"type": "refusal", "category": "general_harms", "explanation": reply.answer.text or None}


def _error(kind: str, message: str) -> Event:
    return named({"type": "error", "error": {"details": None, "type": kind, "message": message}})


def _tool(tool: Mapping[str, Any]) -> Tool:
    kind = tool.get("type") or "custom"
    return Tool(
        tool.get("name", ""),
        tool.get("description") or "",
        tool.get("input_schema") or {},
        None if kind == "custom" else kind,
    )


def _parts(content: Any) -> list[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _plain(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(part["text"]) for part in content if "text" in part)


def count_tokens(body: Mapping[str, Any]) -> dict[str, int]:
    """POST /v1/messages/count_tokens."""
    return {"input_tokens": anthropic_prompt(body).tokens}
