"""State in this process: a bounded thread-safe table, and a store of such tables."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from switchwise.nouns.scope import Key
from switchwise.nouns.validation import whole
from switchwise.state.forking import lock, rlock

K = TypeVar("K")
V = TypeVar("V")
C = TypeVar("C")


class Memory(Generic[K, V]):
    """A table of the `size` most recently used entries; the least recently used one is evicted first.

    Parameters:
        size: most entries kept.

    Raises:
        ConfigurationError: `size` is less than 1.

    >>> memory = Memory[str, int](size=2)
    >>> for name in "abc":
    ...     memory.put(name, ord(name))
    >>> memory.get("a"), memory.get("c")
    (None, 99)
    """

    def __init__(self, size: int) -> None:
        whole("Memory", "size", size)
        self._size = size
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._lock = rlock()  # the garbage collector may close an abandoned stream in the middle

    def get(self, key: K) -> V | None:
        """Return the value of `key`, which counts as used now; None if unknown or evicted."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Set the value of `key`."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def update(self, key: K, change: Callable[[V | None], C]) -> C:
        """Replace the value of `key` by `change(value)`, atomically; None drops the entry. `change` is pure and fast."""
        with self._lock:
            while True:  # again, if the garbage collector closed an abandoned stream meanwhile, which wrote here too
                before = self._entries.get(key)
                value = change(before)
                if self._entries.get(key) is before:
                    break
            if value is None:
                self._entries.pop(key, None)
            elif before is None:
                self._put(key, cast("V", value))
            else:  # no entry more, so none to evict
                self._entries[key] = cast("V", value)
                self._entries.move_to_end(key)
            return value

    def items(self) -> list[tuple[K, V]]:
        """All entries, the least recently used first."""
        with self._lock:
            return list(self._entries.items())

    def widen(self, size: int) -> None:
        """Keep at least `size` entries from now on."""
        whole("Memory", "size", size)
        with self._lock:
            self._size = max(self._size, size)

    def __len__(self) -> int:
        return len(self._entries)

    def _put(self, key: K, value: V) -> None:
        """As `put`, under the lock. Not `put` itself: that of a shared table notes a write of its own, in place of the change that `update` makes."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)


class InProcess:
    """The store of one process, and the default of every policy: values are not copied.

    >>> table = InProcess().table("seen", size=1_000)
    >>> table.update(("acme", "s1"), lambda count: (count or 0) + 1)
    1
    """

    def __init__(self) -> None:
        self._tables: dict[str, Memory[Key, Any]] = {}
        self._lock = lock()

    def table(self, name: str, size: int) -> Memory[Key, Any]:
        """The table `name`, as in `Store`."""
        with self._lock:
            table = self._tables.get(name)
            if table is None:
                table = self._tables[name] = Memory(size)
            else:
                table.widen(size)
            return table

    def __repr__(self) -> str:
        return f"InProcess({', '.join(self._tables)})"
