"""What the targets of a pool learn from their clients: account, default settings, further keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.target import Defaults, Pool, Target


class TargetClient(Protocol):
    """What makes the calls of a target: a client or model of an adapter. A target that is filled already serves too."""

    @property
    def account(self) -> str:
        """As in `Target`; empty if unknown."""

    @property
    def defaults(self) -> Defaults:
        """As in `Target`."""

    @property
    def key_of(self) -> str:
        """As in `Target`."""


def with_clients(pool: Pool, clients: Mapping[str, TargetClient]) -> Pool:
    """Return the pool with accounts and defaults for the targets that have none of their own, and with their further keys.

    Parameters:
        pool: the targets.
        clients: target name -> client; those of unknown names are skipped.

    >>> opus = Target("opus", account="api.anthropic.com#1f")
    >>> [target.account for target in with_clients(Pool([Target("opus"), Target("haiku")]), {"opus": opus})]
    ['api.anthropic.com#1f', '']
    """

    def filled(targets: Iterable[Target]) -> list[Target]:
        found = []
        for target in targets:
            own = clients.get(target.name, target)
            defaults = target.defaults if target.defaults != Defaults() else own.defaults
            found.append(replace(target, account=target.account or own.account, defaults=defaults))
            for name, client in clients.items():
                if client.key_of == target.name and name not in pool:
                    account, defaults = client.account, client.defaults
                    found.append(replace(target, name=name, account=account, defaults=defaults, key_of=target.name))
        return found

    return Pool(filled(pool.targets), filled(pool.asked))


def with_all_clients(pool: Pool, clients: Mapping[str, TargetClient], argument: str) -> Pool:
    """As `with_clients`, for the clients of all targets.

    Parameters:
        pool, clients: as in `with_clients`.
        argument: the adapter's name of the clients, for the message.

    Raises:
        ConfigurationError: pool and clients do not name the same targets.
    """
    found = with_clients(pool, clients)
    if strange := found.names ^ clients.keys():
        raise ConfigurationError(
            f"router= and {argument}= must name the same targets; only one of them names {', '.join(sorted(strange))}: "
            f"give {argument}= as a mapping with the names of the router's pool"
        )
    return found
