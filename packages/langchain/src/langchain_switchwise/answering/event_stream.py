"""Route LangChain's v3 event streams: the events of the chosen target, without those of failed targets.

This protocol is in beta in LangChain; all code that depends on it is in this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream

Event = Mapping[str, Any]
FINISH = "message-finish"


def routed(events: Iterator[Event]) -> ChatModelStream:
    """Return a stream of `events`, pulled by the consumer; nothing is decided before the first one."""
    stream = ChatModelStream()

    def pump() -> bool:
        try:
            event = next(events)
        except StopIteration:
            return False
        except BaseException as error:  # noqa: BLE001  (as LangChain's own: whatever it is, it comes out where the stream is read)
            stream.fail(error)
            return False
        stream.dispatch(event)
        return True

    stream.bind_pump(pump)
    return stream


class Routed(AsyncChatModelStream):
    """A stream of `events`, produced in a separate task from the first read."""

    def __init__(self, events: AsyncGenerator[Event, None]) -> None:
        super().__init__()
        self._source = events
        self.set_start(self._begin)

    async def _begin(self) -> None:
        if self._producer_task is None:
            self._producer_task = asyncio.get_running_loop().create_task(self._produce())

    async def _produce(self) -> None:
        try:
            async with aclosing(self._source) as events:
                async for event in events:
                    self.dispatch(event)
        except asyncio.CancelledError as error:
            self.fail(error)
            raise
        except BaseException as error:  # noqa: BLE001  (as LangChain's own: whatever it is, it comes out where the stream is read)
            self.fail(error)


def finished(event: Event | None, key: str, record: Mapping[str, Any]) -> Event:
    """The closing event of a message, with `record` among its metadata."""
    closing = event or {"event": FINISH}
    return {**closing, "metadata": {**(closing.get("metadata") or {}), key: record}}
