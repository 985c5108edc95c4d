"""Which protocol a native LLM speaks: told by its class, without importing any provider's package."""

from __future__ import annotations

from enum import StrEnum

from switchwise.catalog import provider_at

_PACKAGES = "llama_index.llms."
_KNOWN = {"google_genai": "gemini", "bedrock_converse": "bedrock-converse", "mistralai": "mistral", "ollama": "ollama"}


class Dialect(StrEnum):
    """The protocol behind a native LLM."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    BEDROCK = "bedrock-converse"
    MISTRAL = "mistral"
    OLLAMA = "ollama"
    OTHER = "other"

    @classmethod
    def of(cls, llm: object) -> Dialect:
        """The dialect of a native LLM, by the module of its class or of the nearest known base."""
        for kind in type(llm).__mro__:
            package = _package(kind)
            if package == "anthropic":
                return cls.ANTHROPIC
            if package in _KNOWN:
                return cls(_KNOWN[package])
            if package == "openai":
                return cls.OPENAI_RESPONSES if "Responses" in kind.__name__ else cls.OPENAI_CHAT
        return cls.OTHER


def provider_of(llm: object) -> str:
    """The provider's name: that of the integration package, or whom it calls; empty for an LLM of nobody's package (a fake)."""
    name = next((name for kind in type(llm).__mro__ if (name := _package(kind))), "")
    if name in ("openai", "openai_like"):  # who calls many others
        return provider_at(str(getattr(llm, "api_base", None) or "")) or name
    return name


def model_of(llm: object) -> str:
    """The provider's name of the model; empty where the LLM does not say (a fake)."""
    for attribute in ("model", "model_name", "model_id"):
        name = getattr(llm, attribute, None)
        if isinstance(name, str) and name:
            return name
    return ""


def _package(kind: type) -> str:
    module = kind.__module__
    return module[len(_PACKAGES) :].partition(".")[0] if module.startswith(_PACKAGES) else ""
