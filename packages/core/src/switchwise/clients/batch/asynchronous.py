"""`Batches` for an event loop: the same words, awaited.

async with AsyncBatches(clients, "batches.sqlite") as batches:
    await batches.add([{"role": "user", "content": "Summarise report 1."}], id="report-1", hours=24)
    await batches.wait(every=60)
    async for result in batches.results():
        print(result.id, result.text or result.error)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, ParamSpec, Self, TypeVar

from switchwise.clients.batch.batches import Batches
from switchwise.clients.batch.result import BatchResult, Progress
from switchwise.clients.clients import Clients
from switchwise.protocols.prompt import Message

T = TypeVar("T")
P = ParamSpec("P")
_PART = 100


class AsyncBatches:
    """`Batches` without blocking the event loop: one separate thread writes the file and calls the providers, in the order of the calls.

    A call that is cancelled while it waits is carried out all the same: what was begun is in the file. Any number of tasks may share one object.

    Parameters:
        clients, path, late, clock: as in `Batches`.

    Raises:
        ConfigurationError: as in `Batches`.
    """

    def __init__(
        self,
        clients: Clients,
        path: str | Path,
        *,
        late: Literal["fail", "call"] = "fail",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._batches = Batches(clients, path, late=late, clock=clock)
        self._clock, self._closed = clock, False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="switchwise-batches")

    async def _run(self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        context = copy_context()  # as `asyncio.to_thread` does: traces and `spending()` go with it
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(context.run, work, *args, **options))

    async def add(self, messages: Sequence[Message], **options: Any) -> str:
        """As `Batches.add`."""
        return await self._run(self._batches.add, messages, **options)

    async def add_all(self, requests: Iterable[Mapping[str, Any]]) -> list[str]:
        """As `Batches.add_all`."""
        return await self._run(self._batches.add_all, [*requests])

    async def submit(self) -> Progress:
        """As `Batches.submit`."""
        return await self._run(self._batches.submit)

    async def poll(self) -> Progress:
        """As `Batches.poll`."""
        return await self._run(self._batches.poll)

    async def wait(
        self, every: float = 60.0, timeout: float | None = None, sleep: Callable[[float], Any] = asyncio.sleep
    ) -> Progress:
        """As `Batches.wait`; other tasks go on meanwhile, and may add more."""
        until = None if timeout is None else self._clock() + timeout
        while (progress := await self.poll()).open and (until is None or self._clock() < until):
            await sleep(every)
        return progress

    async def result(self, id: str) -> BatchResult | None:  # noqa: A002
        """As `Batches.result`."""
        return await self._run(self._batches.result, id)

    async def results(self) -> AsyncIterator[BatchResult]:
        """As `Batches.results`."""
        found = self._batches.results()
        while part := await self._run(lambda: [*islice(found, _PART)]):
            for result in part:
                yield result

    async def forget(self, ids: Iterable[str] | None = None) -> int:
        """As `Batches.forget`."""
        return await self._run(self._batches.forget, ids)

    async def cancel(self) -> Progress:
        """As `Batches.cancel`."""
        return await self._run(self._batches.cancel)

    @property
    def progress(self) -> Progress:
        """As `Batches.progress`."""
        return self._batches.progress

    async def close(self) -> None:
        """As `Batches.close`. A second time does no harm."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._run(self._batches.close)
        finally:
            self._thread.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
