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
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompt_values import ChatPromptValue

from langchain_switchwise.answering.decision_record import target_of
from langchain_switchwise.models.dialect import Dialect
from langchain_switchwise.models.messages import media_of
from langchain_switchwise.models.native import Native
from langchain_switchwise.porting.cache_hints import Warmth
from langchain_switchwise.porting.call_ids import CallIds, plainly_named
from langchain_switchwise.porting.content import is_blank, named, plain, said
from langchain_switchwise.porting.order import GO_ON, answered_between, begun, in_place, orderly
from langchain_switchwise.porting.settings import settings
from switchwise.prompt_cache.affinity import KeepWarm
from switchwise.state.in_process import Memory

_Key = tuple[tuple[str, ...], str]
_PLAIN = frozenset(["text", "tool_use", "tool_call", "function_call", "tool_call_chunk", "input_json_delta"])
_OWN = {Dialect.OPENAI_RESPONSES: frozenset(["reasoning", "refusal"])}
"""Blocks of a message without an origin that can be told to be the dialect's own. Signed ones cannot: they stay foreign."""
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning_content")
_MAKERS_KEYS = frozenset(["reasoning", "reasoning_content", "reasoning_details", "tool_outputs", "audio", "parsed", "refusal"])
_PASSED_ON = (Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC, Dialect.OTHER)
"""Whose integrations take each other's plain answers as they are; others send on what lies beside the text."""
_NO_BLANKS = (Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.BEDROCK, Dialect.MISTRAL, Dialect.COHERE)
"""Who refuses an answer that says nothing."""
_NO_PICTURES = (Dialect.OPENAI_CHAT, Dialect.CHAT, Dialect.MISTRAL, Dialect.OLLAMA, Dialect.COHERE)
"""Who takes none from tools."""


