"""Map a native LLM to its row of `switchwise.dialects`, by its class, without importing any provider's package."""

from __future__ import annotations

from switchwise.catalog import provider_at
from switchwise.dialects import Dialect, by_name, dialect_at
from switchwise.dialects.table import OPENAI_CHAT, OPENAI_RESPONSES, OTHER

_PACKAGES = "llama_index.llms."
_KNOWN = {
    "anthropic": "anthropic",
    "azure_openai": "azure",
    "bedrock_converse": "bedrock-converse",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "google_genai": "gemini",
    "groq": "groq",
    "mistralai": "mistral",
    "nvidia": "nvidia",
    "ollama": "ollama",
    "openrouter": "openrouter",
    "together": "together",
}
_OPENAIS = ("openai", "openai_like")


def dialect_of(llm: object) -> Dialect:
    """The row of a native LLM, by the package of its class or of the nearest known base; for OpenAI's classes also by the host."""
    for kind in type(llm).__mro__:
        package = _package(kind)
        if package in _KNOWN:
            return by_name(_KNOWN[package])
        if package in _OPENAIS:
            if "Responses" in kind.__name__:
                return OPENAI_RESPONSES
            return dialect_at(provider_at(str(getattr(llm, "api_base", None) or "")))
    return OTHER


def integration_of(llm: object) -> str:
    """The package whose code converts the messages: `openai` for all subclasses of its class; empty if unknown."""
    packages = [package for kind in type(llm).__mro__ if (package := _package(kind))]
    if not packages:
        return ""
    return "openai" if any(package in _OPENAIS for package in packages) else packages[0]


def provider_of(llm: object) -> str:
    """The provider's name: of the integration package, or by the host; empty if unknown (a fake)."""
    name = next((name for kind in type(llm).__mro__ if (name := _package(kind))), "")
    if name in _OPENAIS:  # also used for other providers
        return provider_at(str(getattr(llm, "api_base", None) or "")) or name
    return name


def model_of(llm: object) -> str:
    """The provider's name of the model; empty if unknown (a fake)."""
    for attribute in ("model", "model_name", "model_id"):
        name = getattr(llm, attribute, None)
        if isinstance(name, str) and name:
            return name
    return ""


def is_openais(dialect: Dialect) -> bool:
    """Whether a row is one of OpenAI's own two APIs."""
    return dialect.protocol in (OPENAI_CHAT.protocol, OPENAI_RESPONSES.protocol)


def _package(kind: type) -> str:
    module = kind.__module__
    return module[len(_PACKAGES) :].partition(".")[0] if module.startswith(_PACKAGES) else ""
