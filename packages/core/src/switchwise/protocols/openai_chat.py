"""Neutral messages in the words of OpenAI's chat completions.

Both speak the same language, but histories hold what this API refuses:

| neutral | chat completions |
|---|---|
| `native`, `is_error`, cache marks on parts | left out |
| an answer that says and calls nothing | an empty text |
| ids of more than 40 characters | their digest, with the call and with its result |
| names with spaces, brackets, slashes; names of tools that were, with other characters or too long | `_` instead, at most 64 |
| strings among parts, an image's address alone | a part |
| pictures and documents in a tool's result | shown by the user, after the results |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from switchwise.protocols.prompt import Message

_LONGEST_ID, _LONGEST_NAME = 40, 64
_LEFT_OUT = frozenset({"native", "is_error"})
_STRANGE, _STRANGE_NAME = re.compile(r"[^a-zA-Z0-9_-]"), re.compile(r"[\s<|\\/>]")


def chat_messages(messages: Iterable[Message], tools: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The messages as chat completions takes them.

    Parameters:
        messages: the conversation.
        tools: what may be called; their names stay as they are.
    """
    offered = {tool["function"]["name"] for tool in tools if "function" in tool}
    told: list[dict[str, Any]] = []
    shown: list[Any] = []
    for message in messages:
        new = _message(message, offered)
        if new["role"] == "tool":
            shown += _shown(new)
        elif shown:
            told.append({"role": "user", "content": shown})
            shown = []
        told.append(new)
    return [*told, {"role": "user", "content": shown}] if shown else told


def _message(message: Message, offered: set[str]) -> dict[str, Any]:
    new = {name: part for name, part in message.items() if name not in _LEFT_OUT}
    if isinstance(new.get("content"), list):
        new["content"] = [_part(part) for part in new["content"]]
    if isinstance(new.get("name"), str) and new["role"] != "tool":
        new["name"] = _STRANGE_NAME.sub("_", new["name"])
    if new.get("tool_call_id"):
        new["tool_call_id"] = _id(new["tool_call_id"])
    if new.get("tool_calls"):
        new["tool_calls"] = [_call(call, offered) for call in new["tool_calls"]]
    if new["role"] == "assistant" and not any(
        new.get(name) for name in ("content", "tool_calls", "refusal", "audio", "function_call")
    ):
        new["content"] = ""
    return new


def _part(part: Any) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.get("type") == "image_url" and isinstance(part.get("image_url"), str):
        part = {**part, "image_url": {"url": part["image_url"]}}
    return {name: value for name, value in part.items() if name != "cache_control"} if "cache_control" in part else part


def _call(call: Mapping[str, Any], offered: set[str]) -> dict[str, Any]:
    new = {**call, "id": _id(call.get("id") or "")}
    if "function" in call:
        name = call["function"].get("name", "")
        plain = name if name in offered else _STRANGE.sub("_", name)[:_LONGEST_NAME]
        new["function"] = {**call["function"], "name": plain}
    return new


def _id(given: str) -> str:
    if len(given) <= _LONGEST_ID:
        return given
    return f"call_{blake2b(given.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def _shown(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What a tool's result shows, taken out of it: this API takes only text from tools."""
    content = result.get("content")
    if not isinstance(content, list):
        return []
    shown = [part for part in content if part.get("type") != "text"]
    if not shown:
        return []
    result["content"] = [part for part in content if part.get("type") == "text"] or "(shown by the user below)"
    return [{"type": "text", "text": f"From the result of {result.get('name') or result.get('tool_call_id')}:"}, *shown]
