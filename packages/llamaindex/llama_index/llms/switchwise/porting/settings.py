"""The settings of a call in the words of the target's integration: tool choice, thinking, and the wish to be told the usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage

from llama_index.llms.switchwise.models.dialect import Dialect
from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.porting.port import forces_no_thinking

_ANTHROPIC, _OTHER, _CHAT = Dialect.ANTHROPIC, Dialect.OTHER, Dialect.OPENAI_CHAT
_OPENAI = (Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES)
_NO_THINKING = {"type": "disabled"}
_OPENAI_ONLY = ("strict", "parallel_tool_calls", "stream_options")
_ANTHROPIC_ONLY = ("thinking", "betas")
_TO_ANTHROPIC = {"auto": "auto", "required": "any", "any": "any", "none": "none"}
_TO_OPENAI = {"any": "required"}


def settings_for(
    native: Native, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any], tools: bool, streamed: bool
) -> dict[str, Any]:
    """The keyword arguments for one target.

    Parameters:
        native: the LLM that the call goes to.
        messages: the prompt.
        kwargs: the caller's settings.
        tools: tools are offered.
        streamed: the answer is streamed.
    """
    settings = dict(kwargs)
    dialect = native.dialect
    if dialect is _ANTHROPIC:
        for name in _OPENAI_ONLY:
            settings.pop(name, None)
        _choose_anthropic(settings, tools)
        if native.thinks and "thinking" not in settings and (forces_no_thinking(messages) or _forces_a_tool(settings)):
            settings["thinking"] = _NO_THINKING
    elif dialect not in _OPENAI:
        if dialect is not _OTHER:
            for name in (*_OPENAI_ONLY, *_ANTHROPIC_ONLY):
                settings.pop(name, None)
        if settings.get("tool_choice", "") is None:
            del settings["tool_choice"]
    else:
        for name in _ANTHROPIC_ONLY:
            settings.pop(name, None)
        _choose_openai(settings)
        if streamed and dialect is _CHAT and _may_ask_for_usage(native):
            settings.setdefault("stream_options", {"include_usage": True})
    return settings


def _choose_anthropic(settings: dict[str, Any], tools: bool) -> None:
    choice = settings.get("tool_choice")
    if choice is None or not tools:
        settings.pop("tool_choice", None)
        return
    if isinstance(choice, str):
        known = _TO_ANTHROPIC.get(choice)
        choice = {"type": known} if known else {"type": "tool", "name": choice}
    elif choice.get("type") == "function":
        choice = {"type": "tool", "name": (choice.get("function") or choice)["name"]}
    if choice["type"] != "none" and not settings.get("allow_parallel_tool_calls"):
        choice = {"disable_parallel_tool_use": True, **choice}
    settings["tool_choice"] = choice


def _choose_openai(settings: dict[str, Any]) -> None:
    choice = settings.get("tool_choice")
    if isinstance(choice, str):
        settings["tool_choice"] = _TO_OPENAI.get(choice, choice)
    elif isinstance(choice, Mapping) and choice.get("type") != "function" and "type" in choice:
        kind = choice["type"]
        settings["tool_choice"] = (
            {"type": "function", "function": {"name": choice["name"]}} if kind == "tool" else _TO_OPENAI.get(kind, kind)
        )


def _forces_a_tool(settings: Mapping[str, Any]) -> bool:
    choice = settings.get("tool_choice")
    return isinstance(choice, Mapping) and choice.get("type") in ("any", "tool")


def _may_ask_for_usage(native: Native) -> bool:
    """OpenAI tells the usage of a stream only if asked; not asked of classes that merely speak like it, or against the user."""
    package = type(native.llm).__module__
    told = getattr(native.llm, "additional_kwargs", None) or {}
    return package.startswith("llama_index.llms.openai.") and "stream_options" not in told
