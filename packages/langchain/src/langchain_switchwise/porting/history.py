"""Adapt a conversation to the target of an attempt, on copies, since one provider may refuse another's content.

Rules:
1. A target gets its own messages back unchanged: the provider's cache and thinking signatures depend on that.
2. An answer of another target is rebuilt from its text and tool calls, if it has provider-specific content.
3. The same message is always adapted in the same way, so the prefix that a target sees does not change under its cache.
4. A message without an origin (written by hand, restored) is foreign if its blocks are not of the target's dialect.

docs/design/portability.md lists the adaptations with reasons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from operator import is_not
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_switchwise.answering.decision_record import target_of
from langchain_switchwise.models.native import Native
from langchain_switchwise.porting.cache_hints import HintWriter
from langchain_switchwise.porting.call_ids import answered_calls, authored, ids_for, plainly_named, with_ids
from langchain_switchwise.porting.content import adapt_content, adapt_kind, is_blank
from langchain_switchwise.porting.settings import settings
from langchain_switchwise.porting.turn_order import Turns, role_of
from switchwise.dialects.call_ids import CallIds
from switchwise.dialects.table import ANTHROPIC, GEMINI, NVIDIA, OPENAI_RESPONSES, OTHER
from switchwise.dialects.thinking import began_without_thinking
from switchwise.dialects.turn_order import SYSTEM
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.state.in_process import Memory

_Key = tuple[tuple[str, ...], str, str]
_PLAIN = frozenset(["text", "tool_use"])
_OWN = {"openai-responses": frozenset(["reasoning", "refusal", "function_call", "tool_call"])}
"""Blocks that identify a message without an origin as the dialect's own. Signed ones do not: they stay foreign."""
_WORDS = (HumanMessage, SystemMessage)
_OPENINGS = ((HumanMessage,), (SystemMessage, HumanMessage))
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning_content", "reasoning")
_MAKERS_KEYS = frozenset(["reasoning", "reasoning_content", "reasoning_details", "tool_outputs", "audio", "parsed", "refusal"])
_PASSED_ON = ("openai-chat", "openai-responses", "anthropic", "other")
"""Dialects whose integrations accept each other's plain answers; others also send the extra fields."""
_NAMES = ("openai-chat", "chat-completions", "mistral", "ollama", "cohere")
"""Dialects whose integrations send the names of authors."""


class _Kept(NamedTuple):
    """An adapted history and its state."""

    messages: list[BaseMessage]
    adapted: list[BaseMessage] | None
    ids: CallIds
    turns: Turns


