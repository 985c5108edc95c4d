"""The decision record: policy, level, reason, cost, decision id, target and attempts, in JSON types.

It is created only here, and is the same everywhere: in the journal, in LangChain's `response_metadata` and run metadata, in LlamaIndex's
`additional_kwargs` and events, in `Completion.record` of the clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from switchwise.nouns.call import Attempt, Call, Outcome
from switchwise.nouns.exchange.tried import Tried
from switchwise.nouns.scope import Level

_LEVELS = [
    "",
    *(level.name.lower() for level in Level),
]  # by number: 5 times as fast as an enum look-up


def reason_of(call: Call) -> dict[str, Any]:
    """Return the record before a call: decision id, target, and the deciding level, policy and reason."""
    policy, level, because = call.shortlist.reason
    return {
        "decision": call.view.decision,
        "target": call.target.name,
        "level": _LEVELS[level],
        "policy": policy,
        "because": because,
    }


def open_record(call: Call) -> dict[str, Any]:
    """Return the record of a step whose answer is still streaming: `accepted` and `cost` are None."""
    record = reason_of(call)
    record["attempts"] = [*_tried(call.view.attempts), {"target": call.target.name, "result": "streaming"}]
    record["accepted"] = record["cost"] = None
    return record


def record_of(outcome: Outcome) -> dict[str, Any]:
    """Return the record of a finished step: `reason_of`, every attempt with its result, whether it was accepted, and the total cost in
    USD.

    >>> from switchwise import Pool, Router, Target, View, drive
    >>> from switchwise.testing import Script
    >>> run = Router(Pool([Target("opus")])).start(View())
    >>> _ = list(drive(run, Script(opus="Yes.").perform))
    >>> record_of(run.outcome)["policy"], record_of(run.outcome)["attempts"]
    ('pool', [{'target': 'opus', 'result': 'accepted'}])
    """
    record, attempts = reason_of(outcome.attempt.call), outcome.attempts
    reply = outcome.attempt.reply
    if reply is not None and (maker := reply.maker) is not None:
        record["because"] = f"{maker.name} answered in place of {record['target']}: a fallback that is not ours"
        record["target"] = maker.name
    if len(attempts) == 1 and outcome.accepted:  # the common case, as a fast path
        record["attempts"], record["accepted"] = [{"target": record["target"], "result": "accepted"}], True
        record["cost"] = outcome.attempt.cost
    else:
        record["attempts"], record["accepted"], record["cost"] = _tried(attempts), outcome.accepted, outcome.cost
    if (stored := outcome.attempt.call.stored) is not None:
        record["cache"] = stored.record
    return record


def decision_of(answer: object) -> str:
    """The decision id of what carries one; empty: it carries none.

    Parameters:
        answer: an id; a decision record; an `Outcome`, a `Completion` or a batch result; a message of LangChain; a response of LlamaIndex.

    >>> decision_of({"decision": "00000000000000ff", "target": "opus"})
    '00000000000000ff'
    """
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Mapping):
        found = answer.get("decision")
        return found if isinstance(found, str) else ""
    for holder in (answer, getattr(answer, "outcome", None)):
        if isinstance(found := getattr(holder, "decision", None), str):
            return found
    for place in ("response_metadata", "additional_kwargs"):
        metadata = getattr(answer, place, None)
        if isinstance(metadata, Mapping) and (record := metadata.get("switchwise")) is not None:
            return decision_of(record)
    return ""


def run_metadata(call: Call) -> dict[str, Any]:
    """Return the metadata of a call's trace: flat keys, `switchwise_` plus the name in the record, and the number of the attempt from 1."""
    found: dict[str, Any] = {f"switchwise_{name}": value for name, value in reason_of(call).items()}
    found["switchwise_attempt"] = len(call.view.attempts) + 1
    return found


def _tried(attempts: Sequence[Attempt | Tried]) -> list[dict[str, str]]:
    return [{"target": attempt.target.name, "result": outcome_of(attempt)} for attempt in attempts]


def outcome_of(attempt: Attempt | Tried) -> str:
    """Return the result of an attempt in a word: the kind of failure, `cancelled`, `accepted` or `rejected`."""
    if attempt.error is not None:
        return attempt.error.kind.value
    if attempt.reply is None:
        return "cancelled"  # another call of the same request was chosen
    return "accepted" if attempt.accepted else "rejected"
