"""Ids and names of tool calls, as the target takes them.

| | ids | names |
|---|---|---|
| Chat Completions | at most 40 characters | letters, digits, `_` and `-`, at most 64 |
| Responses | at most 64, each used once | the same |
| Messages | each used once (ChatAnthropic sees to their characters) | the same, at most 128 |
| Chat Completions of other providers | as OpenAI's (ChatMistralAI makes nine characters of them) | as OpenAI's |
| Gemini | each used once: its integration finds results by them | as OpenAI's |
| Converse | at most 64 of the characters of names, each used once | as OpenAI's |

An id that is empty becomes a word, one that is too long or has other characters its digest, everywhere the same. One that occurs again gets a
number: some models of OpenAI's repeat theirs.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from langchain_switchwise.models.dialect import Dialect
from langchain_switchwise.models.native import Native

_LONGEST = {Dialect.OPENAI_CHAT: 40, Dialect.OPENAI_RESPONSES: 64, Dialect.CHAT: 40, Dialect.BEDROCK: 64}
_ONCE = (Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.BEDROCK)
_STRANGE = re.compile(r"[^a-zA-Z0-9_-]")


class CallIds:
    """The ids of one conversation, for one target.

    It notes at which message an id occurs, so that the same message always gets the same ids, however often it is looked at.
    """

    __slots__ = ("_longest", "_places", "_plain", "_unique")

    def __init__(self, native: Native) -> None:
        self._longest = _LONGEST.get(native.dialect, 0)
        self._unique = native.responds_with_tools or native.dialect in _ONCE
        self._plain = native.dialect is Dialect.BEDROCK
        self._places: dict[str, tuple[int, ...]] = {}

    def of(self, message: BaseMessage, place: int) -> BaseMessage:
        """The message with ids that the target takes; itself where nothing changes.

        Parameters:
            message: one of the conversation.
            place: its number in it.
        """
        if isinstance(message, AIMessage) and message.tool_calls:
            own = {given: self._called(given, place) for call in message.tool_calls if (given := call["id"]) is not None}
            if all(given == new for given, new in own.items()):
                return message
            calls = [{**call, "id": own.get(str(call["id"]), call["id"])} for call in message.tool_calls]
            return message.model_copy(update={"tool_calls": calls, "content": _with_ids(message.content, own)})
        if isinstance(message, ToolMessage):
            given = message.tool_call_id
            own_id = self._name(given, sum(at < place for at in self._places.get(given, ())) - 1)
            return message if own_id == given else message.model_copy(update={"tool_call_id": own_id})
        return message

    def _called(self, given: str, place: int) -> str:
        if not self._unique:
            return self._name(given, 0)
        places = self._places.get(given, ())
        if place not in places:
            self._places[given] = (*places, place)
        return self._name(given, sum(at < place for at in places))

    def _name(self, given: str, before: int) -> str:
        """The id after so many calls that had the same."""
        own = given or "call"
        if self._longest and (len(given) > self._longest or (self._plain and _STRANGE.search(given))):
            own = f"call_{blake2b(given.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
        return own if before < 1 else f"{own[: self._longest - 5] if self._longest else own}_{before + 1}"


def plainly_named(message: AIMessage, dialect: Dialect) -> AIMessage:
    """A foreign answer whose calls bear names that the target takes."""
    if dialect is Dialect.OTHER:
        return message
    longest = 128 if dialect is Dialect.ANTHROPIC else 64
    if all(len(call["name"]) <= longest and not _STRANGE.search(call["name"]) for call in message.tool_calls):
        return message
    calls = [{**call, "name": _STRANGE.sub("_", call["name"])[:longest]} for call in message.tool_calls]
    return message.model_copy(update={"tool_calls": calls})


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
