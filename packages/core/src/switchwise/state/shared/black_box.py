"""Record a process's leases in a file that outlives it, so that another process can settle for a killed one.

Each process maps one file and writes four numbers per account into it at every change; mapped pages survive a kill, not a power cut. The
file is locked while the process lives. Getting the lock proves its death, without any clock: spending and reservations count as spent,
the rest is returned, the holder is closed. A row that a kill tore apart is skipped: words are written before the first number and cleared
after the last report, so it holds nothing to settle. Only where the system has `fcntl` (not on Windows), and not on a network file system.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from switchwise.state.shared.account import FOREVER, Holding

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_ROWS: Final = 4_096
_WORDS: Final = 216  # bytes for the key and the id of the holder
_NUMBERS: Final = struct.Struct("<qqqqq")
_ROW: Final = _WORDS + _NUMBERS.size


class AccountRecord(NamedTuple):
    """The last record of one account."""

    key: str
    holder: str
    limit: int
    granted: int
    returned: int
    spent: int
    open: int

    def totals(self) -> Holding:
        """Final totals: open reservations count as spent."""
        spent = self.spent + self.open
        return Holding(self.granted, max(self.returned, self.granted - spent), spent, FOREVER, 0, True, {0: spent})


class BlackBox:
    """The file of this process, or of a dead one.

    Parameters:
        folder: folder of the boxes of this machine's processes; created if missing.
        path: an existing box; None: a new one.
    """

    def __init__(self, folder: str, path: Path | None = None) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.path = path or Path(folder) / f"{uuid.uuid4().hex}.box"
        self._file = os.open(self.path, os.O_RDWR | (0 if path else os.O_CREAT), 0o600)
        try:
            if path is None:
                self.lock()
                os.ftruncate(self._file, _ROWS * _ROW)
            self._map = mmap.mmap(self._file, _ROWS * _ROW)
        except BaseException:  # raised again
            os.close(self._file)
            raise
        self._next = 0
        self._free: list[int] = []
        self._at: dict[str, int] = {}  # holder -> where its row starts

    def lock(self) -> bool:
        """Take the lock if it is free; return whether it was."""
        if fcntl is None:
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def row(self, key: str, holder: str, limit: int) -> Callable[[int, int, int, int], None] | None:
        """Return a function that records granted, returned, spent and open amounts; None if the file is full."""
        words = f"{holder} {key}".encode()
        if len(words) > _WORDS or (not self._free and self._next >= _ROWS):
            return None
        if self._free:
            start = self._free.pop()
        else:
            start, self._next = self._next * _ROW, self._next + 1
        self._at[holder] = start
        self._map[start : start + len(words)] = words
        area, pack, at = self._map, _NUMBERS.pack_into, start + _WORDS

        def note(granted: int, returned: int, spent: int, held: int) -> None:
            if not area.closed:  # a call that ends after the store was closed
                pack(area, at, limit, granted, returned, spent, held)

        return note

    def clear(self, holder: str) -> None:
        """Free the row of a closed holder."""
        start = self._at.pop(holder, None)
        if start is not None:
            self._map[start : start + _ROW] = bytes(_ROW)
            self._free.append(start)

    def rows(self) -> Iterator[AccountRecord]:
        """The recorded accounts, without rows that were being written or cleared."""
        for start in range(0, _ROWS * _ROW, _ROW):
            words = self._map[start : start + _WORDS].rstrip(b"\0")
            if not words or b"\0" in words:
                continue
            numbers = _NUMBERS.unpack_from(self._map, start + _WORDS)
            holder, space, key = words.decode(errors="replace").partition(" ")
            if space and any(numbers):
                yield AccountRecord(key, holder, *numbers)

    def leave(self) -> None:
        """Close the file without removing it."""
        self._map.close()
        os.close(self._file)

    def remove(self) -> None:
        """Close and remove the file."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self.leave()

    @classmethod
    def dead(cls, folder: str) -> Iterator[BlackBox]:
        """The boxes of dead processes, each locked by this process."""
        for path in sorted(Path(folder).glob("*.box")):
            try:
                box = cls(folder, path)
            except (OSError, ValueError):  # removed in the meantime, just created, or no file can be opened now
                continue
            if box.lock():
                yield box
            else:
                box.leave()
