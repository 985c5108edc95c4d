"""The journal: one record for each attempt, and the sinks that keep them. A sink is any function of an `Attempt`."""

from fairlead.journal.in_memory import InMemory
from fairlead.journal.json_lines import JsonLines, read
from fairlead.journal.logs import Logging, line
from fairlead.journal.record import Record

__all__ = ["InMemory", "JsonLines", "Logging", "Record", "line", "read"]
