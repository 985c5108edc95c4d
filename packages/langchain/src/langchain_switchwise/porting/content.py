"""Adapt content of users and tools to blocks that the target's integration accepts.

LangChain's integrations of OpenAI and Anthropic translate its standard blocks and each other's images. Other blocks they send unchanged,
which is refused, or (Responses) drop silently; other integrations raise. So images and files are parsed and rewritten for those
(`media`). A block that cannot be rewritten is not dropped: the target is UNSUPPORTED, and another one is called.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import is_
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_switchwise.models.native import Native
from langchain_switchwise.porting import media
from switchwise.dialects import Dialect
from switchwise.dialects.media import check_file, unsupported
from switchwise.dialects.table import ANTHROPIC, BEDROCK, GEMINI, OPENAI_RESPONSES, OTHER
from switchwise.dialects.turn_order import EMPTY

Block = dict[str, Any]
_CHAT = "openai-chat"
_TRANSLATED = (_CHAT, "openai-responses", "anthropic")
"""Dialects whose integrations translate each other's images and files, in addition to LangChain's standard blocks."""
_ROLES: dict[str, type[BaseMessage]] = {
    "user": HumanMessage,
    "human": HumanMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
    "assistant": AIMessage,
    "ai": AIMessage,
}
_CHATS_ROLES = ("user", "system", "developer", "assistant")
_TAKEN = {
    # kinds of blocks that the integration translates, or that the provider has itself
    "anthropic": frozenset(["text", "image", "image_url", "file", "document", "search_result", "text-plain", "tool_result"]),
    "openai-chat": frozenset(["text", "image", "image_url", "file", "audio", "input_audio"]),
    "openai-responses": frozenset(["text", "image", "image_url", "file", "input_text", "input_image", "input_file"]),
    "chat-completions": frozenset(["text", "video_url"]),
    "mistral": frozenset(["text", "document_url"]),
    "gemini": frozenset(["text"]),
    "bedrock-converse": frozenset(["text", "search_result", "guard_content", "json"]),
    "ollama": frozenset(["text"]),
    "cohere": frozenset(["text"]),
}
_BEDROCK_BLOCKS = frozenset(["cachePoint", "document", "guardContent", "image", "json", "searchResult", "text", "video"])
_GIVE_DATA = "give its data instead"
_STRUCTURED = (OPENAI_RESPONSES, GEMINI)
"""APIs whose integrations send a result that is a tool's own structure."""
_RAISING = ("gemini", "bedrock-converse", "ollama", "cohere")
"""Dialects whose integrations raise for unknown blocks, or drop them."""
_HEARD = {"audio": "audio", "input_audio": "audio", "video": "video"}
"""Blocks that the integrations send, whether or not the provider supports them; that of Responses drops them."""


def adapt_kind(message: BaseMessage, native: Native) -> BaseMessage:
    """Convert a message of LangChain's older classes to one that every integration accepts."""
    if native.dialect is OTHER:
        return message
    chat = native.dialect.protocol == _CHAT and not native.responds_with_tools
    if isinstance(message, ChatMessage) and not (chat and message.role in _CHATS_ROLES):
        made = _ROLES.get(message.role)
        if made is None:
            return message
        kept = {"__openai_role__": "developer"} if message.role == "developer" else {}
        return made(content=message.content, additional_kwargs=kept)
    if isinstance(message, FunctionMessage) and not chat:
        return HumanMessage(f"Result of {message.name}:\n{message.text}")
    return message


def adapt_content(message: BaseMessage, dialect: Dialect) -> list[BaseMessage]:
    """Adapt a message of a user, a tool or the system to the target; the message itself if nothing changes.

    Raises:
        TargetError: the target does not support it.
    """
    content = message.content
    if isinstance(content, str):
        empty = not dialect.blank_user and isinstance(message, HumanMessage) and not content.strip()
        return [message.model_copy(update={"content": EMPTY})] if empty else [message]
    if dialect is OTHER:
        return [message]
    results = [block for block in content if isinstance(block, dict) and block.get("type") == "tool_result"]
    if results and dialect is not ANTHROPIC and isinstance(message, HumanMessage):
        rest = [block for block in content if block not in results]
        others: list[BaseMessage] = adapt_content(message.model_copy(update={"content": rest}), dialect) if rest else []
        return [*(made for block in results for made in adapt_content(_result(block), dialect)), *others]
    if dialect in _STRUCTURED and content and isinstance(message, ToolMessage) and all(map(_is_sent_as_json, content)):
        return [message]
    new = [inner for block in content for inner in _block(block, dialect)]
    if not dialect.blank_user and isinstance(message, HumanMessage):
        new = [block for block in new if _tells(block)] or [{"type": "text", "text": EMPTY}]
    if not new and dialect is not ANTHROPIC and (dialect is not OPENAI_RESPONSES or isinstance(message, ToolMessage)):
        return [message.model_copy(update={"content": ""})]
    same = len(new) == len(content) and all(map(is_, new, content))
    return [message] if same else [message.model_copy(update={"content": new})]


def _tells(block: Any) -> bool:
    return not isinstance(block, dict) or block.get("type") != "text" or bool(str(block.get("text", "")).strip())


def _is_sent_as_json(block: Any) -> bool:
    """Whether the integrations of `_STRUCTURED` send a part of a result, with the others, as JSON if need be."""
    return not isinstance(block, dict) or block.get("type") in (None, "text", "json", "search_result")


def _result(block: Block) -> ToolMessage:
    status = "error" if block.get("is_error") else "success"
    return ToolMessage(block.get("content") or "", tool_call_id=block["tool_use_id"], status=status)


