"""Interface for checking an adapter: build it over some endpoints, and send it neutral requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.router import Router

HELLO: tuple[Mapping[str, Any], ...] = ({"role": "user", "content": "hello"},)
TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look something up.",
        "parameters": {"type": "object", "properties": {"what": {"type": "string"}}},
    },
}


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """A target to build with a native model of the framework.

    Parameters:
        url: base URL of a server for OpenAI clients; for Anthropic's, without the `/v1` at its end.
        dialect: name of the row of `switchwise.dialects` that the model must be taken for.
        model: its name.
        thinking: it is set to think, with this budget in tokens; 0: it is not.
        options: further settings of the native model: `stream_options` of None: it is not asked for usage in streams.
    """

    url: str
    dialect: str = "openai-chat"
    model: str = "gpt-4.1-mini"
    thinking: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NeutralRequest:
    """A neutral request.

    Parameters:
        messages: OpenAI's message dictionaries, and answers as the adapter gave them (`Said.message`).
        tools: OpenAI's tool dictionaries.
        settings: `tool_choice`, `max_tokens`, `temperature`, `stop`, as in OpenAI's words.
        session: empty: not named.
        target: the only one that may answer; empty: any.
        streamed: ask for a stream.
        leave_after: abandon the stream after this many pieces; None: read it to the end.
    """

    messages: Sequence[Any] = HELLO
    tools: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    session: str = ""
    target: str = ""
    streamed: bool = False
    leave_after: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """An answer.

    Parameters:
        text: its text.
        calls: (id, name, arguments) of the tools that it calls.
        message: the adapter's own, to be appended to a conversation.
        pieces: the texts that a stream showed, one after the other.
        record: of the decision: `decision`, `target`, `policy`, `because`, `attempts`, `accepted`, ...
    """

    text: str
    calls: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()
    message: Any = None
    pieces: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)


class Face(Protocol):
    """An adapter under test. `switchwise.testing.adapters.clients` is an example."""

    name: str

    def speaks(self, dialect: str) -> str:
        """The reason why no model can be built for a row of `switchwise.dialects`; empty if one can."""

    def build(self, endpoints: Mapping[str, ModelEndpoint], router: Router, hints: CacheHints | None = None) -> Any:
        """The adapter over native models of the framework, by target name."""

    def ask(self, adapter: Any, request: NeutralRequest) -> Said:
        """Send a request; exceptions propagate."""

    async def aask(self, adapter: Any, request: NeutralRequest) -> Said:
        """As `ask`, by its asynchronous methods."""


class NotHere(Exception):
    """Raised if a check does not apply to this adapter; the message gives the reason."""
