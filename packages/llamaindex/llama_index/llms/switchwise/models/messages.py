"""Convert a LlamaIndex message to a neutral turn, once per message of a thread."""

from __future__ import annotations

import json
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from switchwise import Turn
from switchwise.gate import MARK
from switchwise.reading.document_size import document_tokens

_ROLES = {"system": "system", "developer": "system", "assistant": "assistant", "chatbot": "assistant", "model": "assistant"}
_TOOLS = frozenset({"tool", "function"})
_OBSERVED = ("Observation: ", "Result of executing the code given:")
"""Beginnings of user messages with a tool's result, by ReAct and CodeAct agents, which call tools in text."""
_MEDIA: dict[type, str] = {ImageBlock: "image", AudioBlock: "audio", DocumentBlock: "document", VideoBlock: "video"}


def turn_of(message: ChatMessage) -> Turn:
    """The turn that a message is. LlamaIndex does not keep whether a tool failed, so a tool's turn says nothing about it."""
    texts: list[str] = []
    calls: list[str] = []
    arguments: list[str] = []
    media: list[str] = []
    sizes = 0
    for block in message.blocks:
        kind = type(block)
        if kind is TextBlock:
            texts.append(block.text)  # type: ignore[union-attr]
        elif isinstance(block, ToolCallBlock):
            calls.append(block.tool_name)
            arguments.append(_text(block.tool_kwargs))
        elif isinstance(block, ThinkingBlock):
            texts.append(block.content or "")
        elif isinstance(block, CitableBlock):
            texts.extend(part.text for part in block.content if isinstance(part, TextBlock))
        elif kind in _MEDIA:
            media.append(_MEDIA[kind])
            if isinstance(block, DocumentBlock) and isinstance(block.data, bytes):  # base64, as LlamaIndex keeps it
                sizes += document_tokens({"data": block.data.decode("latin-1")})
    given_role, text = message.role.value, "\n".join(texts)
    role = "tool" if given_role in _TOOLS else _ROLES.get(given_role, "user")
    found = message.additional_kwargs.get("source") == MARK  # by a gate: a check's result, no request of the user's
    if role == "user" and (found or text.startswith(_OBSERVED)):
        role = "tool"
    return Turn(
        role,
        text,
        tuple(calls),
        "\n".join(arguments),
        failed=True if found else None,
        media=tuple(media),
        document_tokens=sizes,
    )


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, default=str)