class Porter:
    """Adapts prompts; keeps per thread and target what it has adapted, so that only new messages are looked at.

    Parameters:
        warmth: what is added to calls for the sake of prompt caches; None: nothing.
        size: how many pairs of thread and target are kept.
    """

    def __init__(self, warmth: Warmth | None = None, size: int = 256) -> None:
        self.warmth = warmth or Warmth(KeepWarm(affinity=False), {})
        self._kept: Memory[_Key, tuple[list[BaseMessage], list[BaseMessage] | None, CallIds]] = Memory(size)

    def ported(
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
            TargetError: the target cannot be told or asked something of it; another may.
        """
        history = self._history(thread, native, messages)
        if native.thinkless is not None and _began_without_thinking(history):
            native = native.thinkless
            history = self._history(thread, native, messages)
        if kwargs:
            kwargs = settings(native, kwargs, tools)
        if messages and orderly(native.dialect) and _answered_elsewhere(messages[-1], native):
            history = [*history, HumanMessage(GO_ON)]
        return native, history if history is messages else history.copy(), kwargs

    def _history(self, thread: tuple[str, ...], native: Native, messages: list[BaseMessage]) -> list[BaseMessage]:
        key = (thread, native.name)
        kept = self._kept.get(key)
        known = len(kept[0]) if kept is not None and _continues(kept[0], messages) else 0
        before, ids = (kept[1], kept[2]) if kept is not None and known else (None, CallIds(native))
        if known < len(messages):
            new = messages[known:]
            adapted = adapt(new, native, messages[known - 1] if known else None, ids, known)
            if before is not None:
                before = [*before, *adapted]
            elif any(a is not b for a, b in zip(new, adapted, strict=False)) or len(new) != len(adapted):
                before = [*messages[:known], *adapted]
            self._kept.put(key, (messages, before, ids))
        return messages if before is None else before


def as_prompt(messages: list[BaseMessage]) -> ChatPromptValue:
    """A prompt of messages that are known to be such: nothing is left to validate."""
    return ChatPromptValue.model_construct(messages=messages)


def adapt(
    messages: Sequence[BaseMessage],
    native: Native,
    after: BaseMessage | None = None,
    ids: CallIds | None = None,
    start: int = 0,
) -> list[BaseMessage]:
    """The messages as `native` may be sent them; those that it may have as they are stay the same objects.

    Parameters:
        messages: a conversation, or how it goes on.
        native: the target.
        after: the message before them; None: the conversation begins with them.
        ids: of the calls before them; None: there are none.
        start: number of the first of them in the conversation.

    Raises:
        TargetError: there is no way to tell the target something of it.
    """
    dialect = native.dialect
    ids = ids or CallIds(native)
    adapted: list[BaseMessage] = []
    before, leading = after, after is None
    first = leading
    for place, given in enumerate(messages, start):
        message = plain(given, native)
        if isinstance(message, AIMessage):
            if (mine := _answer(message, native)) is not None:
                adapted.append(_spelt_out(ids.of(mine, place), native))
        elif isinstance(message, SystemMessage) and not leading and orderly(dialect):
            adapted.append(in_place(message, native, after))
        else:
            adapted += [ids.of(each, place) for each in said(message, dialect)]
        after = message
        leading = leading and isinstance(message, SystemMessage)
    if first and orderly(dialect):
        adapted = begun(adapted, dialect)
    if dialect in _NO_PICTURES:
        adapted = [named(message) for message in _results_as_text(adapted)]
    if dialect is Dialect.GEMINI:
        adapted = [_named_by_its_call(message) for message in adapted]
    if dialect is not Dialect.ANTHROPIC:
        adapted = [_without_cache_marks(message) for message in adapted]
    return answered_between(adapted, before, dialect)


def _answer(message: AIMessage, native: Native) -> AIMessage | None:
    """An answer as the target may be sent it; None: nothing of it is left to say."""
    home = _at_home(message, native)
    if home and (native.dialect is Dialect.OTHER or _own(message, native)):
        return message
    mine = plainly_named(message if home else rebuilt(message), native.dialect)
    if is_blank(mine) and (not home or mine.content == [] or native.dialect in _NO_BLANKS):
        return None
    blank = isinstance(mine.content, str) and mine.content and not mine.content.strip()
    return mine.model_copy(update={"content": ""}) if blank and native.dialect is Dialect.ANTHROPIC else mine


def _named_by_its_call(message: BaseMessage) -> BaseMessage:
    """A result without a name of its own: Gemini knows it by that of the call, which may be spelt otherwise."""
    return message.model_copy(update={"name": None}) if isinstance(message, ToolMessage) and message.name else message


def _spelt_out(message: BaseMessage, native: Native) -> BaseMessage:
    """An answer with its calls in the words of Chat Completions too: ChatNVIDIA sends no others."""
    if native.provider != "NVIDIA" or not isinstance(message, AIMessage) or not message.tool_calls:
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


def rebuilt(message: AIMessage) -> AIMessage:
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
    if native.dialect not in _PASSED_ON and (message.additional_kwargs or not isinstance(content, str)):
        return False
    if isinstance(content, str):  # ids of stored Responses items mean nothing elsewhere
        return not (message.id or "").startswith(("resp_", "msg_"))
    if maker or origin:
        return False
    known = _PLAIN | _OWN.get(native.dialect, frozenset()) if native.dialect is not Dialect.OTHER else _PLAIN
    return all(isinstance(block, str) or (block.get("type") in known and not _signed(block)) for block in content)


def _signed(block: Mapping[str, Any]) -> bool:
    """Whether only its maker can take it: it is signed, or it is a thought that its maker keeps no copy of."""
    if block.get("type") == "reasoning":
        return not str(block.get("id") or "").startswith("rs_")
    return "signature" in block or block.get("type") == "redacted_thinking"


def _results_as_text(messages: list[BaseMessage]) -> list[BaseMessage]:
    """Tool results with nothing but text in them; what they show is shown by the user, after the results.

    Chat Completions takes no pictures from tools. All results of one step are there before the next call is made, so a
    group never goes on in messages that come later.
    """
    if not any(isinstance(message, ToolMessage) and _shows(message) for message in messages):
        return messages
    told: list[BaseMessage] = []
    seen: list[str | dict[str, Any]] = []
    for message in [*messages, None]:
        if seen and not isinstance(message, ToolMessage):
            told.append(HumanMessage(seen))
            seen = []
        if isinstance(message, ToolMessage) and (shown := _shows(message)):
            seen += [{"type": "text", "text": f"From the result of {message.name or message.tool_call_id}:"}, *shown]
            message = message.model_copy(update={"content": str(message.text) or "(shown by the user below)"})
        if message is not None:
            told.append(message)
    return told


def _shows(message: ToolMessage) -> list[dict[str, Any]]:
    if isinstance(message.content, str):
        return []
    return [block for block in message.content if isinstance(block, dict) and media_of([block])]


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
    """Whether the last turn is a tool loop with an answer that does not begin with its thinking.

    What a user says beside a tool's result belongs to the loop: Anthropic takes both as one turn.
    """
    result = False
    for message in reversed(history):
        if isinstance(message, AIMessage):
            if not result:
                return False
            first = message.content[0] if isinstance(message.content, list) and message.content else None
            if not isinstance(first, dict) or first.get("type") not in _THOUGHTS:
                return True
            result = False
        else:
            result = result or isinstance(message, ToolMessage) or _has_results(message)
    return False


def _has_results(message: BaseMessage) -> bool:
    """Whether a user's message holds results of tools, as Anthropic's own do."""
    content = message.content
    return not isinstance(content, str) and any(
        isinstance(block, dict) and block.get("type") == "tool_result" for block in content
    )


def _continues(before: list[BaseMessage], messages: list[BaseMessage]) -> bool:
    """Whether `messages` are those of `before` and more. The ends are compared first: a restored history is not compared."""
    count = len(before)
    if not 0 < count <= len(messages) or messages[0] is not before[0] or messages[count - 1] is not before[-1]:
        return False
    return before == messages[:count]
