"""Adapts a conversation to the target of an attempt, on copies: what one provider wrote, another may refuse.

Rules:
1. A target gets its own messages back as they were: a provider's cache and its thinking signatures depend on that.
2. An answer of another target is rebuilt from its text and tool calls, if it holds anything of its maker's own.
3. The same message is always adapted in the same way, so the prefix that a target sees does not change under its cache.
4. A message without an origin (written by hand, restored) is foreign if its blocks are not of the target's dialect.

What is adapted, and why each provider refuses it otherwise: docs/design/portability.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import is_not
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompt_values import ChatPromptValue

from langchain_switchwise.answering.decision_record import target_of
from langchain_switchwise.models.native import Native
from langchain_switchwise.porting.cache_hints import HintWriter
from langchain_switchwise.porting.call_ids import authored, ids_for, plainly_named, with_ids
from langchain_switchwise.porting.content import adapt_content, adapt_kind, is_blank
from langchain_switchwise.porting.settings import settings
from langchain_switchwise.porting.turn_order import Turns, role_of
from switchwise.dialects.call_ids import CallIds
from switchwise.dialects.table import ANTHROPIC, GEMINI, NVIDIA, OTHER
from switchwise.dialects.thinking import began_without_thinking
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.state.in_process import Memory

_Key = tuple[tuple[str, ...], str]
_PLAIN = frozenset(["text", "tool_use", "tool_call", "function_call", "tool_call_chunk", "input_json_delta"])
_OWN = {"openai-responses": frozenset(["reasoning", "refusal"])}
"""Blocks of a message without an origin that can be told to be the dialect's own. Signed ones cannot: they stay foreign."""
_WORDS = (HumanMessage, SystemMessage)
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning_content")
_MAKERS_KEYS = frozenset(["reasoning", "reasoning_content", "reasoning_details", "tool_outputs", "audio", "parsed", "refusal"])
_PASSED_ON = ("openai-chat", "openai-responses", "anthropic", "other")
"""Whose integrations take each other's plain answers as they are; others also send on the extra fields."""
_NAMES = ("openai-chat", "chat-completions", "mistral", "ollama", "cohere")
"""Whose integrations send on the names of authors."""


class _Kept(NamedTuple):
    """A history that was adapted, and where it stands."""

    messages: list[BaseMessage]
    adapted: list[BaseMessage] | None
    ids: CallIds
    turns: Turns


class HistoryAdapter:
    """Adapts prompts; keeps per thread and target what it has adapted, so that only new messages are looked at.

    Parameters:
        hint_writer: what is added to calls for the sake of prompt caches; None: nothing.
        size: how many pairs of thread and target are kept.
    """

    def __init__(self, hint_writer: HintWriter | None = None, size: int = 256) -> None:
        self.hint_writer = hint_writer or HintWriter(CacheHints(affinity=False), {})
        self._kept: Memory[_Key, _Kept] = Memory(size)

    def adapted(
        self,
        thread: tuple[str, ...],
        native: Native,
        messages: list[BaseMessage],
        kwargs: dict[str, Any],
        tools: bool = False,
    ) -> tuple[Native, list[BaseMessage], dict[str, Any]]:
        """The model to call for `native`, its messages and settings; the caller's own objects where nothing needs to change.

        The model is another one only in a tool loop that began without thinking: there it may not think either.

        Parameters:
            thread: key of the conversation.
            native: the target of the attempt.
            messages: the conversation.
            kwargs: settings of the call.
            tools: tools are bound.

        Raises:
            TargetError: the target does not support part of it; another may.
        """
        history, turns = self._history(thread, native, messages)
        if native.thinkless is not None and _began_without_thinking(history):
            native = native.thinkless
            history, turns = self._history(thread, native, messages)
        if kwargs:
            native = _asking_no_usage(native, kwargs)
            kwargs = settings(native, kwargs, tools)
        end = turns.end(bool(messages) and _answered_elsewhere(messages[-1], native))
        return native, [*history, *end] if end else history if history is messages else history.copy(), kwargs

    def _history(self, thread: tuple[str, ...], native: Native, messages: list[BaseMessage]) -> tuple[list[BaseMessage], Turns]:
        key = (thread, native.name)
        kept = self._kept.get(key)
        if kept is None or not _continues(kept.messages, messages):
            known, before, ids, turns = 0, None, ids_for(native), Turns(native)
        elif len(kept.messages) < len(messages):
            known, before, ids = len(kept.messages), kept.adapted, kept.ids
            turns = Turns(native, kept.turns.place, kept.turns.shown)
        else:
            return messages if kept.adapted is None else kept.adapted, kept.turns
        new = messages[known:]
        adapted = _adapt(new, native, ids, turns, known)
        if before is not None:
            before = [*before, *adapted]
        elif any(map(is_not, new, adapted)) or len(new) != len(adapted):
            before = [*messages[:known], *adapted]
        kept = _Kept(messages, before, ids, turns)
        self._kept.put(key, kept)
        return messages if kept.adapted is None else kept.adapted, kept.turns


