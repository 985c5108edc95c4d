"""Values of the loopback provider: requests, answers, and recorded requests.

All of them are provider-neutral, so that one script of answers, one responder and one replayer serve every protocol.

Rules:
1. A conversation is a tuple of `Turn`. `system`, `user` and `assistant` turns carry text; a `tool` turn carries
   the results of the calls of the assistant turn before it. Neighbouring tool messages are one turn.
2. Token counts in `Usage` are totals: `input_tokens` includes what was read from and written to the prompt cache.
   Each protocol subtracts what its real API leaves out.
3. Stop reasons are neutral (`STOP_REASONS`); a name that is not in the table goes out as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STOP_REASONS: Mapping[str, Mapping[str, str]] = {
    # neutral: the name in each protocol
    "end": {"chat": "stop", "messages": "end_turn", "responses": "completed"},
    "length": {"chat": "length", "messages": "max_tokens", "responses": "max_output_tokens"},
    "tool_calls": {"chat": "tool_calls", "messages": "tool_use", "responses": "completed"},
    "stop_sequence": {"chat": "stop", "messages": "stop_sequence", "responses": "completed"},
    "refusal": {"chat": "stop", "messages": "refusal", "responses": "completed"},
    "content_filter": {"chat": "content_filter", "messages": "refusal", "responses": "content_filter"},
    "pause": {"chat": "stop", "messages": "pause_turn", "responses": "completed"},
}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model makes.

    Parameters:
        name: name of the tool.
        arguments: a JSON object, or the raw text of one (a str goes out verbatim on OpenAI: use it to script broken JSON).
        id: id of the call; None lets the provider make one in the style of its protocol.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None

    @property
    def arguments_json(self) -> str:
        """The arguments as the text that OpenAI sends."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, ensure_ascii=False, separators=(",", ":"))

    @property
    def arguments_dict(self) -> dict[str, Any]:
        """The arguments as the object that Anthropic sends; `{}` if the text is no JSON object."""
        if not isinstance(self.arguments, str):
            return dict(self.arguments)
        try:
            value = json.loads(self.arguments or "{}")
        except json.JSONDecodeError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returned: the id of the call, its text, and whether the caller marked it as an error."""

    id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation.

    Parameters:
        role: `system`, `user`, `assistant` or `tool`.
        text: the text parts, joined by newlines.
        tool_calls: on an assistant turn.
        results: on a tool turn.
        media: kinds of the parts that are not text, in order: `image`, `file`, `audio`.
    """

    role: str
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolResult, ...] = ()
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that was offered. `server` holds the type of a tool that the provider itself runs, else None."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    server: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request, provider-neutral.

    Parameters:
        provider: `openai` or `anthropic`.
        api: `chat`, `responses`, `decisions` or `messages`.
        model: as asked for.
        messages: the conversation.
        tools: the offered tools, in order.
        tool_choice: `auto`, `none`, `required` or `tool` (then `forced_tool` holds its name).
        parallel_tool_calls: False if the request allows one call at most.
        response_schema: the JSON schema of a structured output, else None.
        json_mode: True for a JSON object without schema.
        stream: whether the answer is to be streamed.
        max_tokens: bound on output tokens (estimated as in `tokens`), else None.
        stop: stop sequences.
        thinking: whether visible reasoning may be returned.
        body: the body as received.
    """

    provider: str
    api: str
    model: str
    messages: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    forced_tool: str | None = None
    parallel_tool_calls: bool = True
    response_schema: Mapping[str, Any] | None = None
    json_mode: bool = False
    stream: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    thinking: bool = False
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def last_user_text(self) -> str:
        """Text of the last user turn, or the empty string."""
        return next((turn.text for turn in reversed(self.messages) if turn.role == "user"), "")


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one response. `input_tokens` is the whole prompt, cached or not."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning_tokens: int = 0

    @property
    def cache_write(self) -> int:
        """Tokens written to the cache, of any lifetime."""
        return self.cache_write_5m + self.cache_write_1h


@dataclass(frozen=True, slots=True)
class Answer:
    """A scripted answer of the model.

    Parameters:
        text: the visible text.
        tool_calls: tool calls in order; more than one are parallel calls.
        stop_reason: a neutral name of `STOP_REASONS`; None derives it (`tool_calls` or `end`).
        usage: token counts to report; None lets the server count.
        reasoning: its reasoning, shown only where the request allows it (Anthropic thinking, OpenAI Responses).
        redacted: True sends the reasoning encrypted (Anthropic `redacted_thinking`).
        searches: queries of web searches that the provider runs before it answers (server tools).
        headers: headers of the HTTP response, which replace the server's, such as remaining rate limits.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    stop_reason: str | None = None
    usage: Usage | None = None
    reasoning: str = ""
    redacted: bool = False
    searches: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def stop(self) -> str:
        """The neutral stop reason."""
        return self.stop_reason or ("tool_calls" if self.tool_calls else "end")


@dataclass(frozen=True, slots=True)
class Seen:
    """One received request, and its result.

    Parameters:
        provider, api, model: as in `Request`; `api` may also be `batches` or `files`; `model` is "" if the body named none.
        body: the parsed body, `{}` for GET, batches and files.
        headers: request headers, names in lower case.
        status: status of the response; 0 if the connection was reset or held before any.
        usage: reported token counts; None on an error.
        answer: the answer; None on an error.
        fault: the injected fault, by name, or None.
        error: message of the sent error, or None.
        batch: id of its batch; empty: none.
    """

    provider: str
    api: str
    model: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    status: int
    usage: Usage | None = None
    answer: Answer | None = None
    fault: str | None = None
    error: str | None = None
    batch: str = ""
