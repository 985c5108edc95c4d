"""Which memory of the store the processes of this machine saw last: a new process knows by it that memory was lost.

One empty file for each memory, `part.name.seen`, touched by every process that hears from the store. A server that comes back with nothing looks
like a new one; that another memory was there a moment ago is what a process that was not there yet must know.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

_TOUCH: Final = 0.25  # seconds between two touches
_KEPT: Final = 86_400.0  # seconds


class Memories:
    """The notes in one folder.

    Parameters:
        folder: of the processes of this machine, for one store; None: nothing is noted.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._touched: dict[str, float] = {}

    def note(self, memory: str) -> None:
        """The store has this memory now."""
        now = time.time()
        if self._folder is None or now - self._touched.get(memory, 0.0) < _TOUCH:
            return
        if memory not in self._touched:
            part = memory.split(".")[0]
            self._touched = {other: at for other, at in self._touched.items() if other.split(".")[0] != part}
            self._sweep(now)
        self._touched[memory] = now
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"{memory}.seen").touch()

    def other(self, memory: str, seconds: float) -> bool:
        """Whether this part of the store had another memory within so many seconds."""
        least, own = time.time() - seconds - _TOUCH, f"{memory}.seen"
        return any(path.name != own and at >= least for path, at in self._files(f"{memory.split('.')[0]}.*.seen"))

    def _sweep(self, now: float) -> None:
        for path, at in self._files("*.seen"):
            if at < now - _KEPT:
                path.unlink(missing_ok=True)

    def _files(self, pattern: str) -> list[tuple[Path, float]]:
        found = []
        for path in self._folder.glob(pattern) if self._folder is not None else ():
            with contextlib.suppress(OSError):  # swept by another process
                found.append((path, path.stat().st_mtime))
        return found
