"""A request that any provider can be asked: OpenAI's message and tool formats, which most people already have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import meant, number, whole
from switchwise.protocols.strict_schema import json_schema_of, strict

Message = Mapping[str, Any]
JsonSchema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A neutral request.

    Parameters:
        messages: `{"role": "user", "content": "..."}` and so on, with `tool_calls` and `tool_call_id` as in OpenAI's chat
            completions. An answer of `Clients` may carry a `native` part; it goes back to the model that it came from only.
        tools: `{"type": "function", "function": {"name", "description", "parameters"}}`.
        tool_choice: `auto`, `required`, `none`, or the name of a tool; also as OpenAI writes it, and `any` for `required`.
        parallel_tool_calls: False: at most one call at a time.
        schema: a pydantic model or a JSON schema that the answer must follow; a strict copy of it is sent.
        max_tokens: the longest answer, in tokens.
        temperature, top_p: as everywhere; left out for models that are known to take none.
        stop: as everywhere.
        stream: ask for the answer in chunks.
        extra: provider -> parameters in its own words.
        ended_by: the model that gave the answer with which the conversation ends; empty: none that is known.

    Raises:
        ConfigurationError: something has another shape; the message names it.
    """

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str | Mapping[str, Any] = ""
    parallel_tool_calls: bool | None = None
    schema: JsonSchema | type | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | Sequence[str] = ()
    stream: bool = False
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ended_by: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.messages, Sequence) or isinstance(self.messages, str) or not self.messages:
            raise ConfigurationError(
                f"messages={self.messages!r:.80}: give a list of them, such as [{{'role': 'user', 'content': 'Hello'}}]"
            )
        if isinstance(self.tools, str) or not all(isinstance(tool, Mapping) for tool in self.tools):
            raise ConfigurationError(f"tools={self.tools!r:.80}: give a list of {{'type': 'function', 'function': {{...}}}}")
        object.__setattr__(self, "schema", json_schema_of(self.schema))
        names = _names(self.tools)
        if not isinstance(self.extra, Mapping):
            raise ConfigurationError(f"extra={self.extra!r:.80}: give provider -> parameters, such as {{'openai': {{...}}}}")
        if not isinstance(self.stop, str | Sequence | None):
            raise ConfigurationError(f"stop={self.stop!r:.80}: give a text, or a list of them")
        if self.max_tokens is not None:
            whole("Prompt", "max_tokens", self.max_tokens)
        for name, most in (("temperature", 2), ("top_p", 1)):
            if (value := getattr(self, name)) is not None:
                number("Prompt", name, value, most=most)
        object.__setattr__(self, "tool_choice", _choice(self.tool_choice))
        if names and self.tool_choice and self.tool_choice not in {"auto", "required", "none", *names}:
            raise ConfigurationError(f"tool_choice={self.tool_choice!r:.80}: {meant(self.tool_choice, names, 'tools')}")
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()))

    @property
    def strict_schema(self) -> dict[str, Any] | None:
        """The schema as providers take it; None: there is none."""
        return strict(self.schema) if isinstance(self.schema, Mapping) else None

    @property
    def choice(self) -> str:
        """The choice of a tool, as one word."""
        return self.tool_choice if isinstance(self.tool_choice, str) else ""


def _names(tools: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the tools of a call.

    Raises:
        ConfigurationError: one is written in another way.
    """
    found = []
    for tool in tools:
        function = tool.get("function")
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            found.append(function["name"])
        elif "name" in tool and "type" not in tool:
            raise ConfigurationError(f"tools=[{tool!r:.60}]: give {{'type': 'function', 'function': {{'name': ...}}}}")
    return found


def _choice(choice: str | Mapping[str, Any] | None) -> str:
    if isinstance(choice, Mapping):
        named = choice.get("function") or choice  # OpenAI's words; Anthropic's
        choice = named.get("name") or choice.get("type")
    if not isinstance(choice, str | None):
        raise ConfigurationError(f"tool_choice={choice!r:.80}: use auto, required, none, or the name of a tool")
    return "required" if choice == "any" else choice or ""


def arguments_of(text: str | None) -> dict[str, Any]:
    """The arguments of a tool call. Broken JSON is kept as `{"_raw": text}`: a verifier may look at it."""
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):  # a model that loops may open brackets without end
        return {"_raw": text}
    return arguments if isinstance(arguments, dict) else {"_raw": text}