def _block(block: str | Block, dialect: Dialect) -> list[Any]:
    if isinstance(block, str):
        return [block] if dialect is ANTHROPIC else [_text(block)]
    kind = block.get("type")
    if kind is None:  # Bedrock's cache points have no content; other blocks without a kind are a tool's own structure
        if dialect is BEDROCK and len(block) == 1 and not _BEDROCK_BLOCKS.isdisjoint(block):
            return [block]
        return [] if "cachePoint" in block else [_text(json.dumps(block, ensure_ascii=False, default=str))]
    if dialect is BEDROCK and kind in _BEDROCK_BLOCKS and isinstance(block.get(kind), Mapping):
        return [block]
    if (heard := _HEARD.get(str(kind))) and dialect.protocol in _TRANSLATED and heard not in (dialect.media or ()):
        raise unsupported(dialect, f"{kind} content")
    if file := _file_id(block):
        check_file(dialect, file)
    if dialect.protocol not in _TRANSLATED and (shown := media.of(block)) is not None:
        return [media.written(shown, block, dialect)]
    if kind in _TAKEN[dialect.protocol]:
        return [_taken(block, dialect)]
    made = _rewritten(block, str(kind), dialect)
    if made is None and dialect.protocol in _RAISING:
        raise unsupported(dialect, f"{kind} content")
    return [block] if made is None else made


def _taken(block: Block, dialect: Dialect) -> Block:
    if dialect.protocol == _CHAT and block["type"] == "file" and block.get("url"):
        raise unsupported(dialect, "a file by its address", _GIVE_DATA)
    if block["type"] == "image_url" and isinstance(block.get("image_url"), str):
        return {**block, "image_url": {"url": block["image_url"]}}
    if block["type"] == "tool_result":
        return _with_content(block, dialect)
    if block["type"] == "image" and block.get("file_id") and dialect is not ANTHROPIC:
        if dialect is not OPENAI_RESPONSES:
            raise unsupported(dialect, "an image that is stored elsewhere", _GIVE_DATA)
        return {"type": "input_image", "file_id": block["file_id"]}
    return block


def _with_content(result: Block, dialect: Dialect) -> Block:
    """The result of a tool with content that its integration reads."""
    given = result.get("content")
    if not isinstance(given, list):
        return result if given is not None else {**result, "content": ""}
    content = [inner for block in given for inner in _block(block, dialect)]
    return result if all(map(is_, content, given)) and len(content) == len(given) else {**result, "content": content}


def _rewritten(block: Block, kind: str, dialect: Dialect) -> list[Block] | None:
    """Rewrite a block; None for an unknown kind, which the provider may accept."""
    match kind:
        case "input_text" | "text-plain":
            return [_text(block.get("text", ""))]
        case "input_image" if block.get("image_url"):
            return [{"type": "image_url", "image_url": {"url": block["image_url"]}}]
        case "input_file" if block.get("file_data"):
            return [{"type": "file", "file": {"filename": block.get("filename", "file"), "file_data": block["file_data"]}}]
        case "input_file" if block.get("file_id") and dialect.protocol == _CHAT:
            return [{"type": "file", "file": {"file_id": block["file_id"]}}]
        case "input_file" if block.get("file_url"):
            return [_taken({"type": "file", "url": block["file_url"]}, dialect)]
        case "media" if "data" in block:
            what = str(block.get("mime_type", "")).partition("/")[0]
            made = {"type": what if what in ("image", "audio", "video") else "file", "base64": block["data"]}
            return [{**made, "mime_type": block.get("mime_type")}]
        case "document":
            return _document(block, dialect)
        case "search_result":
            text = "\n".join(str(part.get("text", "")) for part in block.get("content") or () if isinstance(part, Mapping))
            return [_text(f"{block.get('title', '')} ({block.get('source', '')}):\n{text}")]
        case "json" if "json" in block:
            return [_text(json.dumps(block["json"], ensure_ascii=False, default=str))]
        case "configuration_update" if dialect.protocol != "openai-responses":
            return []  # a change of effort in place, without content, which no other API has
        case "input_image" | "input_file" | "media":
            raise unsupported(dialect, f"{kind} content that is stored elsewhere", _GIVE_DATA)
    return None


def _document(block: Block, dialect: Dialect) -> list[Block]:
    """One of Anthropic's documents for OpenAI."""
    source = block.get("source") or {}
    name = block.get("title") or "document"
    match source.get("type"):
        case "base64":
            data = f"data:{source['media_type']};base64,{source['data']}"
            return [{"type": "file", "file": {"filename": name, "file_data": data}}]
        case "text":
            return [_text(f"{name}:\n{source['data']}")]
        case "content":
            inner = source.get("content")
            return (
                [_text(inner)] if isinstance(inner, str) else [made for part in inner or () for made in _block(part, dialect)]
            )
        case "url" if dialect is OPENAI_RESPONSES:
            return [{"type": "input_file", "file_url": source["url"]}]
    raise unsupported(dialect, "a document by its address", _GIVE_DATA)


def _file_id(block: Block) -> str:
    inner = block.get("file") if isinstance(block.get("file"), Mapping) else block.get("source")
    found = block.get("file_id") or (inner.get("file_id") if isinstance(inner, Mapping) else None)
    return str(found or "")


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def is_blank(message: AIMessage) -> bool:
    """Return whether an answer has neither text nor tool calls."""
    return not (message.tool_calls or message.invalid_tool_calls or str(message.text).strip())
