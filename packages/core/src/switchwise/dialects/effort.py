"""Reasoning effort, in the words of the API that takes it; and what an API says of the levels that a model has.

| API | setting |
|---|---|
| Chat Completions and whoever speaks it | `reasoning_effort` |
| Responses | `reasoning.effort`, beside what else `reasoning` says |
| Messages | `output_config.effort`, beside what else `output_config` says; models without it: `thinking` with a budget |
| Gemini | `thinking_level`; 2.5: `thinking_budget` |

Which levels a model has is a claim of whoever lists them: the lists of frameworks and the APIs disagree. So a level goes out as it is, and the refusal
that lists the supported ones is believed (`switchwise.failures.effort`).

Source: the reference pages of the providers and the parameters of their SDKs, as of 2026-11; docs/guide/effort.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from switchwise.dialects.dialect import Dialect
from switchwise.nouns.errors import ConfigurationError

BUDGETS: Final[Mapping[str, int]] = {
    "minimal": 1_024,
    "low": 1_024,
    "medium": 4_096,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_000,
}
"""Tokens of thinking that stand for a level where a model takes a budget only."""
_BUDGETED = re.compile(r"claude-(?:3|(?:haiku|sonnet)-4|opus-4(?!-[5-9]))(?:[-.]|$)|claude-(?:haiku|sonnet)-4-5")
_EFFORT_AGAIN = re.compile(r"claude-(?:sonnet|haiku)-4-[6-9]")


def with_effort(dialect: Dialect, model: str, level: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a call, in the API's own words, that ask for this level; whatever they said of it before gives way.

    Parameters:
        dialect: of the target.
        model: its provider's name of the model.
        level: such as `low`.
        settings: of the call, already in that API's words.

    Raises:
        ConfigurationError: nobody knows how this API is told.

    >>> from switchwise.dialects.table import ANTHROPIC, OPENAI_CHAT, OPENAI_RESPONSES
    >>> with_effort(OPENAI_CHAT, "gpt-5", "low", {"seed": 1})
    {'seed': 1, 'reasoning_effort': 'low'}
    >>> with_effort(OPENAI_RESPONSES, "gpt-6-sol", "low", {"reasoning": {"summary": "auto"}})
    {'reasoning': {'summary': 'auto', 'effort': 'low'}}
    >>> with_effort(ANTHROPIC, "claude-opus-5", "max", {}), with_effort(ANTHROPIC, "claude-haiku-4-5", "low", {})
    ({'output_config': {'effort': 'max'}}, {'thinking': {'type': 'enabled', 'budget_tokens': 1024}})
    """
    rest = dict(settings)
    if dialect.settings.nested_effort:
        rest.pop("reasoning_effort", None)
        return {**rest, "reasoning": {**_mapping(rest.get("reasoning")), "effort": level}}
    if dialect.protocol == "anthropic":
        if _budgeted(model):
            thinking = (
                {"type": "disabled"} if level == "none" else {"type": "enabled", "budget_tokens": BUDGETS.get(level, 4_096)}
            )
            return {**rest, "thinking": thinking}
        return {**rest, "output_config": {**_mapping(rest.get("output_config")), "effort": level}}
    if dialect.name == "gemini":
        if "gemini-2" in model:
            return {**rest, "thinking_budget": 0 if level == "none" else BUDGETS.get(level, -1)}
        return {**rest, "thinking_level": level}
    if "reasoning_effort" in dialect.settings.takes:
        rest.pop("reasoning", None)
        return {**rest, "reasoning_effort": level}
    raise ConfigurationError(
        f"effort {level!r} for {model or 'a model'}: {dialect.title or dialect.name} has no setting for it that is known here; "
        "set it on the model itself, and give the target no effort"
    )


def _budgeted(model: str) -> bool:
    name = model.lower().rsplit("/", 1)[-1].rsplit("anthropic.", 1)[-1].replace(".", "-")
    return bool(_BUDGETED.match(name)) and not _EFFORT_AGAIN.match(name)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
