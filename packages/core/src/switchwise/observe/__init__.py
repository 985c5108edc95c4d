"""Observability: the observer protocol, the journal, telemetry, the decision record, explanations."""

from typing import TYPE_CHECKING

from switchwise.lazily import lazily
from switchwise.observe.observer import Channel, Event, EventKind, Finished, Observer

if TYPE_CHECKING:
    from switchwise.observe.journal import InMemory, JsonLines, Logging, SqliteJournal
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

if not TYPE_CHECKING:
    __getattr__ = lazily(
        __name__,
        __all__,
        InMemory="journal",
        JsonLines="journal",
        Logging="journal",
        SqliteJournal="journal",
        OpenTelemetry="telemetry",
        Prometheus="telemetry",
    )
