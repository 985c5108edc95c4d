"""A `Switchwise` from a configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llama_index.llms.switchwise.models.native import build
from switchwise import Router
from switchwise.config import TargetEndpoint

if TYPE_CHECKING:
    from switchwise.catalog import Catalog


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
    """Return LLMs and router from a configuration file; docs/reference/configuration.md describes the format.

    Parameters:
        path, router, labels, reload, catalog: as in `Router.from_file`. A reloaded file may remove targets, not add any: new ones have no
            LLM.
        options: further options of `Router.from_file`: observers, recovery, clock, timer, rng.
        settings: fields of LlamaIndex's LLMs (`system_prompt`, `callback_manager`, ...), and `cache_hints`.

    Raises:
        ConfigurationError: the file is invalid, a key is missing, or an LLM cannot be built.
    """
    where: dict[str, Any] = {"labels": labels, "reload": reload, "catalog": catalog}
    models, made = Router.with_models(llm_of, path, router, **where, **(options or {}))
    return {"models": models, "router": made, **settings}


def llm_of(endpoint: TargetEndpoint) -> Any:
    """Build the LLM of a target; a custom base URL is called by OpenAI's protocol (llama-index-llms-openai-like).

    Raises:
        ConfigurationError: the LLM cannot be built.
    """
    target, options = endpoint.target, endpoint.options()
    provider = target.provider
    if "base_url" in options and provider != "anthropic":
        options["api_base"] = options.pop("base_url")
        if provider != "openai":  # LlamaIndex's OpenAI refuses unknown models
            provider = "openai-like"
            options = {"is_chat_model": True, "is_function_calling_model": target.can.tools is not False, **options}
            if target.can.window is not None:
                options.setdefault("context_window", target.can.window)
    if endpoint.api == "responses":
        provider = "openai-responses"
    return build(f"{provider}:{target.model}", options)
