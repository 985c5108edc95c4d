"""What a forked process must not share with its parent: locks that another thread holds there, draws, connections.

A fork copies memory and one thread. A lock that another thread held stays locked in the child for good, so every lock here is new after a fork.
What it guards may be in the middle of a change then; each change here is one step of a dictionary, so that a counter may miss one at worst.

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
    """It has something that a child must not share."""

    def forked(self) -> None:
        """This process is a child that was just forked."""


_LOCKS: WeakSet[Any] = WeakSet()
_OWNERS: WeakSet[Any] = WeakSet()


def lock() -> threading.Lock:
    """A lock that is open in a forked child."""
    made = threading.Lock()
    _LOCKS.add(made)
    return made


def rlock() -> threading.RLock:
    """A lock that lets its own thread in again, and is open in a forked child."""
    made = threading.RLock()
    _LOCKS.add(made)
    return made


def on_fork(owner: Forks) -> None:
    """Tell an object when its process was forked, as long as it lives."""
    _OWNERS.add(owner)


class Draws:
    """Random bits that differ between a process and its children: decision ids are unique.

    Parameters:
        rng: draws them.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.bits = partial(rng.getrandbits, 64)
        """Draws 64 of them."""
        on_fork(self)

    def forked(self) -> None:
        """Go on differently from the parent."""
        self._rng.seed(self._rng.getrandbits(64) ^ int.from_bytes(os.urandom(8), "big"))


def _forked() -> None:
    for made in list(_LOCKS):
        made._at_fork_reinit()
    for owner in list(_OWNERS):
        owner.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
