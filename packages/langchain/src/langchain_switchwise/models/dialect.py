"""Which protocol a native chat model speaks: what of a history, of tools and of settings it can be sent as it is."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from langchain_core.language_models import BaseChatModel


class Dialect(StrEnum):
    """The protocol behind a native chat model.

    `CHAT` is Chat Completions as providers other than OpenAI speak it, by LangChain's integrations for them.
    """

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"
    CHAT = "chat-completions"
    MISTRAL = "mistral"
    GEMINI = "gemini"
    BEDROCK = "bedrock-converse"
    OLLAMA = "ollama"
    COHERE = "cohere"
    OTHER = "other"

    @classmethod
    def of(cls, model: BaseChatModel) -> Dialect:
        """The dialect of a native model, by the type that it states (`_llm_type`), else by whether it is built on OpenAI's."""
        kind = model._llm_type
        if kind.startswith("anthropic"):  # at home, on Bedrock, on Vertex
            return cls.ANTHROPIC
        if kind == "amazon_bedrock_chat":
            return _on_bedrock(model)
        if kind in _KINDS:
            return cls(_KINDS[kind])
        bases = {base.__name__ for base in type(model).__mro__}
        openai = kind in _OPENAI or not bases.isdisjoint(_OPENAIS)
        if openai or "BaseChatOpenAI" in bases:
            decides: Any = getattr(model, "_use_responses_api", None)
            if decides is not None and decides({}):
                return cls.OPENAI_RESPONSES
            return cls.OPENAI_CHAT if openai else cls.CHAT
        return cls.OTHER


FIELDS = "additional_model_request_fields"
"""Where Converse is told what one model alone knows."""
_OPENAI = ("openai-chat", "azure-openai-chat", "openai-codex-chat")
_OPENAIS = ("ChatOpenAI", "AzureChatOpenAI")
"""Classes of OpenAI's own, of which yours may be made; other providers' are made of their base."""
_KINDS = {
    "amazon_bedrock_converse_chat": "bedrock-converse",
    "chat-google-generative-ai": "gemini",
    "chat-nvidia-ai-playground": "chat-completions",
    "chat-ollama": "ollama",
    "cohere-chat": "cohere",
    "fireworks-chat": "chat-completions",
    "groq-chat": "chat-completions",
    "huggingface-chat-wrapper": "chat-completions",
    "litellm-chat": "chat-completions",
    "mistralai-chat": "mistral",
    "openrouter-chat": "chat-completions",
    "perplexitychat": "chat-completions",
    "vertexai": "gemini",
}


def _on_bedrock(model: Any) -> Dialect:
    """What `ChatBedrock` speaks: Converse, where it is told to, else whatever its model does."""
    if getattr(model, "beta_use_converse_api", False):
        return Dialect.BEDROCK
    named = f"{getattr(model, 'model_id', '')} {getattr(model, 'base_model_id', '')} {getattr(model, 'provider', '')}"
    return Dialect.ANTHROPIC if "anthropic" in named else Dialect.OTHER


def must_think(model: BaseChatModel) -> bool:
    """Whether an Anthropic model is set to think always: in a tool loop, every answer must then begin with its thinking."""
    thinking = getattr(model, "thinking", None) or (getattr(model, FIELDS, None) or {}).get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") == "enabled"


def thoughtless(model: BaseChatModel) -> BaseChatModel:
    """A model of which `must_think` holds, with its thinking switched off."""
    fields = getattr(model, FIELDS, None)
    if fields is None:
        return model.model_copy(update={"thinking": None})
    return model.model_copy(update={FIELDS: {name: value for name, value in fields.items() if name != "thinking"} or None})


def responds_with_tools(model: BaseChatModel) -> bool:
    """Whether a model that speaks Chat Completions speaks Responses once tools are bound (OpenAI's from gpt-6 on)."""
    decides: Any = getattr(model, "_use_responses_api", None)
    return decides is not None and bool(decides({"tools": [{"type": "function", "function": {"name": "any"}}]}))
