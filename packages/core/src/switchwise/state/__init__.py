"""Where memory lives: the store protocol and its implementations."""

from switchwise.state.in_process import InProcess
from switchwise.state.json_store import JsonStore
from switchwise.state.store import Namespace, Store, Table

__all__ = ["InProcess", "JsonStore", "Namespace", "Store", "Table"]
