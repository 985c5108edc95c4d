"""Adapt ids and names of tool calls to the target: `switchwise.dialects.call_ids`, applied to messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

from langchain_switchwise.models.native import Native
from switchwise.dialects import Dialect
from switchwise.dialects.call_ids import CallIds, author_name, tool_name
from switchwise.protocols.prompt import arguments_of

_CALLS = {"tool_use": "id", "tool_call": "id", "function_call": "call_id"}
"""Blocks that stand for calls, and where they hold the id."""
_PER_CALL = ("__gemini_function_call_thought_signatures__", "__openai_function_call_ids__")
"""Extra fields of Gemini's and OpenAI's integrations: id of a call -> what belongs to it."""


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
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        given = [call["id"] for call in (*message.tool_calls, *message.invalid_tool_calls)]
        own = [ids.called(name, place, number) for number, name in enumerate(given)]
        if own == given:
            return message
        names = iter(own)
        update = {
            "tool_calls": [{**call, "id": next(names)} for call in message.tool_calls],
            "invalid_tool_calls": [{**call, "id": next(names)} for call in message.invalid_tool_calls],
            "content": _with_ids(message.content, given, own),
            "additional_kwargs": _keyed(message.additional_kwargs, dict(zip(given, own, strict=True))),
        }
        return message.model_copy(update=update)
    if isinstance(message, ToolMessage):
        answered = ids.answered(message.tool_call_id, place)
        return message if answered == message.tool_call_id else message.model_copy(update={"tool_call_id": answered})
    if isinstance(message, HumanMessage) and not isinstance(message.content, str):
        return _with_results(message, ids, place)
    return message


def plainly_named(message: AIMessage, dialect: Dialect) -> AIMessage:
    """A foreign answer with call names that the target accepts."""
    names = {call["name"]: tool_name(call["name"], dialect.tools) for call in message.tool_calls}
    if all(given == name for given, name in names.items()):
        return message
    content: Any = message.content
    if not isinstance(content, str):
        content = [
            {**block, "name": names.get(block["name"], block["name"])}
            if isinstance(block, dict) and block.get("type") in _CALLS and "name" in block
            else block
            for block in content
        ]
    calls = [{**call, "name": names[call["name"]]} for call in message.tool_calls]
    return message.model_copy(update={"tool_calls": calls, "content": content})


def authored(message: BaseMessage) -> BaseMessage:
    """The message with an author name that Chat Completions accepts."""
    if not message.name or (clean := author_name(message.name)) == message.name:
        return message
    return message.model_copy(update={"name": clean})


def answered_calls(message: AIMessage, following: Iterable[BaseMessage]) -> list[ToolCall]:
    """The calls with arguments that are not JSON, of those that have a result: as calls that every target accepts."""
    results: set[Any] = set()
    for later in following:
        if isinstance(later, AIMessage):
            break
        if isinstance(later, ToolMessage):
            results.add(later.tool_call_id)
        elif not isinstance(later.content, str):
            results.update(block.get("tool_use_id") for block in later.content if isinstance(block, dict))
    return [
        ToolCall(name=call["name"] or "", args=arguments_of(call["args"]), id=call["id"], type="tool_call")
        for call in message.invalid_tool_calls
        if call["id"] in results
    ]


def _with_ids(content: Any, given: list[str | None], own: list[str]) -> Any:
    """The blocks that stand for calls, with the new ids; those without an id stand in the order of the calls."""
    if isinstance(content, str):
        return content
    renamed = {name: new for name, new in zip(given, own, strict=True) if name}
    made = iter([new for name, new in zip(given, own, strict=True) if not name])
    return [
        {**block, key: renamed.get(block[key], block[key]) if block[key] else next(made, block[key])}
        if isinstance(block, dict) and (key := _CALLS.get(str(block.get("type")), "")) and key in block
        else block
        for block in content
    ]


def _keyed(fields: dict[str, Any], renamed: Mapping[Any, str]) -> dict[str, Any]:
    """The extra fields of an answer, with what they hold per call under its new id."""
    return {
        name: {renamed.get(made, made): kept for made, kept in value.items()} if name in _PER_CALL else value
        for name, value in fields.items()
    }


def _with_results(message: HumanMessage, ids: CallIds, place: int) -> HumanMessage:
    """A user's message with the ids of the calls that its blocks answer, as Anthropic's users give results."""
    content = [
        {**block, "tool_use_id": ids.answered(block["tool_use_id"], place)}
        if isinstance(block, dict) and block.get("type") == "tool_result"
        else block
        for block in message.content
    ]
    return message if content == message.content else message.model_copy(update={"content": content})
