"""Translated histories, kept per thread, so that a message is translated once and not at every call.

Rules:
1. What was translated is recognised by the identity of the messages and of their lists of blocks, and by the lengths of
   those: LlamaIndex replaces both when it changes a message after the fact (`ChatMessage.content = ...`). A block that is
   changed in place, in a message that had to be translated, is not seen.
2. Nothing is locked while it translates: two calls of one thread at a time may translate the same twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter, is_
from typing import Any

from llama_index.core.base.llms.types import ChatMessage

from llama_index.llms.switchwise.models.dialect import Dialect
from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.porting.port import port
from switchwise.state.in_process import Memory

_BLOCKS = attrgetter("blocks")
_OTHER = Dialect.OTHER


@dataclass(frozen=True, slots=True)
class _Ported:
    source: list[ChatMessage]
    blocks: list[Any]
    lengths: list[int]
    messages: list[ChatMessage]


class Histories:
    """Translates the history of a call for the native LLM that it goes to.

    Parameters:
        size: how many histories are kept; the least recently used one is forgotten first.
    """

    def __init__(self, size: int = 128) -> None:
        self._known: Memory[tuple[str, ...], _Ported] = Memory(size)

    def ported(self, thread: tuple[str, ...], messages: Sequence[ChatMessage], native: Native) -> list[ChatMessage]:
        """The history for `native`: a new list, of the caller's own messages wherever those can be sent as they are.

        Raises:
            TargetError: it holds something that the LLM's integration has no words for.
        """
        if native.dialect is _OTHER:
            return list(messages)
        key = (*thread, native.dialect.value)
        source = list(messages)
        blocks = list(map(_BLOCKS, source))
        lengths = list(map(len, blocks))
        known = self._known.get(key)
        ported = known.messages[: _agreeing(known, source, blocks, lengths)] if known is not None else []
        if len(ported) < len(source):
            for index in range(len(ported), len(source)):
                ported.append(port(source, index, native.dialect))
            self._known.put(key, _Ported(source, blocks, lengths, ported))
            ported = list(ported)
        if native.marks:  # it writes into what it is given
            return [message.model_copy(update={"additional_kwargs": {**message.additional_kwargs}}) for message in ported]
        return ported


def _agreeing(known: _Ported, source: list[ChatMessage], blocks: list[Any], lengths: list[int]) -> int:
    """How many messages at the beginning are the ones that were translated before."""
    count = min(len(known.source), len(source))
    if all(map(is_, known.source, source)) and all(map(is_, known.blocks, blocks)) and known.lengths[:count] == lengths[:count]:
        return count
    for index in range(count):
        same = known.source[index] is source[index] and known.blocks[index] is blocks[index]
        if not same or known.lengths[index] != lengths[index]:
            return index
    return count
