"""Several live calls at once, for the two loops of `drive`: a thread for each, or a task for each.

Unneeded calls are cancelled. A task is cancelled at its await, and its stream is closed before the loop ends. A thread cannot be
cancelled: its socket is shut down, or it closes its stream at the next chunk; the driver does not wait for it. Threads and tasks run in a
copy of the caller's context, so that frameworks find there what they look for.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any, NamedTuple

from switchwise.engine.batches.several import Several, no_reply
from switchwise.engine.run import Run
from switchwise.nouns.call import Call
from switchwise.nouns.errors import TargetError
from switchwise.nouns.exchange.reply import Reply


class _Came(NamedTuple):
    """Event of a call: a chunk, or its end with the complete reply or the exception."""

    call: Call
    item: Any = None
    ended: bool = False
    error: BaseException | None = None


def _take(came: _Came, several: Several) -> tuple[list[Any], bool]:
    """Report an event to the run; return the chunks to show, and whether the call must be made once more."""
    call = came.call
    if not came.ended:
        return several.hear(call, came.item), False
    if came.error is None:
        if came.item is None:
            raise no_reply(call)
        several.ended(call, came.item)
        return [], False
    if isinstance(came.error, TargetError):
        return [], several.failed(call, came.error)
    several.looked()
    if any(call is live for live in several.calls):
        raise came.error
    return [], False


def together(run: Run, items: Callable[[Call], Iterator[Any]]) -> Generator[Any, None, None]:
    """Make the calls of one batch in separate threads; yield the chunks to show.

    Parameters:
        items: makes a call: its chunks, then its reply.
    """
    from switchwise.engine.timing.blocking_calls import wake, wake_soon  # threads: imported only for several calls

    several = run.several
    assert several is not None, "checked by the caller"
    came: queue.SimpleQueue[_Came | None] = queue.SimpleQueue()
    several.wake = lambda: came.put(None)
    at_work: dict[int, tuple[Call, threading.Event, threading.Thread]] = {}
    busy: list[threading.Thread] = []

    def begin(call: Call) -> None:
        gone = threading.Event()
        work, name = contextvars.copy_context().run, f"switchwise-{call.target.name}"
        thread = threading.Thread(target=work, args=(_work, call, items, came, gone), name=name, daemon=True)
        at_work[id(call)] = call, gone, thread
        thread.start()

    def cancel(key: int) -> None:
        _, gone, thread = at_work.pop(key)
        gone.set()
        if thread.is_alive() and not wake(thread):
            busy.append(thread)  # it may be between two reads, or not connected yet

    try:
        while run.several is several:
            wanted = {id(call): call for call in several.calls}
            for key in [key for key in at_work if key not in wanted]:
                cancel(key)
            for key, call in wanted.items():
                if key not in at_work:
                    run.started(call)
                    begin(call)
            try:
                word = came.get(timeout=several.wait)
            except queue.Empty:
                several.waited()
                continue
            if word is None:
                several.looked()
                continue
            shown, again = _take(word, several)
            if again:
                begin(word.call)
            yield from shown
    finally:
        for key in [*at_work]:
            cancel(key)
        if busy := [thread for thread in busy if thread.is_alive() and not wake(thread)]:
            wake_soon(busy)


def _work(
    call: Call, items: Callable[[Call], Iterator[Any]], came: queue.SimpleQueue[_Came | None], gone: threading.Event
) -> None:
    made = reply = None
    try:
        try:
            made = items(call)
            for item in made:
                if gone.is_set():
                    return
                if isinstance(item, Reply):
                    reply = item
                else:
                    came.put(_Came(call, item))
        finally:
            if (close := getattr(made, "close", None)) is not None:  # a generator
                close()
    except BaseException as error:  # noqa: BLE001  (carried to the thread that drives)
        came.put(_Came(call, ended=True, error=error))
    else:
        came.put(_Came(call, reply, ended=True))


async def atogether(run: Run, items: Callable[[Call], AsyncIterator[Any]]) -> AsyncGenerator[Any, None]:
    """As `together`, in tasks of the running event loop."""
    import asyncio  # see `drive.pause`

    several = run.several
    assert several is not None, "checked by the caller"
    came: asyncio.Queue[_Came | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    several.wake = lambda: loop.call_soon_threadsafe(came.put_nowait, None)
    at_work: dict[int, tuple[Call, asyncio.Task[None]]] = {}
    gone: list[asyncio.Task[None]] = []

    def begin(call: Call) -> None:
        if (known := at_work.get(id(call))) is not None:
            gone.append(known[1])
        at_work[id(call)] = call, loop.create_task(_awork(call, items, came), name=f"switchwise-{call.target.name}")

    try:
        while run.several is several:
            wanted = {id(call): call for call in several.calls}
            for key in [key for key in at_work if key not in wanted]:
                task = at_work.pop(key)[1]
                task.cancel()
                gone.append(task)
            for key, call in wanted.items():
                if key not in at_work:
                    run.started(call)
                    begin(call)
            try:
                word = came.get_nowait() if not came.empty() else await asyncio.wait_for(came.get(), several.wait)
            except TimeoutError:
                several.waited()
                continue
            if word is None:
                several.looked()
                continue
            shown, again = _take(word, several)
            if again:
                begin(word.call)
            for item in shown:
                yield item
    finally:
        tasks = [*gone, *(task for _, task in at_work.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _awork(call: Call, items: Callable[[Call], AsyncIterator[Any]], came: Any) -> None:
    made: Any = None
    reply = None
    try:
        try:
            made = items(call)
            async for item in made:
                if isinstance(item, Reply):
                    reply = item
                else:
                    came.put_nowait(_Came(call, item))
        finally:
            if (close := getattr(made, "aclose", None)) is not None:
                await close()
    except BaseException as error:  # carried to the loop that drives
        came.put_nowait(_Came(call, ended=True, error=error))
        raise
    else:
        came.put_nowait(_Came(call, reply, ended=True))
