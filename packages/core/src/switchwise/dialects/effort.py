"""Writes a reasoning effort in the setting of the API that receives it.

| API | setting |
|---|---|
| Chat Completions and compatible servers | `reasoning_effort` |
| Responses | `reasoning.effort`; other keys of `reasoning` are kept |
| Messages | `output_config.effort`; other keys are kept; models without it: `thinking` with a budget |
| Gemini | `thinking_level`; 2.5: `thinking_budget` |

Lists of the levels that a model supports disagree with each other and with the APIs. So a level is sent as given, and the refusal that lists the
supported levels is believed (`switchwise.failures.effort`).

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
"""Thinking budget in tokens per level, for models that accept only a budget."""
_BUDGETED = re.compile(r"claude-(?:3|(?:haiku|sonnet)-4|opus-4(?!-[5-9]))(?:[-.]|$)|claude-(?:haiku|sonnet)-4-5")
_UPDATED = re.compile(r"gpt-(?:[6-9]|\d\d)")
_IN_PLACE = ("claude-fable-5-1", "claude-mythos-5-1", "claude-opus-5", "claude-sonnet-5-5")
_EFFORT_AGAIN = re.compile(r"claude-(?:sonnet|haiku)-4-[6-9]")
_GEMINIS = ("reasoning_effort", "thinking_budget", "thinking_level")


def with_effort(dialect: Dialect, model: str, level: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a call, in the API's own names, with this effort; an effort that they already hold is replaced.

    Parameters:
        dialect: of the target.
        model: the provider's model id.
        level: such as `low`.
        settings: of the call, already in the API's own names.

    Raises:
        ConfigurationError: no setting for effort is known for this API.

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
        rest = {name: value for name, value in rest.items() if name not in _GEMINIS}  # it refuses two of them together
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


def effort_in_place(dialect: Dialect, model: str, level: str) -> dict[str, Any] | None:
    """A turn of the conversation that changes the effort from there on, and leaves what is cached before it as it is; None: there is none.

    It stays where it is for ever: a later request repeats it at the same place, and leaves the effort at the top level as it was. With
    Anthropic it counts from the next turn with new input of the user on, not inside a loop of tools, and the request needs the beta header
    `mid-conversation-output-config-2026-07-01`.

    Parameters:
        dialect: of the target; Responses of OpenAI from GPT-6 on, and Messages of some models of Anthropic have it.
        model: its provider's name of the model.
        level: such as `low`.

    >>> from switchwise.dialects.table import ANTHROPIC, OPENAI_CHAT, OPENAI_RESPONSES
    >>> effort_in_place(OPENAI_RESPONSES, "gpt-6-sol", "high")
    {'type': 'configuration_update', 'reasoning': {'effort': 'high'}}
    >>> effort_in_place(ANTHROPIC, "claude-opus-5-5", "low")
    {'role': 'system', 'content': [], 'output_config': {'effort': 'low'}}
    >>> effort_in_place(OPENAI_CHAT, "gpt-6-sol", "high"), effort_in_place(ANTHROPIC, "claude-opus-4-8", "low")
    (None, None)
    """
    if dialect.settings.nested_effort and _UPDATED.match(model):
        return {"type": "configuration_update", "reasoning": {"effort": level}}
    if dialect.protocol == "anthropic" and model.startswith(_IN_PLACE):
        return {"role": "system", "content": [], "output_config": {"effort": level}}
    return None


def _budgeted(model: str) -> bool:
    name = model.lower().rsplit("/", 1)[-1].rsplit("anthropic.", 1)[-1].replace(".", "-")
    return bool(_BUDGETED.match(name)) and not _EFFORT_AGAIN.match(name)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
