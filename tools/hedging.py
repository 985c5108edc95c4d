"""Hedging, measured: two targets that are slow in 5 % of their answers, with and without `Hedge`, through the real SDK.

    python tools/hedging.py [--calls 1000] [--slow 0.05] [--after p95] [--threads 8]

Prints, for streams and for whole answers, sync and async, the time to the first token at the median, p95, p99 and at most, and the further calls
as the provider counts them. Exit status 1: p99 did not halve, or there were more than 10 % further calls.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from switchwise import Pool, Router, catalog
from switchwise.clients import Clients, OpenAIClient
from switchwise.policies import Hedge
from switchwise_loopback import Answer, LoopbackProvider, Request

MODELS = {"one": "gpt-6-luna", "two": "gpt-6-sol"}
USUAL, SLOW = 0.03, 1.2  # seconds to the first token: the median of the usual ones, and of the slow ones


class Lottery:
    """Answers after a time that is drawn for each request."""

    def __init__(self, slow: float, seed: int) -> None:
        self._slow, self._random, self._lock = slow, random.Random(seed), threading.Lock()

    def __call__(self, request: Request) -> Answer:
        with self._lock:
            median = SLOW if self._random.random() < self._slow else USUAL
            seconds = self._random.lognormvariate(0, 0.25) * median
        time.sleep(seconds)
        return Answer("Here is an answer of some length, for whoever waits.")


def first_tokens(clients: Clients, calls: int, threads: int, streamed: bool, asynchronous: bool) -> list[float]:
    """Seconds to the first token of each call (of a whole answer: to the answer)."""

    def ask(number: int) -> float:
        messages, begun = [{"role": "user", "content": f"Question {number}"}], time.perf_counter()
        if not streamed:
            clients.complete(messages)
            return time.perf_counter() - begun
        words = iter(clients.stream(messages))
        next(words)
        first = time.perf_counter() - begun
        for _ in words:
            pass
        return first

    async def aask(number: int, at_once: asyncio.Semaphore) -> float:
        async with at_once:
            messages, begun = [{"role": "user", "content": f"Question {number}"}], time.perf_counter()
            if not streamed:
                await clients.acomplete(messages)
                return time.perf_counter() - begun
            words = aiter(clients.astream(messages))
            await anext(words)
            first = time.perf_counter() - begun
            async for _ in words:
                pass
            return first

    async def all_of_them() -> list[float]:
        at_once = asyncio.Semaphore(threads)
        return list(await asyncio.gather(*(aask(number, at_once) for number in range(calls))))

    if asynchronous:
        return asyncio.run(all_of_them())
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, range(calls)))


def measure(options: argparse.Namespace, hedge: Hedge | None, streamed: bool, asynchronous: bool) -> tuple[list[float], float]:
    """Times in order, and the share of further calls."""
    with LoopbackProvider(answer=Lottery(options.slow, options.seed), keep=None) as provider:
        pool = Pool(catalog.target(name, provider="openai", model=model) for name, model in MODELS.items())
        router = Router(pool, *([hedge] if hedge is not None else []))
        clients = Clients(
            {name: OpenAIClient(model=model, api_key="k", base_url=provider.openai_url) for name, model in MODELS.items()},
            router,
        )
        times = sorted(first_tokens(clients, options.calls, options.threads, streamed, asynchronous))
        return times, len(provider.requests) / options.calls - 1


def shown(times: list[float]) -> str:
    """A row of the table, in milliseconds."""

    def at(share: float) -> float:
        return times[min(len(times) - 1, int(share * len(times)))] * 1e3

    return f"{at(0.5):7.0f} {at(0.95):7.0f} {at(0.99):7.0f} {times[-1] * 1e3:7.0f}"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--slow", type=float, default=0.05, help="share of slow answers")
    parser.add_argument("--after", default="p95", help="a quantile such as p95, or seconds")
    parser.add_argument("--threads", type=int, default=8, help="calls at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["stream", "whole", "astream", "awhole"], action="append")
    options = parser.parse_args(arguments)
    after: Any = options.after if options.after.startswith("p") else float(options.after)
    print(f"{options.calls} calls, {options.slow:.0%} of the answers slow, {options.threads} at once; ms to the first token")
    print(f"{'':22s} {'p50':>7s} {'p95':>7s} {'p99':>7s} {'most':>7s}   further calls")
    good = True
    for name in options.only or ["stream", "whole", "astream", "awhole"]:
        way = (name.endswith("stream"), name.startswith("a"))
        before, _ = measure(options, None, *way)
        with_hedge, further = measure(options, Hedge(after, least=0.01), *way)
        print(f"{name + ' alone':22s} {shown(before)}")
        print(f"{name + ' hedged':22s} {shown(with_hedge)}   {further:.1%}")
        last = int(0.99 * options.calls)
        good = good and with_hedge[last] <= before[last] / 2 and further <= 0.1
    print("holds" if good else "DOES NOT HOLD: p99 is to halve, with at most 10 % further calls")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
