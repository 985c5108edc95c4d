"""The ways to call a chat model, one row each: the target's method, and the result for the caller.

| door | target's method | result for the caller |
|---|---|---|
| `INVOKE` | `invoke` | the message with the decision |
| `STREAM` | `stream` | the chunks; the last one carries the decision |
| `PARSE` | `invoke` | the parsed answer |
| `PARSE_STREAM` | `stream` | the parsed part of the answer, as it grows |
| `GENERATE` | `generate` | the target's own `LLMResult`, with the decision in its message |
| `EVENTS` | `stream_events`, version v3 | the events; the closing one carries the decision |

Rules:
1. `open` and `aopen` yield items to show, then the complete `Reply`; only they call the target.
2. An answer with a parsing error is judged like others; if it is accepted, the caller gets the parser's error.
3. A stream is not shown before its first content, so that until then another target may take over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, NamedTuple, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables import RunnableBinding, RunnableConfig
from langchain_core.runnables.config import ensure_config

from langchain_switchwise.answering.decision_record import KEY, answer, signal_of, stamped
from langchain_switchwise.answering.event_stream import FINISH, Event, finished
from langchain_switchwise.answering.replies import (
    CallNumbers,
    HoldUntilContent,
    complete,
    has_tokens,
    merged,
    reply_of,
    token_text,
)
from langchain_switchwise.calling.errors import TRANSLATED, raise_failure
from langchain_switchwise.porting.schema import MessageCapture
from switchwise import Outcome, Reply
from switchwise.adapting.answer_headers import Heard
from switchwise.engine.timing.time_limits import streaming, tokens_came
from switchwise.failures import IncompleteStream
from switchwise.nouns.errors import Broken
from switchwise.observe.decision_record import record_of


class PreparedCall(NamedTuple):
    """A prepared call.

    Parameters:
        runnable: the target, with tools or schema bound.
        prompt: the messages in its dialect.
        config: config of this attempt.
        settings: settings adapted to the target.
        capture: has the message of a parsed answer; None: the answer is the message.
        marked: whether its server marks the end of streams, or this is unknown.
        alone: whether there is no other target.
        heard: headers of its answer, if captured.
        records: whether a response cache may store its answer.
    """

    runnable: Any
    prompt: ChatPromptValue
    config: RunnableConfig
    settings: dict[str, Any]
    capture: MessageCapture | None = None
    marked: bool = True
    alone: bool = False
    heard: Heard | None = None
    records: bool = False

    def reply(self, answer: Any, chunks: list[Any] | None = None, first_chunk: float | None = None) -> Reply:
        """Return the reply of a finished call, checked to be complete.

        Parameters:
            answer: the message, or the parsed answer.
            chunks: chunks of a stream, if they are those of the message.
            first_chunk: seconds until the first content was shown.

        Raises:
            IncompleteStream: its provider's terminal marker is missing.
        """
        message = answer if self.capture is None else self.capture.message
        if not isinstance(message, AIMessage):
            raise TypeError(f"a chat model must give an AIMessage, not {type(message).__name__}")
        end = complete(message, chunks, self.marked, self.alone)
        return reply_of(message, end, first_chunk, headers=None if self.heard is None else self.heard.headers)

    def unparsed(self, error: Exception) -> Unparsed:
        """Return a placeholder for an answer that cannot be parsed.

        Raises:
            Exception: the error itself, if it is the model's and there is no message.
        """
        if self.capture is None or self.capture.message is None:
            raise error
        return Unparsed(error)


@dataclass(frozen=True, slots=True)
class Door:
    """One way to call a chat model.

    Parameters:
        open: makes a call; yields items to show, then the reply.
        aopen: the same, asynchronously.
        finish: function of the outcome and the last item (or None) that returns the result; for a stream, the remaining items.
        is_last: returns whether an item ends a stream, so that it waits for the decision; None: not a stream.
        signals: items that signal a broken reply that starts again or continues; None: the protocol cannot retract shown text, so the run
            ends.
        text_of: text of a shown item or token, for another target to continue; empty: nothing to continue.
    """

    open: Callable[[PreparedCall], Iterator[Any]]
    aopen: Callable[[PreparedCall], AsyncIterator[Any]]
    finish: Callable[[Outcome, Any], Any]
    is_last: Callable[[Any], bool] | None = None
    signals: Callable[[Broken], Iterable[Any]] | None = lambda _: ()
    text_of: Callable[[Any], str] = lambda _: ""


class Unparsed:
    """Placeholder of a parsed answer with the parser's error, which is raised if the message is accepted."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Reading:
    """Read a stream: its chunks, its time to first content, and the items to show."""

    __slots__ = ("_begun", "_first", "_hold", "_numbers", "items")

    def __init__(self) -> None:
        self._begun, self._first = perf_counter(), cast("float | None", None)
        self._hold, self._numbers = HoldUntilContent(), CallNumbers()
        self.items: list[Any] = []
        streaming()

    def take(self, item: Any) -> list[Any]:
        """Return the items to show after `item`."""
        if self._first is None:
            self._first = perf_counter() - self._begun
        if has_tokens(item):
            tokens_came()
        self._numbers.renumber(item)
        self.items.append(item)
        return self._hold.let(item)

    def end(self, call: PreparedCall, answer: Any, chunks: list[Any] | None = None) -> list[Any]:
        """Return the remaining items of a complete stream, and its reply."""
        reply = call.reply(answer, chunks, self._first)
        if call.records and chunks is not None:
            reply = replace(reply, pieces=tuple(chunks))
        return [*self._hold.rest(), reply]