class HistoryAdapter:
    """Adapt prompts; caches the result per thread and target, so that only new messages are processed.

    Parameters:
        hint_writer: adds cache hints to calls; None: no hints.
        size: most pairs of thread and target kept.
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
        """Return the model to call for `native`, its messages and settings; the caller's own objects if nothing changes.

        The model differs only in a tool loop that began without thinking, which must continue without.

        Parameters:
            thread: key of the conversation.
            native: model of the attempt. messages: the conversation.
            kwargs: settings of the call.
            tools: whether tools are bound.

        Raises:
            TargetError: the target does not support a part of it.
        """
        adapted = messages
        # One question in plain words, perhaps after a system prompt: every target accepts it as it is.
        is_opening = len(messages) <= 2 and tuple(map(type, messages)) in _OPENINGS and all(map(_is_plain, messages))
        if not is_opening:
            api = replace(native, dialect=OPENAI_RESPONSES) if tools and native.responds_with_tools else native
            history, turns = self._history(thread, api, messages)
            end = turns.end(bool(messages) and _answered_elsewhere(messages[-1], api))
            adapted = [*history, *end] if end or history is not messages else messages
            if native.thinkless is not None and _began_without_thinking(history):
                native = native.thinkless  # its earlier answers go back as they were, with their thinking
        if kwargs:
            native = _asking_no_usage(native, kwargs)
            kwargs = settings(native, kwargs, tools)
        return native, adapted, kwargs

    def _history(self, thread: tuple[str, ...], native: Native, messages: list[BaseMessage]) -> tuple[list[BaseMessage], Turns]:
        key = (thread, native.name, native.dialect.name)
        kept = self._kept.get(key)
        # After a system message the whole is adapted again: it may be joined with the next one, or turn out to stand where no answer follows.
        if kept is None or kept.turns.place.last == SYSTEM or not _continues(kept.messages, messages):
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


def adapt(messages: Sequence[BaseMessage], native: Native) -> list[BaseMessage]:
    """Adapt a conversation to `native`; messages that need no change stay the same objects.

    Parameters:
        messages: the conversation.
        native: the target.

    Raises:
        TargetError: a part of it cannot be expressed for the target.
    """
    return _adapt(messages, native, ids_for(native), Turns(native), 0)


def _adapt(messages: Sequence[BaseMessage], native: Native, ids: CallIds, turns: Turns, start: int) -> list[BaseMessage]:
    """Adapt the next messages of a conversation after `start` earlier ones."""
    dialect = native.dialect
    for place, given in enumerate(messages, start):
        if type(given) in _WORDS and _is_plain(given):
            turns.add(given)  # nothing but its place may matter
            continue
        message = adapt_kind(given, native)
        if isinstance(message, AIMessage):
            if (answer := _answer(message, native, messages, place - start + 1)) is not None:
                turns.add(_spelt_out(with_ids(answer, ids, place), native))
        else:
            for each in adapt_content(message, dialect):
                turns.add(_without_marks(with_ids(each, ids, place), native))
    return turns.messages


def _is_plain(message: BaseMessage) -> bool:
    """Return whether a message is nothing but words."""
    text = message.content
    return isinstance(text, str) and bool(text) and not text.isspace() and not message.name


def _asking_no_usage(native: Native, kwargs: Mapping[str, Any]) -> Native:
    """Return the model, without its request for usage if `stream_options=None` says that its server refuses it."""
    if kwargs.get("stream_options", kwargs) is not None or getattr(native.model, "stream_usage", None) is not True:
        return native
    model = native.model.model_copy(update={"stream_usage": False})
    return replace(native, name=f"{native.name} without usage in streams", model=model)


def _without_marks(message: BaseMessage, native: Native) -> BaseMessage:
    """The message without fields that the integration would send and the provider refuse."""
    dialect = native.dialect
    if not dialect.cache_marks:
        message = _without_cache_marks(message)
    if dialect is GEMINI:
        return _named_by_its_call(message)
    return authored(message) if dialect.protocol in _NAMES else message


def _answer(message: AIMessage, native: Native, messages: Sequence[BaseMessage], after: int) -> AIMessage | None:
    """Adapt an answer, followed by `messages[after:]`, to the target; None if nothing is left of it."""
    dialect = native.dialect
    home = _at_home(message, native)
    if home and (dialect is OTHER or _own(message, native)):
        return _with_marks_taken(message, native)
    mine = plainly_named(message if home else _rebuilt(message, messages, after), dialect)
    if is_blank(mine) and (not home or mine.content == [] or not dialect.blank_answer):
        return None
    blank = isinstance(mine.content, str) and mine.content and not mine.content.strip()
    return _with_marks_taken(mine.model_copy(update={"content": ""}) if blank and dialect is ANTHROPIC else mine, native)


def _with_marks_taken(message: AIMessage, native: Native) -> AIMessage:
    marked = _without_marks(message, native)
    return marked if isinstance(marked, AIMessage) else message


def _named_by_its_call(message: BaseMessage) -> BaseMessage:
    """A result without its own name: Gemini uses that of the call, which may be spelt differently."""
    return message.model_copy(update={"name": None}) if isinstance(message, ToolMessage) and message.name else message


def _spelt_out(message: BaseMessage, native: Native) -> BaseMessage:
    """An answer with its calls also in the form of Chat Completions, the only one that ChatNVIDIA sends."""
    if native.dialect is not NVIDIA or not isinstance(message, AIMessage) or not message.tool_calls:
        return message
    calls = [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": json.dumps(call["args"])}}
        for call in message.tool_calls
    ]
    return message.model_copy(update={"additional_kwargs": {**message.additional_kwargs, "tool_calls": calls}})


def _answered_elsewhere(last: BaseMessage, native: Native) -> bool:
    """Return whether the conversation ends with another model's answer, which Anthropic's newer models refuse as a prefill."""
    if not isinstance(last, AIMessage) or last.tool_calls or _own(last, native):
        return False
    return bool(target_of(last) or last.response_metadata.get("model_provider"))


def _rebuilt(message: AIMessage, messages: Sequence[BaseMessage], after: int) -> AIMessage:
    """An answer reduced to its text and tool calls, which every provider accepts."""
    content = message.content
    calls = message.tool_calls
    if message.invalid_tool_calls:
        calls = [*calls, *answered_calls(message, islice(messages, after, None))]
    text = content if isinstance(content, str) else str(message.text)
    return AIMessage(content=text if text or calls else _refusal(message), tool_calls=calls, name=message.name)


def _refusal(message: AIMessage) -> str:
    """The words in which a model of OpenAI refused to answer; empty: it did not."""
    blocks = message.content if isinstance(message.content, list) else []
    parts = [str(block.get("refusal") or "") for block in blocks if isinstance(block, dict) and block.get("type") == "refusal"]
    return "".join(parts) or str(message.additional_kwargs.get("refusal") or "")


def _own(message: AIMessage, native: Native) -> bool:
    """Return whether `native` is known to have made the message."""
    if maker := target_of(message):
        return maker == native.name
    metadata = message.response_metadata
    return metadata.get("model_provider") in native.makers and metadata.get("model_name") in (None, native.model_name)


def _at_home(message: AIMessage, native: Native) -> bool:
    """Return whether the message can be sent to `native` unchanged."""
    if _own(message, native):
        return True
    maker, origin = target_of(message), message.response_metadata.get("model_provider")
    if message.invalid_tool_calls or not _MAKERS_KEYS.isdisjoint(message.additional_kwargs):
        return False
    content = message.content
    if native.dialect.protocol not in _PASSED_ON and (message.additional_kwargs or not isinstance(content, str)):
        return False
    if isinstance(content, str):  # ids of stored Responses items are valid only at their provider
        return not (message.id or "").startswith(("resp_", "msg_"))
    if maker or origin:
        return False
    known = _PLAIN | _OWN.get(native.dialect.protocol, frozenset())
    return all(isinstance(block, str) or (block.get("type") in known and not _signed(block)) for block in content)


def _signed(block: Mapping[str, Any]) -> bool:
    """Return whether only its maker accepts it: it is signed, or a thought that its maker does not store."""
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
    """Return whether the last turn is a tool loop with an answer that does not begin with thinking."""
    return began_without_thinking(
        (role_of(message), _thinks(message) or _has_results(message)) for message in reversed(history)
    )


def _thinks(message: BaseMessage) -> bool:
    """Whether an answer begins with its thinking."""
    content = message.content
    first: Any = content[0] if isinstance(content, list) and content else None
    if isinstance(first, dict) and first.get("type") == "non_standard":  # redacted thinking among LangChain's standard blocks
        first = first.get("value")
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
    """Return whether `messages` extend `before`. The ends are compared first, so that a restored history is not compared in full."""
    count = len(before)
    if not 0 < count <= len(messages) or messages[0] is not before[0] or messages[count - 1] is not before[-1]:
        return False
    return before == (messages if len(messages) == count else messages[:count])
