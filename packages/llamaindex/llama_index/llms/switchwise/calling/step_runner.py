"""Decide and call: one step from the caller's request to the answer. The loop itself is `switchwise.engine.drive`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from llama_index.llms.switchwise.answering.events import RouteEvents, anybody_listens
from llama_index.llms.switchwise.answering.replies import signal_of, stamped
from llama_index.llms.switchwise.answering.stream import EmptyStream
from llama_index.llms.switchwise.calling.perform import Performer
from llama_index.llms.switchwise.calling.recording import RequestRecording
from llama_index.llms.switchwise.models.dialect import provider_of
from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.models.request import ChatRequest, CompletionRequest
from llama_index.llms.switchwise.porting.cache_hints import HintWriter
from llama_index.llms.switchwise.porting.history import Histories
from llama_index.llms.switchwise.reading.scope import DECIDED, Words, capture
from llama_index.llms.switchwise.reading.view import ChatViews
from switchwise import AllTargetsFailed, Router, Run, adrive, drive
from switchwise.dialects.table import ANTHROPIC
from switchwise.nouns.view import View
from switchwise.observe.decision_record import record_of
from switchwise.prompt_cache.cache_hints import CacheHints


class StepRunner:
    """Shared by all copies of a `Switchwise`: targets, router, and caches of conversations. Thread-safe.

    Parameters:
        natives: target name -> native LLM.
        router: chooses among them.
        cache_hints: hints for prompt caches; None: `CacheHints()`.
        timer: seconds; only differences count.
    """

    def __init__(
        self,
        natives: Mapping[str, Native],
        router: Router,
        cache_hints: CacheHints | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.natives = natives
        self.router = router
        self._timer = timer
        providers = {provider_of(native.llm): native.dialect for native in natives.values()}
        fetchers = frozenset(name for name, dialect in providers.items() if dialect is ANTHROPIC)
        self._views = ChatViews(fetchers=fetchers, providers=frozenset(providers))
        self._histories = Histories()
        self._hint_writer = HintWriter(cache_hints or CacheHints(), natives)

    def view(self, request: ChatRequest, bound: Words) -> View:
        """The view of the request; call it in the caller's own context."""
        caller = capture(bound, request.kwargs.pop("route", None) if request.kwargs else None)
        streamed = request.method.startswith(("stream", "astream"))
        return self._views.view(caller, request.messages, request.tools, request.kwargs, request.structured, streamed)

    def whole(self, request: ChatRequest, bound: Words) -> Any:
        """Return the whole answer."""
        run, performer = self._start(request, bound)
        for _ in drive(run, performer.whole):
            raise AssertionError("a whole answer has no chunks")
        outcome = run.outcome
        return stamped(outcome.reply.raw, record_of(outcome))

    async def awhole(self, request: ChatRequest, bound: Words) -> Any:
        """As `whole`, asynchronously."""
        run, performer = self._start(request, bound)
        async for _ in adrive(run, performer.awhole):
            raise AssertionError("a whole answer has no chunks")
        outcome = run.outcome
        return stamped(outcome.reply.raw, record_of(outcome))

    def stream(self, request: ChatRequest, bound: Words) -> Generator[Any, None, None]:
        """Return the chunks of an answer. The first has arrived when this returns, so that earlier failures are over."""
        run, performer = self._start(request, bound)
        _watch(run, request)
        chunks = drive(run, performer.stream)
        try:
            first = next(chunks)
        except AllTargetsFailed as failed:
            return _nothing(failed)
        return _shown(first, chunks, run, performer)

    async def astream(self, request: ChatRequest, bound: Words) -> AsyncGenerator[Any, None]:
        """As `stream`, asynchronously."""
        run, performer = self._start(request, bound)
        _watch(run, request)
        chunks = adrive(run, performer.astream)
        try:
            first = await anext(chunks)
        except AllTargetsFailed as failed:
            return _later(_nothing(failed))
        return _ashown(first, chunks, run, performer)

    def _start(self, request: ChatRequest, bound: Words) -> tuple[Run, Performer]:
        view = self.view(request, bound)
        if self.router.cache is not None:
            view = replace(view, recording=RequestRecording(request, self.natives, self.router.pool))
        named = "session" in view.named
        performer = Performer(self.natives, self._histories, self._hint_writer, request, view.thread, named, self._timer)
        observers = (RouteEvents(request.method),) if anybody_listens() else ()
        run = self.router.start(view, *observers)
        if (noted := DECIDED.get()) is not None and run.call is not None:
            noted.append(run.call.view.decision)
        return run, performer


def _watch(run: Run, request: ChatRequest) -> None:
    """Set how the run signals a broken reply to its reader. Structured objects replace earlier ones: no signal."""
    if request.structured:
        run.text_of = lambda _: ""
        return
    run.text_of = lambda chunk: chunk.delta or ""
    run.signals = lambda broken: (signal_of(broken, isinstance(request, CompletionRequest)),)


def _shown(first: Any, chunks: Iterator[Any], run: Run, performer: Performer) -> Generator[Any, None, None]:
    try:
        yield first
        yield from chunks
        _complete(run, performer)
    finally:
        chunks.close()  # type: ignore[attr-defined]  # drive is a generator


async def _ashown(first: Any, chunks: AsyncIterator[Any], run: Run, performer: Performer) -> AsyncGenerator[Any, None]:
    try:
        yield first
        async for chunk in chunks:
            yield chunk
        _complete(run, performer)
    finally:
        await chunks.aclose()  # type: ignore[attr-defined]  # adrive is a generator


def _nothing(failed: AllTargetsFailed) -> Generator[Any, None, None]:
    """An empty stream if every target gave one.

    Raises:
        AllTargetsFailed: one of them failed in another way.
    """
    if not all(isinstance(error, EmptyStream) for error in failed.exceptions):
        raise failed
    return (chunk for chunk in list[Any]())


async def _later(chunks: Iterator[Any]) -> AsyncGenerator[Any, None]:
    for chunk in chunks:
        yield chunk


def _complete(run: Run, performer: Performer) -> None:
    """Complete the record that the chunks share, after the stream."""
    outcome = run.outcome
    performer.stamps[id(outcome.attempt.call)].update(record_of(outcome))
