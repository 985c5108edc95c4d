"""Where the routers of several processes share their state, as a file says it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from switchwise.config.node import Node
from switchwise.config.references import Reference, reference
from switchwise.config.values import convert
from switchwise.state.opening import opened

if TYPE_CHECKING:
    from switchwise.state.shared import SharedStore


@dataclass(frozen=True, slots=True)
class SharedState:
    """A shared store that is opened when a router is made.

    Parameters:
        address: `redis://localhost:6379/0`, the path of a SQLite file, or a reference: `env:NAME`, `file:PATH`.
        prefix, lost, allowance, heartbeat, patience, timeout: as for `switchwise.state.shared.SharedStore`.
    """

    address: str
    prefix: str = "switchwise"
    lost: Literal["closed", "open"] = "closed"
    allowance: float = 0.05
    heartbeat: float = 0.25
    patience: float = 1.0
    timeout: float = 0.5

    def open(self) -> SharedStore:
        """The store; the same one for all routers of this process that say the same.

        Raises:
            ConfigurationError: the reference leads nowhere, or the store cannot be opened.
        """
        kind, _, name = self.address.partition(":")
        address = Reference(kind, name).resolve() if kind in ("env", "file") else self.address
        given = asdict(self)
        del given["address"]
        return opened(address, **given)


def shared_state(node: Node) -> SharedState:
    """What `store = ...` says: an address, or a table with an address.

    Raises:
        Refused: it is neither, or the address has a password in it.
    """
    found: SharedState = convert(node, SharedState)
    at = Node(node.document, (*node.path, "address"), found.address) if isinstance(node.value, dict) else node
    if found.address.startswith(("env:", "file:")):
        return replace(found, address=str(reference(at)))
    if "://" in found.address and urlsplit(found.address).password:
        raise at.wrong("there is a password in this address", 'keep it elsewhere and refer to it: "env:NAME_OF_THE_VARIABLE"')
    return found
