"""A trial of what processes share: with threads of their own they spend one budget, or keep to one rate, through the real router, clients and
provider double.

What counts is the loopback provider's own count: the tokens of every answer that it made, whether it arrived or not, and each request.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from servers import Server
from worker import PRICE

from switchwise import Usage
from switchwise_loopback import Answer, Fault, LoopbackProvider, Request
from switchwise_loopback.nouns.types import Seen

WORKER = Path(__file__).with_name("worker.py")
CLEAN = (Fault.RATE_LIMIT, Fault.OVERLOADED, Fault.SERVER_ERROR, Fault.UNAVAILABLE)
"""Faults that a provider reports before it answers."""


@dataclass
class Result:
    """Result of a trial.

    Parameters:
        billed: USD, by the provider's count.
        calls: answers that it made.
        failed: requests that it let fail.
        seconds: from the first request to the last.
        codes: exit codes of the processes; -9 was killed.
        moments: when each request was seen, and the tokens that it took.
    """

    billed: float
    calls: int
    failed: int
    seconds: float
    codes: list[int]
    moments: list[tuple[float, int]] = field(default_factory=list)

    def most(self, window: float, tokens: bool = False) -> int:
        """Most requests, or tokens, in any stretch of so many seconds."""
        worst, within, first = 0, 0, 0
        for moment, took in self.moments:
            within += took if tokens else 1
            while self.moments[first][0] <= moment - window:
                within -= self.moments[first][1] if tokens else 1
                first += 1
            worst = max(worst, within)
        return worst

    def share(self, limit: float, window: float, tokens: bool = False) -> float:
        """How much of what the limit allows was used, from the first request on."""
        used = sum(took for _, took in self.moments) if tokens else len(self.moments)
        return used / (limit * (1 + self.seconds / window))


class Bill:
    """The provider, its bill, and its faults.

    Parameters:
        share: of the requests that fail.
        faults: in which ways.
        seed: of which fails how.
    """

    def __init__(self, share: float, faults: tuple[Fault, ...], seed: int) -> None:
        self._rng, self._share, self._faults = random.Random(seed), share, faults
        self._lock = threading.Lock()
        self.usd, self.calls, self.failed, self.first, self.last = 0.0, 0, 0, 0.0, 0.0
        self.moments: list[tuple[float, int]] = []
        self.provider = LoopbackProvider(self._answer, observe=self._seen, keep=0)

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            words = self._rng.randint(8, 40)
        return Answer("word " * words)

    def _seen(self, seen: Seen) -> None:
        now = time.monotonic()
        with self._lock:
            self.first, self.last = self.first or now, now
            if seen.usage is not None:
                usage = seen.usage
                self.usd += PRICE.cost(Usage(usage.input_tokens, usage.output_tokens))
                self.calls += 1
            self.moments.append((now, seen.usage.input_tokens + seen.usage.output_tokens if seen.usage is not None else 0))
            self.failed += seen.fault is not None
            if self._rng.random() < self._share:
                self.provider.inject(self._rng.choice(self._faults))


def run(
    store: str,
    folder: Path,
    *,
    limit: float = 1.0,
    processes: int = 8,
    threads: int = 4,
    seed: int = 0,
    seconds: float = 120.0,
    half_way: Callable[[list[subprocess.Popen[bytes]]], object] | None = None,
    later: int = 0,
    faults: tuple[Fault, ...] = CLEAN,
    share: float = 1 / 3,
    unit: str = "usd",
    window: float = 0.0,
) -> Result:
    """Spend one budget, or call for `seconds` as often as one rate allows.

    Parameters:
        store: address of the shared store.
        folder: for what the processes note of themselves.
        limit: USD, or requests or tokens in a window.
        half_way: called with the processes when half of the limit is billed, or half of the time is over.
        later: processes that begin only then.
        unit: `usd`, `requests` or `tokens`.
        window: seconds.
    """
    bill = Bill(share, faults, seed)
    with bill.provider as provider:
        command = [sys.executable, str(WORKER), store, provider.openai_url, str(threads)]
        command += [str(seconds), str(folder / "boxes"), str(limit), unit, str(window)]
        started = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(processes)]
        if half_way is not None:
            while any(process.poll() is None for process in started):
                if bill.usd >= limit / 2 if unit == "usd" else bill.first and time.monotonic() >= bill.first + seconds / 2:
                    break
                time.sleep(0.01)
            half_way(started)
            started += [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(later)]
        codes = [process.wait() for process in started]
    return Result(bill.usd, bill.calls, bill.failed, bill.last - bill.first, codes, bill.moments)


__all__ = ["CLEAN", "Result", "Server", "run"]
