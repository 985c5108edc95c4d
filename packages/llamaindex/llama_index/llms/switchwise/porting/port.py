"""A history in the words that another provider's integration takes, as a copy.

LlamaIndex's blocks are shared by all providers, but what the integrations put in them, and what they accept, is not. A route
that changes the provider in the middle of a conversation would otherwise be refused. Rules:
1. Copy on write: what needs no change is the same object, and nothing of the caller's is ever changed.
2. The same history gives the same translation, so that prompt caches stay valid.
3. What cannot be said to a provider at all is `UNSUPPORTED`: another target may take it.

Source: the conversions of llama-index-llms-openai 0.8.3, llama-index-llms-anthropic 0.12.3, and those named in docs/providers.md,
and what the providers refuse of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from hashlib import sha1
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llama_index.llms.switchwise.models.dialect import Dialect
from switchwise import FailureKind, TargetError

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_IDS = {Dialect.MISTRAL: re.compile(r"[A-Za-z0-9]{9}")}
_TAKEN: dict[Dialect, tuple[type, ...]] = {
    # what else than text, thoughts and calls their integrations take
    Dialect.GEMINI: (TextBlock, ImageBlock, DocumentBlock, VideoBlock),
    Dialect.BEDROCK: (TextBlock, ImageBlock, DocumentBlock),
    Dialect.MISTRAL: (TextBlock, ImageBlock),
    Dialect.OLLAMA: (TextBlock, ImageBlock),
}
_NO_CONTENT = "(no content)"
_TOOLS = (MessageRole.TOOL, MessageRole.FUNCTION)
_PLAIN = frozenset({MessageRole.USER, MessageRole.SYSTEM, MessageRole.ASSISTANT})
_OTHER_ROLES = {
    MessageRole.DEVELOPER: MessageRole.SYSTEM,
    MessageRole.CHATBOT: MessageRole.ASSISTANT,
    MessageRole.MODEL: MessageRole.ASSISTANT,
    MessageRole.FUNCTION: MessageRole.TOOL,
}
_ROLES = dict.fromkeys((Dialect.ANTHROPIC, *_TAKEN), _OTHER_ROLES)
_OPENAI_ROLES: dict[MessageRole, MessageRole] = {
    MessageRole.CHATBOT: MessageRole.ASSISTANT,
    MessageRole.MODEL: MessageRole.ASSISTANT,
    MessageRole.FUNCTION: MessageRole.TOOL,
}
MARKABLE = (TextBlock, ImageBlock, DocumentBlock, ToolCallBlock, CitableBlock)


def port(messages: Sequence[ChatMessage], index: int, dialect: Dialect) -> ChatMessage:
    """Message `index` of a history for a dialect: the same object where it can be sent as it is, else a changed copy.

    Raises:
        TargetError: it holds something that the dialect has no words for.
    """
    message = messages[index]
    if dialect is Dialect.OTHER or _plain(message):
        return message
    anthropic = dialect is Dialect.ANTHROPIC
    kwargs = message.additional_kwargs
    role = _ROLES.get(dialect, _OPENAI_ROLES).get(message.role, message.role)
    answered = _answered(messages, index, dialect) if role is MessageRole.TOOL else None
    if answered is None and role is MessageRole.TOOL:
        role = MessageRole.USER  # an observation of an agent that calls its tools in words
    blocks = _with_calls(message)
    if dialect in _TAKEN:
        blocks = _for_others(blocks, dialect)
    else:
        blocks = _for_anthropic(blocks, role, dialect) if anthropic else _for_openai(blocks, dialect)
    blocks = _with_safe_ids(blocks, index, dialect)
    if role is MessageRole.TOOL:
        kept = {**kwargs, "tool_call_id": answered}
    else:
        kept = {key: value for key, value in kwargs.items() if key not in ("tool_calls", "tool_call_id")}
    if blocks is message.blocks and role is message.role and kept == kwargs:
        return message
    return message.model_copy(update={"role": role, "blocks": blocks, "additional_kwargs": kept})


def forces_no_thinking(messages: Sequence[ChatMessage]) -> bool:
    """Whether an Anthropic model that thinks must not do so for this call.

    A tool result may only be answered with thinking on if the turn that called the tool began with signed thinking, which no
    other model can have written (llama_index issue 20072).
    """
    if not messages or messages[-1].role not in _TOOLS:
        return False
    called = next((message for message in reversed(messages) if message.role is MessageRole.ASSISTANT), None)
    return called is not None and not (called.blocks and _signed(called.blocks[0]))


def _plain(message: ChatMessage) -> bool:
    """Whether every dialect takes the message as it is: the usual case, and the quick way out."""
    if message.role not in _PLAIN or message.additional_kwargs:
        return False
    blocks = message.blocks
    return len(blocks) == 1 and type(blocks[0]) is TextBlock and bool(blocks[0].text)


def _with_calls(message: ChatMessage) -> list[Any]:
    """The blocks; tool calls that an older integration kept beside them, as provider objects, are made blocks."""
    told = message.additional_kwargs.get("tool_calls")
    if not told or any(isinstance(block, ToolCallBlock) for block in message.blocks):
        return message.blocks
    return [*message.blocks, *[_call_block(call) for call in told]]


def _call_block(call: Any) -> ToolCallBlock:
    function = _get(call, "function")
    if function is not None:
        return ToolCallBlock(
            tool_call_id=_get(call, "id"), tool_name=_get(function, "name"), tool_kwargs=_get(function, "arguments") or "{}"
        )
    arguments = _get(call, "input")
    if arguments is None:
        arguments = _get(call, "arguments")
    called = _get(call, "call_id") or _get(call, "id")
    return ToolCallBlock(tool_call_id=called, tool_name=_get(call, "name") or "", tool_kwargs=arguments or {})


def _for_anthropic(blocks: list[Any], role: MessageRole, dialect: Dialect) -> list[Any]:
    ported: list[Any] = []
    for block in blocks:
        if isinstance(block, ToolCallBlock):
            ported.append(_with_object(block))
        elif isinstance(block, (AudioBlock, VideoBlock)):
            raise _unsupported(block, dialect)
        elif _lost_on_anthropic(block, ported):
            continue
        else:
            ported.append(block)
    if role is not MessageRole.SYSTEM and role is not MessageRole.TOOL and not any(map(_says_something, ported)):
        ported.append(TextBlock(text=_NO_CONTENT))
    return blocks if _same(ported, blocks) else ported


def _lost_on_anthropic(block: Any, ported: list[Any]) -> bool:
    """An empty text, thinking that it did not sign, and a cache point that would mark nothing."""
    if isinstance(block, TextBlock):
        return not block.text
    if isinstance(block, ThinkingBlock):
        return not _signed(block)
    return isinstance(block, CachePoint) and not (ported and isinstance(ported[-1], MARKABLE))


def _for_openai(blocks: list[Any], dialect: Dialect) -> list[Any]:
    ported: list[Any] = []
    for block in blocks:
        if isinstance(block, CitableBlock):
            ported.extend(part for part in block.content if isinstance(part, (TextBlock, ImageBlock, DocumentBlock)))
        elif isinstance(block, (AudioBlock, VideoBlock)) and not (
            dialect is Dialect.OPENAI_CHAT and isinstance(block, AudioBlock)
        ):
            raise _unsupported(block, dialect)
        elif isinstance(block, (CachePoint, CitationBlock)):
            continue
        else:
            ported.append(block)
    return blocks if _same(ported, blocks) else ported


def _for_others(blocks: list[Any], dialect: Dialect) -> list[Any]:
    """For integrations that raise over what they do not know. Those of Gemini and Ollama want arguments as objects."""
    ported: list[Any] = []
    for block in blocks:
        if isinstance(block, ToolCallBlock):
            ported.append(_with_object(block))
        elif isinstance(block, CitableBlock):
            ported.extend(part for part in block.content if isinstance(part, _TAKEN[dialect]))
        elif isinstance(block, (AudioBlock, VideoBlock, DocumentBlock)) and not isinstance(block, _TAKEN[dialect]):
            raise _unsupported(block, dialect)
        elif not _lost_elsewhere(block, dialect):
            ported.append(block)
    return blocks if _same(ported, blocks) else ported


def _lost_elsewhere(block: Any, dialect: Dialect) -> bool:
    """A citation, a cache point where there are none, and another model's thoughts."""
    if isinstance(block, CachePoint):
        return dialect is not Dialect.BEDROCK
    return isinstance(block, CitationBlock) or (isinstance(block, ThinkingBlock) and not _thought_there(block, dialect))


