"""A budget under threads and tasks of one process: a third of the requests fail in every way, half of the calls are cancelled."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from trial import Bill
from worker import NAMES, PRICE, QUESTION

from switchwise import AllTargetsFailed, Interrupted, Pool, Router, Target, View
from switchwise.clients import Clients, OpenAIClient
from switchwise.engine.recovery import Recovery
from switchwise.nouns.errors import NoTarget
from switchwise.policies import Budget
from switchwise_loopback import Fault

_SLOW = {Fault.STALL, Fault.STALL_MID_STREAM, Fault.PINGS, Fault.PINGS_MID_STREAM}
ALL = tuple(fault for fault in Fault if fault not in {*_SLOW, Fault.BAD_REQUEST})
"""Every fault but those that only take time, and one that is the caller's own."""
LONGEST = 60
_ENDS = (NoTarget, AllTargetsFailed, Interrupted)


def run(
    limit: float,
    threads: int,
    tasks: int,
    *,
    seed: int = 0,
    faults: Sequence[Fault] = ALL,
    rounds: int = 20,
    timeout: float = 10.0,
) -> tuple[float, float]:
    """Spend a budget by threads and tasks at once; what the provider billed, and what the budget charged, in USD.

    Parameters:
        limit: of the budget, in USD.
        threads, tasks: that call at once, whole and streamed.
        rounds: calls of each, at most.
        timeout: of the clients, in seconds.
    """
    bill = Bill(1 / 3, tuple(faults), seed)
    with bill.provider as provider:
        pool = Pool([Target(name, "openai", name, price=PRICE) for name in NAMES])
        budget = Budget(usd=limit, per="all", margin=2.0)
        made = {name: OpenAIClient(base_url=provider.openai_url, api_key="test", timeout=timeout) for name in NAMES}
        clients = Clients(made, Router(pool, budget, recovery=Recovery(patience=0.0)))

        def work(number: int) -> None:
            rng = random.Random(f"{seed}-thread-{number}")
            for _ in range(rounds):
                try:
                    if rng.random() < 0.5:
                        clients.complete(QUESTION, max_tokens=LONGEST)
                        continue
                    chunks = iter(clients.stream(QUESTION, max_tokens=LONGEST))
                    for _ in range(rng.choice([0, 1, 3])):  # left early, or before it began
                        next(chunks, None)
                    chunks.close()  # type: ignore[attr-defined]  # it is a generator
                except _ENDS:
                    pass

        async def call(rng: random.Random) -> None:
            if rng.random() < 0.5:
                await clients.acomplete(QUESTION, max_tokens=LONGEST)
                return
            stream: Any = clients.astream(QUESTION, max_tokens=LONGEST)
            async with aclosing(stream.__aiter__()) as chunks:
                async for _ in chunks:
                    if rng.random() < 0.3:
                        return

        async def task(number: int) -> None:
            rng = random.Random(f"{seed}-task-{number}")
            for _ in range(rounds):
                under_way = asyncio.ensure_future(call(rng))
                if rng.random() < 0.5:
                    await asyncio.sleep(rng.uniform(0.0, 0.05))
                    under_way.cancel()
                await asyncio.gather(under_way, return_exceptions=True)

        async def all_tasks() -> None:
            await asyncio.gather(*(task(number) for number in range(tasks)))

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        workers.append(threading.Thread(target=lambda: asyncio.run(all_tasks())))
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        charged = budget.spent(View())[0]
    return bill.usd, charged
