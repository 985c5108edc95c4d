"""Replace after a fork what a child must not share with its parent: held locks, random numbers, connections.

A fork copies memory and one thread. A lock held by another thread would stay locked in the child forever, so every lock here is new after
a fork. Guarded data may be in the middle of a change then; each change here is one dictionary operation, so that at worst a counter
misses one.

Source: `os.register_at_fork`; the standard library re-creates its own locks in the same way (`threading`, `concurrent.futures`).
"""

from __future__ import annotations

import os
import random
import threading
from functools import partial
from typing import Any, Protocol
from weakref import WeakSet


class Forks(Protocol):
    """An object with parts that a child must not share."""

    def forked(self) -> None:
        """Called in a child process just after the fork."""


_LOCKS: WeakSet[Any] = WeakSet()
_OWNERS: WeakSet[Any] = WeakSet()


def lock() -> threading.Lock:
    """Return a lock that is new in a forked child."""
    made = threading.Lock()
    _LOCKS.add(made)
    return made


def rlock() -> threading.RLock:
    """Return a reentrant lock that is new in a forked child."""
    made = threading.RLock()
    _LOCKS.add(made)
    return made


def on_fork(owner: Forks) -> None:
    """Call `forked` of an object in forked children, as long as the object exists."""
    _OWNERS.add(owner)


class Draws:
    """Random bits that differ between a process and its children, so that decision ids are unique.

    Parameters:
        rng: source of the bits.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.bits = partial(rng.getrandbits, 64)
        """Draws 64 of them."""
        on_fork(self)

    def forked(self) -> None:
        """Reseed, so that the child differs from its parent."""
        self._rng.seed(self._rng.getrandbits(64) ^ int.from_bytes(os.urandom(8), "big"))


def _forked() -> None:
    for made in list(_LOCKS):
        made._at_fork_reinit()
    for owner in list(_OWNERS):
        owner.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
