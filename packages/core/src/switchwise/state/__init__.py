"""State of policies: the store protocol and its implementations."""

from typing import TYPE_CHECKING

from switchwise.lazily import lazily

if TYPE_CHECKING:
    from switchwise.state.in_process import InProcess
    from switchwise.state.json_store import JsonStore
    from switchwise.state.store import Namespace, Store, Table

__all__ = ["InProcess", "JsonStore", "Namespace", "Store", "Table"]

if not TYPE_CHECKING:
    __getattr__ = lazily(__name__, __all__, Namespace="store", Table="store")
