"""A `ChatSwitchwise` from a configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_switchwise.models.native import build
from switchwise import Router
from switchwise.config import TargetEndpoint

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from switchwise.catalog import Catalog

PROVIDERS: Mapping[str, str] = {
    # ours: LangChain's
    "azure": "azure_openai",
    "bedrock": "bedrock_converse",
    "google": "google_genai",
    "mistral": "mistralai",
}
_OWN_PROTOCOL = (
    "anthropic",
    "azure_openai",
    "bedrock_converse",
    "cohere",
    "google_genai",
    "google_vertexai",
    "mistralai",
    "ollama",
)


def parts_of_file(
    path: str | Path | None = None,
    router: str | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    reload: float | None = None,
    catalog: Catalog | None = None,
    options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Return models and router from a configuration file; docs/reference/configuration.md describes the format.

    Parameters:
        path, router, labels, reload, catalog: as in `Router.from_file`. A reloaded file may remove targets, not add any: new
            ones have no model.
        options: further options of `Router.from_file`: observers, recovery, clock, timer, rng.
        settings: fields of LangChain's chat models (`tags`, `metadata`, `callbacks`, ...), and `cache_hints`.

    Raises:
        ConfigurationError: the file is invalid, a key is missing, or a model cannot be built.
    """
    where: dict[str, Any] = {"labels": labels, "reload": reload, "catalog": catalog}
    models, made = Router.with_models(model_of, path, router, **where, **(options or {}))
    return {"models": models, "router": made, **settings}


def model_of(endpoint: TargetEndpoint) -> BaseChatModel:
    """Build the chat model of a target; a custom base URL is called by OpenAI's protocol.

    Raises:
        ConfigurationError: the model cannot be built.
    """
    target, options = endpoint.target, endpoint.options()
    provider = PROVIDERS.get(target.provider, target.provider)
    if "base_url" in options and provider not in _OWN_PROTOCOL:
        provider = "openai"
    if endpoint.api in ("chat", "responses"):
        options.setdefault("use_responses_api", endpoint.api == "responses")
    return build(f"{provider}:{target.model}", options)
