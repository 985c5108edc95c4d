"""A process that spends from a shared account until nothing is left: `python spender.py STORE LIMIT THREADS SEED LEDGER SECONDS [BOXES]`.

The ledger is the provider's own: a line per call, written when the call begins, with what it will be billed. What was under
way when a process is killed is billed. A third of the calls fail and cost nothing.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time

from switchwise.state.shared import Keeper, RedisLeases, Rule, SqliteLeases


def main(store: str, limit: int, threads: int, seed: int, ledger: str, seconds: float, boxes: str) -> None:
    leases = RedisLeases(store) if store.startswith("redis:") else SqliteLeases(store)
    keeper = Keeper(leases, boxes=boxes)
    end = time.monotonic() + seconds
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def spend(rng: random.Random) -> None:
        refused = 0.0
        while time.monotonic() < end:
            bound = rng.randint(limit // 5_000, limit // 1_000)
            lease = keeper.lease("budget", Rule(limit))
            if not lease.reserve(bound):
                refused = refused or time.monotonic()
                if time.monotonic() - refused > 1.5:
                    return
                time.sleep(0.01)
                continue
            refused = 0.0
            fails = rng.random() < 1 / 3
            cost = 0 if fails else int(bound * rng.uniform(0.2, 1.0))
            os.write(file, f"{os.getpid()} {cost}\n".encode())
            time.sleep(rng.uniform(0.002, 0.01))
            lease.settle(bound, cost)

    workers = [threading.Thread(target=spend, args=(random.Random(seed * 100 + i),)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    keeper.close()


if __name__ == "__main__":
    main(
        sys.argv[1],
        int(sys.argv[2]),
        int(sys.argv[3]),
        int(sys.argv[4]),
        sys.argv[5],
        float(sys.argv[6]),
        (sys.argv[7:] or [""])[0],
    )
