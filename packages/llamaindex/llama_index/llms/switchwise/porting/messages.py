"""Adapt one message to the target's integration, as a copy; `history` handles the order of messages.

LlamaIndex's blocks are common to all providers, but integrations differ in what they put in them and accept. Rules:
1. Copy on write: unchanged messages are the same objects, and the caller's objects are never changed.
2. The same history gives the same messages, so that prompt caches stay valid.
3. Content that a provider does not support is `UNSUPPORTED`: another target may accept it.

`switchwise.dialects` describes the APIs, this module their integrations. Source: the conversions of llama-index-llms-openai 0.8.3,
llama-index-llms-anthropic 0.12.3, and those named in docs/reference/providers.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

from llama_index.llms.switchwise.models.native import Native
from switchwise.dialects import Dialect
from switchwise.dialects.call_ids import CallIds, tool_name
from switchwise.dialects.media import check, unsupported
from switchwise.dialects.table import OPENAI_RESPONSES
from switchwise.dialects.turn_order import ASSISTANT, EMPTY, SYSTEM, TOOL, USER
from switchwise.protocols.prompt import arguments_of

_MEDIA: dict[type, str] = {ImageBlock: "image", AudioBlock: "audio", DocumentBlock: "file", VideoBlock: "video"}
_TAKEN: dict[str, tuple[type, ...]] = {
    # accepted blocks besides text, thoughts and calls; unknown for others
    "openai": (ImageBlock, DocumentBlock, AudioBlock),
    "anthropic": (ImageBlock, DocumentBlock, CachePoint, CitableBlock, CitationBlock),
    "google_genai": (ImageBlock, DocumentBlock, VideoBlock),
    "bedrock_converse": (ImageBlock, DocumentBlock, CachePoint),
    "mistralai": (ImageBlock,),
    "ollama": (ImageBlock,),
}
_NEVER_SHOWN = frozenset({"openai", "anthropic", "bedrock_converse", "mistralai", "ollama"})
"""Integrations whose providers take nothing but text and calls in an answer."""
MARKABLE = (TextBlock, ImageBlock, DocumentBlock, ToolCallBlock, CitableBlock)
TOOLS = (MessageRole.TOOL, MessageRole.FUNCTION)
_PLAIN = frozenset({MessageRole.USER, MessageRole.SYSTEM, MessageRole.ASSISTANT})
_OPENAI_ROLES: dict[MessageRole, MessageRole] = {
    MessageRole.CHATBOT: MessageRole.ASSISTANT,
    MessageRole.MODEL: MessageRole.ASSISTANT,
    MessageRole.FUNCTION: MessageRole.TOOL,
}
_OTHER_ROLES = {**_OPENAI_ROLES, MessageRole.DEVELOPER: MessageRole.SYSTEM}
_NEUTRAL = {
    MessageRole.SYSTEM: SYSTEM,
    MessageRole.DEVELOPER: SYSTEM,
    MessageRole.ASSISTANT: ASSISTANT,
    MessageRole.CHATBOT: ASSISTANT,
    MessageRole.MODEL: ASSISTANT,
    MessageRole.TOOL: TOOL,
    MessageRole.FUNCTION: TOOL,
}


def role_of(message: ChatMessage) -> str:
    """The neutral role of a message."""
    return _NEUTRAL.get(message.role, USER)


def adapt_message(
    messages: Sequence[ChatMessage], index: int, native: Native, ids: CallIds, foreign: bool = False
) -> ChatMessage | None:
    """Message `index` of a history for a target: the same object where it can be sent as it is, else a changed copy; None: nothing of it is left.

    Parameters:
        messages: the history.
        index: of the message.
        native: the target.
        ids: of the calls before it; its own are noted.
        foreign: it is known to be another target's answer: what that one signed means nothing here.

    Raises:
        TargetError: it holds something that the target has no words for.
    """
    message, dialect = messages[index], native.dialect
    if _plain(message, dialect):
        return message
    kwargs = message.additional_kwargs
    role = (_OPENAI_ROLES if native.integration == "openai" else _OTHER_ROLES).get(message.role, message.role)
    answered = _answered(messages, index, ids) if role is MessageRole.TOOL else None
    if answered is None and role is MessageRole.TOOL:
        role = MessageRole.USER  # an observation of an agent that calls its tools in words
    blocks = with_calls(message)
    if foreign and any(isinstance(block, ThinkingBlock) for block in blocks):
        blocks = [block for block in blocks if not isinstance(block, ThinkingBlock)]
    if role is MessageRole.ASSISTANT and native.integration in _NEVER_SHOWN and any(type(block) in _MEDIA for block in blocks):
        blocks = [block for block in blocks if type(block) not in _MEDIA]  # as by OpenAI's image generation
    if native.integration in _TAKEN:
        blocks = _taken(blocks, native)
    blocks = _with_ids(blocks, index, dialect, ids)
    if role in (MessageRole.USER, MessageRole.ASSISTANT) and not any(map(_says_something, blocks)):
        if role is MessageRole.ASSISTANT and not dialect.blank_answer:
            return None
        if role is MessageRole.USER and not dialect.blank_user:
            blocks = [*blocks, TextBlock(text=EMPTY)]
    if role is MessageRole.TOOL:
        kept = {**kwargs, "tool_call_id": answered}
    else:
        kept = {key: value for key, value in kwargs.items() if key not in ("tool_calls", "tool_call_id")}
    if blocks is message.blocks and role is message.role and kept == kwargs:
        return message
    return message.model_copy(update={"role": role, "blocks": blocks, "additional_kwargs": kept})


def shown_in(message: ChatMessage) -> list[Any]:
    """What a tool's result shows besides text."""
    return [block for block in message.blocks if type(block) in _MEDIA]


