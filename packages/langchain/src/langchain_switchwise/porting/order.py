"""Who may speak when: what a provider refuses in the order of a conversation is said in another one.

| | Anthropic | Gemini | Converse | Mistral | Cohere |
|---|---|---|---|---|---|
| a user speaks first, and somebody but the system does | x | x | x | x | x |
| several system messages at the start are one | x | | | | |
| a system message amid the conversation is said in its place, by the user | but for the newest models | x | x | x | x |
| an answer stands between a tool's result and a user's word | | | | x | |
| another model's answer does not end it | x | x | x | x | x |

Integrations move later system messages to the front (Converse), drop them (Gemini) or raise: in their place, they are neither lost nor do they
change the beginning, which a cache may hold. Source: docs/design/portability.md; for Mistral its error `invalid_request_message_order`.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_switchwise.models.dialect import Dialect
from langchain_switchwise.models.native import Native

_BEGIN, _NOTED = "(The conversation begins.)", "(Noted.)"
GO_ON = "Go on."
"""What a user says after another model's answer."""
_ORDERLY = (Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.BEDROCK, Dialect.MISTRAL, Dialect.COHERE)


def orderly(dialect: Dialect) -> bool:
    """Whether the provider minds who speaks when."""
    return dialect in _ORDERLY


def in_place(message: SystemMessage, native: Native, after: BaseMessage | None) -> BaseMessage:
    """A system message in mid-conversation, said where it stands: only Anthropic's newest models know them, after a user's turn."""
    allowed = native.dialect is Dialect.ANTHROPIC and (native.model.profile or {}).get("mid_conversation_system_messages")
    if allowed and isinstance(after, (HumanMessage, ToolMessage)):
        return message
    return HumanMessage(f"<system>\n{message.text}\n</system>")


def begun(messages: list[BaseMessage], dialect: Dialect) -> list[BaseMessage]:
    """The beginning of a conversation as the provider wants it: one system message, then a user's."""
    if dialect is Dialect.ANTHROPIC:
        messages = _one_system(messages)
    at = 0
    while at < len(messages) and isinstance(messages[at], SystemMessage):
        at += 1
    if len(messages) > at and not isinstance(messages[at], AIMessage):
        return messages
    return [*messages[:at], HumanMessage(_BEGIN), *messages[at:]]


def answered_between(messages: list[BaseMessage], after: BaseMessage | None, dialect: Dialect) -> list[BaseMessage]:
    """The messages with a word of the assistant's between a tool's result and what a user says, where one is wanted."""
    if dialect is not Dialect.MISTRAL:
        return messages
    told: list[BaseMessage] = []
    for message in messages:
        if isinstance(after, ToolMessage) and not isinstance(message, AIMessage | ToolMessage):
            told.append(AIMessage(_NOTED))
        told.append(message)
        after = message
    return told


def _one_system(messages: list[BaseMessage]) -> list[BaseMessage]:
    """Several leading system messages as one: Anthropic takes one."""
    count = 0
    while count < len(messages) and isinstance(messages[count], SystemMessage):
        count += 1
    if count < 2:
        return messages
    blocks: list[str | dict[str, Any]] = []
    for message in messages[:count]:
        blocks += [{"type": "text", "text": message.content}] if isinstance(message.content, str) else message.content
    return [SystemMessage(blocks), *messages[count:]]
