"""Record which data of the store the processes of this machine saw last, so that a new process notices a loss of data.

One empty file per name of the data, `part.name.seen`, is touched by every process after an answer of the store. A server that returns empty looks
like a new one; only these files show a new process that other data were there a moment ago.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

_TOUCH: Final = 0.25  # seconds between two touches
_KEPT: Final = 86_400.0  # seconds


class Memories:
    """The records of one store.

    Parameters:
        folder: folder of this machine's processes for the store; None: nothing is recorded.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._touched: dict[str, float] = {}

    def note(self, memory: str) -> None:
        """Record that the store has these data now."""
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
        """Return whether this part of the store had other data within the last `seconds`."""
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