def text_of(message: ChatMessage) -> str:
    """The text of a message."""
    return "\n\n".join(block.text for block in message.blocks if isinstance(block, TextBlock))


def begins_with_thinking(message: ChatMessage) -> bool:
    """Whether an answer begins with thinking that Anthropic signed."""
    return bool(message.blocks) and _signed(message.blocks[0])


def with_calls(message: ChatMessage) -> list[Any]:
    """The blocks; tool calls that an older integration kept in addition, as provider objects, are made blocks."""
    given_calls = message.additional_kwargs.get("tool_calls")
    if not given_calls or any(isinstance(block, ToolCallBlock) for block in message.blocks):
        return message.blocks
    return [*message.blocks, *[_call_block(call) for call in given_calls]]


def _plain(message: ChatMessage, dialect: Dialect) -> bool:
    """Whether every dialect takes the message as it is: the usual case, and the quick way out."""
    if message.role not in _PLAIN or message.additional_kwargs:
        return False
    blocks = message.blocks
    if len(blocks) != 1 or type(blocks[0]) is not TextBlock:
        return False
    return bool(blocks[0].text.strip()) or (dialect.blank_user and dialect.blank_answer)


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


def _taken(blocks: list[Any], native: Native) -> list[Any]:
    """The blocks that the integration and its provider take, in their words."""
    dialect, taken = native.dialect, _TAKEN[native.integration]
    adapted: list[Any] = []
    for block in blocks:
        kind = type(block)
        if kind in _MEDIA:
            if kind not in taken or (
                kind is AudioBlock and dialect is OPENAI_RESPONSES
            ):  # LlamaIndex converts it for Chat alone
                raise unsupported(dialect, f"{_MEDIA[kind]} content by its LlamaIndex integration")
            url = getattr(block, "url", None)
            data = not url or native.integration == "anthropic"  # which downloads it
            check(dialect, _MEDIA[kind], data=data, address=bool(url))
            adapted.append(block)
        elif isinstance(block, ToolCallBlock):
            adapted.append(block if native.integration == "openai" else _with_object(block))
        elif isinstance(block, CitableBlock) and (kind not in taken or not all(map(_is_text, block.content))):
            adapted.extend(_taken(list(block.content), native))
        elif not _lost(block, native, adapted, taken):
            adapted.append(block)
    same = len(adapted) == len(blocks) and all(map(_is, adapted, blocks))
    return blocks if same else adapted


