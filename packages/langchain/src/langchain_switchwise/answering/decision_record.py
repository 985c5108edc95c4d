"""The decision record in `response_metadata["switchwise"]`, which the message keeps in state and checkpoints."""

from __future__ import annotations

from typing import Any, TypeVar

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

from switchwise import Outcome
from switchwise.nouns.errors import Broken
from switchwise.observe.decision_record import record_of

KEY = "switchwise"
M = TypeVar("M", bound=AIMessage)
_set = object.__setattr__  # no need to validate ours


def stamped(message: M, outcome: Outcome) -> M:
    """Return a copy of `message` with the record.

    A copy, because the message may also be in a response cache. Same as `model_copy(update=...)`, in a quarter of the time. For streams:
    add it to one chunk only, since merging chunks joins their strings.
    """
    metadata = {**message.response_metadata, KEY: record_of(outcome)}
    copied = object.__new__(type(message))
    _set(copied, "__dict__", {**message.__dict__, "response_metadata": metadata})
    _set(copied, "__pydantic_fields_set__", {*message.__pydantic_fields_set__, "response_metadata"})
    _set(copied, "__pydantic_extra__", message.__pydantic_extra__ and dict(message.__pydantic_extra__))
    _set(copied, "__pydantic_private__", message.__pydantic_private__ and dict(message.__pydantic_private__))
    return copied


def unstamped(messages: list[BaseMessage]) -> list[BaseMessage]:
    """Return the messages without their records, which differ each time; the same list if there are none."""
    if not any(KEY in message.response_metadata for message in messages):
        return messages
    return [
        message.model_copy(update={"response_metadata": {k: v for k, v in message.response_metadata.items() if k != KEY}})
        if KEY in message.response_metadata
        else message
        for message in messages
    ]


def target_of(message: AIMessage) -> str:
    """The target of a message; empty without a record."""
    record = message.response_metadata.get(KEY)
    return str(record.get("target", "")) if isinstance(record, dict) else ""


def answer(outcome: Outcome, message: AIMessage | None = None) -> AIMessage:
    """Return the whole message with the record, and with the shown text of a reply that it continues.

    Parameters:
        outcome: of the request.
        message: its answer; None: the reply as it came.
    """
    message, call = stamped(outcome.reply.raw if message is None else message, outcome), outcome.attempt.call
    if call.broken is None or not (shown := call.continued):
        return message
    content = message.content
    if isinstance(content, str):
        return message.model_copy(update={"content": shown + content})
    blocks: list[Any] = [dict(block) if isinstance(block, dict) else {"type": "text", "text": block} for block in content]
    place = next((i for i, block in enumerate(blocks) if block.get("type") == "text"), None)
    if place is None:
        blocks.append({"type": "text", "text": shown})
    else:
        blocks[place]["text"] = shown + blocks[place]["text"]
    return message.model_copy(update={"content": blocks})


def signal_of(broken: Broken) -> AIMessageChunk:
    """Return an empty chunk whose `response_metadata` signals that the reply starts again or continues; as a list, since merging chunks
    appends lists.
    """
    return AIMessageChunk(content="", response_metadata={broken.signal: [broken.details]})
