"""Who watches: one observer protocol, the journal, telemetry, the decision record, explanations."""

from switchwise.observe.journal import InMemory, JsonLines, Logging, SqliteJournal
from switchwise.observe.observer import Channel, Event, EventKind, Finished, Observer
from switchwise.observe.telemetry import OpenTelemetry, Prometheus

__all__ = [
    "Channel",
    "Event",
    "EventKind",
    "Finished",
    "InMemory",
    "JsonLines",
    "Logging",
    "Observer",
    "OpenTelemetry",
    "Prometheus",
    "SqliteJournal",
]
