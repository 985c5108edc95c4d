"""The interface of a protocol, and the common parts of all: ids, cutting an answer to its limits, SSE frames."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..nouns import tokens
from ..nouns.errors import Reject, invalid
from ..nouns.prompt import Prompt
from ..nouns.types import Answer, Request, ToolCall, Usage
from .disturbed import Event
from .faults import Fault

SHAPES: Mapping[type, tuple[str, ...]] = {
    # JSON type: the top-level fields that must be of it, if they are there
    str: ("model",),
    bool: ("stream",),
    int: ("max_tokens", "max_completion_tokens", "max_output_tokens", "n"),
    list: ("messages", "tools", "include", "stop_sequences"),
    dict: (
        "stream_options",
        "response_format",
        "text",
        "reasoning",
        "thinking",
        "output_config",
        "output_format",
        "prompt_cache_options",
    ),
}
_NAMES: Mapping[type, tuple[str, str]] = {
    # JSON type: its name at OpenAI and at Anthropic
    str: ("a string", "string"),
    bool: ("a boolean", "boolean"),
    int: ("an integer", "integer"),
    list: ("an array", "list"),
    dict: ("an object", "dictionary"),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to write in some protocol."""

    request: Request
    answer: Answer
    usage: Usage
    serial: str
    created: int
    chunk_tokens: int
    stop_sequence: str | None = None

    def id(self, prefix: str, *parts: object, length: int = 24) -> str:
        """An id in the provider's style, the same for the same reply and parts."""
        digest = hashlib.sha256(":".join([self.serial, prefix, *map(str, parts)]).encode()).hexdigest()
        return f"{prefix}{digest[:length]}"


class Wire(Protocol):
    """One protocol. Stateless except for state of the real service."""

    provider: str
    api: str

    def check(self, body: Mapping[str, Any]) -> None:
        """Raise `Reject` if the real API would refuse this body."""

    def read(self, body: Mapping[str, Any]) -> Request:
        """The neutral request. The body has passed `check`."""

    def prompt(self, body: Mapping[str, Any]) -> Prompt:
        """The blocks of the prompt."""

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The body of a response that is not streamed."""

    def stream(self, reply: Reply) -> Iterator[Event]:
        """The events of a streamed response, the terminal marker included."""

    def failures(self, reply: Reply, /) -> Mapping[Fault, tuple[Event, ...]]:
        """Per stream fault, the events sent in place of the rest."""

    def overflow(self, prompt: int, max_tokens: int, window: int, /) -> Reject:
        """The error for a prompt (with `max_tokens`) that is larger than the window. Tokens."""


def shaped(provider: str, body: Mapping[str, Any]) -> None:
    """Raise `Reject` if the type of a field differs from `SHAPES`, strict or not: it could not be read."""
    for kind, keys in SHAPES.items():
        for key in keys:
            value = body.get(key)
            if value is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
                continue
            here, there = _NAMES[kind]
            if provider == "anthropic":
                raise invalid(f"{key}: Input should be a valid {there}")
            raise invalid(f"Invalid type for '{key}': expected {here}.", key, "invalid_type")


def bounded(request: Request, answer: Answer) -> tuple[Answer, str | None]:
    """`answer` cut at the first stop sequence and at `max_tokens`, and the stop sequence that cut it.

    Reasoning is spent first, then text, then the arguments of tool calls, which are cut to broken JSON as in reality.
    """
    hit: str | None = None
    found = sorted((answer.text.find(stop), stop) for stop in request.stop if stop and stop in answer.text)
    if found:
        at, hit = found[0]
        answer = replace(answer, text=answer.text[:at], tool_calls=(), stop_reason="stop_sequence")
    if request.max_tokens is None or weight(answer) <= request.max_tokens:
        return answer, hit
    left = request.max_tokens
    reasoning = tokens.cut(answer.reasoning, left)
    left -= tokens.count(reasoning)
    text = tokens.cut(answer.text, left)
    left -= tokens.count(text)
    calls: list[ToolCall] = []
    for call in answer.tool_calls:
        left -= tokens.count(call.name)
        if left <= 0:
            break
        arguments = tokens.cut(call.arguments_json, left)
        calls.append(call if arguments == call.arguments_json else replace(call, arguments=arguments))
        left -= tokens.count(arguments)
    return replace(answer, reasoning=reasoning, text=text, tool_calls=tuple(calls), stop_reason="length"), None


def weight(answer: Answer) -> int:
    """Output tokens of an answer."""
    calls = sum(tokens.count(call.name) + tokens.count(call.arguments_json) for call in answer.tool_calls)
    return tokens.count(answer.reasoning) + tokens.count(answer.text) + calls


def dumps(value: Any) -> str:
    """Compact JSON, not escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def data(value: Any, content: bool = False, closing: bool = False) -> Event:
    """A frame with data only (OpenAI chat)."""
    return Event(f"data: {dumps(value)}\n\n".encode(), content, closing)


def named(value: Mapping[str, Any], content: bool = False, closing: bool = False) -> Event:
    """A frame whose event name is the `type` of its data (Anthropic, OpenAI Responses)."""
    return Event(f"event: {value['type']}\ndata: {dumps(value)}\n\n".encode(), content, closing)
