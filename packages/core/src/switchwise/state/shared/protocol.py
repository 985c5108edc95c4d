"""Protocol of lease stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from switchwise.nouns.errors import SwitchwiseError
from switchwise.state.shared.account import Grant, Holding, Report


class LostStore(SwitchwiseError):
    """Raised if the store does not respond."""


class Leases(Protocol):
    """A store of accounts. Each method may be repeated after a time-out."""

    name: str
    """Identifies the store, without secrets: an address or a path."""

    def report(self, reports: Sequence[Report]) -> list[Grant]:
        """Process reports; return grants in the same order. Raises `LostStore`."""

    def override(self, key: str, limit: int, milliseconds: int) -> None:
        """Replace the limit for that time. Raises `LostStore`."""

    def holders(self, key: str) -> dict[str, Holding]:
        """The holders of an account. Raises `LostStore`."""

    def forked(self) -> None:
        """Called in a forked child."""

    def close(self) -> None:
        """Release connections."""