def _thought_there(block: ThinkingBlock, dialect: Dialect) -> bool:
    """Whether a thought may be the target's own, by what its integration notes beside it."""
    beside = block.additional_information
    if dialect is Dialect.GEMINI:
        return "thought" in beside
    if dialect is Dialect.BEDROCK:
        return _signed(block)
    return not ({"signature", "thought", "id"} & beside.keys())


def _with_object(block: ToolCallBlock) -> ToolCallBlock:
    """The call with its arguments as an object: OpenAI's integration keeps the text that the model wrote."""
    if isinstance(block.tool_kwargs, dict):
        return block
    try:
        arguments = json.loads(block.tool_kwargs or "{}")
    except ValueError:
        arguments = {}
    return block.model_copy(update={"tool_kwargs": arguments if isinstance(arguments, dict) else {}})


def _with_safe_ids(blocks: list[Any], index: int, dialect: Dialect) -> list[Any]:
    taken = _IDS.get(dialect, _ID)
    if all(block.tool_call_id and taken.fullmatch(block.tool_call_id) for block in blocks if isinstance(block, ToolCallBlock)):
        return blocks
    safe: list[Any] = []
    number = 0
    for block in blocks:
        if isinstance(block, ToolCallBlock):
            block = block.model_copy(update={"tool_call_id": _safe_id(block.tool_call_id, index, number, dialect)})
            number += 1
        safe.append(block)
    return safe


