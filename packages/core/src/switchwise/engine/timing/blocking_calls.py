"""Blocking calls with limits, made in a separate thread so that the caller need not wait for them.

Rules:
1. A thread in a system call cannot be cancelled. So the caller waits for the thread, and continues when the time is up.
2. The thread is then woken: the socket in its frames is shut down, so that reading ends, even if a server only keeps a stream alive.
   Without a socket (it sleeps or computes) the thread is abandoned, as a daemon.
3. Results of an abandoned thread are discarded.
4. It runs in a copy of the caller's context, and one item ahead of its reader at most.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from types import FrameType
from typing import Any

from switchwise.engine.timing.time_limits import CALL_TIMER, CallLimits, CallTimer

_SOCKET_USERS = ("httpcore", "http.client", "socket", "ssl", "urllib3")
"""Modules whose innermost frames hold the socket that a blocked thread waits for."""
_DEPTH = 6
_TRIES, _PAUSE, _DOUBLINGS = 10, 0.002, 11
_END: Any = object()


def bounded(make: Callable[[], Iterator[Any]], allowed: CallLimits) -> Iterator[Any]:
    """Yield the items of a blocking call, within its limits.

    Parameters:
        make: starts the call.
        allowed: its limits.

    Raises:
        TargetError: the call exceeds a limit.
    """
    watch = CallTimer(allowed)
    if allowed.total is not None and allowed.total <= 0:
        watch.over()
    relay = _Relay(make, watch)
    try:
        while (item := relay.take()) is not _END:
            yield item
    finally:
        relay.leave()


class _Relay:
    """Make a blocking call in a separate thread, one item ahead of its reader."""

    def __init__(self, make: Callable[[], Iterator[Any]], watch: CallTimer) -> None:
        self._make, self._watch = make, watch
        self._changed = threading.Condition()
        self._items: list[Any] = []
        self._over: list[BaseException | None] = []
        self._left = False
        watch.moved = self._nudge
        context = copy_context()
        context.run(CALL_TIMER.set, watch)
        self.thread = threading.Thread(target=context.run, args=(self._pump,), daemon=True, name="switchwise call")
        self.thread.start()

    def take(self) -> Any:
        """Return the next item, or `_END`.

        Raises:
            TargetError: the call exceeds a limit.
            BaseException: raised by the call.
        """
        with self._changed:
            left = self._watch.wait()
            while not self._items and not self._over:
                if left is not None and left <= 0:
                    self._watch.over()
                self._changed.wait(left)
                left = self._watch.left
            if self._items:
                self._changed.notify_all()
                return self._items.pop()
        (error,) = self._over
        if error is not None:
            raise error
        return _END

    def leave(self) -> None:
        """Stop reading."""
        with self._changed:
            self._left = True
            self._changed.notify_all()
        for _ in range(_TRIES):
            if self._over or not self.thread.is_alive() or wake(self.thread):
                return
            time.sleep(_PAUSE)  # it may be between two reads

    def _nudge(self, left: float) -> None:  # noqa: ARG002  (its reader asks for himself)
        with self._changed:
            self._changed.notify_all()

    def _pump(self) -> None:
        items: Any = None
        error: BaseException | None = None
        try:
            items = self._make()
            for item in items:
                with self._changed:
                    self._items.append(item)
                    self._changed.notify_all()
                    while self._items and not self._left:
                        self._changed.wait()
                if self._left:
                    break
        except BaseException as raised:  # noqa: BLE001  (raised where the answer is read)
            error = raised
        if (close := getattr(items, "close", None)) is not None:
            with suppress(Exception):  # it would not be seen
                close()
        with self._changed:
            self._over.append(error)
            self._changed.notify_all()


def wake(thread: threading.Thread) -> bool:
    """Shut down the socket in a thread's frames, if there is one, so that its read and the thread end; return whether there was one.

    A thread that waits for another one in `bounded` has its socket there.
    """
    frame = sys._current_frames().get(thread.ident or 0)
    for _ in range(_DEPTH):
        if frame is None:
            return False
        if (found := _socket_in(frame)) is not None:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(found, socket.SHUT_RDWR)
            return True
        if isinstance(relay := frame.f_locals.get("self"), _Relay) and getattr(relay, "thread", thread) is not thread:
            return wake(relay.thread)
        frame = frame.f_back
    return False


def wake_soon(threads: list[threading.Thread]) -> None:
    """Wake threads that have not begun to wait for their sockets yet, in the next seconds, without waiting for that here."""

    def watch(left: list[threading.Thread]) -> None:
        for doubling in range(_DOUBLINGS):
            time.sleep(_PAUSE * 2**doubling)
            if not (left := [thread for thread in left if thread.is_alive() and not wake(thread)]):
                return

    threading.Thread(target=watch, args=(threads,), daemon=True, name="switchwise cancel").start()


def _socket_in(frame: FrameType) -> socket.socket | None:
    module = str(frame.f_globals.get("__name__") or "")
    if not module.startswith(_SOCKET_USERS):
        return None
    for value in list(frame.f_locals.values()):
        held = value if isinstance(value, socket.socket) else getattr(value, "_sock", None)
        if isinstance(held, socket.socket):
            return held
    return None