def as_prompt(messages: list[BaseMessage]) -> ChatPromptValue:
    """A prompt of messages that are known to be such: nothing is left to validate."""
    return ChatPromptValue.model_construct(messages=messages)


def adapt(messages: Sequence[BaseMessage], native: Native) -> list[BaseMessage]:
    """A conversation as `native` may be sent it; messages that it may have as they are stay the same objects.

    Parameters:
        messages: the conversation.
        native: the target.

    Raises:
        TargetError: there is no way to tell the target something of it.
    """
    return _adapt(messages, native, ids_for(native), Turns(native), 0)


def _adapt(messages: Sequence[BaseMessage], native: Native, ids: CallIds, turns: Turns, start: int) -> list[BaseMessage]:
    """The next messages of a conversation, of which `start` were there before."""
    dialect = native.dialect
    for place, given in enumerate(messages, start):
        if type(given) in _WORDS and isinstance(text := given.content, str) and text and not text.isspace() and not given.name:
            turns.add(given)  # plain words: nothing but their place may matter
            continue
        message = adapt_kind(given, native)
        if isinstance(message, AIMessage):
            if (answer := _answer(message, native)) is not None:
                turns.add(_spelt_out(with_ids(answer, ids, place), native))
        else:
            for each in adapt_content(message, dialect):
                turns.add(_without_marks(with_ids(each, ids, place), native))
    return turns.messages


def _asking_no_usage(native: Native, kwargs: Mapping[str, Any]) -> Native:
    """The model as it is, unless `stream_options=None` says that its server refuses to be asked for usage, which it asks for by itself."""
    if kwargs.get("stream_options", kwargs) is not None or getattr(native.model, "stream_usage", None) is not True:
        return native
    model = native.model.model_copy(update={"stream_usage": False})
    return replace(native, name=f"{native.name} without usage in streams", model=model)


def _without_marks(message: BaseMessage, native: Native) -> BaseMessage:
    """The message without what the target's integration would send on, and its provider refuse."""
    dialect = native.dialect
    if not dialect.cache_marks:
        message = _without_cache_marks(message)
    if dialect is GEMINI:
        return _named_by_its_call(message)
    return authored(message) if dialect.protocol in _NAMES else message


def _answer(message: AIMessage, native: Native) -> AIMessage | None:
    """An answer as the target may be sent it; None: nothing of it is left to say."""
    dialect = native.dialect
    home = _at_home(message, native)
    if home and (dialect is OTHER or _own(message, native)):
        return _with_marks_taken(message, native)
    mine = plainly_named(message if home else _rebuilt(message), dialect)
    if is_blank(mine) and (not home or mine.content == [] or not dialect.blank_answer):
        return None
    blank = isinstance(mine.content, str) and mine.content and not mine.content.strip()
    return _with_marks_taken(mine.model_copy(update={"content": ""}) if blank and dialect is ANTHROPIC else mine, native)


def _with_marks_taken(message: AIMessage, native: Native) -> AIMessage:
    marked = _without_marks(message, native)
    return marked if isinstance(marked, AIMessage) else message


def _named_by_its_call(message: BaseMessage) -> BaseMessage:
    """A result without a name of its own: Gemini knows it by that of the call, which may be spelt otherwise."""
    return message.model_copy(update={"name": None}) if isinstance(message, ToolMessage) and message.name else message


