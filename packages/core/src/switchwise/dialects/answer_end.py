"""How an answer ended, in one vocabulary; and whether a stream came to its end at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.dialects.dialect import Dialect
from switchwise.dialects.table import DIALECTS
from switchwise.nouns.exchange.reply import EndReason


def end_of(dialect: Dialect, told: Mapping[str, Any], calls: bool = False, refused: bool = False) -> EndReason:
    """Why an answer ended.

    Parameters:
        dialect: of the target.
        told: the fields of the answer that say so (`EndRules.fields`); others do no harm.
        calls: it calls tools: some APIs call that a stop.
        refused: it holds a refusal where the API has a place of its own for it.

    >>> from switchwise.dialects.table import ANTHROPIC, OPENAI_RESPONSES
    >>> end_of(ANTHROPIC, {"stop_reason": "max_tokens"}).value, end_of(OPENAI_RESPONSES, {"status": "completed"}, calls=True).value
    ('length', 'tool_calls')
    """
    if refused:
        return EndReason.REFUSAL
    for name in dialect.ends.fields:
        word = told.get(name)
        if word:
            found = reason_of(dialect, word)
            if found is EndReason.STOP and calls:
                return EndReason.TOOL_CALLS
            if found is not EndReason.UNKNOWN:
                return found
    return EndReason.UNKNOWN


def end_in_any_words(told: Mapping[str, Any], calls: bool = False) -> EndReason:
    """Why an answer ended, where it is not known whose words it uses.

    >>> end_in_any_words({"finish_reason": "COMPLETE"}).value, end_in_any_words({"stopReason": "max_tokens"}).value
    ('stop', 'length')
    """
    found = (end_of(dialect, told, calls) for dialect in DIALECTS if not told.keys().isdisjoint(dialect.ends.fields))
    return next((reason for reason in found if reason is not EndReason.UNKNOWN), EndReason.UNKNOWN)


def reason_of(dialect: Dialect, word: object) -> EndReason:
    """What one word of an API means; `UNKNOWN` for one that is new."""
    value = getattr(word, "value", word)  # SDKs may give members of an enumeration
    if isinstance(value, Mapping):  # Responses' `incomplete_details`, Gemini's `prompt_feedback`
        value = value.get("reason") or value.get("block_reason") or value.get("blockReason") or ""
    key = str(value).lower()
    found = dialect.ends.words.get(key)
    return found or dialect.ends.words.get(key.rpartition(".")[2]) or EndReason.UNKNOWN


def whole(dialect: Dialect, told: Mapping[str, Any], usage: bool = False) -> bool:
    """Whether a stream came to its end, by its marker or (where the API sends it last) by its usage.

    A whole answer needs no marker.

    Parameters:
        dialect: of the target.
        told: the fields of what the stream added up to.
        usage: it told its usage.

    >>> from switchwise.dialects.table import OPENAI_CHAT
    >>> whole(OPENAI_CHAT, {"finish_reason": "stop"}), whole(OPENAI_CHAT, {}), whole(OPENAI_CHAT, {}, usage=True)
    (True, False, True)
    """
    ends = dialect.ends
    return not ends.marked or any(told.get(name) for name in ends.fields) or (usage and ends.usage_ends)
