"""Maps the end reasons of all APIs to one vocabulary, and detects truncated streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.dialects.dialect import Dialect
from switchwise.dialects.table import DIALECTS
from switchwise.nouns.exchange.reply import EndReason

_FIELDS = frozenset(name for dialect in DIALECTS for name in dialect.ends.fields)


def end_of(dialect: Dialect, fields: Mapping[str, Any], calls: bool = False, refused: bool = False) -> EndReason:
    """Return why an answer ended.

    Parameters:
        dialect: of the target.
        fields: the fields of the answer that say why it ended (`EndRules.fields`); others are ignored.
        calls: the answer calls tools: some APIs report that as a stop.
        refused: the answer holds a refusal in the API's own field for it.

    >>> from switchwise.dialects.table import ANTHROPIC, OPENAI_RESPONSES
    >>> end_of(ANTHROPIC, {"stop_reason": "max_tokens"}).value, end_of(OPENAI_RESPONSES, {"status": "completed"}, calls=True).value
    ('length', 'tool_calls')
    """
    if refused:
        return EndReason.REFUSAL
    words = dialect.ends.words
    for name in dialect.ends.fields:
        word = fields.get(name)
        if word:
            found = words[word] if isinstance(word, str) and word in words else reason_of(dialect, word)
            if found is EndReason.STOP and calls:
                return EndReason.TOOL_CALLS
            if found is not EndReason.UNKNOWN:
                return found
    return EndReason.UNKNOWN


def end_of_any(fields: Mapping[str, Any], calls: bool = False) -> EndReason:
    """Return why an answer ended, for an answer of an unknown API.

    >>> end_of_any({"finish_reason": "COMPLETE"}).value, end_of_any({"stopReason": "max_tokens"}).value
    ('stop', 'length')
    """
    if _FIELDS.isdisjoint(fields):
        return EndReason.UNKNOWN
    found = (end_of(dialect, fields, calls) for dialect in DIALECTS if not fields.keys().isdisjoint(dialect.ends.fields))
    return next((reason for reason in found if reason is not EndReason.UNKNOWN), EndReason.UNKNOWN)


def reason_of(dialect: Dialect, word: object) -> EndReason:
    """Map one value of an API to a neutral reason; `UNKNOWN` for a new one."""
    value = getattr(word, "value", word)  # SDKs may return members of an enumeration
    if isinstance(value, Mapping):  # Responses' `incomplete_details`, Gemini's `prompt_feedback`
        value = value.get("reason") or value.get("block_reason") or value.get("blockReason") or ""
    key = str(value).lower()
    found = dialect.ends.words.get(key)
    return found or dialect.ends.words.get(key.rpartition(".")[2]) or EndReason.UNKNOWN


def whole(dialect: Dialect, fields: Mapping[str, Any], usage: bool = False) -> bool:
    """Return whether a stream is complete: by its end marker or, where the API sends usage last, by its usage.

    An answer that was not streamed needs no marker.

    Parameters:
        dialect: of the target.
        fields: the fields of the collected stream.
        usage: the stream reported its usage.

    >>> from switchwise.dialects.table import OPENAI_CHAT
    >>> whole(OPENAI_CHAT, {"finish_reason": "stop"}), whole(OPENAI_CHAT, {}), whole(OPENAI_CHAT, {}, usage=True)
    (True, False, True)
    """
    ends = dialect.ends
    return not ends.marked or any(fields.get(name) for name in ends.fields) or (usage and ends.usage_ends)
