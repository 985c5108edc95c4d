"""Map a native chat model to its row of `switchwise.dialects`, and describe how its client differs from the API."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel

from switchwise.dialects import Dialect, by_name
from switchwise.dialects.settings import ModelFacts
from switchwise.dialects.table import ANTHROPIC, AZURE, BEDROCK, CHAT, OPENAI_CHAT, OPENAI_RESPONSES, OTHER

FIELDS = "additional_model_request_fields"
"""Converse's field for model-specific settings."""
_OPENAI = ("openai-chat", "azure-openai-chat", "openai-codex-chat")
_OPENAIS = ("ChatOpenAI", "AzureChatOpenAI")
"""OpenAI's own classes and so their subclasses; other providers' classes inherit from their base."""
_KINDS = {
    "amazon_bedrock_converse_chat": "bedrock-converse",
    "chat-google-generative-ai": "gemini",
    "chat-nvidia-ai-playground": "nvidia",
    "chat-ollama": "ollama",
    "cohere-chat": "cohere",
    "fireworks-chat": "fireworks",
    "groq-chat": "groq",
    "huggingface-chat-wrapper": "chat-completions",
    "litellm-chat": "chat-completions",
    "mistralai-chat": "mistral",
    "openrouter-chat": "openrouter",
    "perplexitychat": "chat-completions",
    "vertexai": "gemini",
}
_ON_OPENAIS_BASE = {"chat-deepseek": "deepseek", "xai-chat": "xai", "together-chat": "together", "cerebras-chat": "cerebras"}
_MAKERS = {
    "anthropic": by_name("anthropic"),
    "bedrock_converse": by_name("bedrock-converse"),
    "deepseek": by_name("deepseek"),
    "fireworks": by_name("fireworks"),
    "google_genai": by_name("gemini"),
    "groq": by_name("groq"),
    "mistralai": by_name("mistral"),
    "ollama": by_name("ollama"),
    "openrouter": by_name("openrouter"),
    "xai": by_name("xai"),
}
"""`model_provider` of an answer -> its row, if that determines how its streams end (integrations of 2026-11)."""
_OLLAMAS_OPTIONS = """mirostat mirostat_eta mirostat_tau num_ctx num_gpu num_predict num_thread repeat_last_n repeat_penalty seed stop temperature
tfs_z top_k top_p""".split()
_EVERYWHERE = frozenset(["strict"])
_ALSO = {"anthropic": _EVERYWHERE | {"reasoning_effort", "parallel_tool_calls"}}
_LONGEST = {"openai-chat": "max_tokens", "openai-responses": "*"}
"""Settings that LangChain's clients translate themselves."""


def dialect_of(model: BaseChatModel) -> Dialect:
    """The row of a native model, by its `_llm_type`, else by whether it inherits from OpenAI's."""
    kind = model._llm_type
    if kind.startswith("anthropic"):  # Anthropic's API, Bedrock, Vertex
        return ANTHROPIC
    if kind == "amazon_bedrock_chat":
        return _on_bedrock(model)
    if kind in _KINDS:
        return by_name(_KINDS[kind])
    bases = {base.__name__ for base in type(model).__mro__}
    openai = kind in _OPENAI or not bases.isdisjoint(_OPENAIS)
    if openai or "BaseChatOpenAI" in bases:
        decides: Any = getattr(model, "_use_responses_api", None)
        if decides is not None and decides({}):
            return OPENAI_RESPONSES
        azure = kind == "azure-openai-chat" or "AzureChatOpenAI" in bases
        return AZURE if azure else OPENAI_CHAT if openai else by_name(_ON_OPENAIS_BASE.get(kind, CHAT.name))
    return OTHER


def dialect_of_maker(maker: str, metadata: dict[str, Any]) -> Dialect:
    """The row of an answer's maker, by its metadata; `OTHER` if its end markers are unknown.

    Parameters:
        maker: `model_provider` of its metadata.
        metadata: its metadata: OpenAI's models answer in two ways.
    """
    if maker == "openai":
        return OPENAI_RESPONSES if "status" in metadata else OPENAI_CHAT
    return _MAKERS.get(maker, OTHER)


def facts_of(name: str, model: BaseChatModel, dialect: Dialect) -> ModelFacts:
    """Facts on which the settings of a call depend."""
    profile: Any = model.profile or {}
    reasons = profile.get("reasoning_output")
    also = _ALSO.get(dialect.protocol, _EVERYWHERE)
    if hasattr(model, "stream_usage"):
        also |= {"stream_options", "stream_usage"}
    thinking = getattr(model, "thinking", None) if dialect is ANTHROPIC else None
    return ModelFacts(
        name,
        samples=profile.get("temperature"),
        reasons=None if dialect is ANTHROPIC else reasons,
        thinking=thinking,
        reasoning=getattr(model, "reasoning", None) if dialect is OPENAI_RESPONSES else None,
        options=_options(model) if dialect.settings.options else {},
        also=also,
        longest=_LONGEST.get(dialect.protocol, ""),
        stop="*" if dialect is ANTHROPIC else "stop",
    )


def _options(model: BaseChatModel) -> dict[str, Any]:
    return {name: value for name in _OLLAMAS_OPTIONS if (value := getattr(model, name, None)) is not None}


def _on_bedrock(model: Any) -> Dialect:
    """The row of `ChatBedrock`: Converse if configured, else the model's own."""
    if getattr(model, "beta_use_converse_api", False):
        return BEDROCK
    named = f"{getattr(model, 'model_id', '')} {getattr(model, 'base_model_id', '')} {getattr(model, 'provider', '')}"
    return ANTHROPIC if "anthropic" in named else OTHER


def must_think(model: BaseChatModel) -> bool:
    """Return whether an Anthropic model is set to always think: every answer of a tool loop must then begin with its thinking."""
    thinking = getattr(model, "thinking", None) or (getattr(model, FIELDS, None) or {}).get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") == "enabled"


def thoughtless(model: BaseChatModel) -> BaseChatModel:
    """A copy of an always-thinking model with thinking switched off."""
    fields = getattr(model, FIELDS, None)
    if fields is None:
        return model.model_copy(update={"thinking": None})
    return model.model_copy(update={FIELDS: {name: value for name, value in fields.items() if name != "thinking"} or None})


def responds_with_tools(model: BaseChatModel) -> bool:
    """Return whether a Chat Completions model uses the Responses API when tools are bound (OpenAI's from gpt-6 on)."""
    decides: Any = getattr(model, "_use_responses_api", None)
    return decides is not None and bool(decides({"tools": [{"type": "function", "function": {"name": "any"}}]}))
