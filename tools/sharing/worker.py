"""One process of the trials: threads that call through a real router and real clients until nothing is left.

    python tools/sharing/worker.py STORE PROVIDER_URL THREADS SECONDS BOXES AMOUNT [usd|requests|tokens] [WINDOW]

It ends when calls have been refused for 1.5 seconds and a window, or after SECONDS.
"""

from __future__ import annotations

import logging
import sys
import threading
import time

from switchwise import AllTargetsFailed, Pool, Price, Router, SwitchwiseError, Target
from switchwise.clients import Clients, OpenAIClient
from switchwise.engine.recovery import Recovery
from switchwise.nouns.errors import NoTarget
from switchwise.policies import Budget, RateLimits
from switchwise.state.shared import SharedStore

PRICE = Price(input=1.0, output=16.0)
LONGEST = 60
QUESTION = [{"role": "user", "content": "Name a colour."}]
NAMES = ("first", "second")
REFUSED = 1.5  # seconds of refusals after which a thread stops


def main(store: str, url: str, threads: int, seconds: float, boxes: str, amount: float, unit: str, window: float) -> None:
    """Call until nothing is left."""
    logging.disable(logging.ERROR)
    shared = SharedStore(store, boxes=boxes)
    policy: Budget | RateLimits
    if unit == "usd":
        policy = Budget(usd=amount, per="all", store=shared, margin=2.0)
    else:
        limits = {unit: int(amount)}
        policy = RateLimits(
            requests=limits.get("requests"), tokens=limits.get("tokens"), per="all", window=window, store=shared, margin=2.0
        )
    pool = Pool([Target(name, "openai", name, price=PRICE) for name in NAMES])
    router = Router(pool, policy, recovery=Recovery(patience=0.0))
    clients = Clients({name: OpenAIClient(base_url=url, api_key="test", timeout=5.0) for name in NAMES}, router)
    began: list[float] = []  # with the first call: what comes before it is imports

    def work() -> None:
        refused = 0.0
        while not began or time.monotonic() < began[0] + seconds:
            try:
                clients.complete(QUESTION, max_tokens=LONGEST, session="s")
            except NoTarget:
                refused = refused or time.monotonic()
                if time.monotonic() - refused > REFUSED + window:
                    return
                time.sleep(0.02)
            except (AllTargetsFailed, SwitchwiseError):
                refused = 0.0
            else:
                refused = 0.0
            if not began:
                began.append(time.monotonic())

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    shared.close()


if __name__ == "__main__":
    given = sys.argv[1:]
    unit, window = (given[6], float(given[7])) if len(given) > 6 else ("usd", 0.0)
    main(given[0], given[1], int(given[2]), float(given[3]), given[4], float(given[5]), unit, window)