def _spelt_out(message: BaseMessage, native: Native) -> BaseMessage:
    """An answer with its calls in the words of Chat Completions too: ChatNVIDIA sends no others."""
    if native.dialect is not NVIDIA or not isinstance(message, AIMessage) or not message.tool_calls:
        return message
    calls = [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": json.dumps(call["args"])}}
        for call in message.tool_calls
    ]
    return message.model_copy(update={"additional_kwargs": {**message.additional_kwargs, "tool_calls": calls}})


def _answered_elsewhere(last: BaseMessage, native: Native) -> bool:
    """Whether the conversation ends with another model's answer: Anthropic's newer models take none as a beginning of theirs."""
    if not isinstance(last, AIMessage) or last.tool_calls or _own(last, native):
        return False
    return bool(target_of(last) or last.response_metadata.get("model_provider"))


def _rebuilt(message: AIMessage) -> AIMessage:
    """An answer reduced to what every provider understands: its text and its tool calls."""
    content = message.content
    return AIMessage(
        content=content if isinstance(content, str) else str(message.text),
        tool_calls=message.tool_calls,
        name=message.name,
    )


def _own(message: AIMessage, native: Native) -> bool:
    """Whether `native` is known to have made the message."""
    if maker := target_of(message):
        return maker == native.name
    metadata = message.response_metadata
    return metadata.get("model_provider") in native.makers and metadata.get("model_name") in (None, native.model_name)


def _at_home(message: AIMessage, native: Native) -> bool:
    """Whether `native` can be sent the message as it is."""
    if _own(message, native):
        return True
    maker, origin = target_of(message), message.response_metadata.get("model_provider")
    if not _MAKERS_KEYS.isdisjoint(message.additional_kwargs):
        return False
    content = message.content
    if native.dialect.protocol not in _PASSED_ON and (message.additional_kwargs or not isinstance(content, str)):
        return False
    if isinstance(content, str):  # ids of stored Responses items mean nothing elsewhere
        return not (message.id or "").startswith(("resp_", "msg_"))
    if maker or origin:
        return False
    known = _PLAIN | _OWN.get(native.dialect.protocol, frozenset())
    return all(isinstance(block, str) or (block.get("type") in known and not _signed(block)) for block in content)


def _signed(block: Mapping[str, Any]) -> bool:
    """Whether only its maker can take it: it is signed, or it is a thought that its maker keeps no copy of."""
    if block.get("type") == "reasoning":
        return not str(block.get("id") or "").startswith("rs_")
    return "signature" in block or block.get("type") == "redacted_thinking"


def _without_cache_marks(message: BaseMessage) -> BaseMessage:
    content = message.content
    if isinstance(content, str) or not any(isinstance(block, dict) and "cache_control" in block for block in content):
        return message
    clean = [
        {key: value for key, value in block.items() if key != "cache_control"} if isinstance(block, dict) else block
        for block in content
    ]
    return message.model_copy(update={"content": clean})


def _began_without_thinking(history: list[BaseMessage]) -> bool:
    """Whether the last turn is a tool loop with an answer that does not begin with its thinking."""
    return began_without_thinking(
        (role_of(message), _thinks(message) or _has_results(message)) for message in reversed(history)
    )


def _thinks(message: BaseMessage) -> bool:
    """Whether an answer begins with its thinking."""
    content = message.content
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(message, AIMessage) and isinstance(first, dict) and first.get("type") in _THOUGHTS


def _has_results(message: BaseMessage) -> bool:
    """Whether a user's message holds results of tools, as Anthropic's own do."""
    content = message.content
    return (
        not isinstance(message, AIMessage)
        and not isinstance(content, str)
        and any(isinstance(block, dict) and block.get("type") == "tool_result" for block in content)
    )


def _continues(before: list[BaseMessage], messages: list[BaseMessage]) -> bool:
    """Whether `messages` are those of `before` and more. The ends are compared first: a restored history is not compared."""
    count = len(before)
    if not 0 < count <= len(messages) or messages[0] is not before[0] or messages[count - 1] is not before[-1]:
        return False
    return before == messages[:count]
