"""What the caller asked for, as something that can be put to whichever target is chosen, at the level the caller used.

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
class Request:
    """A call of one of the chat methods.

    Parameters:
        method: name of the method; every target is asked by the same.
        messages: the whole prompt.
        kwargs: the caller's settings, ours to change.
    """

    method: str
    messages: Sequence[ChatMessage]
    kwargs: dict[str, Any] = field(default_factory=dict)

    tools: Sequence[Any] | None = field(default=None, init=False)
    structured: bool = field(default=False, init=False)

    def send(self, native: Native, messages: list[ChatMessage], settings: dict[str, Any]) -> Any:
        """Ask `native`: what its method gives (for an async method, something to await).

        Parameters:
            messages: the prompt in the words that `native` takes.
            settings: likewise.
        """
        return method_of(native, self.method)(messages, **settings)

    def with_note(self, note: str, shown: str = "") -> Self:
        """The same request with a last turn of the user after it.

        Parameters:
            note: that turn.
            shown: the text of an answer before it; empty: none.
        """
        other = copy(self)
        said = [ChatMessage(role=MessageRole.ASSISTANT, content=shown)] if shown else []
        other.messages = [*self.messages, *said, ChatMessage(role=MessageRole.USER, content=note)]
        return other


@dataclass(slots=True)
class Completion(Request):
    """A call of one of the completion methods.

    Parameters:
        prompt: the text.
        formatted: it has been given the form that the model wants.
    """

    prompt: str = ""
    formatted: bool = False

    def send(self, native: Native, messages: list[ChatMessage], settings: dict[str, Any]) -> Any:  # noqa: ARG002  (one text)
        return method_of(native, self.method)(self.prompt, formatted=self.formatted, **settings)

    def with_note(self, note: str, shown: str = "") -> Self:
        """As of messages; a completion is one text."""
        other = Request.with_note(self, note, shown)
        other.prompt = "\n\n".join(filter(None, (self.prompt, shown, note)))
        return other


@dataclass(slots=True)
class ToolRequest(Request):
    """A call of one of the methods with tools.

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
class StructuredRequest(Request):
    """A call of one of the structured prediction methods; `kwargs` is what goes to the LLM behind the prediction.

    Parameters:
        output_cls: the pydantic model that the answer must be.
    """

    output_cls: Any = None
    structured: bool = True

    def send(self, native: Native, messages: list[ChatMessage], settings: dict[str, Any]) -> Any:
        if native.dialect is ANTHROPIC:
            settings.pop("max_tokens", None)  # its integration sets that itself, and fails on a second one
        return method_of(native, self.method)(self.output_cls, Formatted(messages), llm_kwargs=settings)


class Formatted(ChatPromptTemplate):
    """A prompt that is formatted already: braces in it are text."""

    def __init__(self, messages: list[ChatMessage]) -> None:
        super().__init__(message_templates=[])
        self.message_templates = messages

    def format_messages(self, llm: Any = None, **kwargs: Any) -> list[ChatMessage]:  # noqa: ARG002  (nothing to fill in)
        """The messages, with what an output parser adds to them."""
        messages = list(self.message_templates)
        return self.output_parser.format_messages(messages) if self.output_parser is not None else messages


def method_of(native: Native, name: str) -> Any:
    """A method of a native LLM.

    Raises:
        TargetError: it has none by that name: it cannot do this.
    """
    method = getattr(native.llm, name, None)
    if method is None:
        raise TargetError(FailureKind.UNSUPPORTED, f"{type(native.llm).__name__} has no {name}")
    return method


def chat_request(method: str, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> Request:
    """A call of a chat method; given neutral tools, it is one of the method with tools (see `_prepare_chat_with_tools`)."""
    tools = kwargs.get("tools")
    if tools and all(isinstance(tool, BaseTool) for tool in tools):
        del kwargs["tools"]
        return ToolRequest(_WITH_TOOLS[method], messages, kwargs, tools=tools)
    return Request(method, messages, kwargs)


def completion_request(method: str, prompt: str | None, formatted: bool, kwargs: dict[str, Any]) -> Completion:
    """A call of a completion method; to the policies, its prompt is a user's message.

    Raises:
        ValueError: there is no prompt; so says LlamaIndex of its own LLMs.
    """
    if prompt is None:
        raise ValueError(f"{method}() was given no prompt: name it first, or as prompt=")
    return Completion(method, [ChatMessage(role=MessageRole.USER, content=prompt)], kwargs, prompt=prompt, formatted=formatted)


def history(user_msg: str | ChatMessage | None, chat_history: Sequence[ChatMessage] | None) -> list[ChatMessage]:
    """The whole prompt, as a list of our own: integrations append to the caller's, and Anthropic's drops a `ChatMessage`."""
    messages = list(chat_history or ())
    if isinstance(user_msg, ChatMessage):
        messages.append(user_msg)
    elif user_msg is not None:
        messages.append(ChatMessage(role=MessageRole.USER, content=user_msg))
    return messages
