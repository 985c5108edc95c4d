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


def provider_of(model: BaseChatModel) -> str:
    """The provider's name, as LangChain's tracing gives it."""
    return str(model._get_ls_params().get("ls_provider") or "")


def model_name_of(model: BaseChatModel) -> str:
    """The provider's name of the model; empty where the model does not say (a fake)."""
    return str(model._get_ls_params().get("ls_model_name") or "")


def thinks(model: BaseChatModel) -> bool:
    """Whether an Anthropic model is set to think aloud: it then demands thinking in a tool loop, and no forced tool."""
    thinking = getattr(model, "thinking", None)
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")
