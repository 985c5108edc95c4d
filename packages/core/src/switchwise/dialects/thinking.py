"""Decides when Anthropic's thinking must be off, on Anthropic's own API and on Bedrock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from switchwise.dialects.turn_order import ASSISTANT, TOOL

OFF = {"type": "disabled"}
"""The setting of a call that must not think."""


def must_be_off(thinking: object, began_without: bool, forced: bool) -> bool:
    """Return whether thinking must be off for a call.

    Parameters:
        thinking: Anthropic's `thinking` setting.
        began_without: the call continues a tool loop that began without thinking.
        forced: a tool must be called.

    >>> must_be_off({"type": "enabled", "budget_tokens": 1024}, True, False), must_be_off({"type": "adaptive"}, True, False)
    (True, False)
    """
    kind: Any = thinking.get("type") if isinstance(thinking, Mapping) else None
    return (kind == "enabled" and began_without) or (kind in ("enabled", "adaptive") and forced)


def began_without_thinking(turns: Iterable[tuple[str, bool]]) -> bool:
    """Return whether the last turn is a tool loop whose first answer does not begin with thinking: it cannot be switched on within a turn.

    Only the first answer counts: many models think once, and then call one tool after another. A user message after a tool result belongs to
    the loop: Anthropic reads both as one turn.

    Parameters:
        turns: (role, whether it begins with thinking; for a user: whether it holds tool results), last turn first.

    >>> began_without_thinking([("tool", False), ("assistant", False), ("user", False)])
    True
    >>> began_without_thinking([("tool", False), ("assistant", False), ("tool", False), ("assistant", True), ("user", False)])
    False
    """
    result = looping = after_answer = False
    for role, marked in turns:
        if role == ASSISTANT:
            if not looping:
                break
            result = not marked
        else:
            looping = (looping and not after_answer) or role == TOOL or marked
        after_answer = role == ASSISTANT
    return result
