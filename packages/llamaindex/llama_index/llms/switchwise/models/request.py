"""The caller's request in a form that can be sent to any target, by the method that the caller used.

So each integration prepares its own tool format and its own structured output.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Self

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.prompts import ChatPromptTemplate
from llama_index.core.tools import BaseTool

from llama_index.llms.switchwise.models.native import Native
from switchwise import FailureKind, TargetError
from switchwise.dialects.table import ANTHROPIC

_PLAIN = {
    "chat_with_tools": "chat",
    "achat_with_tools": "achat",
    "stream_chat_with_tools": "stream_chat",
    "astream_chat_with_tools": "astream_chat",
}
_WITH_TOOLS = {plain: with_tools for with_tools, plain in _PLAIN.items()}
_TOOL_SETTINGS = ("tool_choice", "tool_required", "allow_parallel_tool_calls", "verbose")


@dataclass(slots=True)
class ChatRequest:
    """A call of a chat method.

    Parameters:
        method: name of the method, used for every target.
        messages: the whole prompt.
        kwargs: a copy of the caller's settings.
    """

    method: str
    messages: Sequence[ChatMessage]
    kwargs: dict[str, Any] = field(default_factory=dict)

    tools: Sequence[Any] | None = field(default=None, init=False)
    structured: bool = field(default=False, init=False)

    def send(self, native: Native, messages: list[ChatMessage], settings: dict[str, Any]) -> Any:
        """Call `native` and return the method's result (for an async method, an awaitable).

        Parameters:
            messages: the prompt adapted to `native`.
            settings: settings adapted to `native`.
        """
        return method_of(native, self.method)(messages, **settings)

    def with_note(self, note: str, shown: str = "") -> Self:
        """Return the request with a further user turn.

        Parameters:
            note: text of that turn.
            shown: the text of an answer before it; empty: none.
        """
        other = copy(self)
        said = [ChatMessage(role=MessageRole.ASSISTANT, content=shown)] if shown else []
        other.messages = [*self.messages, *said, ChatMessage(role=MessageRole.USER, content=note)]
        return other


@dataclass(slots=True)
class CompletionRequest(ChatRequest):
    """A call of a completion method.

    Parameters:
        prompt: the text.
        formatted: whether the prompt is formatted for the model already.
    """

    prompt: str = ""
    formatted: bool = False

    def send(self, native: Native, messages: list[ChatMessage], settings: dict[str, Any]) -> Any:  # noqa: ARG002  (one text)
        return method_of(native, self.method)(self.prompt, formatted=self.formatted, **settings)

    def with_note(self, note: str, shown: str = "") -> Self:
        """As for messages; a completion is one text."""
        other = ChatRequest.with_note(self, note, shown)
        other.prompt = "\n\n".join(filter(None, (self.prompt, shown, note)))
        return other


@dataclass(slots=True)
class ToolRequest(ChatRequest):
    """A call of a method with tools.

    Parameters:
        tools: LlamaIndex tools, prepared by each target in its own way.
    """

    tools: Sequence[Any] | None = None

    def send(self, native: Native, messages: list[ChatMessage], settings: dict[str, Any]) -> Any:
        if not self.tools and not hasattr(native.llm, self.method):
            plain = {name: value for name, value in settings.items() if name not in _TOOL_SETTINGS}
            return method_of(native, _PLAIN[self.method])(messages, **plain)
        return method_of(native, self.method)(list(self.tools or ()), chat_history=messages, **settings)


@dataclass(slots=True)
class StructuredRequest(ChatRequest):
    """A call of a structured prediction method; `kwargs` are the arguments of the LLM's call.

    Parameters:
        output_cls: pydantic model of the answer.
    """

    output_cls: Any = None
    structured: bool = True

    def send(self, native: Native, messages: list[ChatMessage], settings: dict[str, Any]) -> Any:
        if native.dialect is ANTHROPIC:
            settings.pop("max_tokens", None)  # its integration sets that itself, and fails on a second one
        return method_of(native, self.method)(self.output_cls, Formatted(messages), llm_kwargs=settings)


class Formatted(ChatPromptTemplate):
    """A formatted prompt: braces in it are text."""

    def __init__(self, messages: list[ChatMessage]) -> None:
        super().__init__(message_templates=[])
        self.message_templates = messages

    def format_messages(self, llm: Any = None, **kwargs: Any) -> list[ChatMessage]:  # noqa: ARG002  (nothing to fill in)
        """The messages with the additions of an output parser."""
        messages = list(self.message_templates)
        return self.output_parser.format_messages(messages) if self.output_parser is not None else messages


def method_of(native: Native, name: str) -> Any:
    """A method of a native LLM.

    Raises:
        TargetError: the LLM has no such method.
    """
    method = getattr(native.llm, name, None)
    if method is None:
        raise TargetError(FailureKind.UNSUPPORTED, f"{type(native.llm).__name__} has no {name}")
    return method


def chat_request(method: str, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatRequest:
    """Build a call of a chat method; with neutral tools, of the method with tools (see `_prepare_chat_with_tools`)."""
    tools = kwargs.get("tools")
    if tools and all(isinstance(tool, BaseTool) for tool in tools):
        del kwargs["tools"]
        return ToolRequest(_WITH_TOOLS[method], messages, kwargs, tools=tools)
    return ChatRequest(method, messages, kwargs)


def completion_request(method: str, prompt: str | None, formatted: bool, kwargs: dict[str, Any]) -> CompletionRequest:
    """Build a call of a completion method; policies see its prompt as a user message.

    Raises:
        ValueError: there is no prompt, as LlamaIndex's own LLMs raise.
    """
    if prompt is None:
        raise ValueError(f"{method}() was given no prompt: name it first, or as prompt=")
    return CompletionRequest(
        method, [ChatMessage(role=MessageRole.USER, content=prompt)], kwargs, prompt=prompt, formatted=formatted
    )


def history(user_msg: str | ChatMessage | None, chat_history: Sequence[ChatMessage] | None) -> list[ChatMessage]:
    """The whole prompt as a new list: integrations append to the caller's, and Anthropic's drops a `ChatMessage`."""
    messages = list(chat_history or ())
    if isinstance(user_msg, ChatMessage):
        messages.append(user_msg)
    elif user_msg is not None:
        messages.append(ChatMessage(role=MessageRole.USER, content=user_msg))
    return messages
