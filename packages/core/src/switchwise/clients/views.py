"""Read a call of `Clients`: its options and messages, as scope, prompt and view."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from switchwise.adapting.views import Caller, ViewBuilder, longest_of
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.limits import Limits
from switchwise.nouns.scope import Scope, as_texts
from switchwise.nouns.signals import Turn
from switchwise.nouns.validation import meant
from switchwise.nouns.view import View
from switchwise.protocols.prompt import JsonSchema, Message, Prompt
from switchwise.reading import token_estimate as tokens
from switchwise.reading.document_size import document_tokens

_ROLES = {"developer": "system", "function": "tool"}
_KNOWN = frozenset(["assistant", "developer", "function", "system", "tool", "user"])
_MEDIA = {"image_url": "image", "input_audio": "audio", "file": "document", "video_url": "video"}
_OF_A_PROMPT = frozenset(each.name for each in fields(Prompt)) - {"messages", "stream", "ended_by", "tools", "schema"}
_OF_A_CALL = frozenset(["session", "agent", "task", "labels", "deadline", "tenant", "limits", "target", "tools", "schema"])


def sorted_options(
    messages: Sequence[Message],
    stream: bool = False,
    /,
    *,
    session: str | int | None = "",
    agent: str = "main",
    task: str = "",
    labels: Mapping[str, Any] | None = None,
    deadline: float | None = None,
    tenant: str | int | None = "",
    limits: Limits | Mapping[str, float] | None = None,
    target: str = "",
    tools: Sequence[Mapping[str, Any]] = (),
    schema: JsonSchema | type | None = None,
    **more: Any,
) -> tuple[Scope, str, Prompt]:
    """Sort options into scope, pin and prompt."""
    if labels is not None and not isinstance(labels, Mapping):
        raise ConfigurationError(f"labels={labels!r:.80}: give name -> value, such as {{'user': 'ada'}}")
    if strange := sorted(more.keys() - _OF_A_PROMPT):
        raise ConfigurationError(f"{strange[0]}=: {meant(strange[0], _OF_A_PROMPT | _OF_A_CALL, 'options of a call')}")
    named, whose = ("" if word is None else str(word) for word in (session, tenant))  # ids of databases are numbers
    scope = Scope(
        named,
        agent or "main",
        task or "",
        labels=as_texts(labels) if labels else {},
        deadline=deadline,
        tenant=whose,
        limits=None if limits is None else Limits.read(limits),
    )
    return scope, target, Prompt(messages, tools=tools, schema=schema, stream=stream, **more)


class PromptViews:
    """Build the view of each call of the clients.

    Parameters:
        size: most conversations remembered.
    """

    def __init__(self, size: int = 512) -> None:
        self._builder = ViewBuilder(turn_of, _measured, json.dumps, size, name=_name)

    def view(self, prompt: Prompt, scope: Scope, pin: str = "", streamed: bool = False) -> View:
        """The view of a call.

        Parameters:
            prompt: the request.
            scope: scope of the call. An empty session is derived from the beginning of the conversation.
            pin: the only target (or role) that may answer.
            streamed: the answer is streamed.
        """
        caller = Caller(
            scope.session,
            scope.agent,
            scope.task,
            scope.labels,
            scope.deadline,
            pin,
            named=(bool(scope.session), scope.agent != "main", bool(scope.task)),
            tenant=scope.tenant,
            limits=scope.limits,
        )
        return self._builder.view(
            prompt.messages,
            caller,
            tools=prompt.tools,
            structured=prompt.schema is not None,
            max_output=None if prompt.max_tokens is None and not prompt.extra else _longest(prompt),
            tier=next((extra["service_tier"] for extra in prompt.extra.values() if "service_tier" in extra), None),
            streamed=streamed,
        )


def _longest(prompt: Prompt) -> int | None:
    """The longest answer that the request allows, for any provider."""
    caps = [longest_of({"max_tokens": prompt.max_tokens}), *(longest_of(extra) for extra in prompt.extra.values())]
    return max((cap for cap in caps if cap is not None), default=None)


def turn_of(message: Message) -> Turn:
    """Convert a neutral message to a turn."""
    if not isinstance(message, Mapping) or message.get("role") not in _KNOWN:
        raise ConfigurationError(
            f"{message!r:.80} is not a message: give {{'role': ..., 'content': ...}} with one of the roles {', '.join(sorted(_KNOWN))}"
        )
    role, content = str(message["role"]), message.get("content")
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    text = (
        content if isinstance(content, str) else "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    )
    calls = [call["function"] for call in message.get("tool_calls") or () if "function" in call]
    return Turn(
        role=_ROLES.get(role, role),
        text=text,
        calls=tuple(call["name"] for call in calls),
        arguments=" ".join(call.get("arguments") or "" for call in calls),
        tool=message.get("name") or "",
        failed=message.get("is_error"),
        media=tuple(_MEDIA[part["type"]] for part in parts if part.get("type") in _MEDIA),
        document_tokens=sum(document_tokens(part) for part in parts if _MEDIA.get(str(part.get("type"))) == "document"),
    )


def _measured(tool: Mapping[str, Any]) -> int:
    return tokens.tools(json.dumps(tool))


def _name(tool: Mapping[str, Any]) -> str:
    function = tool.get("function")
    named = function if isinstance(function, Mapping) else tool
    return str(named.get("name") or named.get("type") or "")
