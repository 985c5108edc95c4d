"""A request for any provider, in OpenAI's message and tool format, which most applications already use."""

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
            completions. An answer of `Clients` may carry a `native` part; it is sent back only to the model that wrote it.
        tools: `{"type": "function", "function": {"name", "description", "parameters"}}`.
        tool_choice: `auto`, `required`, `none`, or the name of a tool; also as OpenAI writes it, and `any` for `required`.
        parallel_tool_calls: False: at most one call per answer.
        schema: a pydantic model or a JSON schema that the answer must follow; a strict copy of it is sent.
        max_tokens: limit of output tokens.
        temperature, top_p: sampling settings; omitted for models that are known not to accept them.
        stop: stop sequences.
        stream: stream the answer.
        extra: provider -> parameters in its own format.
        ended_by: the model that wrote the last answer of the conversation; empty if unknown.

    Raises:
        ConfigurationError: an argument has another shape; the message names it.
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
        if self.schema is not None:
            object.__setattr__(self, "schema", json_schema_of(self.schema))
        names = _names(self.tools) if self.tools else []
        if not isinstance(self.extra, Mapping):
            raise ConfigurationError(f"extra={self.extra!r:.80}: give provider -> parameters, such as {{'openai': {{...}}}}")
        if not isinstance(self.stop, str | Sequence | None):
            raise ConfigurationError(f"stop={self.stop!r:.80}: give a text, or a list of them")
        if self.max_tokens is not None:
            whole("Prompt", "max_tokens", self.max_tokens)
        for name, most in (("temperature", 2), ("top_p", 1)):
            if (value := getattr(self, name)) is not None:
                number("Prompt", name, value, most=most)
        if self.tool_choice != "":
            object.__setattr__(self, "tool_choice", _choice(self.tool_choice))
        if names and self.tool_choice and self.tool_choice not in {"auto", "required", "none", *names}:
            raise ConfigurationError(f"tool_choice={self.tool_choice!r:.80}: {meant(self.tool_choice, names, 'tools')}")
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()))

    @property
    def strict_schema(self) -> dict[str, Any] | None:
        """Return the schema in strict form; None if there is none."""
        return strict(self.schema) if isinstance(self.schema, Mapping) else None

    @property
    def choice(self) -> str:
        """Return the tool choice as one word."""
        return self.tool_choice if isinstance(self.tool_choice, str) else ""


def _names(tools: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the tools of a call.

    Raises:
        ConfigurationError: a tool has another format.
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
        named = choice.get("function") or choice  # OpenAI's format; Anthropic's
        choice = named.get("name") or choice.get("type")
    if not isinstance(choice, str | None):
        raise ConfigurationError(f"tool_choice={choice!r:.80}: use auto, required, none, or the name of a tool")
    return "required" if choice == "any" else choice or ""


def arguments_of(text: str | None) -> dict[str, Any]:
    """Parse the arguments of a tool call. Invalid JSON is kept as `{"_raw": text}`, for verifiers to judge."""
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):  # a looping model may open brackets without end
        return {"_raw": text}
    return arguments if isinstance(arguments, dict) else {"_raw": text}
