"""Adapt the history of a call to its target, cached per thread and target, so that each message is adapted once.

Rules:
1. What was adapted is recognised by the identity of the messages and of their lists of blocks, and by the lengths of
   those: LlamaIndex replaces both when it changes a message after the fact (`ChatMessage.content = ...`). A block that is
   changed in place, in a message that had to be adapted, is not seen.
2. Nothing is locked meanwhile: two calls of one thread at a time may adapt the same twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, is_
from typing import Any, NamedTuple

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ToolCallBlock

from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.porting.answers import Answers
from llama_index.llms.switchwise.porting.messages import adapt_message, begins_with_thinking, role_of, shown_in, text_of
from switchwise.dialects import turn_order
from switchwise.dialects.call_ids import CallIds
from switchwise.dialects.table import OTHER
from switchwise.dialects.thinking import began_without_thinking
from switchwise.dialects.turn_order import Act, Place, TurnEdit
from switchwise.state.in_process import Memory

_BLOCKS = attrgetter("blocks")


class _At(NamedTuple):
    """Where a history stands after a message: how many messages went out, and what the next one depends on."""

    sent: int
    place: Place
    shown: tuple[Any, ...]


_START = _At(0, turn_order.START, ())


class _Kept(NamedTuple):
    source: list[ChatMessage]
    blocks: list[Any]
    lengths: list[int]
    messages: list[ChatMessage]
    after: list[_At]
    ids: CallIds


class Histories:
    """Adapt the history of a call to its native LLM.

    Parameters:
        answers: makers of answers; None: unknown.
        size: most histories kept; the least recently used one is evicted first.
    """

    def __init__(self, answers: Answers | None = None, size: int = 128) -> None:
        self.answers = answers or Answers()
        self._kept: Memory[tuple[str, ...], _Kept] = Memory(size)

    def adapted(self, thread: tuple[str, ...], messages: Sequence[ChatMessage], native: Native) -> list[ChatMessage]:
        """The history for `native`: a new list, of the caller's own messages wherever those can be sent as they are.

        Raises:
            TargetError: it has content that the LLM's integration does not support.
        """
        if native.dialect is OTHER:
            return list(messages)
        key = (*thread, native.name)
        source = list(messages)
        blocks = list(map(_BLOCKS, source))
        lengths = list(map(len, blocks))
        kept = self._kept.get(key)
        known = _agreeing(kept, source, blocks, lengths) if kept is not None else 0
        if kept is not None and 0 < known < len(kept.source) and kept.after[known - 1].place.leading:
            known = 0  # what stands at the start may have been joined
        if kept is None or known < max(len(source), len(kept.source)):
            kept = self._grown(kept, known, source, blocks, lengths, native)
            self._kept.put(key, kept)
        at = kept.after[-1] if kept.after else _START
        adapted = _Adapted(native, kept.messages[: at.sent], at)
        foreign = bool(source) and self.answers.made_elsewhere(source[-1], native.name) and not _calls(source[-1])
        adapted.take(turn_order.ending(native.dialect, at.place, foreign), None)
        if native.marks:  # it writes into what it is given
            return [
                message.model_copy(update={"additional_kwargs": {**message.additional_kwargs}}) for message in adapted.messages
            ]
        return adapted.messages

    def _grown(
        self, kept: _Kept | None, known: int, source: list[ChatMessage], blocks: list[Any], lengths: list[int], native: Native
    ) -> _Kept:
        """The history from where it agrees with what is kept."""
        dialect = native.dialect
        after = kept.after[:known] if kept is not None else []
        ids = kept.ids if kept is not None and known == len(kept.source) else kept.ids.upto(known) if kept is not None else None
        ids = ids or CallIds(dialect.ids)
        at = after[-1] if after else _START
        adapted = _Adapted(native, kept.messages[: at.sent] if kept is not None else [], at)
        for index in range(known, len(source)):
            foreign = self.answers.made_elsewhere(source[index], native.name)
            message = adapt_message(source, index, native, ids, foreign)
            if message is not None:
                if native.integration == "openai":
                    message = self.answers.restored(source[index], message, native.name)
                adapted.add(message)
            after.append(_At(len(adapted.messages), adapted.place, adapted.shown))
        return _Kept(source, blocks, lengths, adapted.messages, after, ids)


class _Adapted:
    """What goes out, message after message."""

    def __init__(self, native: Native, messages: list[ChatMessage], at: _At) -> None:
        self._native = native
        self.messages = messages
        self.place = at.place
        self.shown = at.shown

    def add(self, message: ChatMessage) -> None:
        """Take the next message."""
        dialect = self._native.dialect
        result = message.role is MessageRole.TOOL
        shown = shown_in(message) if result and not dialect.media_in_results else []
        steps, self.place = turn_order.step(dialect, self.place, role_of(message), bool(shown))
        self.take(steps, message)
        if shown:
            name = message.additional_kwargs.get("name") or message.additional_kwargs.get("tool_call_id") or "a tool"
            self.shown = (*self.shown, TextBlock(text=turn_order.shown_from(str(name))), *shown)
            texts = [block for block in message.blocks if block not in shown] or [TextBlock(text=turn_order.SHOWN)]
            self.messages[-1] = message.model_copy(update={"blocks": texts})

    def take(self, steps: tuple[TurnEdit, ...], message: ChatMessage | None) -> None:
        """Apply the steps of `turn_order`."""
        for act, text in steps:
            if act is Act.SHOW:
                self.messages.append(ChatMessage(role=MessageRole.USER, blocks=list(self.shown)))
                self.shown = ()
            elif act is Act.SAY_USER:
                self.messages.append(ChatMessage(role=MessageRole.USER, content=text))
            elif act is Act.SAY_ANSWER:
                self.messages.append(ChatMessage(role=MessageRole.ASSISTANT, content=text))
            elif message is None:
                raise AssertionError(f"{act} needs a message")
            elif act is Act.AS_USER:
                self.messages.append(ChatMessage(role=MessageRole.USER, content=turn_order.as_system(text_of(message))))
            elif act is Act.JOIN and self.messages:
                before = self.messages[-1]
                self.messages[-1] = before.model_copy(update={"blocks": [*before.blocks, *message.blocks]})
            else:
                self.messages.append(message)


def loop_without_thinking(messages: Sequence[ChatMessage]) -> bool:
    """Whether a history ends in a tool loop that began without signed thinking (llama_index issue 20072)."""
    return began_without_thinking((role_of(message), begins_with_thinking(message)) for message in reversed(messages))


def _calls(message: ChatMessage) -> bool:
    return any(isinstance(block, ToolCallBlock) for block in message.blocks)


def _agreeing(known: _Kept, source: list[ChatMessage], blocks: list[Any], lengths: list[int]) -> int:
    """How many messages at the beginning are the ones that were adapted before."""
    count = min(len(known.source), len(source))
    if all(map(is_, known.source, source)) and all(map(is_, known.blocks, blocks)) and known.lengths[:count] == lengths[:count]:
        return count
    for index in range(count):
        same = known.source[index] is source[index] and known.blocks[index] is blocks[index]
        if not same or known.lengths[index] != lengths[index]:
            return index
    return count
