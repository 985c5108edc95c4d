"""One process's copy of a shared table: reads use memory, changes are recorded and written later.

Rules:
1. Decisions never wait for the network: `get`, `put`, `update` and `items` use only memory; the thread of `SyncedTables` writes and
   reads.
2. A change is kept as a function until the store has it. If another process wrote first, the function is applied again to the new
   value: two increments add up, and a call that ended is removed from any list of calls.
3. While more than `MOST` changes of one entry, or `MOST_IN_ALL` in total, wait for a lost store, only the result of an entry's changes is kept.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from switchwise.nouns.scope import Key
from switchwise.state.in_process import Memory
from switchwise.state.shared.tables.protocol import Entry, Write, sequence_of

MOST: Final = 1_000
MOST_IN_ALL: Final = 2_000

_log = logging.getLogger("switchwise.shared")
_Change = Callable[[Any], Any]


class _Sent(NamedTuple):
    write: Write
    changes: int  # number of pending changes in it
    value: Any


class _Pending:
    __slots__ = ("base", "changes", "sent", "value")

    def __init__(self, base: Any) -> None:
        self.base = base  # the store's value, without the changes
        self.changes: list[_Change] = []
        self.sent: _Sent | None = None  # until its answer is known
        self.value: Any = None


class SyncedTable(Memory[Key, Any]):
    """A table of `SharedStore`.

    Parameters:
        size: most entries, here and in the store.
        changed: called after a change.
    """

    def __init__(self, size: int, changed: Callable[[], object]) -> None:
        super().__init__(size)
        self._changed = changed
        self._versions: dict[Key, tuple[int, str]] = {}  # version and writers of the store's entries
        self._pending: dict[Key, _Pending] = {}
        self._waiting = 0  # number of pending changes

    @property
    def size(self) -> int:
        """Most entries."""
        return self._size

    def put(self, key: Key, value: Any) -> None:
        """Remember `value` under `key`."""
        with self._lock:
            before = self._entries.get(key)
            self._put(key, value)
            self._note(key, lambda _: value, before, value)
        self._changed()

    def update(self, key: Key, change: _Change) -> Any:
        """Replace the value under `key` by `change(value)`, atomically; None drops the entry. `change` is pure and quick."""
        with self._lock:
            before = self._entries.get(key)
            value = super().update(key, change)
            self._note(key, change, before, value)
        self._changed()
        return value

    def _note(self, key: Key, change: _Change, before: Any, value: Any) -> None:
        pending = self._pending.get(key)
        if pending is None:
            if len(self._pending) >= self._size:
                self._give_up(next(iter(self._pending)))
            pending = self._pending[key] = _Pending(before)
        pending.changes.append(change)
        pending.value = value
        self._waiting += 1
        if len(pending.changes) > MOST or (self._waiting > MOST_IN_ALL and len(pending.changes) > 2):
            kept = pending.sent.changes if pending.sent is not None else 0
            self._waiting -= len(pending.changes) - kept - 1
            pending.changes[kept:] = [lambda _: value]

    def _put(self, key: Key, value: Any) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            forgotten, _ = self._entries.popitem(last=False)
            if forgotten not in self._pending:
                self._versions.pop(forgotten, None)

    def _give_up(self, key: Key) -> None:
        pending = self._pending.pop(key, None)
        if pending is not None:
            self._waiting -= len(pending.changes)
            if key not in self._entries:
                self._versions.pop(key, None)

    # What the thread does

    @property
    def waits(self) -> bool:
        """Whether changes wait to be written."""
        return bool(self._pending)

    def writes(self, most: int, number: Callable[[], int]) -> list[tuple[Key, Write]]:
        """Return pending writes of at most `most` entries. A write whose answer was lost is repeated unchanged.

        Parameters:
            most: most entries.
            number: draws the next number of a write.
        """
        new: list[tuple[Key, _Pending, _Sent]] = []
        found: list[tuple[Key, Write]] = []
        with self._lock:
            for key, pending in self._pending.items():
                if len(new) + len(found) >= most:
                    break
                if pending.sent is not None:
                    found.append((key, pending.sent.write))
                    continue
                known = self._versions.get(key, (0, ""))
                sent = _Sent(Write("", known[0], number(), known[1], ""), len(pending.changes), pending.value)
                pending.sent = sent
                new.append((key, pending, sent))
        for key, pending, sent in new:
            value = sent.value
            try:
                text = "" if value is None else json.dumps(value, allow_nan=False, separators=(",", ":"))
                name = json.dumps(key)
            except (TypeError, ValueError) as error:
                _log.error("an entry of a shared table is not JSON data, and stays in this process: %s", error)
                with self._lock:
                    self._give_up(key)
                continue
            pending.sent = _Sent(sent.write._replace(key=name, value=text), sent.changes, value)
            found.append((key, pending.sent.write))
        return found

    def restored(self, there: dict[str, int]) -> list[Write]:
        """Return the writes that restore a store after a loss of data.

        Parameters:
            there: versions of its entries, by key as text.
        """
        with self._lock:
            known = [
                (key, *self._versions[key], self._entries[key])
                for key in self._entries
                if key in self._versions and key not in self._pending
            ]
        writes = []
        for key, version, writers, value in known:
            name = json.dumps(key)
            if there.get(name, 0) < version:
                try:
                    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
                except (TypeError, ValueError):  # it stays in this process: see `writes`
                    continue
                writes.append(Write(name, version, 0, writers, text))
        return writes

    def made(self, key: Key, entry: Entry) -> None:
        """Record that a write was made."""
        with self._lock:
            pending = self._pending.get(key)
            if pending is not None and pending.sent is not None:
                self._settle(key, pending, pending.sent)
            if key in self._entries or key in self._pending:
                self._versions[key] = (entry.version, entry.writers)
            else:  # forgotten here meanwhile
                self._versions.pop(key, None)

    def take(self, entry: Entry, origin: str) -> None:
        """Take over the store's entry, and apply this process's pending changes to it."""
        key: Key = tuple(json.loads(entry.key))
        value = json.loads(entry.value) if entry.value else None
        with self._lock:
            known, pending = self._versions.get(key), self._pending.get(key)
            if pending is not None and pending.sent is not None:
                if sequence_of(entry.writers, origin) >= pending.sent.write.sequence:
                    self._settle(key, pending, pending.sent)
                pending.sent = None
                pending = self._pending.get(key)
            elif known is not None and entry.version == known[0]:
                return
            if known is not None and entry.version < known[0]:  # the store has lost it, and will be restored
                if pending is not None:
                    self._versions[key] = (entry.version, entry.writers)
                return
            if pending is not None:
                value = self._again(key, pending, value)
            if value is None:
                self._entries.pop(key, None)
            else:
                self._put(key, value)
            if value is not None or key in self._pending:
                self._versions[key] = (entry.version, entry.writers)
            else:
                self._versions.pop(key, None)

    def _settle(self, key: Key, pending: _Pending, sent: _Sent) -> None:
        """Drop the sent changes: the store has them."""
        self._waiting -= sent.changes
        del pending.changes[: sent.changes]
        pending.base, pending.sent = sent.value, None
        if not pending.changes:
            del self._pending[key]

    def _again(self, key: Key, pending: _Pending, value: Any) -> Any:
        """Apply this process's changes to the value that another one has written; one that fails is dropped."""
        pending.base = value
        kept = []
        for change in pending.changes:
            try:
                value = change(value)
            except Exception as error:  # noqa: BLE001  (a policy's own function, applied to a value of perhaps another version)
                _log.warning(
                    "a change of a shared entry is lost: it cannot be applied to what another process wrote: %r", error
                )
            else:
                kept.append(change)
        self._waiting -= len(pending.changes) - len(kept)
        pending.changes, pending.value = kept, value
        if not kept:
            self._give_up(key)
        return value

    def forked(self) -> None:
        """In a forked child: drop pending changes, which the parent writes."""
        for key, pending in self._pending.items():
            if pending.base is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = pending.base
        self._pending.clear()
        self._waiting = 0
