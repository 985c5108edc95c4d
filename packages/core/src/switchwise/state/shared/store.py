"""One shared store: tables for what may be late by a moment, leases for what must be exact."""

from __future__ import annotations

import atexit
import inspect
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import number, whole
from switchwise.state.forking import on_fork
from switchwise.state.shared.account import Rule
from switchwise.state.shared.keeper import Keeper
from switchwise.state.shared.lease import Lease
from switchwise.state.shared.redis import RedisLeases
from switchwise.state.shared.sqlite import SqliteLeases
from switchwise.state.shared.tables import RedisTables, SqliteTables, SyncedTable, SyncedTables

if TYPE_CHECKING:
    import redis

SERVERS: Final = ("redis://", "rediss://", "unix://", "valkey://", "valkeys://")
"""How addresses of servers begin; anything else is the path of a file."""


class SharedStore:
    """The state of a router for several processes, in Redis, Valkey or a SQLite file.

    What must be exact, budgets and rate limits, is leased ahead; what may be late is kept in a copy by each process: holds, circuits, the load of
    targets, quotas that providers tell, counts of estimators, kept answers. A decision waits for no network in either case. What one process
    writes, another one knows after at most two heartbeats; increments of all are added up.

    Parameters:
        address: `redis://localhost:6379/0` (Redis 6 or later, Valkey), a client of redis-py, or the path of a SQLite file.
        prefix: of all keys in a server.
        lost, allowance: what happens to budgets and limits while the store does not answer: `closed`, calls go on until what was leased is used
            up; `open`, uncounted up to that share of each limit in each process. What may be late goes on from the copy of each process.
        heartbeat: seconds between two exchanges with the store.
        patience: longest time in seconds that a call waits for a lease that it needs, and a new router for what the store has.
        timeout: seconds until a request to the store counts as lost; None: 0.5 for a server, 2 for a file.
        keep: seconds after its last write for which an entry of a table is kept.
        most_bytes: of a table in the store; beyond it, as beyond its size, the entries that were written longest ago go.
        boxes, alert: as for `Keeper`.

    Raises:
        ConfigurationError: the address is none, redis-py is missing, or a number cannot be.
    """

    def __init__(
        self,
        address: str | Path | redis.Redis,
        *,
        prefix: str = "switchwise",
        lost: Literal["closed", "open"] = "closed",
        allowance: float = 0.05,
        heartbeat: float = 0.25,
        patience: float = 1.0,
        timeout: float | None = None,
        keep: float = 30 * 86_400.0,
        most_bytes: int = 64_000_000,
        boxes: str | None = "",
        alert: Callable[[str, int], object] | None = None,
    ) -> None:
        if timeout is not None:
            number("SharedStore", "timeout", timeout, above=True)
        number("SharedStore", "heartbeat", heartbeat, above=True)
        number("SharedStore", "keep", keep, most=1e9)
        whole("SharedStore", "most_bytes", most_bytes)
        leases: RedisLeases | SqliteLeases
        tables: RedisTables | SqliteTables
        if isinstance(address, Path) or (isinstance(address, str) and not address.startswith(SERVERS)):
            if not str(address) or "://" in str(address):
                raise ConfigurationError(f"SharedStore({str(address)!r}): give redis://host:6379/0 or the path of a file")
            wait = 2.0 if timeout is None else timeout
            leases, tables = SqliteLeases(address, wait), SqliteTables(address, wait, keep, most_bytes)
        else:
            wait = 0.5 if timeout is None else timeout
            leases, tables = RedisLeases(address, prefix, wait), RedisTables(address, prefix, wait, keep, most_bytes)
        self.leases = Keeper(
            leases, lost=lost, allowance=allowance, heartbeat=heartbeat, patience=patience, boxes=boxes, alert=alert
        )
        self.tables = SyncedTables(tables, heartbeat, patience)
        on_fork(self.tables)
        atexit.register(_close, weakref.ref(self.tables))

    @classmethod
    def usual(cls) -> dict[str, Any]:
        """The options that it has where none are given."""
        parameters = inspect.signature(cls).parameters.values()
        return {each.name: each.default for each in parameters if each.default is not each.empty}

    def table(self, name: str, size: int) -> SyncedTable:
        """The table `name`, as in `Store`; a new one is read from the store first, for `patience` seconds at most."""
        whole("SharedStore", "size", size)
        return self.tables.table(name, size)

    @property
    def place(self) -> str:
        """Which store it is, without secrets."""
        return self.leases.place

    @property
    def skew(self) -> float:
        """Seconds by which the store's clock is ahead of this machine's."""
        return self.leases.skew

    @property
    def lost(self) -> bool:
        """The store does not answer."""
        return self.leases.lost or self.tables.lost

    def lease(self, key: str, rule: Rule) -> Lease:
        """The lease of an account, as in `Keeper.lease`."""
        return self.leases.lease(key, rule)

    def override(self, key: str, limit: int, until: float) -> None:
        """Let another limit count until that moment, in seconds since the epoch. Raises `LostStore`."""
        self.leases.override(key, limit, until)

    def watch(self, prefix: str, hear: Callable[[str, int], object]) -> None:
        """Call `hear` with the account and the percentage in the process that is the first to pass it."""
        self.leases.watch(prefix, hear)

    def flush(self) -> None:
        """Write and read everything now. Raises `LostStore`."""
        self.leases.flush()
        self.tables.flush()

    def close(self) -> None:
        """Write what is left and return all leases; at the end of the process it happens by itself."""
        self.tables.close()
        self.leases.close()

    def __repr__(self) -> str:
        return f"SharedStore({self.place})"


def _close(tables: weakref.ref[SyncedTables]) -> None:
    if (found := tables()) is not None:
        found.close()
