"""The shared store: replicated tables for state that may be slightly stale, leases for exact limits."""

from __future__ import annotations

import atexit
import inspect
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import number, whole
from switchwise.state.forking import on_fork
from switchwise.state.shared.account import SharingRule
from switchwise.state.shared.keeper import Keeper
from switchwise.state.shared.lease import Lease
from switchwise.state.shared.redis import RedisLeases
from switchwise.state.shared.sqlite import SqliteLeases
from switchwise.state.shared.tables import RedisTables, SqliteTables, SyncedTable, SyncedTables
from switchwise.state.store import SERVERS

if TYPE_CHECKING:
    import redis


class SharedStore:
    """The state of a router for several processes, in Redis, Valkey or a SQLite file.

    Exact limits (budgets, rate limits) are leased in advance. Other state is replicated in each process: holds, circuits, load of
    targets, reported quotas, counts of estimators, cached answers. Decisions never wait for the network. A write reaches other processes
    within two heartbeats; increments of all processes add up.

    Parameters:
        address: `redis://localhost:6379/0` (Redis 6 or later, Valkey), a client of redis-py, or the path of a SQLite file.
        prefix: prefix of all keys in a server.
        lost, allowance: budgets and limits while the store does not respond: `closed`: calls continue until the leases are used up;
            `open`: uncounted up to `allowance`, a share of each limit in each process. Replicated state continues from the copy of each
            process.
        heartbeat: seconds between exchanges with the store.
        patience: longest wait in seconds of a call for its lease, and of a new router for the store's content.
        timeout: seconds until a request to the store counts as lost; None: 0.5 for a server, 2 for a file.
        keep: seconds after its last write until an entry of a table expires.
        most_bytes: largest table in the store; beyond it, as beyond its size, the entries with the oldest writes are evicted.
        boxes, alert: as for `Keeper`.

    Raises:
        ConfigurationError: the address is invalid, redis-py is missing, or a number is out of range.
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
        """Default options."""
        parameters = inspect.signature(cls).parameters.values()
        return {each.name: each.default for each in parameters if each.default is not each.empty}

    def table(self, name: str, size: int) -> SyncedTable:
        """Return the table `name`, as in `Store`; a new one is first read from the store, for at most `patience` seconds."""
        whole("SharedStore", "size", size)
        return self.tables.table(name, size)

    @property
    def place(self) -> str:
        """Identifies the store, without secrets."""
        return self.leases.place

    @property
    def skew(self) -> float:
        """Seconds by which the store's clock is ahead of this machine's."""
        return self.leases.skew

    @property
    def trouble(self) -> str:
        """Why it grants nothing, as the predicate of a sentence; empty if it does."""
        return self.leases.trouble

    @property
    def lost(self) -> bool:
        """Whether the store does not respond."""
        return self.leases.lost or self.tables.lost

    def lease(self, key: str, rule: SharingRule) -> Lease:
        """Return the lease of an account, as `Keeper.lease`."""
        return self.leases.lease(key, rule)

    def override(self, key: str, limit: int, until: float) -> None:
        """Replace the limit until that time, in seconds since the epoch. Raises `LostStore`."""
        self.leases.override(key, limit, until)

    def watch(self, prefix: str, hear: Callable[[str, int], object]) -> None:
        """Call `hear` with the account and the percentage in the process that passes it first."""
        self.leases.watch(prefix, hear)

    def flush(self) -> None:
        """Write and read everything now. Raises `LostStore`."""
        self.leases.flush()
        self.tables.flush()

    def close(self) -> None:
        """Write pending changes and return all leases; called automatically at the end of the process."""
        self.tables.close()
        self.leases.close()

    def __repr__(self) -> str:
        return f"SharedStore({self.place})"


def _close(tables: weakref.ref[SyncedTables]) -> None:
    if (found := tables()) is not None:
        found.close()
