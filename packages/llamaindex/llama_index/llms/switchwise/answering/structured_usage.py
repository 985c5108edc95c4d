"""What a structured answer does not tell, since it is the user's own object: its usage, and whether it came to its end.

The integrations send the responses behind it with the events of the chat that they make; an event handler receives them. Each
call collects them in a context variable, so that concurrent calls do not mix. The native structured outputs of
Anthropic and of OpenAI's Responses send no event: their usage stays unknown.
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
    """Passes the responses of the call that is being made in this context on to its listener."""

    @classmethod
    def class_name(cls) -> str:
        return "SwitchwiseUsageHandler"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        """Take in one event."""
        listener = _LISTENER.get()
        if listener is None:
            return
        if isinstance(event, LLMChatInProgressEvent):
            listener.chunk(event.response)
        elif isinstance(event, (LLMChatEndEvent, LLMCompletionEndEvent)):
            listener.end(event.response)


class NotListening:
    """For calls whose answers tell their usage themselves."""

    usage: Usage | None = None

    def here(self) -> AbstractContextManager[None]:
        """A block that is not listened to."""
        return _QUIET

    def each(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """The chunks."""
        return chunks

    def aeach(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The chunks."""
        return chunks

    def check(self) -> None:
        """Nothing was heard to fail."""


class UsageListener(NotListening):
    """Listens to what one structured call consumes, and how it ends.

    Parameters:
        native: who is called.
        marked: its server says where streams end, or it is not known.
    """

    def __init__(self, native: Native, marked: bool = True) -> None:
        self._responses: list[Any] = []
        self._end = StreamEnd(native, marked)
        self._failure: TargetError | None = None
        root = get_dispatcher()
        if not any(isinstance(handler, UsageHandler) for handler in root.event_handlers):
            root.add_event_handler(UsageHandler())

    def chunk(self, response: Any) -> None:
        """Take in a chunk of the stream behind the answer. It must not fail: what an event handler raises is lost."""
        try:
            self._end.hear(response)
        except TargetError as error:
            self._failure = error

    def end(self, response: Any) -> None:
        """Take in the response behind the answer; of a stream, its last chunk."""
        self._responses.append(response)

    def check(self) -> None:
        """Tell of the failures that the integration lets through.

        Raises:
            TargetError: the response behind the answer failed.
            IncompleteStream: it broke off.
        """
        if self._failure is not None:
            raise self._failure
        self._end.check()
        for response in self._responses:
            check(response)

    @contextmanager
    def here(self) -> Iterator[None]:
        """Listen to responses in this block. It must not span a `yield` to somebody else, whose context it would mark."""
        token = _LISTENER.set(self)
        try:
            yield
        finally:
            _LISTENER.reset(token)

    def each(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """The same chunks, heard while each is made."""
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
        """Tokens of the call; None: nobody said."""
        return next((usage for response in reversed(self._responses) if (usage := usage_of(response)) is not None), None)
