"""The journal: one record per attempt, and the observers that store them."""

from switchwise.observe.journal.in_memory import InMemory
from switchwise.observe.journal.json_lines import JsonLines, read
from switchwise.observe.journal.logs import Logging, line
from switchwise.observe.journal.record import Record
from switchwise.observe.journal.sqlite import SqliteJournal

__all__ = ["InMemory", "JsonLines", "Logging", "Record", "SqliteJournal", "line", "read"]
