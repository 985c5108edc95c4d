"""Decide which answers may be cached: none of calls with side effects, none that failed, none for which a new one is requested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from switchwise.nouns.call import Attempt
from switchwise.nouns.exchange.recording import Recording
from switchwise.nouns.exchange.reply import EndReason
from switchwise.nouns.target import Target
from switchwise.reading.tool_kinds import ToolKind, kind_of_call

Varied = Literal["never", "unsaid", "always"]

STEADY = 0.3
"""Highest temperature at which an answer counts as deterministic."""
_WITHOUT_EFFECT = frozenset([ToolKind.READ, ToolKind.LOOKUP, ToolKind.THINK, ToolKind.PROPOSE, ToolKind.COMPUTE])
_BROKEN = frozenset([EndReason.LENGTH, EndReason.REFUSAL, EndReason.ERROR])


def may_have_effects(tool: str) -> bool:
    """Return whether a tool may have side effects, by its name: unless it reads, looks up, thinks or computes.

    >>> [may_have_effects(name) for name in ("search_flights", "book_flight", "frobnicate")]
    [False, True, True]
    """
    return kind_of_call(tool) not in _WITHOUT_EFFECT


def may_be_kept(recording: Recording, target: Target, varied: Varied, effects: Callable[[str], bool]) -> bool:
    """Return whether the answer to a request may be cached."""
    if any(map(effects, recording.tools)):
        return False
    if varied == "always":
        return True
    settings = recording.settings
    if (settings.get("n") or 1) != 1:
        return False
    temperature = settings.get("temperature")
    if temperature is None:
        return varied == "unsaid" or target.can.sampling is False
    return isinstance(temperature, int | float) and temperature <= STEADY


def is_whole(attempt: Attempt, effects: Callable[[str], bool]) -> bool:
    """Return whether the reply is an accepted, complete, non-empty answer without side effects."""
    reply = attempt.reply
    if reply is None or not attempt.accepted or reply.end in _BROKEN or not (reply.text or reply.tool_calls):
        return False
    return not any(effects(name) for name, _ in reply.tool_calls)
