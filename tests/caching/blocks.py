"""Request bodies as blocks: where there is no framework in between, the ledger reads what goes over the wire.

| | Anthropic Messages | OpenAI Chat and Responses |
|---|---|---|
| blocks | tools, system parts, parts of messages | tools, instructions, parts of messages |
| in front of everything | model, speed | model, parallel_tool_calls, response format, effort, verbosity, context management |
| in front of the system | web search, citations | - |
| in front of the messages | tool_choice, images at all, thinking | - |
| marks | `cache_control` | `prompt_cache_breakpoint`; the end of the prompt always counts |

Ids and cache markers are left out of what is compared only where the provider does so too: markers are, ids are not.

Source: prompt-caching documentation of both providers, as of 2026-11.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from switchwise.nouns.prompt_prefix import MESSAGES, SYSTEM, TOOLS, Block

_MARKERS = frozenset(["cache_control", "prompt_cache_breakpoint"])
_FRONT = ("parallel_tool_calls", "response_format", "text", "reasoning_effort", "reasoning", "verbosity", "context_management")
_MEDIA = ("image", "audio", "document", "file")


class Rendered(NamedTuple):
    """A prompt as its provider sees it.

    Parameters:
        blocks: in render order.
        settings: digests of what tools, system and messages depend on beside their text.
        marks: numbers of blocks after which a prefix is marked to be kept.
        minutes: lifetime that the marks ask for, in minutes; 0: the usual one.
    """

    blocks: list[Block]
    settings: tuple[int, int, int]
    marks: tuple[int, ...]
    minutes: int = 0


def anthropic_blocks(body: Mapping[str, Any]) -> Rendered:
    """The blocks of a Messages request."""
    parts: list[tuple[int, str, Mapping[str, Any]]] = [(TOOLS, "tool", tool) for tool in body.get("tools") or ()]
    parts += [(SYSTEM, "system", part) for part in _parts(body.get("system"))]
    parts += [
        (MESSAGES, str(message.get("role")), part)
        for message in body.get("messages") or ()
        for part in _parts(message.get("content"))
    ]
    media = any(part.get("type") == "image" for _, _, part in parts)
    search = any(str(part.get("type", "")).startswith("web_search") for section, _, part in parts if section == TOOLS)
    cited = any(_enabled(part.get("citations")) for _, _, part in parts)
    settings = (
        _digest([body.get("model"), body.get("speed")]),
        _digest([search, cited]),
        _digest([body.get("tool_choice"), media, body.get("thinking")]),
    )
    marked = [(i, part["cache_control"]) for i, (_, _, part) in enumerate(parts, 1) if part.get("cache_control")]
    if body.get("cache_control") and parts:
        marked.append((len(parts), body["cache_control"]))
    minutes = 60 if any(mark.get("ttl") == "1h" for _, mark in marked) else 0
    blocks = [_block(section, role, part) for section, role, part in parts]
    return Rendered(blocks, settings, tuple(dict.fromkeys(end for end, _ in marked)), minutes)


def openai_blocks(body: Mapping[str, Any]) -> Rendered:
    """The blocks of a Chat Completions or Responses request."""
    parts: list[tuple[int, str, Mapping[str, Any]]] = [(TOOLS, "tool", tool) for tool in body.get("tools") or ()]
    if body.get("instructions"):
        parts.append((SYSTEM, "system", {"type": "text", "text": body["instructions"]}))
    messages = body["messages"] if "messages" in body else body.get("input")
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    for message in messages or ():
        parts += [(_section(parts, role), role, part) for role, part in _openai(message)]
    marks = tuple(i for i, (_, _, part) in enumerate(parts, 1) if part.get("prompt_cache_breakpoint"))
    front = [body.get("model"), *[body.get(name) for name in _FRONT]]
    return Rendered([_block(section, role, part) for section, role, part in parts], (_digest(front), 0, 0), marks)


def _section(before: list[tuple[int, str, Mapping[str, Any]]], role: str) -> int:
    begun = bool(before) and before[-1][0] == MESSAGES
    return SYSTEM if role in ("system", "developer") and not begun else MESSAGES


def _openai(message: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    role = str(message.get("role") or message.get("type"))
    rest = {key: value for key, value in message.items() if key not in ("role", "content", "tool_calls") and value is not None}
    if rest:
        yield role, {**rest, "type": "fields", "of": rest.get("type")}
    for part in _parts(message.get("content")):
        yield role, part
    for call in message.get("tool_calls") or ():
        yield role, {"type": "tool_call", **call}


def _parts(content: Any) -> list[Mapping[str, Any]]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [part if isinstance(part, Mapping) else {"type": "text", "text": str(part)} for part in content]


def _block(section: int, role: str, part: Mapping[str, Any]) -> Block:
    kind = str(part.get("type", ""))
    text = _text(_bare(part))
    media = any(word in kind for word in _MEDIA)
    return Block(hash((role, text)), 800 if media else len(text) // 4 + 1, section, media)


def _enabled(citations: Any) -> bool:
    return isinstance(citations, Mapping) and bool(citations.get("enabled"))


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _bare(inner) for key, inner in value.items() if key not in _MARKERS}
    return [_bare(inner) for inner in value] if isinstance(value, list | tuple) else value


def _digest(value: Any) -> int:
    return hash(_text(value))


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
