"""Amounts that several processes spend together: leased ahead, so that a decision waits for no network."""

from switchwise.state.shared.account import Account, Holding, Reply, Report, Rule
from switchwise.state.shared.keeper import Keeper
from switchwise.state.shared.lease import Lease
from switchwise.state.shared.protocol import Leases, LostStore
from switchwise.state.shared.redis import RedisLeases
from switchwise.state.shared.sqlite import SqliteLeases

__all__ = [
    "Account",
    "Holding",
    "Keeper",
    "Lease",
    "Leases",
    "LostStore",
    "RedisLeases",
    "Reply",
    "Report",
    "Rule",
    "SqliteLeases",
]
