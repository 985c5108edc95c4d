"""Perform a call: send the caller's request to the native LLM of a target, adapted to it.

`whole`, `stream`, `awhole` and `astream` are what `switchwise.engine.drive` and `adrive` run. They differ only in how the native method
is called; the choice of the next target is not made here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from pydantic import ValidationError

from llama_index.llms.switchwise.answering.replies import continued, reply_of, stamped
from llama_index.llms.switchwise.answering.stream import StreamReader, check, says_nothing
from llama_index.llms.switchwise.answering.structured_usage import NotListening, UsageListener
from llama_index.llms.switchwise.answering.usage import usage_of
from llama_index.llms.switchwise.calling.recording import dumped, given_again
from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.models.request import ChatRequest, method_of
from llama_index.llms.switchwise.porting.answers import Answers, wire_message
from llama_index.llms.switchwise.porting.cache_hints import HintWriter
from llama_index.llms.switchwise.porting.history import Histories
from llama_index.llms.switchwise.porting.settings import settings_for
from switchwise import Call, FailureKind, Reply, TargetError, Usage
from switchwise.adapting.answer_headers import listen
from switchwise.dialects.table import ANTHROPIC
from switchwise.failures import check_answer, mark_own_doing, target_error
from switchwise.nouns.exchange.recording import Stored
from switchwise.observe.decision_record import open_record
from switchwise.protocols.ask_text import prompt_of

_UNFIT = (
    "structured_predict expected a",
    "It was not possible to produce a structured response",
    "Expected at least one tool call",
)
_NOT_LISTENING = NotListening()


class Performer:
    """Perform the calls of one step.

    Parameters:
        natives: target name -> native LLM.
        histories: adapts histories and caches the results.
        hint_writer: adds cache hints.
        request: the caller's request.
        thread: the conversation that the request belongs to.
        named: whether the caller named the session.
        clock: seconds; only differences count.
    """

    __slots__ = ("_clock", "_hint_writer", "_histories", "_named", "_natives", "_request", "_thread", "stamps")

    def __init__(
        self,
        natives: Mapping[str, Native],
        histories: Histories,
        hint_writer: HintWriter,
        request: ChatRequest,
        thread: tuple[str, ...],
        named: bool,
        clock: Callable[[], float],
    ) -> None:
        self.stamps: dict[int, dict[str, Any]] = {}
        """Shared record of the chunks of an answer, by id of the call."""
        self._natives = natives
        self._histories = histories
        self._hint_writer = hint_writer
        self._request = request
        self._thread = thread
        self._named = named
        self._clock = clock

    def whole(self, call: Call) -> Iterator[Any]:
        """Make `call` of a method that returns the answer."""
        if call.stored is not None:
            return iter((given_again(call.stored, self._natives[call.target.name], self._request)[0],))
        with self._attempt(call) as attempt:
            with attempt.listener.here():
                response = self._send(call, streamed=False) if call.ask is None else self._ask(call, "chat")
            attempt.answered(response)
        return iter((attempt.finished,))

    async def awhole(self, call: Call) -> AsyncIterator[Any]:
        """As `whole`, asynchronously."""
        if call.stored is not None:
            yield given_again(call.stored, self._natives[call.target.name], self._request)[0]
            return
        with self._attempt(call) as attempt:
            with attempt.listener.here():
                response = await (self._send(call, streamed=False) if call.ask is None else self._ask(call, "achat"))
            attempt.answered(response)
        yield attempt.finished

    def stream(self, call: Call) -> Iterator[Any]:
        """Make `call` of a method that streams the answer."""
        if call.stored is not None:
            yield from self._again(call, call.stored)
            return
        with self._attempt(call) as attempt:
            if call.ask is not None:
                attempt.answered(self._ask(call, "chat"))
            else:
                reader, stamp = self._reader(attempt, call), self._stamp(call)
                with attempt.listener.here():
                    chunks = self._send(call, streamed=True)
                try:
                    for chunk in attempt.listener.each(chunks):
                        for shown in reader.hear(chunk):
                            yield stamped(continued(attempt.noted(shown), call.continued), stamp)
                finally:
                    if close := getattr(chunks, "close", None):
                        close()
                attempt.listener.check()
                left = reader.rest()
                attempt.answered(reader.last, reader)
                for shown in left:
                    yield stamped(continued(attempt.noted(shown), call.continued), stamp)
        yield attempt.finished

    async def astream(self, call: Call) -> AsyncIterator[Any]:
        """As `stream`, asynchronously."""
        if call.stored is not None:
            for item in self._again(call, call.stored):
                yield item
            return
        with self._attempt(call) as attempt:
            if call.ask is not None:
                attempt.answered(await self._ask(call, "achat"))
            else:
                reader, stamp = self._reader(attempt, call), self._stamp(call)
                with attempt.listener.here():
                    chunks = await self._send(call, streamed=True)
                try:
                    async for chunk in attempt.listener.aeach(chunks):
                        for shown in reader.hear(chunk):
                            yield stamped(continued(attempt.noted(shown), call.continued), stamp)
                finally:
                    if close := getattr(chunks, "aclose", None):
                        await close()
                attempt.listener.check()
                left = reader.rest()
                attempt.answered(reader.last, reader)
                for shown in left:
                    yield stamped(continued(attempt.noted(shown), call.continued), stamp)
        yield attempt.finished

    def _again(self, call: Call, stored: Stored) -> Iterator[Any]:
        """Yield the chunks of a stored answer, then its reply."""
        reply, chunks = given_again(stored, self._natives[call.target.name], self._request)
        stamp = self._stamp(call)
        yield from [stamped(chunk, stamp) for chunk in chunks]
        yield reply

    def _send(self, call: Call, streamed: bool) -> Any:
        native, request, thread = self._natives[call.target.name], self._request, self._thread
        if call.note:
            request, thread = request.with_note(call.note, call.continued), (*thread, "with a note")
        messages = self._histories.adapted(thread, request.messages, native)
        settings = settings_for(native, messages, request.kwargs, len(request.tools or ()), streamed, call.target.effort)
        if not self._hint_writer.idle and not call.note:
            messages, settings = self._hint_writer.hinted(native, self._thread, self._named, request, (messages, settings))
        return request.send(native, messages, settings)

    def _ask(self, call: Call, method: str) -> Any:
        """Ask a question of a policy or verifier."""
        native = self._natives[call.target.name]
        prompt, effort = [ChatMessage(role=MessageRole.USER, content=prompt_of(call))], call.target.effort
        settings = settings_for(native, prompt, {}, 0, streamed=False, effort=effort) if effort else {}
        return method_of(native, method)(prompt, **settings)

    def _reader(self, attempt: _Attempt, call: Call) -> StreamReader:
        return StreamReader(attempt.native, self._clock, self._request.structured, call.target.can.marks_end is not False)

    def _stamp(self, call: Call) -> dict[str, Any]:
        stamp = self.stamps[id(call)] = open_record(call)
        return stamp

    def _attempt(self, call: Call) -> _Attempt:
        native = self._natives[call.target.name]
        own = len(self._natives) == 1 and not native.integration
        return _Attempt(call, native, self._request, self._hint_writer, self._histories.answers, may_be_empty=own)


class _Attempt:
    """Context of one call: collect the answer, and convert a provider's exception to a `TargetError`.

    Exceptions that are not a provider's propagate: a bug must not look like an outage.

    Parameters:
        may_be_empty: pass on an answer without content and without an end, as without a router: the LLM is the only target, and of a
            class of the user's own, whose answers need not say how they end.
    """

    __slots__ = (
        "_answers",
        "_call",
        "_heard",
        "_hint_writer",
        "_may_be_empty",
        "_pieces",
        "_request",
        "listener",
        "native",
        "reply",
    )

    def __init__(
        self,
        call: Call,
        native: Native,
        request: ChatRequest,
        hint_writer: HintWriter,
        answers: Answers,
        may_be_empty: bool,
    ) -> None:
        self._answers = answers
        self._may_be_empty = may_be_empty
        self.reply: Reply | None = None
        self._pieces: list[Any] | None = [] if call.view.recording is not None and call.ask is None else None
        self.listener = (
            UsageListener(native, call.target.can.marks_end is not False)
            if request.structured and call.ask is None
            else _NOT_LISTENING
        )
        self._call = call
        self.native = native
        self._hint_writer = hint_writer
        self._request = request

    def __enter__(self) -> _Attempt:
        self._heard = listen()
        return self

    def noted(self, chunk: Any) -> Any:
        """Return the chunk; record it if a response cache may store the answer."""
        if self._pieces is not None:
            self._pieces.append(dumped(chunk))
        return chunk

    @property
    def finished(self) -> Reply | None:
        """Return the reply with the recorded chunks."""
        return replace(self.reply, pieces=tuple(self._pieces)) if self.reply is not None and self._pieces else self.reply

    def answered(self, response: Any, reader: StreamReader | None = None) -> None:
        """Read the answer.

        Parameters:
            response: LlamaIndex's; of a stream, its last chunk.
            reader: reader of the stream; None: not a stream.

        Raises:
            TargetError: the answer reports a failure that the integration ignores.
        """
        raw, listener = getattr(response, "raw", None), self.listener
        if listener is not _NOT_LISTENING:
            listener.check()
            usage = listener.usage
        else:
            if raw is not None:
                check(raw)
            usage = usage_of(response)
        if usage is not None and self.native.dialect is ANTHROPIC and self._counts_a_part(usage):
            usage = None
        first, end_fields = (reader.first_chunk, reader.fields) if reader is not None else (None, None)
        reply = reply_of(response, usage, self.native, first, end_fields, self._heard.headers)
        self.reply = reply
        if listener is not _NOT_LISTENING:
            return
        if raw is not None:
            check_answer(reply, getattr(raw, "error", None), content=self._may_be_empty or not says_nothing(response))
        if self._call.ask is None:
            wire = reader.message if reader is not None else wire_message(raw) if raw is not None else None
            self._answers.note(self.native.name, response, wire)

    def _counts_a_part(self, usage: Usage) -> bool:
        """Return whether `usage` lacks a part of the prompt.

        Anthropic counts what it read from its cache, and what it wrote to it, separately from the prompt. A stream reports these counts
        with its first event, which the integration keeps to itself, and not every server repeats them with the last.
        """
        end_fields = usage.cache_read_tokens is not None or usage.cache_write_tokens is not None
        return not end_fields and self._call.ask is None and self._hint_writer.asked(self.native, self._request)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            return
        failure: BaseException = error
        if isinstance(error, Exception) and not isinstance(error, TargetError):
            failure = (unfit(error) if self._request.structured else None) or target_error(error) or error
        if isinstance(failure, TargetError):
            mark_own_doing(failure, self._request.kwargs)
        if failure is not error:
            raise failure from error


def unfit(error: Exception) -> TargetError | None:
    """The failure of a structured answer that does not fit its schema; None if `error` is something else."""
    if isinstance(error, ValidationError) or (
        isinstance(error, (TypeError, ValueError)) and any(s in str(error) for s in _UNFIT)
    ):
        return TargetError(FailureKind.UNSUPPORTED, "its answer does not fit the schema", billable=True)
    return None
