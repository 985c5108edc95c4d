"""Adapt ids and names of tool calls to the target: `switchwise.dialects.call_ids`, applied to messages."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from langchain_switchwise.models.native import Native
from switchwise.dialects import Dialect
from switchwise.dialects.call_ids import CallIds, author_name, tool_name


def ids_for(native: Native) -> CallIds:
    """Ids of a new conversation."""
    return CallIds(native.dialect.ids, once=native.responds_with_tools)


def with_ids(message: BaseMessage, ids: CallIds, place: int) -> BaseMessage:
    """The message with ids that the target accepts; itself if nothing changes.

    Parameters:
        message: one of the conversation.
        ids: of the messages before it; those of this one are noted.
        place: its number in the conversation.
    """
    if isinstance(message, AIMessage) and message.tool_calls:
        given = [call["id"] for call in message.tool_calls]
        own = [ids.called(name, place, number) for number, name in enumerate(given)]
        if own == given:
            return message
        calls = [{**call, "id": name} for call, name in zip(message.tool_calls, own, strict=True)]
        renamed = {name or "": new for name, new in zip(given, own, strict=True)}
        return message.model_copy(update={"tool_calls": calls, "content": _with_ids(message.content, renamed)})
    if isinstance(message, ToolMessage):
        answered = ids.answered(message.tool_call_id, place)
        return message if answered == message.tool_call_id else message.model_copy(update={"tool_call_id": answered})
    return message


def plainly_named(message: AIMessage, dialect: Dialect) -> AIMessage:
    """A foreign answer with call names that the target accepts."""
    names = [tool_name(call["name"], dialect.tools) for call in message.tool_calls]
    if all(call["name"] == name for call, name in zip(message.tool_calls, names, strict=True)):
        return message
    calls = [{**call, "name": name} for call, name in zip(message.tool_calls, names, strict=True)]
    return message.model_copy(update={"tool_calls": calls})


def authored(message: BaseMessage) -> BaseMessage:
    """The message with an author name that Chat Completions accepts."""
    if not message.name or (clean := author_name(message.name)) == message.name:
        return message
    return message.model_copy(update={"name": clean})


def _with_ids(content: Any, own: dict[str, str]) -> Any:
    """The blocks that stand for calls, with the new ids."""
    if isinstance(content, str):
        return content
    return [
        {**block, "id": own.get(block["id"], block["id"])}
        if isinstance(block, dict) and block.get("type") in ("tool_use", "tool_call") and "id" in block
        else block
        for block in content
    ]
