"""What a store of leases offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from switchwise.nouns.errors import SwitchwiseError
from switchwise.state.shared.account import Holding, Reply, Report


class LostStore(SwitchwiseError):
    """The store does not answer."""


class Leases(Protocol):
    """Where accounts are kept. Each verb may be repeated after a time-out."""

    name: str
    """Identifies the store, without secrets: an address or a path."""

    def report(self, reports: Sequence[Report]) -> list[Reply]:
        """Take in reports and grant; replies in the same order. Raises `LostStore`."""

    def override(self, key: str, limit: int, milliseconds: int) -> None:
        """Let `limit` count for that long. Raises `LostStore`."""

    def holders(self, key: str) -> dict[str, Holding]:
        """Who holds what. Raises `LostStore`."""

    def forked(self) -> None:
        """Called in a forked child."""

    def close(self) -> None:
        """Release connections."""
