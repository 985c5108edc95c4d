"""When a model that is set to think may not: Anthropic's, at home and on Bedrock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from switchwise.dialects.turn_order import ASSISTANT, TOOL

OFF = {"type": "disabled"}
"""The setting of a call that may not think."""


def must_be_off(thinking: object, began_without: bool, forced: bool) -> bool:
    """Whether thinking must be off for a call.

    Parameters:
        thinking: the setting: Anthropic's `thinking`.
        began_without: the call goes on with a tool loop that began without thinking.
        forced: a tool must be called.

    >>> must_be_off({"type": "enabled", "budget_tokens": 1024}, True, False), must_be_off({"type": "adaptive"}, True, False)
    (True, False)
    """
    kind: Any = thinking.get("type") if isinstance(thinking, Mapping) else None
    return (kind == "enabled" and began_without) or (kind in ("enabled", "adaptive") and forced)


def began_without_thinking(turns: Iterable[tuple[str, bool]]) -> bool:
    """Whether the last turn is a tool loop with an answer that does not begin with its thinking: a model that must think may not think there.

    What a user says after a tool's result belongs to the loop: Anthropic takes both as one turn.

    Parameters:
        turns: (role, it begins with its thinking, or, for a user, it holds results of tools), from the end of the conversation.

    >>> began_without_thinking([("tool", False), ("assistant", False), ("user", False)])
    True
    >>> began_without_thinking([("tool", False), ("assistant", True), ("user", False)])
    False
    """
    result = False
    for role, marked in turns:
        if role == ASSISTANT:
            if not result:
                return False
            if not marked:
                return True
            result = False
        else:
            result = result or role == TOOL or marked
    return False
