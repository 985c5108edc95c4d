"""The only two loops that touch the world: they make a run's calls, and show its chunks.

`perform(call)` is the adapter's. It yields the chunks of the answer, if it streams, and last the complete `Reply`; it
raises `TargetError` from the provider's own exception. A call that ends without a reply is an error of the adapter.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Protocol

from switchwise.engine.run import Run
from switchwise.nouns.call import Call
from switchwise.nouns.errors import TargetError
from switchwise.nouns.reply import Reply


class Perform(Protocol):
    """Makes a call: chunks first, then the reply."""

    def __call__(self, call: Call) -> Iterator[Any]: ...


class APerform(Protocol):
    """Makes a call, asynchronously."""

    def __call__(self, call: Call) -> AsyncIterator[Any]: ...


async def pause(seconds: float) -> None:
    """Sleep on the running event loop."""
    import asyncio  # a quarter of what importing switchwise would cost, and known to whoever runs a loop

    await asyncio.sleep(seconds)


def drive(run: Run, perform: Perform, sleep: Callable[[float], object] = time.sleep) -> Iterator[Any]:
    """Make the run's calls until it is finished; yield what may be shown. The result is `run.outcome`.

    Closing it, as an abandoned stream is closed, ends the open call at once.
    """
    try:
        while (call := run.call) is not None:
            if call.delay:
                sleep(call.delay)
            reply = items = None
            try:
                items = perform(call)
                for item in items:
                    if isinstance(item, Reply):
                        reply = item
                    elif run.hear(item):
                        yield item
            except TargetError as error:
                run.failed(error)
            else:
                run.ended(_complete(reply, call))
            finally:
                if (close := getattr(items, "close", None)) is not None:  # a generator
                    close()
        yield from run.held
    finally:
        run.close()


async def adrive(run: Run, perform: APerform, sleep: Callable[[float], Awaitable[object]] = pause) -> AsyncIterator[Any]:
    """As `drive`, asynchronously."""
    try:
        while (call := run.call) is not None:
            if call.delay:
                await sleep(call.delay)
            reply = items = None
            try:
                items = perform(call)
                async for item in items:
                    if isinstance(item, Reply):
                        reply = item
                    elif run.hear(item):
                        yield item
            except TargetError as error:
                run.failed(error)
            else:
                run.ended(_complete(reply, call))
            finally:
                if (close := getattr(items, "aclose", None)) is not None:
                    await close()
        for item in run.held:
            yield item
    finally:
        run.close()


def _complete(reply: Reply | None, call: Call) -> Reply:
    if reply is None:
        raise RuntimeError(f"perform ended without a Reply for {call.target.name}: yield the complete reply last")
    return reply
