"""Memory over many calls with a shared store for all state: holds, circuits, load, budget, rate limit, response cache.

    python tools/sharing/memory.py [--store sqlite|redis] [--calls 50000]

Sessions come and go; each call is decided, made by a script, learnt and pushed. Prints the resident memory as it goes, and exits with 1 where it grows
by more than 5 % over the second half.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from servers import Server

from switchwise import Pool, Price, Router, Scope, Target, View, drive
from switchwise.policies import Budget, ByAgent, Healthy, LeastBusy, RateLimits, Stick, hold
from switchwise.response_cache import ResponseCache
from switchwise.state.shared import SharedStore
from switchwise.testing import Script


def main() -> int:
    """Call, and look at the memory."""
    parser = argparse.ArgumentParser(description="memory over many calls")
    parser.add_argument("--store", choices=["sqlite", "redis"], default="sqlite")
    parser.add_argument("--calls", type=int, default=50_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server("redis-server", folder)
        if options.store == "redis":
            server.start()
        address = server.url if options.store == "redis" else str(folder / "state.db")
        store = SharedStore(address, boxes=str(folder / "boxes"))
        try:
            return watched(store, options.calls)
        finally:
            store.close()
            server.kill()


def watched(store: SharedStore, calls: int) -> int:
    """Make the calls; whether memory grew."""
    pool = Pool([Target(name, "acme", price=Price(1, 5)) for name in ("opus", "sol", "haiku", "luna")])
    chain = [
        Budget(usd=1e6, per="user"),
        RateLimits(requests=10**7, per="all"),
        hold(ByAgent(explorer="luna"), per="agent", size=2_000),
    ]
    router = Router(pool, *chain, Stick(size=2_000), Healthy(), LeastBusy(), cache=ResponseCache(size=500), store=store)
    script, half, began = Script(otherwise="yes"), 0.0, time.monotonic()
    for number in range(1, calls + 1):
        labels = {"user": f"u{number % 50}"}
        view = View(Scope(f"s{number // 5}", "explorer", tenant=f"t{number % 7}", labels=labels), tokens=500)
        for _ in drive(router.start(view), script.perform):
            pass
        if number % 500 == 0:
            script = Script(otherwise="yes")  # it keeps what it was asked
        if number % (calls // 10) == 0:
            print(f"{number:7,} calls, {time.monotonic() - began:4.0f} s: {resident():6.1f} MB", flush=True)
        if number == calls // 2:
            half = resident()
    grown = resident() / half - 1
    print(f"over the second half it grew by {grown:+.1%}")
    return 0 if grown <= 0.05 else 1


def resident() -> float:
    """Resident memory of this process, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


if __name__ == "__main__":
    sys.exit(main())
