"""A budget under threads and tasks of one process: a share of the requests fails in every way, a share of the calls is cancelled.

    python tools/sharing/concurrency.py [--threads 64] [--tasks 200] [--limit 0.5] [--failing 0.33] [--cancelled 0.5] [--rounds 20] [--seed 0]

Threads and tasks call at once, whole and streamed, through a real client; streams are left early, tasks are cancelled under way. What counts is the
bill of the provider double: the tokens of every answer that it made, whether it arrived or not. Exits with 1 if that is more than the limit, or
more than the budget charged; or if the limit was not reached, nothing failed or nothing was cancelled, since then nothing was tried.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

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


@dataclass(frozen=True)
class Result:
    """Result of the trial.

    Parameters:
        billed: by the provider, in USD.
        charged: by the budget, in USD.
        requests, failed: that the provider saw, and those of them that it let fail.
        ends: how the calls ended, by kind.
    """

    billed: float
    charged: float
    requests: int
    failed: int
    ends: Counter[str]


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
    failing: float = 1 / 3,
    cancelled: float = 0.5,
) -> Result:
    """Spend a budget by threads and tasks at once.

    Parameters:
        limit: of the budget, in USD.
        threads, tasks: that call at once, whole and streamed.
        faults: in which ways a request fails.
        rounds: calls of each.
        timeout: of the clients, in seconds.
        failing: share of the requests that fail.
        cancelled: share of the tasks' calls that are cancelled under way, and of the threads' streams that are left early.
    """
    bill, ends = Bill(failing, tuple(faults), seed), Counter[str]()
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
                        ends["answered"] += 1
                        continue
                    chunks: Any = iter(clients.stream(QUESTION, max_tokens=LONGEST))
                    early = rng.random() < cancelled
                    for _ in range(rng.choice([0, 1, 3]) if early else LONGEST):  # left early, or before it began
                        next(chunks, None)
                    chunks.close()
                    ends["left early" if early else "answered"] += 1
                except _ENDS as error:
                    ends[type(error).__name__] += 1

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
                if rng.random() < cancelled:
                    await asyncio.sleep(rng.uniform(0.0, 0.05))
                    under_way.cancel()
                (end,) = await asyncio.gather(under_way, return_exceptions=True)
                ends["answered" if end is None else type(end).__name__] += 1

        async def all_tasks() -> None:
            await asyncio.gather(*(task(number) for number in range(tasks)))

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        workers.append(threading.Thread(target=lambda: asyncio.run(all_tasks())))
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        charged = budget.spent(View())[0]
    return Result(bill.usd, charged, len(bill.moments), bill.failed, ends)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="one budget under threads and tasks, failures and cancellations")
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--limit", type=float, default=0.5, help="USD")
    parser.add_argument("--failing", type=float, default=1 / 3, help="share of the requests")
    parser.add_argument("--cancelled", type=float, default=0.5, help="share of the calls")
    parser.add_argument("--rounds", type=int, default=20, help="calls of each thread and task")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    began = time.monotonic()
    result = run(
        options.limit,
        options.threads,
        options.tasks,
        seed=options.seed,
        rounds=options.rounds,
        failing=options.failing,
        cancelled=options.cancelled,
    )
    ends = ", ".join(f"{count:,} {kind}" for kind, count in sorted(result.ends.items()))
    print(f"{options.threads} threads, {options.tasks} tasks, {time.monotonic() - began:.0f} s: {ends}")
    print(
        f"{result.requests:,} requests, {result.failed:,} failed; billed ${result.billed:.4f}, charged ${result.charged:.4f} "
        f"of ${options.limit:.2f}"
    )
    tried = result.ends["NoTarget"] + result.ends["BudgetExceeded"] > 0
    tried = tried and (not options.failing or result.failed > 0)
    tried = tried and (not options.cancelled or result.ends["CancelledError"] + result.ends["left early"] > 0)
    if not tried:
        print("nothing was tried: the limit was not reached, nothing failed or nothing was cancelled")
    return 0 if tried and result.billed <= result.charged + 1e-9 and result.charged <= options.limit + 1e-9 else 1


if __name__ == "__main__":
    sys.exit(main())