def _invoke(call: PreparedCall) -> Iterator[Any]:
    try:  # as `with TRANSLATED`, without its two calls: most answers come this way
        answer = call.runnable.invoke(call.prompt, call.config, **call.settings)
        return iter((call.reply(answer),))
    except Exception as error:  # raised again, or as the failure behind it
        raise_failure(error)
        raise


async def _ainvoke(call: PreparedCall) -> AsyncIterator[Any]:
    with TRANSLATED:
        answer = await call.runnable.ainvoke(call.prompt, call.config, **call.settings)
        yield call.reply(answer)


def _parse(call: PreparedCall) -> Iterator[Any]:
    with TRANSLATED:
        try:
            answer = call.runnable.invoke(call.prompt, call.config, **call.settings)
        except Exception as error:  # noqa: BLE001  (whatever a parser raises)
            answer = call.unparsed(error)
        return iter((answer, call.reply(answer)))


async def _aparse(call: PreparedCall) -> AsyncIterator[Any]:
    with TRANSLATED:
        try:
            answer = await call.runnable.ainvoke(call.prompt, call.config, **call.settings)
        except Exception as error:  # noqa: BLE001  (as above)
            answer = call.unparsed(error)
        reply = call.reply(answer)
        yield answer
        yield reply


def _stream(call: PreparedCall) -> Iterator[Any]:
    reading = _Reading()
    with TRANSLATED:
        with closing(call.runnable.stream(call.prompt, call.config, **call.settings)) as chunks:
            for chunk in chunks:
                yield from reading.take(chunk)
        yield from reading.end(call, merged(reading.items), reading.items)


async def _astream(call: PreparedCall) -> AsyncIterator[Any]:
    reading = _Reading()
    with TRANSLATED:
        async with aclosing(call.runnable.astream(call.prompt, call.config, **call.settings)) as chunks:
            async for chunk in chunks:
                for item in reading.take(chunk):
                    yield item
        for item in reading.end(call, merged(reading.items), reading.items):
            yield item


def _parse_stream(call: PreparedCall) -> Iterator[Any]:
    reading = _Reading()
    with TRANSLATED:
        try:
            with closing(call.runnable.stream(call.prompt, call.config, **call.settings)) as answers:
                for answer in answers:
                    yield from reading.take(answer)
        except Exception as error:  # noqa: BLE001  (as above)
            yield call.unparsed(error)
        yield from reading.end(call, None)


async def _aparse_stream(call: PreparedCall) -> AsyncIterator[Any]:
    reading = _Reading()
    with TRANSLATED:
        try:
            async with aclosing(call.runnable.astream(call.prompt, call.config, **call.settings)) as answers:
                async for answer in answers:
                    for item in reading.take(answer):
                        yield item
        except Exception as error:  # noqa: BLE001  (as above)
            yield call.unparsed(error)
        for item in reading.end(call, None):
            yield item


