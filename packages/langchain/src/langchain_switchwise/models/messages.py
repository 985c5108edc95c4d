"""Convert a LangChain message to a neutral turn, once per message of a thread."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from switchwise import Turn
from switchwise.gate import MARK
from switchwise.reading.document_size import document_tokens

_ROLES = {
    "human": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "tool": "tool",
    "ToolMessageChunk": "tool",
    "function": "tool",
    "system": "system",
    "SystemMessageChunk": "system",
    "developer": "system",
}
_MEDIA = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "input_audio": "audio",
    "video": "video",
    "file": "document",
    "input_file": "document",
    "document": "document",
    "media": "document",
}


def turn_of(message: BaseMessage) -> Turn:
    """Convert a message to a turn.

    A tool message's status counts only if it is `error`: `success` is the default.
    """
    content = message.content
    media: tuple[str, ...] = ()
    sizes = 0
    if isinstance(content, str):
        text = content
    else:
        text, media = str(message.text), media_of(content)
        if "document" in media:
            sizes = sum(document_tokens(block) for block in content if isinstance(block, dict) and is_document(block))
    calls: tuple[str, ...] = ()
    arguments = tool = ""
    failed = None
    if isinstance(message, AIMessage):
        if message.tool_calls:
            calls = tuple([call["name"] for call in message.tool_calls])
            arguments = " ".join([str(call["args"]) for call in message.tool_calls])
    elif isinstance(message, ToolMessage):
        tool, failed = message.name or "", True if message.status == "error" else None
    elif message.additional_kwargs.get("lc_source") == MARK:  # what a gate found: a check's result, no request of the user's
        return Turn("tool", text, failed=True, media=media)
    return Turn(_ROLES.get(message.type, "user"), text, calls, arguments, tool, failed, media, sizes)


def is_document(block: dict[str, Any]) -> bool:
    """Return whether a content block is a document."""
    return _MEDIA.get(str(block.get("type"))) == "document"


def media_of(content: list[str | dict[str, Any]]) -> tuple[str, ...]:
    """Modalities of the content blocks that are not text."""
    kinds = [_MEDIA.get(str(block.get("type"))) for block in content if isinstance(block, dict)]
    return tuple([kind for kind in kinds if kind])
