"""The store protocol: where policies keep their state.

A `Store` has tables, and a policy keeps its state in one table. Rules:
1. A key is a tuple of strings that starts with the tenant (`Scope.key`), so that two tenants never share an entry.
2. A value is JSON data: dictionaries with string keys, lists, strings, finite numbers, booleans. Never an object, a tuple or None. A
   stored value is replaced, never changed in place: a store may keep the object itself or a copy.
3. `update` is atomic. Its function may run more than once (an optimistic store retries), so it is pure and fast, and does not use the
   table.
4. A table is bounded: beyond `size` entries the least recently used one is evicted. A policy treats a missing entry as unknown.
5. Every verb may be called from many threads, and again from the same thread while it runs: the garbage collector may close an
   abandoned stream in the middle of anything.

`InProcess` keeps the values in this process, `JsonStore` keeps JSON text, `switchwise.state.shared.SharedStore` shares them with other processes: there the function
of an `update` is kept until the store has it, and runs again where another process was quicker. So it holds on to data, never to a call or a view.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from switchwise.nouns.scope import Key

SERVERS: Final = ("redis://", "rediss://", "unix://", "valkey://", "valkeys://")
"""Beginnings of addresses of servers; others are paths of SQLite files."""


class Table(Protocol):
    """A bounded mapping from keys to JSON data."""

    def get(self, key: Key) -> Any:
        """The value under `key`, which counts as used now; None if unknown or forgotten."""

    def put(self, key: Key, value: Any) -> None:
        """Keep `value` under `key`."""

    def update(self, key: Key, change: Callable[[Any], Any]) -> Any:
        """Replace the value under `key` by `change(value)`, atomically, and return the new one.

        Parameters:
            key: key of the entry.
            change: function of the present value (None if missing) that returns the new one, or None to drop the entry.
        """

    def items(self) -> list[tuple[Key, Any]]:
        """All entries, the least recently used first."""


class Store(Protocol):
    """A set of tables."""

    def table(self, name: str, size: int) -> Table:
        """Return the table `name`, the same for every caller.

        Parameters:
            name: name of the table; separate states need different names.
            size: most entries; the largest value of any caller counts.

        Raises:
            ConfigurationError: `size` is less than 1.
        """


class Lender(Protocol):
    """A store that also leases shares of limits (`switchwise.state.shared`), for limits that several processes share."""

    @property
    def place(self) -> str:
        """Identifies the store among others, without secrets."""

    @property
    def skew(self) -> float:
        """Seconds by which its clock is ahead of this machine's."""

    @property
    def trouble(self) -> str:
        """Why it grants nothing, as the predicate of a sentence; empty if it does."""

    def lease(self, key: str, rule: Any) -> Any:
        """Return the lease of an account: a `switchwise.state.shared.Lease`, by a `switchwise.state.shared.Rule`."""

    def override(self, key: str, limit: int, until: float) -> None:
        """Replace the limit until that time, in seconds since the epoch."""

    def watch(self, prefix: str, hear: Callable[[str, int], object]) -> None:
        """Call `hear` with the account and 50, 80, 95 or 100 (percent), in the process that passes it first."""


def lender_of(store: object) -> Lender | None:
    """The leasing part of `store`; None if the store belongs to one process."""
    if isinstance(store, Namespace):
        inner = lender_of(store.store)
        return None if inner is None else _PartOfLender(inner, store.name)
    return store if callable(getattr(store, "lease", None)) else None  # type: ignore[return-value]  # it lends


class Namespace:
    """A part of a store, with its own tables.

    Parameters:
        store: the whole store.
        name: name of this part.

    >>> from switchwise.state import InProcess
    >>> whole = InProcess()
    >>> one, other = Namespace(whole, "one"), Namespace(whole, "other")
    >>> one.table("seen", 10).put(("acme", "s1"), 1)
    >>> one.table("seen", 10).get(("acme", "s1")), other.table("seen", 10).get(("acme", "s1"))
    (1, None)
    """

    __slots__ = ("name", "store")

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name

    def table(self, name: str, size: int) -> Table:
        """The table `name` of this part."""
        return self.store.table(f"{self.name}/{name}", size)

    def __repr__(self) -> str:
        return f"Namespace({self.store!r}, {self.name!r})"


class _PartOfLender:
    """The leases of a namespace."""

    __slots__ = ("_inner", "_name")

    def __init__(self, inner: Lender, name: str) -> None:
        self._inner, self._name = inner, name

    @property
    def place(self) -> str:
        return f"{self._inner.place}/{self._name}"

    @property
    def skew(self) -> float:
        return self._inner.skew

    @property
    def trouble(self) -> str:
        return self._inner.trouble

    def lease(self, key: str, rule: Any) -> Any:
        return self._inner.lease(f"{self._name}/{key}", rule)

    def watch(self, prefix: str, hear: Callable[[str, int], object]) -> None:
        self._inner.watch(f"{self._name}/{prefix}", hear)

    def override(self, key: str, limit: int, until: float) -> None:
        self._inner.override(f"{self._name}/{key}", limit, until)