def _generate(call: PreparedCall) -> Iterator[Any]:
    with TRANSLATED:
        model, run = _unbound(call)
        result = model.generate([call.prompt.messages], **run)
        return iter((result, call.reply(_message(result))))


async def _agenerate(call: PreparedCall) -> AsyncIterator[Any]:
    with TRANSLATED:
        model, run = _unbound(call)
        result = await model.agenerate([call.prompt.messages], **run)
        reply = call.reply(_message(result))  # an answer that is none is not shown
        yield result
        yield reply


def _events(call: PreparedCall) -> Iterator[Any]:
    reading = _Reading()
    with TRANSLATED:
        stream = call.runnable.stream_events(call.prompt, call.config, version="v3", **call.settings)
        for event in stream:
            yield from reading.take(event)
        yield from reading.end(call, stream.output)


async def _aevents(call: PreparedCall) -> AsyncIterator[Any]:
    reading = _Reading()
    with TRANSLATED:
        opened = call.runnable.astream_events(call.prompt, call.config, version="v3", **call.settings)
        async with await opened as stream:
            async for event in stream:
                for item in reading.take(event):
                    yield item
            message = await stream
        for item in reading.end(call, message):
            yield item


def _unbound(call: PreparedCall) -> tuple[Any, dict[str, Any]]:
    """The chat model of a tool binding, and the arguments for its `generate`, which bindings lack."""
    model, config, settings = call.runnable, call.config, call.settings
    while isinstance(model, RunnableBinding):
        binding: Any = model
        if binding.config or binding.config_factories:
            config = ensure_config(binding._merge_configs(config))
        model, settings = binding.bound, {**binding.kwargs, **settings}
    run = {name: config.get(name) for name in ("callbacks", "tags", "metadata", "run_name", "run_id")}
    return model, {**run, **settings}


def _message(result: LLMResult) -> AIMessage | None:
    if not result.generations[0]:
        raise IncompleteStream("an answer without choices")
    generation = result.generations[0][0]
    return generation.message if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage) else None


# -- results for the caller


def _parsed(outcome: Outcome, last: Any) -> Any:
    if isinstance(last, Unparsed):
        raise last.error
    if isinstance(last, dict) and isinstance(last.get("raw"), AIMessage):  # `include_raw`
        return {**last, "raw": stamped(last["raw"], outcome)}
    return last


def _result(outcome: Outcome, last: LLMResult) -> LLMResult:
    first, *others = last.generations[0]
    assert isinstance(first, ChatGeneration), "it was read as a message before"
    first = first.model_copy(update={"message": answer(outcome, cast("AIMessage", first.message))})
    return last.model_copy(update={"generations": [[first, *others]]})


def _is_last_chunk(chunk: AIMessage) -> bool:
    return not isinstance(chunk, AIMessageChunk) or chunk.chunk_position == "last"


def _last_chunk(outcome: Outcome, last: AIMessage) -> list[AIMessage]:
    """Add the decision to exactly one chunk: merging chunks joins their strings."""
    return [stamped(last if _is_last_chunk(last) else AIMessageChunk(content="", id=last.id), outcome)]


def _is_unparsed(answer: Any) -> bool:
    return isinstance(answer, Unparsed)


def _last_parsed(outcome: Outcome, last: Any) -> list[Any]:
    _parsed(outcome, last)
    return []  # there is no message for the decision


def _is_last_event(event: Event) -> bool:
    return event.get("event") == FINISH


def _last_event(outcome: Outcome, last: Event | None) -> list[Event]:
    return [finished(last if last is not None and _is_last_event(last) else None, KEY, record_of(outcome))]


def _chunk_text(item: Any) -> str:
    return str(item.text) if isinstance(item, AIMessageChunk) else ""  # handlers get the same text as tokens


INVOKE = Door(_invoke, _ainvoke, answer, text_of=token_text)
STREAM = Door(_stream, _astream, _last_chunk, _is_last_chunk, lambda broken: (signal_of(broken),), _chunk_text)
PARSE = Door(_parse, _aparse, _parsed)
PARSE_STREAM = Door(_parse_stream, _aparse_stream, _last_parsed, _is_unparsed)
GENERATE = Door(_generate, _agenerate, _result, text_of=token_text)
EVENTS = Door(_events, _aevents, _last_event, _is_last_event, signals=None)
