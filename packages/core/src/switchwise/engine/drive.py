"""The two loops that do I/O: they make a run's calls and yield its chunks. For several calls at once see `engine/batches/crew.py`.

A call is stopped when it exceeds one of its limits: see `switchwise.engine.timing.time_limits`.

`perform(call)` is the adapter's. It yields the chunks of a streamed answer, and finally the complete `Reply`; it raises `TargetError`
from the provider's own exception. A call without a final reply is an error of the adapter. Questions to models outside the pool are
answered by those models here.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol

from switchwise.engine.batches.several import no_reply
from switchwise.engine.questions import replied
from switchwise.engine.run import Run
from switchwise.engine.timing.time_limits import abounded, call_limits
from switchwise.nouns.call import Call
from switchwise.nouns.errors import TargetError
from switchwise.nouns.exchange.ask import Ask, Model
from switchwise.nouns.exchange.reply import Reply


class Perform(Protocol):
    """Makes a call: chunks first, then the reply."""

    def __call__(self, call: Call) -> Iterator[Any]: ...


class APerform(Protocol):
    """Makes a call, asynchronously."""

    def __call__(self, call: Call) -> AsyncIterator[Any]: ...


async def pause(seconds: float) -> None:
    """Sleep on the running event loop."""
    import asyncio  # a quarter of the import time of switchwise; loaded already if a loop runs

    await asyncio.sleep(seconds)


def drive(run: Run, perform: Perform, sleep: Callable[[float], object] = time.sleep, context: Any = None) -> Iterator[Any]:
    """Make the run's calls until it is finished; yield the chunks to show. The result is `run.outcome`.

    Closing it, as an abandoned stream is closed, ends the open call at once.

    Parameters:
        context: passed to models outside the pool with a question: LangChain's config, for its tracing.
    """
    try:
        while (call := run.call) is not None or run.several is not None:
            if call is None:
                from switchwise.engine.batches.crew import together  # threads: imported only for several calls at once

                for item in together(run, lambda call: _items(run, call, perform, context)):
                    yield from run.pending_signals()
                    yield item
                continue
            if call.delay:
                sleep(call.delay)
            if call.queued:
                run.waited()
                continue
            reply = items = None
            try:
                run.started(call)
                items = _items(run, call, perform, context)
                for item in items:
                    if isinstance(item, Reply):
                        reply = item
                    elif run.hear(item):
                        yield from run.pending_signals()
                        yield item
            except TargetError as error:
                run.failed(error)
            else:
                if reply is None:
                    raise no_reply(call)
                run.ended(reply)
            finally:
                if (close := getattr(items, "close", None)) is not None:  # a generator
                    close()
        if run.held:
            yield from run.pending_signals()
            yield from run.held
    finally:
        if run.call is not None or run.several is not None:  # an ended run is closed
            run.close()


async def adrive(
    run: Run, perform: APerform, sleep: Callable[[float], Awaitable[object]] = pause, context: Any = None
) -> AsyncIterator[Any]:
    """As `drive`, asynchronously."""
    try:
        while (call := run.call) is not None or run.several is not None:
            if call is None:
                from switchwise.engine.batches.crew import atogether  # as above

                async with aclosing(atogether(run, lambda call: _aitems(run, call, perform, context))) as shown:
                    async for item in shown:
                        for signal in run.pending_signals():
                            yield signal
                        yield item
                continue
            if call.delay:
                await sleep(call.delay)
            if call.queued:
                run.waited()
                continue
            reply = items = None
            try:
                run.started(call)
                items = _aitems(run, call, perform, context)
                async for item in items:
                    if isinstance(item, Reply):
                        reply = item
                    elif run.hear(item):
                        for signal in run.pending_signals():
                            yield signal
                        yield item
            except TargetError as error:
                run.failed(error)
            else:
                if reply is None:
                    raise no_reply(call)
                run.ended(reply)
            finally:
                if (close := getattr(items, "aclose", None)) is not None:
                    await close()
        for item in [*run.pending_signals(), *run.held] if run.held else ():
            yield item
    finally:
        if run.call is not None or run.several is not None:  # an ended run is closed
            run.close()


def _items(run: Run, call: Call, perform: Perform, context: Any) -> Iterator[Any]:
    ask, allowed = call.ask, call_limits(call, run.clock)
    model = None if ask is None else ask.model
    make = partial(perform, call) if ask is None or model is None else partial(_answers, model, ask, context)
    if allowed is None:
        return make()
    from switchwise.engine.timing.blocking_calls import bounded  # threads and sockets: imported only with limits

    return bounded(make, allowed)


def _aitems(run: Run, call: Call, perform: APerform, context: Any) -> AsyncIterator[Any]:
    ask, allowed = call.ask, call_limits(call, run.clock)
    model = None if ask is None else ask.model
    make = partial(perform, call) if ask is None or model is None else partial(_aanswers, model, ask, context)
    return make() if allowed is None else abounded(make, allowed)


def _answers(model: Model, ask: Ask, context: Any) -> Iterator[Reply]:
    yield replied(model, ask, model.answer(ask, context))


async def _aanswers(model: Model, ask: Ask, context: Any) -> AsyncIterator[Reply]:
    yield replied(model, ask, await model.aanswer(ask, context))