def _lost(block: Any, native: Native, adapted: list[Any], taken: tuple[type, ...]) -> bool:
    """Return whether a block is dropped: only its maker accepts it, or it has no content: unsupported citations and cache points, others'
    thoughts, empty texts.
    """
    if isinstance(block, TextBlock):
        return not block.text.strip() and not native.dialect.blank_user
    if isinstance(block, ThinkingBlock):
        there = _THOUGHT_THERE.get(native.integration, _unsigned)
        return native.integration != "openai" and not there(block)  # OpenAI's sends none
    if isinstance(block, CachePoint):
        marks_nothing = not (adapted and isinstance(adapted[-1], MARKABLE))
        return type(block) not in taken or (native.integration == "anthropic" and marks_nothing)
    return isinstance(block, CitationBlock) and type(block) not in taken


def _signed(block: Any) -> bool:
    return isinstance(block, ThinkingBlock) and bool(block.additional_information.get("signature"))


def _unsigned(block: ThinkingBlock) -> bool:
    return not ({"signature", "thought", "id"} & block.additional_information.keys())


_THOUGHT_THERE: dict[str, Callable[[ThinkingBlock], bool]] = {
    # whether a thought may be the target's own, by what its integration notes with it
    "anthropic": _signed,
    "bedrock_converse": _signed,
    "google_genai": lambda block: "thought" in block.additional_information,
}


def _with_object(block: ToolCallBlock) -> ToolCallBlock:
    """The call with its arguments as an object, text that is not JSON as `_raw`: OpenAI's integration keeps what the model wrote."""
    if isinstance(block.tool_kwargs, dict):
        return block
    return block.model_copy(update={"tool_kwargs": arguments_of(block.tool_kwargs)})


def _with_ids(blocks: list[Any], index: int, dialect: Dialect, ids: CallIds) -> list[Any]:
    """The blocks with ids and names of calls that the target takes."""
    adapted: list[Any] = []
    number = 0
    for block in blocks:
        if isinstance(block, ToolCallBlock):
            update = {
                "tool_call_id": ids.called(block.tool_call_id, index, number),
                "tool_name": tool_name(block.tool_name, dialect.tools),
            }
            number += 1
            if update != {"tool_call_id": block.tool_call_id, "tool_name": block.tool_name}:
                block = block.model_copy(update=update)
        adapted.append(block)
    return blocks if all(map(_is, adapted, blocks)) else adapted


def _answered(messages: Sequence[ChatMessage], index: int, ids: CallIds) -> str | None:
    """The id of the call that a tool message answers; where it names none, of the one that stands at its place, if any."""
    kwargs = messages[index].additional_kwargs
    named = kwargs.get("tool_call_id") or kwargs.get("call_id")
    if named:
        return ids.answered(named, index)
    first = index
    while first > 0 and messages[first - 1].role in TOOLS:
        first -= 1
    place, caller = index - first, first - 1
    calls = [block for block in with_calls(messages[caller]) if isinstance(block, ToolCallBlock)] if caller >= 0 else []
    if place >= len(calls):
        return None
    given = calls[place].tool_call_id
    return ids.answered(given, index) if given else ids.answered(None, index)


def _is_text(block: Any) -> bool:
    return isinstance(block, TextBlock) and bool(block.text)


def _says_something(block: Any) -> bool:
    if isinstance(block, TextBlock):
        return bool(block.text.strip())
    return not isinstance(block, (CachePoint, CitationBlock, ThinkingBlock))


def _is(one: object, other: object) -> bool:
    return one is other


def _get(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)
