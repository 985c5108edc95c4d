"""The usage of a structured answer, which is the user's own object and has no place for it.

The integrations send it with the end event of the chat behind the prediction; an event handler hears it there. Each call has
a list of its own in a context variable, so that concurrent calls do not hear one another. Anthropic's native structured
outputs send no event: their usage stays unknown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMCompletionEndEvent
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers import BaseEventHandler

from fairlead import Usage
from llama_index.llms.fairlead.usage import usage_of

_QUIET = nullcontext()
_HEARD: ContextVar[list[Any] | None] = ContextVar("fairlead_heard", default=None)


class Ear(BaseEventHandler):
    """Keeps the responses of the call that is being made in this context."""

    @classmethod
    def class_name(cls) -> str:
        return "FairleadEar"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        """Take in one event."""
        heard = _HEARD.get()
        if heard is not None and isinstance(event, (LLMChatEndEvent, LLMCompletionEndEvent)):
            heard.append(event.response)


class Deaf:
    """Hears nothing: for calls whose answers tell their usage themselves."""

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


class Hearing(Deaf):
    """Hears what one structured call consumes."""

    def __init__(self) -> None:
        self._responses: list[Any] = []
        root = get_dispatcher()
        if not any(isinstance(handler, Ear) for handler in root.event_handlers):
            root.add_event_handler(Ear())

    @contextmanager
    def here(self) -> Iterator[None]:
        """Hear what is sent in this block. It must not span a `yield` to somebody else, whose context it would mark."""
        token = _HEARD.set(self._responses)
        try:
            yield
        finally:
            _HEARD.reset(token)

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
