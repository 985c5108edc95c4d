"""The decision as a record in `response_metadata["fairlead"]`: it travels with the message through state and checkpoints."""

from __future__ import annotations

from copy import copy
from typing import Any, TypeVar

from langchain_core.messages import AIMessage

from fairlead import Attempt, Level, Outcome

KEY = "fairlead"
LEVELS = {level: level.name.lower() for level in Level}
M = TypeVar("M", bound=AIMessage)


def stamp_of(outcome: Outcome) -> dict[str, Any]:
    """The record of a finished run: decision id, who answered, why, what was tried, and what it cost in USD."""
    call = outcome.attempt.call
    note = call.shortlist.decider
    return {
        "decision": outcome.decision,
        "target": call.target.name,
        "level": LEVELS[note.level],
        "policy": note.policy,
        "because": note.because,
        "attempts": [{"target": attempt.target.name, "result": _result(attempt)} for attempt in outcome.attempts],
        "accepted": outcome.accepted,
        "cost": outcome.cost,
    }


def stamped(message: M, outcome: Outcome) -> M:
    """A copy of `message` with the record.

    A copy, because the message may also lie in a response cache. For streams: stamp one chunk only, since merging chunks
    joins their strings.
    """
    copied = copy(message)
    copied.__dict__["response_metadata"] = {**message.response_metadata, KEY: stamp_of(outcome)}  # no need to validate ours
    return copied


def target_of(message: AIMessage) -> str:
    """The target that gave a message; empty: it carries no record."""
    record = message.response_metadata.get(KEY)
    return str(record.get("target", "")) if isinstance(record, dict) else ""


def _result(attempt: Attempt) -> str:
    if attempt.kind is not None:
        return attempt.kind.value
    return "accepted" if attempt.accepted else "rejected"
