"""The content blocks of Messages: which fields each has, and in which role it may stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..nouns.errors import invalid

USER = ("container_upload", "document", "image", "search_result", "text", "tool_result")
ASSISTANT = (
    "bash_code_execution_tool_result",
    "code_execution_tool_result",
    "compaction",
    "fallback",
    "mcp_tool_result",
    "mcp_tool_use",
    "redacted_thinking",
    "server_tool_use",
    "text",
    "text_editor_code_execution_tool_result",
    "thinking",
    "tool_search_tool_result",
    "tool_use",
    "web_fetch_tool_result",
    "web_search_tool_result",
)
SYSTEM = ("text", "tool_addition", "tool_removal")
"""In system messages amid the conversation, which newer models take."""
ALL = tuple(sorted({*USER, *ASSISTANT, *SYSTEM}))
FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # type: required fields, optional fields
    "text": (("text",), ("cache_control", "citations")),
    "image": (("source",), ("cache_control", "transformations")),
    "document": (("source",), ("cache_control", "citations", "context", "title")),
    "search_result": (("content", "source", "title"), ("cache_control", "citations")),
    "thinking": (("signature", "thinking"), ()),
    "redacted_thinking": (("data",), ()),
    "tool_use": (("id", "input", "name"), ("cache_control", "caller", "toolset_name")),
    "tool_result": (("tool_use_id",), ("cache_control", "content", "is_error", "toolset_name")),
    "server_tool_use": (("id", "input", "name"), ("cache_control", "caller")),
    "web_search_tool_result": (("content", "tool_use_id"), ("cache_control", "caller")),
}
SOURCES: Mapping[str, tuple[str, ...]] = {
    "image": ("base64", "file", "url"),
    "document": ("base64", "content", "file", "text", "url"),
}
SOURCE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "base64": ("data", "media_type"),
    "file": ("file_id",),
    "url": ("url",),
    "text": ("data", "media_type"),
    "content": ("content",),
}
MEDIA: Mapping[str, tuple[str, ...]] = {
    "image": ("image/jpeg", "image/png", "image/gif", "image/webp"),
    "document": ("application/pdf",),
}
IN_RESULTS = ("browser_state", "document", "image", "search_result", "text", "tool_reference")
_ID = re.compile(r"[a-zA-Z0-9_-]+\Z")


def dig(role: str) -> Sequence[str]:
    """The block types that may stand in messages of a role."""
    return {"user": USER, "assistant": ASSISTANT}.get(role, SYSTEM)


def extra(value: Mapping[str, Any], allowed: Collection[str], where: str) -> None:
    """No other fields than `allowed`."""
    for key in value:
        if key not in allowed:
            raise invalid(
                f"{where}.{key}: Extra inputs are not permitted" if where else f"{key}: Extra inputs are not permitted"
            )


def field(value: Mapping[str, Any], key: str, where: str) -> Any:
    """A required field."""
    if value.get(key) is None:
        raise invalid(f"{where}.{key}: Field required")
    return value[key]


def tag(value: Any, allowed: Sequence[str], where: str) -> None:
    """An object whose `type` is one of `allowed`."""
    if not isinstance(value, Mapping):
        raise invalid(f"{where}: Input should be a valid dictionary or object to extract fields from")
    if "type" not in value:
        raise invalid(f"{where}: Unable to extract tag using discriminator 'type'")
    if value["type"] not in allowed:
        listed = ", ".join(f"'{name}'" for name in allowed)
        text = f"{where}: Input tag '{value['type']}' found using 'type' does not match any of the expected tags: {listed}"
        raise invalid(text)


def check_block(part: Any, allowed: Sequence[str], where: str) -> None:
    """One content block, whose type must be one of `allowed`."""
    tag(part, ALL if len(allowed) > 1 else allowed, where)
    kind = part["type"]
    if kind not in allowed:
        side = "assistant" if kind in ASSISTANT else "user"
        raise invalid(f"{where.rsplit('.content', 1)[0]}: `{kind}` blocks can only be in `{side}` messages")
    if kind not in FIELDS:
        return
    required, optional = FIELDS[kind]
    for key in required:
        if key not in part or (part[key] is None and key != "content"):
            raise invalid(f"{where}.{kind}.{key}: Field required")
    extra({key: value for key, value in part.items() if value is not None}, ("type", *required, *optional), f"{where}.{kind}")
    if kind == "text":
        _check_text(part, where)
    elif kind in SOURCES:
        _check_source(part["source"], kind, f"{where}.{kind}.source")
    elif kind in ("tool_use", "server_tool_use"):
        _check_id(part["id"], f"{where}.{kind}.id")
        if not isinstance(part["input"], Mapping):
            raise invalid(f"{where}.{kind}.input: Input should be a valid dictionary")
    elif kind == "tool_result":
        _check_id(part["tool_use_id"], f"{where}.tool_result.tool_use_id")
        content = part.get("content")
        for at, inner in enumerate(content if isinstance(content, list) else ()):
            tag(inner, IN_RESULTS, f"{where}.tool_result.content.{at}")
            if inner["type"] in FIELDS:
                check_block(inner, IN_RESULTS, f"{where}.tool_result.content.{at}")


def _check_text(part: Mapping[str, Any], where: str) -> None:
    text = part["text"]
    if not isinstance(text, str):
        raise invalid(f"{where}.text.text: Input should be a valid string")
    if not text:
        if part.get("cache_control"):
            raise invalid(f"{where}.text.cache_control: cache_control cannot be set for empty text blocks")
        raise invalid(
            "messages: text content blocks must be non-empty"
            if where.startswith("messages")
            else f"{where.split('.')[0]}: text content blocks must be non-empty"
        )
    if not text.strip():
        raise invalid(f"{where.split('.')[0]}: text content blocks must contain non-whitespace text")


def _check_source(source: Any, kind: str, where: str) -> None:
    tag(source, SOURCES[kind], where)
    form = source["type"]
    for key in SOURCE_FIELDS[form]:
        field(source, key, f"{where}.{form}")
    extra(source, ("type", *SOURCE_FIELDS[form]), f"{where}.{form}")
    if form == "base64" and source["media_type"] not in MEDIA[kind]:
        names = [f"'{name}'" for name in MEDIA[kind]]
        listed = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
        raise invalid(f"{where}.base64.media_type: Input should be {listed}")


def _check_id(made: Any, where: str) -> None:
    if not isinstance(made, str) or not _ID.match(made):
        raise invalid(f"{where}: String should match pattern '^[a-zA-Z0-9_-]+$'")
