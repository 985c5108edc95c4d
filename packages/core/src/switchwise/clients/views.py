"""A neutral prompt, as the policies see it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Scope
from switchwise.nouns.signals import Turn
from switchwise.nouns.view import Needs, View
from switchwise.protocols.prompt import Message, Prompt
from switchwise.reading import token_estimate as tokens
from switchwise.reading.reader import NO_FRONT, ConversationReader, Front, fingerprint

_ROLES = {"developer": "system", "function": "tool"}
_KNOWN = frozenset(["assistant", "developer", "function", "system", "tool", "user"])
_MEDIA = {"image_url": "image", "input_audio": "audio", "file": "document", "video_url": "video"}


class Views:
    """Builds the view of each call; remembers conversations, so that only their new messages are read."""

    def __init__(self) -> None:
        self._reader = ConversationReader(turn_of)
        self._tools: tuple[Sequence[Mapping[str, Any]], Front] = ((), NO_FRONT)

    def view(self, prompt: Prompt, scope: Scope, pin: str = "") -> View:
        """The view of a call.

        Parameters:
            prompt: what is asked.
            scope: where in the work. An empty session is told by how the conversation began.
            pin: the only target (or role) that may answer.
        """
        session = scope.session or opening(prompt.messages)
        reading = self._reader.read((scope.tenant, session, scope.agent), prompt.messages, front=self._front(prompt.tools))
        task = scope.task or str(reading.signals.phase or "")
        needs = Needs(bool(prompt.tools), prompt.schema is not None, reading.modalities, prompt.max_tokens)
        where = Scope(session, scope.agent, task, reading.length, scope.labels, scope.deadline, scope.tenant)
        return View(where, reading.tokens, needs, reading.signals, pin, prefix=reading.prefix)

    def _front(self, tools: Sequence[Mapping[str, Any]]) -> Front:
        """Digest and length of the tools. An agent sends the same ones with every call: the last ones are remembered."""
        known, front = self._tools
        if known is not tools:
            text = json.dumps(tools) if tools else ""
            front = (hash(text), tokens.tools(text)) if tools else NO_FRONT
            self._tools = (tools, front)
        return front


def opening(messages: Sequence[Message]) -> str:
    """What stands for the session where the caller names none."""
    turns = [turn_of(message) for message in messages[:4]]
    said = {role: next((turn.text for turn in turns if turn.role == role), "") for role in ("system", "user")}
    return fingerprint(said["system"], said["user"])


def turn_of(message: Message) -> Turn:
    """One neutral message."""
    if not isinstance(message, Mapping) or message.get("role") not in _KNOWN:
        raise ConfigurationError(
            f"{message!r:.80} is no message: give {{'role': ..., 'content': ...}} with one of the roles {', '.join(sorted(_KNOWN))}"
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
    )
