"""Detect a refusal of a target's effort: the model has other levels, so the target is treated as an unknown model."""

from __future__ import annotations

import re
from typing import Final

from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.target import Target

LEVELS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From the least to the most. A provider may have others (Groq's `default`)."""
_NAMES: Final = re.compile(r"\beffort\b|supported values|supported levels|thinking[_ ]level", re.IGNORECASE)
_LISTED: Final = re.compile(r"supported (?:values|levels)(?: are)?:? *(?P<levels>[^.]{1,200})", re.IGNORECASE)
_WORD: Final = re.compile(r"[a-z]+")
_MAY_BE = frozenset((FailureKind.UNSUPPORTED, FailureKind.BAD_REQUEST, FailureKind.NOT_ACCEPTED))


def effort_refused(failure: TargetError, target: Target) -> TargetError:
    """The failure, as one that lasts where the refusal lists other levels than the target's: `Healthy` rules the target out then.

    >>> said = "Unsupported value: 'minimal' is not supported with the 'gpt-5.6-sol' model. Supported values are: 'none', 'low'."
    >>> found = effort_refused(TargetError(FailureKind.UNSUPPORTED, said), Target("sol@minimal", model="gpt-5.6-sol", effort="minimal"))
    >>> found.kind.value, str(found)
    ('model_not_found', "gpt-5.6-sol has no effort 'minimal'; it takes none, low: leave this target out, or give it one of these")
    """
    if not target.effort or failure.kind not in _MAY_BE or failure.own_doing:
        return failure
    levels = levels_in(str(failure))
    if not levels or target.effort in levels:
        return failure
    message = f"{target.model or target.name} has no effort {target.effort!r}; it takes {', '.join(levels)}"
    found = TargetError(
        FailureKind.NOT_FOUND, f"{message}: leave this target out, or give it one of these", failure.retry_after
    )
    found.__cause__ = failure.own if failure.own is not failure else failure
    return found


def levels_in(refusal: str) -> tuple[str, ...]:
    """Levels listed in a refusal, from the least to the most; empty if it is about something else.

    >>> levels_in("Unsupported value: 'minimal' is not supported with the 'gpt-5.6-sol' model. Supported values are: 'none', 'low', and 'max'.")
    ('none', 'low', 'max')
    >>> levels_in("This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.")
    ('low', 'medium', 'high', 'max')
    >>> levels_in("Unsupported value: 'temperature' does not support 0.2 with this model.")
    ()
    """
    if not _NAMES.search(refusal) or (found := _LISTED.search(refusal)) is None:
        return ()
    named = set(_WORD.findall(found["levels"].lower()))
    return tuple(level for level in LEVELS if level in named)
