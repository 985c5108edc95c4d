"""A progress bar: in a terminal with rich, in a notebook as HTML, else none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from switchwise.display.html import el, joined

Part = TypeVar("Part")
ProgressCallback = Callable[[int, int], object]
"""Called with the numbers of finished and of all parts."""

_WATCH: ContextVar[ProgressCallback | None] = ContextVar("switchwise_watch", default=None)


class ProgressBar:
    """Progress bar; the base class shows nothing."""

    def __call__(self, words: str = "", *, done: int | None = None, total: int | None = None) -> None:
        """Update the bar.

        Parameters:
            words: description; empty: unchanged.
            done, total: parts of the work; None: unchanged.
        """


class _InTerminal(ProgressBar):
    def __init__(self, shown: Any, task: Any) -> None:
        self._shown, self._task = shown, task

    def __call__(self, words: str = "", *, done: int | None = None, total: int | None = None) -> None:
        given = {"description": words or None, "completed": done, "total": total}
        self._shown.update(self._task, **{name: value for name, value in given.items() if value is not None})


class _InNotebook(ProgressBar):
    def __init__(self, handle: Any, words: str, total: int | None) -> None:
        self._handle, self._words, self._done, self._total = handle, words, 0, total

    def __call__(self, words: str = "", *, done: int | None = None, total: int | None = None) -> None:
        self._words = words or self._words
        self._done = self._done if done is None else done
        self._total = self._total if total is None else total
        self._handle.update(self.data(), raw=True)

    def data(self) -> dict[str, str]:
        """As text and HTML."""
        bar = el("progress", value=self._done if self._total else None, max=self._total)
        parts = f"{self._words} {self._done}/{self._total}" if self._total else self._words
        return {"text/plain": parts, "text/html": joined([bar, " ", parts])}


@contextmanager
def progress_bar(words: str, total: int | None = None) -> Iterator[ProgressBar]:
    """Show progress during the block; the bar disappears at the end.

    Parameters:
        words: description. total: number of parts; None: unknown.
    """
    if (handle := _notebook()) is not None:
        shown = _InNotebook(handle, words, total)
        handle.display(shown.data(), raw=True)
        try:
            yield shown
        finally:
            handle.update({"text/plain": ""}, raw=True)
        return
    made = _rich() if sys.stderr is not None and sys.stderr.isatty() else None
    if made is None:
        yield ProgressBar()
        return
    with made as bar:
        yield _InTerminal(bar, bar.add_task(words, total=total))


def _rich() -> Any:
    """A bar of rich on the error stream; None: it is not installed, or another one is shown."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    except ModuleNotFoundError:
        return None
    console = Console(stderr=True, highlight=False)
    words = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), words, BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, redirect_stdout=False)  # what a program prints is not ours


def _notebook() -> Any:
    """A place for output that can be changed later; None: this is not a notebook."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return ipython.display.DisplayHandle()


@contextmanager
def watched(watch: ProgressCallback) -> Iterator[None]:
    """Let `watch` see the progress of all work of this context, until the block ends."""
    before = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(before)


def counted(parts: Iterable[Part], total: int) -> list[Part]:
    """Yield the parts, counting each one as it is produced.

    >>> with watched(print):
    ...     counted((number * 2 for number in (1, 2)), total=2)
    0 2
    1 2
    2 2
    [2, 4]
    """
    watch = _WATCH.get()
    if watch is None:
        return list(parts)
    watch(0, total)
    found = []
    for part in parts:
        found.append(part)
        watch(len(found), total)
    return found
