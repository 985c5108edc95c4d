"""All that a platform team turns on, over one shared store: budget, rate limits, hedges, balancing, estimators, response cache, health."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "sharing"))

from servers import Server

from switchwise.policies import Budget, Explore, Headroom, LeastBusy, LowestLatency, RateLimits
from switchwise.quality import LabelTable, Priors, Shrunk, TaskMemory
from switchwise.response_cache import ResponseCache
from switchwise.state.shared import SharedStore


class Everything:
    """What the routers of a run share.

    Parameters:
        kind: of the store, `sqlite` or `redis`.
        folder: for its file, and for what processes note.
        usd: limit of the budget.
    """

    def __init__(self, kind: str, folder: Path, usd: float) -> None:
        self.server = Server("redis-server", folder) if kind == "redis" else None
        if self.server is not None:
            self.server.start()
        self.usd = usd
        self.store = SharedStore(
            self.server.url if self.server is not None else folder / "state.db", boxes=str(folder / "boxes")
        )
        self.budgets: list[Budget] = []

    def chain(self) -> tuple[list[Any], dict[str, Any]]:
        """Policies, and options of the router. One router explores by outcomes in every second decision, and balances in the others."""
        self.budgets.append(budget := Budget(usd=self.usd, per="all"))
        turns = itertools.cycle([True, False])
        quality = Shrunk(Priors(), LabelTable(store=self.store), TaskMemory(store=self.store))
        policies = [
            Headroom(),
            budget,
            RateLimits(requests=1_000_000, tokens=1_000_000_000, per="all"),
            RateLimits(in_flight=64, per="target"),
            Explore(quality, 1.0, when=lambda _: next(turns)),
            LeastBusy(),
            LowestLatency(),
        ]
        return policies, {"store": self.store, "cache": ResponseCache(ttl=3e6)}

    def close(self) -> None:
        """Return what is leased, and end the server."""
        self.store.close()
        if self.server is not None:
            self.server.kill()


__all__ = ["Everything"]
