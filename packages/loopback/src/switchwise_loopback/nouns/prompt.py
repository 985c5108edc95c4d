"""Convert a request body to the flat list of blocks that a model reads, for token counts and prompt caches.

Rules:
1. Blocks stand in render order: tools, system, messages.
2. A string and a list with one text part are the same prompt.
3. Cache markers are not part of the text; everything else is, ids too.
4. A block marked with `ttl` (seconds) is a cache breakpoint: the prefix that ends with it may be written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import tokens

MARKERS = ("cache_control", "prompt_cache_breakpoint")
LIFETIMES: Mapping[str, int] = {"5m": 300, "1h": 3600, "30m": 1800}


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its section (`tools`, `system` or `messages`), canonical text, size, and lifetime if a breakpoint."""

    section: str
    text: str
    tokens: int
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """All blocks of a request, and per section the settings that the cached prefix depends on."""

    blocks: tuple[Block, ...]
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens of the whole prompt."""
        return sum(block.tokens for block in self.blocks) + tokens.PER_REQUEST


def anthropic_prompt(body: Mapping[str, Any]) -> Prompt:
    """The prompt of a Messages request.

    Settings (source: prompt-caching documentation): model and speed void everything; web search and citations void system
    and messages; tool_choice, images, thinking and effort void the messages. On Opus, effort voids everything (measured by users).
    A change of effort in place, by a system message without content, is one more block: all before it is found again.
    """
    blocks = [*_tool_blocks(body.get("tools") or ()), *_anthropic_system(body.get("system"))]
    images = cited = False
    for message in body.get("messages") or ():
        if message.get("output_config"):
            change = {"output_config": message["output_config"]}
            blocks.append(Block("messages", _canonical(message.get("role"), change), _weigh(change) + tokens.PER_MESSAGE))
        for at, part in enumerate(_parts(message.get("content"))):
            images = images or part.get("type") == "image"
            cited = (
                cited or bool((part.get("citations") or {}).get("enabled"))
                if isinstance(part.get("citations"), Mapping)
                else cited
            )
            extra = tokens.PER_MESSAGE if at == 0 else 0
            blocks.append(Block("messages", _canonical(message.get("role"), part), _size(part) + extra, _lifetime(part)))
    if body.get("cache_control"):
        blocks = _automatic(blocks, LIFETIMES.get(body["cache_control"].get("ttl", "5m"), 300))
    search = any(str(tool.get("type", "")).startswith("web_search") for tool in body.get("tools") or ())
    config = body.get("output_config")
    effort = config.get("effort") if isinstance(config, Mapping) else None
    opus = "opus" in str(body.get("model"))
    settings = {
        "tools": _json([body.get("model"), body.get("speed"), effort if opus else None]),
        "system": _json([search, cited]),
        "messages": _json([body.get("tool_choice"), images, body.get("thinking"), effort]),
    }
    return Prompt(tuple(blocks), settings)


def openai_prompt(body: Mapping[str, Any]) -> Prompt:
    """The prompt of a Chat Completions or Responses request. All its settings come before the messages."""
    blocks = _tool_blocks(body.get("tools") or ())
    if body.get("instructions"):
        blocks.append(
            Block(
                "messages",
                _json(["instructions", body["instructions"]]),
                _text(body["instructions"]) + tokens.PER_MESSAGE,
            )
        )
    messages = body.get("messages") if "messages" in body else body.get("input")
    for message in messages or ():
        blocks.extend(_openai_message(message))
    front = (
        "model",
        "parallel_tool_calls",
        "response_format",
        "text",
        "reasoning_effort",
        "reasoning",
        "verbosity",
        "context_management",
    )
    return Prompt(tuple(blocks), {"tools": _json({key: body[key] for key in front if body.get(key) is not None})})


def _openai_message(message: Mapping[str, Any]) -> Iterator[Block]:
    role = message.get("role") or message.get("type")
    parts = _parts(message.get("content"))
    calls = [{"type": "tool_call", **call} for call in message.get("tool_calls") or ()]
    rest = {key: value for key, value in message.items() if key not in ("role", "content", "tool_calls") and value is not None}
    if rest:
        parts = [{"type": "fields", **rest, "type_": rest.get("type")}, *parts]
    for at, part in enumerate([*parts, *calls]):
        extra = tokens.PER_MESSAGE if at == 0 else 0
        yield Block("messages", _canonical(role, part), _size(part) + extra, _lifetime(part))


def _tool_blocks(tools: Any) -> list[Block]:
    return [
        Block("tools", _canonical("tool", tool), _text(_json(_bare(tool))) + tokens.PER_MESSAGE, _lifetime(tool))
        for tool in tools
    ]


def _anthropic_system(system: Any) -> list[Block]:
    return [
        Block("system", _canonical("system", part), _size(part) + (tokens.PER_MESSAGE if at == 0 else 0), _lifetime(part))
        for at, part in enumerate(_parts(system))
    ]


def _automatic(blocks: list[Block], ttl: int) -> list[Block]:
    """Top-level cache_control: the last block is a breakpoint."""
    if not blocks or blocks[-1].ttl is not None:
        return blocks
    last = blocks[-1]
    return [*blocks[:-1], Block(last.section, last.text, last.tokens, ttl)]


def _parts(content: Any) -> list[Mapping[str, Any]]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [part if isinstance(part, Mapping) else {"type": "text", "text": str(part)} for part in content]


def _size(part: Mapping[str, Any]) -> int:
    kind = str(part.get("type", ""))
    if "image" in kind:
        return tokens.MEDIA["image"]
    if "audio" in kind:
        return tokens.MEDIA["audio"]
    if kind in ("document", "file", "input_file"):
        return tokens.MEDIA["file"]
    if kind == "tool_result":
        return sum(_size(inner) for inner in _parts(part.get("content"))) + _text(str(part.get("tool_use_id", "")))
    return _weigh({key: value for key, value in part.items() if key not in ("type", "type_", *MARKERS)})


def _weigh(value: Any) -> int:
    """Tokens of all texts and numbers inside `value`."""
    if isinstance(value, Mapping):
        return sum(_weigh(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return sum(_weigh(inner) for inner in value)
    return 0 if value is None else _text(str(value))


def _text(text: Any) -> int:
    return tokens.count(text if isinstance(text, str) else _json(text))


def _lifetime(part: Mapping[str, Any]) -> int | None:
    for marker in MARKERS:
        value = part.get(marker)
        if isinstance(value, Mapping):
            return LIFETIMES.get(value.get("ttl", "5m" if marker == "cache_control" else "30m"), 300)
    return None


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _bare(inner) for key, inner in value.items() if key not in MARKERS}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value


def _canonical(role: Any, part: Mapping[str, Any]) -> str:
    return _json([role, _bare(part)])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
