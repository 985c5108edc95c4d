"""Cost of a shared store: a decision and a whole step with and without it, side by side in one run, and the CPU of its threads.

    python tools/sharing/cost.py [--calls 3000] [--rate 100]

Routers over a store in this process, a SQLite file and a Redis are asked in turn. The chain is the default one with a budget, a rate limit and the
least busy target. CPU per second is that of all other threads of the process while steps are made at `--rate` per second.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))

from servers import Server

from switchwise import Pool, Price, Router, Scope, Target, View, drive
from switchwise.policies import Budget, LeastBusy, RateLimits
from switchwise.policies.default_chain import default_chain
from switchwise.state import InProcess, Store
from switchwise.state.shared import SharedStore
from switchwise.testing import Script

POOL = Pool([Target(name, "acme", price=Price(1, 5)) for name in ("opus", "sol", "haiku", "luna")])


class Side:
    """A router over one store.

    Parameters:
        name: of the store.
        store: where its policies keep what they remember.
    """

    def __init__(self, name: str, store: Store) -> None:
        self.name, self.store = name, store
        chain = [Budget(usd=1e6, per="all"), RateLimits(requests=10**7, per="all"), LeastBusy(), *default_chain(POOL)]
        self.router = Router(POOL, *chain, store=store)
        self.script = Script(otherwise="yes")
        self.decisions: list[float] = []
        self.steps: list[float] = []

    def view(self, number: int) -> View:
        """One of 500 sessions."""
        return View(Scope(f"s{number % 500}", tenant="acme"), tokens=500)

    def step(self, number: int) -> None:
        """Decide once without a call, then make a whole step."""
        view = self.view(number)
        began = time.perf_counter()
        self.router.decide(view)
        decided = time.perf_counter()
        for _ in drive(self.router.start(view), self.script.perform):
            pass
        self.decisions.append(decided - began)
        self.steps.append(time.perf_counter() - decided)
        if number % 1_000 == 0:
            self.script = Script(otherwise="yes")  # it keeps what it was asked


def main() -> int:
    """Measure and print; 1 where a decision with a shared store is more than 10 us dearer at the median."""
    parser = argparse.ArgumentParser(description="what a shared store costs")
    parser.add_argument("--calls", type=int, default=3_000)
    parser.add_argument("--rate", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        makers: dict[str, Callable[[], Store]] = {"in process": InProcess}
        makers["SQLite"] = lambda: SharedStore(folder / "state.db", boxes=str(folder / "boxes"))
        server = Server("redis-server", folder)
        if server.installed:
            server.start()
            makers["Redis"] = lambda: SharedStore(server.url, boxes=str(folder / "more"))
        try:
            return measured(makers, options.calls, options.rate)
        finally:
            server.kill()


def measured(makers: dict[str, Callable[[], Store]], calls: int, rate: int) -> int:
    """The table: what the threads of each store use while it is alone, then all of them side by side."""
    shares = {}
    for name, make in makers.items():
        alone = Side(name, make())
        shares[name] = background(alone, rate)
        close(alone)
    sides = [Side(name, make()) for name, make in makers.items()]
    for number in range(calls):
        for side in sides:
            side.step(number)
    usual, worst = median(sides[0].decisions) * 1e6, 0.0
    for side in sides:
        deciding, step = median(side.decisions) * 1e6, median(side.steps) * 1e6
        worst = max(worst, deciding - usual)
        print(
            f"{side.name:>10}: a decision {deciding:5.1f} us ({deciding - usual:+.1f}), a step {step:6.1f} us, "
            f"other threads {shares[side.name] * 1e3:4.1f} ms of CPU per second at {rate} steps a second"
        )
        close(side)
    return 0 if worst <= 10.0 else 1


def close(side: Side) -> None:
    """End the threads of its store."""
    if isinstance(side.store, SharedStore):
        side.store.close()


def background(side: Side, rate: int, seconds: float = 3.0) -> float:
    """Seconds of CPU that the other threads use per second."""
    before = time.process_time() - time.thread_time()
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        side.step(number)
        number += 1
        time.sleep(1 / rate)
    return (time.process_time() - time.thread_time() - before) / seconds


if __name__ == "__main__":
    sys.exit(main())
