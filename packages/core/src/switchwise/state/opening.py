"""Shared stores by their address: one of each in a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from switchwise.state.forking import lock

if TYPE_CHECKING:
    from switchwise.state.shared import SharedStore

_LOCK = lock()
_OPEN: dict[tuple[Any, ...], SharedStore] = {}


def opened(address: str, **options: Any) -> SharedStore:
    """The shared store at an address; the same one whenever a process asks for it.

    Parameters:
        address: `redis://host:6379/0` (Redis or Valkey), or the path of a SQLite file.
        options: of `SharedStore`; stores that differ in one are two.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    from switchwise.state.shared import SharedStore  # costs an import that most need not pay

    key = (address, *sorted(item for item in options.items() if item not in SharedStore.usual().items()))
    with _LOCK:
        if key not in _OPEN:
            _OPEN[key] = SharedStore(address, **options)
        return _OPEN[key]
