"""Makes a call: puts the caller's request to the native LLM of a target, in that LLM's words.

`whole`, `stream`, `awhole` and `astream` are what `switchwise.engine.drive` and `adrive` run. They differ in how the native method is
called and nothing else; which target comes next is not decided here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from pydantic import ValidationError

from llama_index.llms.switchwise.answering import events
from llama_index.llms.switchwise.answering.replies import open_stamp_of, reply_of, stamped
from llama_index.llms.switchwise.answering.stream import Watch, check
from llama_index.llms.switchwise.answering.structured_usage import Deaf, Hearing
from llama_index.llms.switchwise.answering.usage import usage_of
from llama_index.llms.switchwise.models.dialect import Dialect
from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.models.request import Request, method_of
from llama_index.llms.switchwise.porting.cache_hints import HintWriter
from llama_index.llms.switchwise.porting.histories import Histories
from llama_index.llms.switchwise.porting.settings import settings_for
from switchwise import Call, FailureKind, Reply, TargetError, Usage
from switchwise.failures import target_error

_UNFIT = (
    "structured_predict expected a",
    "It was not possible to produce a structured response",
    "Expected at least one tool call",
)
_ANTHROPIC = Dialect.ANTHROPIC
_DEAF = Deaf()


class Performer:
    """Makes the calls of one step.

    Parameters:
        natives: target name -> native LLM.
        histories: translates histories, and keeps what it translated.
        hint_writer: adds what lets prompt caches be found again.
        request: what the caller asked for.
        thread: the conversation that the request belongs to.
        named: the caller named its session.
        clock: seconds; only differences count.
    """

    __slots__ = ("_clock", "_hint_writer", "_histories", "_listened", "_named", "_natives", "_request", "_thread", "stamps")

    def __init__(
        self,
        natives: Mapping[str, Native],
        histories: Histories,
        hint_writer: HintWriter,
        request: Request,
        thread: tuple[str, ...],
        named: bool,
        clock: Callable[[], float],
    ) -> None:
        self.stamps: list[dict[str, Any]] = []
        self._natives = natives
        self._histories = histories
        self._hint_writer = hint_writer
        self._request = request
        self._thread = thread
        self._named = named
        self._clock = clock
        self._listened = events.anybody_listens()

    def whole(self, call: Call) -> Iterator[Any]:
        """Make `call` of a method that returns the answer."""
        with self._attempt(call) as attempt:
            with attempt.ear.here():
                response = self._send(call, streamed=False) if call.ask is None else self._ask(call, "chat")
            attempt.answered(response)
        yield attempt.reply

    async def awhole(self, call: Call) -> AsyncIterator[Any]:
        """As `whole`, asynchronously."""
        with self._attempt(call) as attempt:
            with attempt.ear.here():
                response = await (self._send(call, streamed=False) if call.ask is None else self._ask(call, "achat"))
            attempt.answered(response)
        yield attempt.reply

    def stream(self, call: Call) -> Iterator[Any]:
        """Make `call` of a method that streams the answer."""
        with self._attempt(call) as attempt:
            if call.ask is not None:
                attempt.answered(self._ask(call, "chat"))
            else:
                watch, stamp = Watch(self._clock, self._request.structured), self._stamp(call)
                with attempt.ear.here():
                    chunks = self._send(call, streamed=True)
                try:
                    for chunk in attempt.ear.each(chunks):
                        for shown in watch.hear(chunk):
                            yield stamped(shown, stamp)
                finally:
                    if close := getattr(chunks, "close", None):
                        close()
                attempt.ear.check()
                for shown in watch.rest():
                    yield stamped(shown, stamp)
                attempt.answered(watch.last, watch.first_chunk)
        yield attempt.reply

    async def astream(self, call: Call) -> AsyncIterator[Any]:
        """As `stream`, asynchronously."""
        with self._attempt(call) as attempt:
            if call.ask is not None:
                attempt.answered(await self._ask(call, "achat"))
            else:
                watch, stamp = Watch(self._clock, self._request.structured), self._stamp(call)
                with attempt.ear.here():
                    chunks = await self._send(call, streamed=True)
                try:
                    async for chunk in attempt.ear.aeach(chunks):
                        for shown in watch.hear(chunk):
                            yield stamped(shown, stamp)
                finally:
                    if close := getattr(chunks, "aclose", None):
                        await close()
                attempt.ear.check()
                for shown in watch.rest():
                    yield stamped(shown, stamp)
                attempt.answered(watch.last, watch.first_chunk)
        yield attempt.reply

    def _send(self, call: Call, streamed: bool) -> Any:
        native, request = self._natives[call.target.name], self._request
        messages = self._histories.ported(self._thread, request.messages, native)
        settings = settings_for(native, request.messages, request.kwargs, bool(request.tools), streamed)
        if not self._hint_writer.idle:
            messages, settings = self._hint_writer.hinted(native, self._thread, self._named, request, (messages, settings))
        return request.send(native, messages, settings)

    def _ask(self, call: Call, method: str) -> Any:
        """A prompt of a policy's or verifier's own."""
        native = self._natives[call.target.name]
        return method_of(native, method)([ChatMessage(role=MessageRole.USER, content=call.ask)])

    def _stamp(self, call: Call) -> dict[str, Any]:
        self.stamps.append(open_stamp_of(call))
        return self.stamps[-1]

    def _attempt(self, call: Call) -> _Attempt:
        return _Attempt(call, self._natives[call.target.name], self._request, self._hint_writer, self._listened)


class _Attempt:
    """Around one call: tells of it to those who listen, and turns a provider's exception into a `TargetError`.

    Anything that no provider stands behind passes: a bug must not look like an outage.
    """

    __slots__ = ("_call", "_hint_writer", "_listened", "_native", "_request", "ear", "reply")

    def __init__(self, call: Call, native: Native, request: Request, hint_writer: HintWriter, listened: bool) -> None:
        self.reply: Reply | None = None
        self.ear = Hearing() if request.structured and call.ask is None else _DEAF
        self._call = call
        self._native = native
        self._hint_writer = hint_writer
        self._request = request
        self._listened = listened

    def __enter__(self) -> _Attempt:
        if self._listened:
            events.tell_decision(self._call, self._request.method)
        return self

    def answered(self, response: Any, first_chunk: float | None = None) -> None:
        """Take in the answer.

        Raises:
            TargetError: it reports a failure that the integration lets through.
        """
        if self.ear is _DEAF:
            check(response)
        else:
            self.ear.check()
        usage = usage_of(response) if self.ear is _DEAF else self.ear.usage
        if usage is not None and self._native.dialect is _ANTHROPIC and self._counts_a_part(usage):
            usage = None
        self.reply = reply_of(response, usage, first_chunk)

    def _counts_a_part(self, usage: Usage) -> bool:
        """Whether a part of the prompt is not in `usage`.

        Anthropic counts what it read from its cache, and what it wrote to it, beside the prompt. A stream tells these counts
        with its first event, which the integration keeps to itself, and not every server repeats them with the last.
        """
        told = usage.cache_read_tokens is not None or usage.cache_write_tokens is not None
        return not told and self._call.ask is None and self._hint_writer.asked(self._native, self._request)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        failure = error
        if isinstance(error, Exception) and not isinstance(error, TargetError):
            failure = target_error(error) or (unfit(error) if self._request.structured else None) or error
        if self._listened:
            events.tell_outcome(self._call, self._request.method, self.reply, failure)
        if failure is not None and failure is not error:
            raise failure from error


def unfit(error: Exception) -> TargetError | None:
    """The failure that a structured answer not of its schema is; None: `error` is something else."""
    if isinstance(error, ValidationError) or (
        isinstance(error, (TypeError, ValueError)) and any(s in str(error) for s in _UNFIT)
    ):
        return TargetError(FailureKind.UNSUPPORTED, "its answer does not fit the schema")
    return None
