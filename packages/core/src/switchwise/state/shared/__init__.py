"""State shared by several processes. Exact limits are leased in advance, other state is replicated: decisions never wait for the network."""

from switchwise.state.shared.account import Account, Grant, Holding, Report, SharingRule
from switchwise.state.shared.keeper import Keeper
from switchwise.state.shared.lease import Lease
from switchwise.state.shared.protocol import Leases, LostStore
from switchwise.state.shared.redis import RedisLeases
from switchwise.state.shared.sqlite import SqliteLeases
from switchwise.state.shared.store import SharedStore
from switchwise.state.shared.tables import RedisTables, SqliteTables, SyncedTables

__all__ = [
    "Account",
    "Grant",
    "Holding",
    "Keeper",
    "Lease",
    "Leases",
    "LostStore",
    "RedisLeases",
    "RedisTables",
    "Report",
    "SharedStore",
    "SharingRule",
    "SqliteLeases",
    "SqliteTables",
    "SyncedTables",
]
