"""Who watches: one observer protocol, the journal, the decision record, explanations."""

from switchwise.observe.journal import InMemory, JsonLines, Logging
from switchwise.observe.observer import Channel, Event, EventKind, Finished, Observer

__all__ = ["Channel", "Event", "EventKind", "Finished", "InMemory", "JsonLines", "Logging", "Observer"]