def _answered(messages: Sequence[ChatMessage], index: int, dialect: Dialect) -> str | None:
    """The id of the call that a tool message answers; where it names none, of the one that stands at its place, if any."""
    kwargs = messages[index].additional_kwargs
    named = kwargs.get("tool_call_id") or kwargs.get("call_id")
    if named:
        return _safe_id(named, index, 0, dialect)
    first = index
    while first > 0 and messages[first - 1].role in _TOOLS:
        first -= 1
    place, caller = index - first, first - 1
    calls = [block for block in _with_calls(messages[caller]) if isinstance(block, ToolCallBlock)] if caller >= 0 else []
    return _safe_id(calls[place].tool_call_id, caller, place, dialect) if place < len(calls) else None


def _safe_id(name: str | None, index: int, number: int, dialect: Dialect) -> str:
    """An id that the provider takes: the given one, or one made of it or of its place."""
    if name and _IDS.get(dialect, _ID).fullmatch(name):
        return name
    digest = sha1((name or f"{index}:{number}").encode(), usedforsecurity=False).hexdigest()
    return digest[:9] if dialect is Dialect.MISTRAL else "call_" + digest[:24]


def _signed(block: Any) -> bool:
    return isinstance(block, ThinkingBlock) and bool(block.additional_information.get("signature"))


def _says_something(block: Any) -> bool:
    return (
        bool(block.text) if isinstance(block, TextBlock) else not isinstance(block, (CachePoint, CitationBlock, ThinkingBlock))
    )


def _same(ported: list[Any], blocks: list[Any]) -> bool:
    return len(ported) == len(blocks) and all(map(_is, ported, blocks))


def _is(one: object, other: object) -> bool:
    return one is other


def _get(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def _unsupported(block: Any, dialect: Dialect) -> TargetError:
    return TargetError(FailureKind.UNSUPPORTED, f"the {dialect} integration takes no {block.block_type} block")
