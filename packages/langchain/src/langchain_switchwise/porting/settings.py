"""Adapt settings of a call to the target's LangChain client: see `switchwise.dialects.settings`."""

from __future__ import annotations

from typing import Any

from langchain_switchwise.models.dialect import facts_of
from langchain_switchwise.models.native import Native
from switchwise.dialects.effort import with_effort
from switchwise.dialects.settings import CHAT_ONLY, adapt

_NONE: frozenset[str] = frozenset()


def at_effort(native: Native, level: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Settings that are the target's own words already, with the effort that the target stands for."""
    return with_effort(native.dialect, native.model_name, level, kwargs)


def settings(native: Native, kwargs: dict[str, Any], tools: bool = False) -> dict[str, Any]:
    """Adapt settings to the target; the same object if nothing changes.

    Parameters:
        native: the target.
        kwargs: the caller's settings.
        tools: whether tools are bound: some models then use the Responses API.

    Raises:
        TargetError: the target does not support a setting.
    """
    if not kwargs:
        return kwargs
    facts = facts_of(native.name, native.model, native.dialect)
    return adapt(native.dialect, kwargs, facts, without=CHAT_ONLY if tools and native.responds_with_tools else _NONE)
