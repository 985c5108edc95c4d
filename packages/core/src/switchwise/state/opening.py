"""Open shared stores by address, once per process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from switchwise.state.forking import lock

if TYPE_CHECKING:
    from switchwise.state.shared import SharedStore

_LOCK = lock()
_OPEN: dict[tuple[Any, ...], SharedStore] = {}


def opened(address: str, **options: Any) -> SharedStore:
    """Return the shared store at an address, the same one within a process.

    Parameters:
        address: `redis://host:6379/0` (Redis or Valkey), or the path of a SQLite file.
        options: options of `SharedStore`; different options give different stores.

    Raises:
        ConfigurationError: the store cannot be opened.
    """
    from switchwise.state.shared import SharedStore  # a slow import that most programs do not need

    key = (address, *sorted(item for item in options.items() if item not in SharedStore.usual().items()))
    with _LOCK:
        if key not in _OPEN:
            _OPEN[key] = SharedStore(address, **options)
        return _OPEN[key]
