"""Which protocol a native chat model speaks: what of a history, of tools and of settings it can be sent as it is."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from langchain_core.language_models import BaseChatModel


class Dialect(StrEnum):
    """The protocol behind a native chat model."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"
    OTHER = "other"

    @classmethod
    def of(cls, model: BaseChatModel) -> Dialect:
        """The dialect of a native model, by the type that it states (`_llm_type`)."""
        kind = model._llm_type
        if kind.startswith("anthropic-chat"):
            return cls.ANTHROPIC
        if kind in ("openai-chat", "azure-openai-chat", "openai-codex-chat"):
            decides: Any = getattr(model, "_use_responses_api", None)
            return cls.OPENAI_RESPONSES if decides is not None and decides({}) else cls.OPENAI_CHAT
        return cls.OTHER


def must_think(model: BaseChatModel) -> bool:
    """Whether an Anthropic model is set to think always: in a tool loop, every answer must then begin with its thinking."""
    thinking = getattr(model, "thinking", None)
    return isinstance(thinking, dict) and thinking.get("type") == "enabled"


def responds_with_tools(model: BaseChatModel) -> bool:
    """Whether a model that speaks Chat Completions speaks Responses once tools are bound (OpenAI's from gpt-6 on)."""
    decides: Any = getattr(model, "_use_responses_api", None)
    return decides is not None and bool(decides({"tools": [{"type": "function", "function": {"name": "any"}}]}))
