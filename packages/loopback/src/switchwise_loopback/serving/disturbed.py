"""Apply a fault to a stream: some events pass, the rest is replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .faults import Fault, Injected

PING = 0.02
"""Seconds between two pings."""


class Cut(Exception):
    """Inside a stream: end it cleanly now, without the terminal marker."""


class Reset(Exception):
    """Reset the connection now."""


@dataclass
class Stall(Exception):
    """Send nothing for `seconds`, then reset the connection."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its bytes, whether it carries content of the answer, whether it belongs to its end, and the seconds before it."""

    data: bytes
    content: bool = False
    closing: bool = False
    after: float = 0.0


def disturb(events: Iterator[Event], injected: Injected, failures: Mapping[Fault, tuple[Event, ...]]) -> Iterator[Event]:
    """`events` as the fault lets them pass.

    `failures` holds, per fault, the events that a protocol sends instead of the rest of the stream.
    """
    fault = injected.fault
    if fault is Fault.STREAM_ERROR_FIRST:
        yield from failures[fault]
        return
    if fault is Fault.PINGS:
        yield from _pings(injected.seconds)
        raise Reset
    passed = 0
    for event in events:
        if event.closing or (event.content and fault is Fault.STREAM_QUOTA):
            break
        yield event
        passed += event.content
        if passed >= injected.after:
            break
    if fault in failures:
        yield from failures[fault]
    elif fault is Fault.STREAM_CUT:
        raise Cut
    elif fault is Fault.PINGS_MID_STREAM:
        yield from _pings(injected.seconds)
        raise Reset
    elif fault is Fault.STALL_MID_STREAM:
        raise Stall(injected.seconds)
    else:
        raise Reset


def _pings(seconds: float) -> Iterator[Event]:
    """Comments, as gateways send them, for `seconds`; both SDKs skip them."""
    for _ in range(max(1, round(seconds / PING))):
        yield Event(b": ping\n\n", after=PING)
