"""Usage and end of structured answers, which are the user's own objects and do not carry them.

The integrations send the underlying responses with their chat events; an event handler receives them. Each call collects them in a
context variable, so that concurrent calls do not mix. The native structured outputs of Anthropic and of OpenAI's Responses send no event:
their usage stays unknown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMChatInProgressEvent, LLMCompletionEndEvent
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers import BaseEventHandler

from llama_index.llms.switchwise.answering.stream import StreamEnd, check
from llama_index.llms.switchwise.answering.usage import usage_of
from llama_index.llms.switchwise.models.native import Native
from switchwise import TargetError, Usage

_QUIET = nullcontext()
_LISTENER: ContextVar[UsageListener | None] = ContextVar("switchwise_usage_listener", default=None)


class UsageHandler(BaseEventHandler):
    """Pass the responses of the current call in this context to its listener."""

    @classmethod
    def class_name(cls) -> str:
        return "SwitchwiseUsageHandler"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        """Handle one event."""
        listener = _LISTENER.get()
        if listener is None:
            return
        if isinstance(event, LLMChatInProgressEvent):
            listener.chunk(event.response)
        elif isinstance(event, (LLMChatEndEvent, LLMCompletionEndEvent)):
            listener.end(event.response)


class NotListening:
    """For calls whose answers carry their usage."""

    usage: Usage | None = None

    def here(self) -> AbstractContextManager[None]:
        """A block without listening."""
        return _QUIET

    def each(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """The chunks."""
        return chunks

    def aeach(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The chunks."""
        return chunks

    def check(self) -> None:
        """Do nothing: no failures are recorded."""


class UsageListener(NotListening):
    """Record the usage and end of one structured call.

    Parameters:
        native: the called LLM.
        marked: whether its server marks the end of streams, or this is unknown.
    """

    def __init__(self, native: Native, marked: bool = True) -> None:
        self._responses: list[Any] = []
        self._end = StreamEnd(native, marked)
        self._failure: TargetError | None = None
        root = get_dispatcher()
        if not any(isinstance(handler, UsageHandler) for handler in root.event_handlers):
            root.add_event_handler(UsageHandler())

    def chunk(self, response: Any) -> None:
        """Record a chunk of the underlying stream. It must not fail: exceptions of event handlers are lost."""
        try:
            self._end.hear(response)
        except TargetError as error:
            self._failure = error

    def end(self, response: Any) -> None:
        """Record the underlying response; for a stream, its last chunk."""
        self._responses.append(response)

    def check(self) -> None:
        """Raise failures that the integration ignores.

        Raises:
            TargetError: the underlying response failed.
            IncompleteStream: the stream broke off.
        """
        if self._failure is not None:
            raise self._failure
        self._end.check()
        for response in self._responses:
            check(getattr(response, "raw", None))

    @contextmanager
    def here(self) -> Iterator[None]:
        """Listen to responses in this block. It must not span a `yield` to other code, whose context it would change."""
        token = _LISTENER.set(self)
        try:
            yield
        finally:
            _LISTENER.reset(token)

    def each(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """Yield the same chunks, listening while each is produced."""
        iterator = iter(chunks)
        while True:
            with self.here():
                try:
                    chunk = next(iterator)
                except StopIteration:
                    return
            yield chunk

    async def aeach(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """As `each`, asynchronously."""
        iterator = aiter(chunks)
        while True:
            with self.here():
                try:
                    chunk = await anext(iterator)
                except StopAsyncIteration:
                    return
            yield chunk

    @property
    def usage(self) -> Usage | None:  # type: ignore[override]  # here it is found
        """Tokens of the call; None if unknown."""
        return next((usage for response in reversed(self._responses) if (usage := usage_of(response)) is not None), None)
