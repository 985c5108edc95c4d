"""Settings of a call, as the target's LangChain client takes them: see `switchwise.dialects.settings`."""

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
    """The settings as the target takes them; the same object where nothing changes.

    Parameters:
        native: the target.
        kwargs: as the caller gave them.
        tools: tools are bound: some models then speak Responses.

    Raises:
        TargetError: it cannot do what is asked for.
    """
    if not kwargs:
        return kwargs
    facts = facts_of(native.name, native.model, native.dialect)
    return adapt(native.dialect, kwargs, facts, without=CHAT_ONLY if tools and native.responds_with_tools else _NONE)
