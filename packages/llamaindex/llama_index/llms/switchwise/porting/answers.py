"""Remember the maker of each answer, and data that only its maker accepts, since LlamaIndex's messages would send them.

Answers are identified by the ids of their calls, or by their text. The memory is bounded; an unknown answer has no maker.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ThinkingBlock, ToolCallBlock

from llama_index.llms.switchwise.porting.messages import text_of
from switchwise.protocols.openai_chat import own_parts
from switchwise.state.in_process import Memory

_NOTHING: Mapping[str, Any] = {}
_EXTRA = "extra_content"


class _Made(NamedTuple):
    target: str
    own: Mapping[str, Any]


class Answers:
    """Makers of answers. Thread-safe.

    Parameters:
        size: most answers remembered.
    """

    def __init__(self, size: int = 2_000) -> None:
        self._made: Memory[int, _Made] = Memory(size)

    def note(self, target: str, response: Any, wire: Mapping[str, Any] | None) -> None:
        """Remember an answer.

        Parameters:
            target: name of the target.
            response: LlamaIndex's.
            wire: its message as Chat Completions gave it; None: it came by another API.
        """
        message = getattr(response, "message", None)
        if isinstance(message, ChatMessage) and (key := _key(message)):
            self._made.put(key, _Made(target, own_parts(wire) if wire else _NOTHING))

    def made_elsewhere(self, message: ChatMessage, target: str) -> bool:
        """Whether a message is known to be another target's answer."""
        made = self._made.get(_key(message)) if message.role is MessageRole.ASSISTANT else None
        return made is not None and made.target != target

    def restored(self, given: ChatMessage, adapted: ChatMessage, target: str) -> ChatMessage:
        """An answer that calls tools, with what its maker wants back: for OpenAI's integration, which sends on the extra fields of such an answer.

        Parameters:
            given: the answer as the caller has it.
            adapted: for the target.
            target: its name.
        """
        calls = [block for block in adapted.blocks if isinstance(block, ToolCallBlock)]
        made = self._made.get(_key(given)) if calls else None
        if made is None or made.target != target or not made.own:
            return adapted
        own = {name: value for name, value in made.own.items() if name != _EXTRA}
        extra = made.own.get(_EXTRA, {})
        calls_sent = []
        for call in calls:
            arguments = (
                call.tool_kwargs if isinstance(call.tool_kwargs, str) else json.dumps(call.tool_kwargs, ensure_ascii=False)
            )
            one = {"id": call.tool_call_id, "type": "function", "function": {"name": call.tool_name, "arguments": arguments}}
            calls_sent.append({**one, _EXTRA: extra[call.tool_call_id]} if call.tool_call_id in extra else one)
        blocks = [block for block in adapted.blocks if isinstance(block, TextBlock)]
        return adapted.model_copy(update={"blocks": blocks, "additional_kwargs": {"tool_calls": calls_sent, **own}})


def _key(message: ChatMessage) -> int:
    """Identify an answer: by the ids of its calls, else by its text and signatures; 0: it has none of these."""
    blocks = message.blocks
    if len(blocks) == 1 and type(blocks[0]) is TextBlock:  # the common case, as a fast path
        return hash((blocks[0].text,)) if blocks[0].text else 0
    ids = tuple([block.tool_call_id for block in message.blocks if isinstance(block, ToolCallBlock)])
    if any(ids):
        return hash(ids)
    thoughts = [block.additional_information.get("signature") for block in message.blocks if isinstance(block, ThinkingBlock)]
    text = text_of(message)
    return hash((text, *map(str, thoughts))) if text else 0


def wire_message(raw: Any) -> Mapping[str, Any] | None:
    """The message of a whole answer of Chat Completions that calls tools; None: it is something else, or calls nothing.

    Parameters:
        raw: the provider's answer, as LlamaIndex passes it on.
    """
    choices = getattr(raw, "choices", None)
    message = getattr(choices[0], "message", None) if choices else None
    if message is None or not getattr(message, "tool_calls", None):
        return None
    wire: Mapping[str, Any] = message.model_dump(exclude_none=True)
    return wire
