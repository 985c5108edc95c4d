"""The journal: one record for each attempt, and the observers that keep them."""

from switchwise.observe.journal.in_memory import InMemory
from switchwise.observe.journal.json_lines import JsonLines, read
from switchwise.observe.journal.logs import Logging, line
from switchwise.observe.journal.record import Record

__all__ = ["InMemory", "JsonLines", "Logging", "Record", "line", "read"]
