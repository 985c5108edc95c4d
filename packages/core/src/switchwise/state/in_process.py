"""Memory in this process: a bounded table that is safe to use from many threads, and the store that is made of such tables."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, cast

from switchwise.nouns.scope import Key
from switchwise.nouns.validation import whole
from switchwise.state.forking import lock, rlock

K = TypeVar("K")
V = TypeVar("V")
C = TypeVar("C")


class Memory(Generic[K, V]):
    """The `size` most recently used entries; the least recently used one is evicted first.

    Parameters:
        size: how many entries are kept.

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
        """The value under `key`, which counts as used now; None if unknown or forgotten."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Remember `value` under `key`."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def update(self, key: K, change: Callable[[V | None], C]) -> C:
        """Replace the value under `key` by `change(value)`, atomically; None drops the entry. `change` is pure and quick."""
        with self._lock:
            while True:  # again, if the garbage collector closed an abandoned stream meanwhile, which wrote here too
                before = self._entries.get(key)
                value = change(before)
                if self._entries.get(key) is before:
                    break
            if value is None:
                self._entries.pop(key, None)
            else:
                self.put(key, cast("V", value))
            return value

    def items(self) -> list[tuple[K, V]]:
        """All entries, the least recently used first."""
        with self._lock:
            return list(self._entries.items())

    def restore(self, entries: Iterable[tuple[K, V]]) -> None:
        """Remember these entries as if they had just been put, in order."""
        with self._lock:
            for key, value in entries:
                self.put(key, value)

    def widen(self, size: int) -> None:
        """Keep at least `size` entries from now on."""
        whole("Memory", "size", size)
        with self._lock:
            self._size = max(self._size, size)

    def __len__(self) -> int:
        return len(self._entries)


class InProcess:
    """The store of one process: values are kept as they are, nothing is copied. What every policy uses unless it is given another.

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
