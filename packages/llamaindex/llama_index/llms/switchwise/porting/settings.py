"""Adapt the settings of a call to the target's integration: see `switchwise.dialects.settings`, `tool_choice` and `thinking`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage

from llama_index.llms.switchwise.models.dialect import model_of
from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.porting.history import loop_without_thinking
from switchwise.dialects.effort import with_effort
from switchwise.dialects.settings import ModelFacts, adapt
from switchwise.dialects.table import ANTHROPIC, OPENAI_CHAT, OTHER
from switchwise.dialects.thinking import OFF, must_be_off
from switchwise.dialects.tool_choice import fitting, in_chat_words, in_messages_words, neutral

_LONGEST = {"openai-chat": "max_tokens"}
_ALSO = frozenset(["stream_options", "strict"])
"""Arguments accepted by LlamaIndex's OpenAI integration for all its subclasses."""
_NONE: frozenset[str] = frozenset()


def settings_for(
    native: Native, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any], tools: int, streamed: bool, effort: str = ""
) -> dict[str, Any]:
    """The keyword arguments for one target.

    Parameters:
        native: the LLM that the call goes to.
        messages: the prompt, as the LLM is sent it.
        kwargs: the caller's settings.
        tools: how many tools are offered.
        streamed: the answer is streamed.
        effort: the level of reasoning that the target stands for; empty: whatever the LLM is set to.

    Raises:
        TargetError: the target does not support a setting.
    """
    dialect = native.dialect
    if dialect is OTHER and not kwargs and not effort:
        return {}
    openai = native.integration == "openai"
    facts = ModelFacts(
        native.name,
        thinking=getattr(native.llm, "thinking_dict", None) if dialect is ANTHROPIC else None,
        also=_ALSO if openai else _NONE,
        longest=_LONGEST.get(dialect.protocol, ""),
    )
    given = dict(kwargs)
    usage = given.get("stream_options", native.usage_option) is not None
    choice = given.pop("tool_choice", None)
    settings = dict(adapt(dialect, given, facts))
    if effort:
        settings = with_effort(dialect, model_of(native.llm), effort, settings)
    if dialect is ANTHROPIC:
        _for_anthropic(native, messages, settings, choice, tools)
    elif choice is not None:
        fits = fitting(neutral(choice)[0], dialect, tools)
        settings["tool_choice"] = in_chat_words(fits) if openai else choice
    if streamed and usage and dialect.protocol == OPENAI_CHAT.protocol and native.requests_usage:
        settings.setdefault("stream_options", {"include_usage": True})
    return settings


def _for_anthropic(native: Native, messages: Sequence[ChatMessage], settings: dict[str, Any], choice: Any, tools: int) -> None:
    if choice is not None and tools:
        wanted, alone = neutral(choice)
        parallel = bool(settings.get("allow_parallel_tool_calls")) and not alone
        settings["tool_choice"] = in_messages_words(fitting(wanted, ANTHROPIC, tools), parallel)
    if "thinking" not in settings:
        forced = (settings.get("tool_choice") or {}).get("type") in ("any", "tool")
        if must_be_off(getattr(native.llm, "thinking_dict", None), loop_without_thinking(messages), forced):
            settings["thinking"] = OFF
