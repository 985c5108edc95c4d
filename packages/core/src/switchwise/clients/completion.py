"""The results of `Clients`: a finished answer, or a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from switchwise.nouns.call import Outcome
from switchwise.nouns.errors import Broken
from switchwise.observe.decision_record import record_of


class Signal(str):
    """An empty piece of a streamed text that signals that the reply broke off and another target takes over (`Router(on_broken=...)`).

    Parameters:
        broken: the broken reply. If `broken.text` is empty, the reply starts again, so discard the shown text; else it continues.
    """

    __slots__ = ("broken",)
    broken: Broken

    def __new__(cls, broken: Broken) -> Signal:
        """An empty string with `broken`."""
        made = super().__new__(cls, "")
        made.broken = broken
        return made

    def __repr__(self) -> str:
        return f"Signal({self.broken.signal}: {self.broken.target}, {self.broken.kind.value})"


@dataclass(frozen=True, slots=True, repr=False)
class Completion:
    """A finished answer.

    Parameters:
        outcome: the target, the attempts and the cost; `outcome.decision` is the id for feedback.
        message: the answer as a message to append to the conversation.
    """

    outcome: Outcome
    message: dict[str, Any]

    @property
    def text(self) -> str:
        """Text of the answer, including the shown part of a reply that it continues."""
        return self.outcome.attempt.call.continued + self.outcome.reply.text

    @property
    def record(self) -> dict[str, Any]:
        """The decision record, in JSON types: decision id, target, level, policy, reason, attempts, and cost in USD."""
        return record_of(self.outcome)

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """Tool calls with their ids, as in OpenAI's messages."""
        calls: list[dict[str, Any]] = self.message.get("tool_calls") or []
        return calls

    def _repr_html_(self) -> str:
        return self.outcome._repr_html_()

    def __repr__(self) -> str:
        return f"Completion({self.outcome.target.name!r}, {len(self.text)} characters)"


class Stream:
    """A streamed answer: iterate over its text (`for` or `async for`), then read `completion`. A `Signal` among the pieces means that the
    reply starts again or continues.

    To stop early, close it (`with closing(stream)`, `async with aclosing(stream)`): the call ends, and counts as abandoned. A `break` alone
    leaves that to the garbage collector.
    """

    def __init__(self, chunks: Generator[str] | AsyncGenerator[str], finish: Callable[[], Completion]) -> None:
        self._chunks = chunks
        self._finish = finish

    def __iter__(self) -> Iterator[str]:
        if not isinstance(self._chunks, Generator):
            raise TypeError("this stream is asynchronous: use `async for`")
        return self._chunks

    def __aiter__(self) -> AsyncIterator[str]:
        if not isinstance(self._chunks, AsyncGenerator):
            raise TypeError("this stream is synchronous: use `for`")
        return self._chunks

    def close(self) -> None:
        """End the call; nothing happens if it is finished."""
        if not isinstance(self._chunks, Generator):
            raise TypeError("this stream is asynchronous: use `aclose`")
        self._chunks.close()

    async def aclose(self) -> None:
        """As `close`, for a stream that is asynchronous."""
        if not isinstance(self._chunks, AsyncGenerator):
            raise TypeError("this stream is synchronous: use `close`")
        await self._chunks.aclose()

    @property
    def completion(self) -> Completion:
        """The finished answer.

        Raises:
            RuntimeError: the stream is not finished.
        """
        return self._finish()
