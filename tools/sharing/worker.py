"""One process of the trials: threads that call through a real router and real clients until nothing is left.

    python tools/sharing/worker.py STORE PROVIDER_URL THREADS SECONDS BOXES AMOUNT

It ends when calls have been refused for 1.5 seconds, or after SECONDS.
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
from switchwise.policies import Budget
from switchwise.state.shared import Keeper, RedisLeases, SqliteLeases

PRICE = Price(input=1.0, output=16.0)
LONGEST = 60
QUESTION = [{"role": "user", "content": "Name a colour."}]
NAMES = ("first", "second")
REFUSED = 1.5  # seconds of refusals after which a thread stops


def main(store: str, url: str, threads: int, seconds: float, boxes: str, amount: float) -> None:
    """Call until nothing is left."""
    logging.disable(logging.ERROR)
    keeper = Keeper(RedisLeases(store) if store.startswith("redis:") else SqliteLeases(store), boxes=boxes)
    policy = Budget(usd=amount, per="all", store=keeper, margin=2.0)
    pool = Pool([Target(name, "openai", name, price=PRICE) for name in NAMES])
    router = Router(pool, policy, recovery=Recovery(patience=0.0))
    clients = Clients({name: OpenAIClient(base_url=url, api_key="test", timeout=5.0) for name in NAMES}, router)
    end = time.monotonic() + seconds

    def work() -> None:
        refused = 0.0
        while time.monotonic() < end:
            try:
                clients.complete(QUESTION, max_tokens=LONGEST, session="s")
            except NoTarget:
                refused = refused or time.monotonic()
                if time.monotonic() - refused > REFUSED:
                    return
                time.sleep(0.02)
            except (AllTargetsFailed, SwitchwiseError):
                refused = 0.0
            else:
                refused = 0.0

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    keeper.close()


if __name__ == "__main__":
    given = sys.argv[1:]
    main(given[0], given[1], int(given[2]), float(given[3]), given[4], float(given[5]))
