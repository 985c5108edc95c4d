"""One thread for the shared tables of a store: it writes the changes of this process and reads those of others.

While a store is lost, each process uses its own copy; its changes are written when the store is back, merged with those of others. A
store that returns empty, or with older data, is restored from the processes, and accepts new writes after a grace.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from switchwise.state.shared.protocol import LostStore
from switchwise.state.shared.tables.protocol import Exchange, News, TableStore, Write
from switchwise.state.shared.tables.synced_table import SyncedTable

BATCH: Final = 200
"""Most writes in one exchange of a table."""
ROUNDS: Final = 20
"""Most exchanges in one turn; the rest waits for the next turn."""

_LONGEST: Final = 5.0  # seconds that a process waits at its end for a store in its grace period

_log = logging.getLogger("switchwise.shared")


class _Place:
    """Position of this process in one table."""

    __slots__ = ("cursor", "generation", "name", "restoring", "table")

    def __init__(self, name: str, table: SyncedTable) -> None:
        self.name, self.table = name, table
        self.generation, self.cursor = "", 0
        self.restoring: dict[str, int] | None = None  # versions found in a store that has lost data


class SyncedTables:
    """This process's copies of the tables of one store.

    Parameters:
        store: shared by all processes.
        heartbeat: seconds between two exchanges: a change reaches other processes within two heartbeats.
        patience: longest wait in seconds of a new table for its content, and of `flush` and `close` beyond the grace period.
        grace: seconds for which a new store, or one that has lost data, accepts nothing new; None: three heartbeats.
        timer: seconds; only differences count.
    """

    def __init__(
        self,
        store: TableStore,
        heartbeat: float = 0.25,
        patience: float = 1.0,
        grace: float | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.heartbeat, self.patience = store, heartbeat, patience
        self._timer = timer
        self._grace = int(1_000 * (3 * heartbeat if grace is None else grace))
        self._places: dict[str, _Place] = {}
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # one exchange at a time
        self._wake = threading.Event()
        self._origin = uuid.uuid4().hex[:12]
        self._numbers = count(1)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._burst = float("-inf")  # when the first of several tables was asked for: they share one patience
        self.lost = False

    def table(self, name: str, size: int) -> SyncedTable:
        """Return the table `name`. A new one is read at once; it starts empty if the store does not respond in time.

        Parameters:
            name: the same in all processes that share it.
            size: most entries.
        """
        with self._lock:
            place = self._places.get(name)
            if place is None:
                place = self._places[name] = _Place(name, SyncedTable(size, self._changed))
                new = True
            else:
                place.table.widen(size)
                new = False
        if new and not self.lost:
            now = self._timer()
            if now > self._burst + 2 * self.patience:
                self._burst = now
            if now < self._burst + self.patience:  # the others are read in the background
                self._try([place], self._burst + self.patience)
        self._changed()
        return place.table

    def _changed(self) -> None:
        """Start the thread if it does not run, as in a forked child: there is something to write."""
        if self._thread is None and not self._closed:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="switchwise-tables", daemon=True)
                    self._thread.start()

    def flush(self) -> None:
        """Write and read everything now. Raises `LostStore`."""
        end = self._timer() + self.patience + min(_LONGEST, self._grace / 1_000)
        while True:
            with self._turn:
                self._exchange(list(self._places.values()), None)
            if not any(place.table.waits for place in self._places.values()):
                return
            if self._timer() >= end:
                raise LostStore(f"{self.store.name} has begun again, and takes nothing yet")
            self._wake.wait(0.01)

    def close(self) -> None:
        """Write pending changes and stop; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
        try:
            if any(place.table.waits for place in self._places.values()):
                self._wake.clear()
                self.flush()
        except LostStore as error:
            _log.warning("what was changed last is not in the shared tables: %s", error)
        self.store.close()

    def forked(self) -> None:
        """Called in a forked child: continue from the parent's copy, under a new name."""
        self._begin()
        self.store.forked()
        for place in self._places.values():
            place.table.forked()

    def _run(self) -> None:
        while not self._wake.wait(self.heartbeat):
            self._try(list(self._places.values()), None)

    def _try(self, places: Sequence[_Place], end: float | None) -> None:
        try:
            with self._turn:
                self._exchange(places, end)
        except LostStore as error:
            if not self.lost:
                self.lost = True
                _log.warning("the shared tables are lost: %s; this process goes on from its copy", error)
        else:
            if self.lost:
                self.lost = False
                _log.warning("the shared tables are back")

    def _exchange(self, places: Sequence[_Place], end: float | None) -> None:
        """Exchange until everything is written and read, or until `end` on the timer."""
        rest = list(places)
        for _ in range(ROUNDS):
            made = [self._asked(place) for place in rest]
            replies = self.store.exchange([asked for asked, _ in made])
            rest = [
                place
                for place, (asked, keys), news in zip(rest, made, replies, strict=True)
                if self._heard(place, asked, keys, news)
            ]
            if not rest or (end is not None and self._timer() >= end):
                return

    def _asked(self, place: _Place) -> tuple[Exchange, list[tuple[str, ...] | None]]:
        read = place.generation and place.restoring is None  # otherwise all entries of the store are read first
        found = place.table.writes(BATCH, lambda: next(self._numbers)) if read else []
        writes = [each for _, each in found]
        return (
            Exchange(place.name, place.generation, place.cursor, place.table.size, self._grace, self._origin, writes),
            [key for key, _ in found],
        )

    def _heard(self, place: _Place, asked: Exchange, keys: Sequence[tuple[str, ...] | None], news: News) -> bool:
        """Process an answer; return whether to exchange again at once."""
        table = place.table
        if news.generation != place.generation:
            if place.generation:
                _log.info("the shared table %s has begun again: it is given back what this process has", place.name)
                place.restoring = {}
            place.generation = news.generation
        refused = False
        for key, (was_made, entry) in zip(keys, news.answers, strict=bool(news.answers)):
            if was_made and key is not None:
                table.made(key, entry)
            else:
                refused = True
                table.take(entry, self._origin)
        for entry in news.changed:
            if place.restoring is not None:
                place.restoring[entry.key] = entry.version
            table.take(entry, self._origin)
        place.cursor = news.cursor
        if news.more:
            return True
        if place.restoring is not None:
            self._give_back(place, table.restored(place.restoring))
            place.restoring = None
            return True
        return table.waits and not news.listening and (refused or len(asked.writes) == BATCH or not asked.writes)

    def _give_back(self, place: _Place, writes: Sequence[Write]) -> None:
        for start in range(0, len(writes), BATCH):
            part = writes[start : start + BATCH]
            asked = Exchange(place.name, place.generation, place.cursor, place.table.size, self._grace, self._origin, part)
            news = self.store.exchange([asked])[0]
            if news.generation != place.generation:
                return  # data were lost again: the next turn restores them
            for given, (was_made, entry) in zip(part, news.answers, strict=True):
                place.table.take(entry._replace(value=given.value) if was_made else entry, self._origin)
            for entry in news.changed:
                place.table.take(entry, self._origin)
            if not news.more:
                place.cursor = news.cursor
