"""Shared stores by their address: one of each in a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from switchwise.state.forking import lock

if TYPE_CHECKING:
    from switchwise.state.shared import Keeper

_SERVERS: Final = ("redis://", "rediss://", "unix://", "valkey://", "valkeys://")
_LOCK = lock()
_OPEN: dict[str, Keeper] = {}


def opened(address: str) -> Keeper:
    """The shared store at an address; the same one whenever a process asks for it.

    Parameters:
        address: `redis://host:6379/0` (Redis or Valkey), or the path of a SQLite file.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    with _LOCK:
        if address not in _OPEN:
            from switchwise.state.shared import Keeper, RedisLeases, SqliteLeases  # costs an import that most need not pay

            _OPEN[address] = Keeper(
                RedisLeases(address.replace("valkey", "redis", 1)) if address.startswith(_SERVERS) else SqliteLeases(address)
            )
        return _OPEN[address]
