"""A store that keeps every entry as JSON text: it proves that a policy's state is data, and fits a database or a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from switchwise.nouns.scope import Key
from switchwise.state.forking import lock
from switchwise.state.in_process import Memory


class JsonTable:
    """A table of JSON text; each `get` returns a new copy.

    Parameters:
        size: most entries kept.
        name: its name, for error messages.
    """

    def __init__(self, size: int, name: str = "") -> None:
        self._name = name
        self._texts: Memory[str, str] = Memory(size)

    def get(self, key: Key) -> Any:
        """Return the value of `key`; None if unknown or evicted."""
        return _read(self._texts.get(self._text_of(key)))

    def put(self, key: Key, value: Any) -> None:
        """Keep `value` under `key`.

        Raises:
            TypeError: the value is not JSON data, or a part of the key is not a string; the message names table, key and value.
        """
        self._texts.put(self._text_of(key), self._written(value))

    def update(self, key: Key, change: Callable[[Any], Any]) -> Any:
        """Replace the value under `key` by `change(value)`, atomically; None drops the entry."""

        def changed(text: str | None) -> str | None:
            value = change(_read(text))
            return None if value is None else self._written(value)

        return _read(self._texts.update(self._text_of(key), changed))

    def items(self) -> list[tuple[Key, Any]]:
        """All entries, the least recently used first."""
        return [(tuple(json.loads(key)), json.loads(text)) for key, text in self._texts.items()]

    def widen(self, size: int) -> None:
        """Keep at least `size` entries from now on."""
        self._texts.widen(size)

    def _text_of(self, key: Key) -> str:
        if not isinstance(key, tuple) or not all(isinstance(part, str) for part in key):
            raise TypeError(f"table {self._name!r}: a key is a tuple of strings, not {key!r:.80}")
        return json.dumps(key)

    def _written(self, value: Any) -> str:
        try:
            text, because = json.dumps(value, allow_nan=False), "JSON changes it"
        except (TypeError, ValueError) as error:
            text, because = "", str(error)
        if not text or _differs(value):
            raise TypeError(
                f"table {self._name!r}: a value is JSON data (lists, dictionaries with string keys, strings, finite numbers, booleans), "
                f"not {value!r:.80} ({because})"
            )
        return text


class JsonStore:
    """Tables of JSON text, in memory.

    Use it in tests of a policy, as `check_policy` does. It refuses values that a database could not hold.

    >>> table = JsonStore().table("held", size=1_000)
    >>> table.put(("acme", "s1"), {"names": ["opus"]})
    >>> table.get(("acme", "s1"))
    {'names': ['opus']}
    >>> table.put(("acme", "s1"), {"names": {"opus"}})
    Traceback (most recent call last):
    TypeError: table 'held': a value is JSON data (lists, dictionaries with string keys, strings, finite numbers, booleans), not {'names': {'opus'}} (Object of type set is not JSON serializable)
    """

    def __init__(self) -> None:
        self._tables: dict[str, JsonTable] = {}
        self._lock = lock()

    def table(self, name: str, size: int) -> JsonTable:
        """The table `name`, as in `Store`."""
        with self._lock:
            table = self._tables.get(name)
            if table is None:
                table = self._tables[name] = JsonTable(size, name)
            else:
                table.widen(size)
            return table

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of its tables."""
        return tuple(self._tables)

    def __repr__(self) -> str:
        return f"JsonStore({', '.join(self._tables)})"


def _differs(value: Any) -> bool:
    """Return whether a JSON round trip changes the value: a tuple, or a key that is not a string."""
    if isinstance(value, dict):
        return not all(isinstance(name, str) for name in value) or any(map(_differs, value.values()))
    return isinstance(value, tuple) or (isinstance(value, list) and any(map(_differs, value)))


def _read(text: str | None) -> Any:
    return None if text is None else json.loads(text)
