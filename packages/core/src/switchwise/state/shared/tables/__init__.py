"""Tables shared by processes. Each process uses its own copy, which may be slightly out of date."""

from switchwise.state.shared.tables.protocol import Entry, Exchange, News, TableStore, Write
from switchwise.state.shared.tables.redis import RedisTables
from switchwise.state.shared.tables.sqlite import SqliteTables
from switchwise.state.shared.tables.synced_table import SyncedTable
from switchwise.state.shared.tables.syncing import SyncedTables

__all__ = ["Entry", "Exchange", "News", "RedisTables", "SqliteTables", "SyncedTable", "SyncedTables", "TableStore", "Write"]
