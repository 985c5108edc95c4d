"""What policies remember: a bounded table, safe to use from many threads, that can be dumped and loaded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from switchwise.nouns.validation import whole

K = TypeVar("K")
V = TypeVar("V")


class Memory(Generic[K, V]):
    """The `size` most recently used entries; the least recently used one is forgotten first.

    Parameters:
        size: how many entries are kept.

    Raises:
        ConfigurationError: less than one.

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
        self._lock = threading.RLock()  # the garbage collector may close an abandoned stream in the middle

    def get(self, key: K) -> V | None:
        """The value under `key`, which counts as used now; None: unknown or forgotten."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Remember `value` under `key`."""
        with self._lock:
            self._put(key, value)

    def update(self, key: K, change: Callable[[V | None], V]) -> V:
        """Replace the value under `key` by `change(value)`, at once; `change` must be quick and call nothing back."""
        with self._lock:
            value = change(self._entries.get(key))
            self._put(key, value)
            return value

    def items(self) -> list[tuple[K, V]]:
        """All entries, the least recently used first."""
        with self._lock:
            return list(self._entries.items())

    def restore(self, entries: Iterable[tuple[K, V]]) -> None:
        """Remember these entries as if they had just been put, in order."""
        with self._lock:
            for key, value in entries:
                self._put(key, value)

    def __len__(self) -> int:
        return len(self._entries)

    def _put(self, key: K, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
