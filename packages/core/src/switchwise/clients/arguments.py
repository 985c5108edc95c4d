"""Argument validation for clients: a wrong argument is refused when the client is built, not at its first call."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import flag, meant, number
from switchwise.prompt_cache.cache_hints import CacheHints

_OPTIONS = frozenset(
    """api_key auth_token base_url timeout max_retries default_headers default_query http_client organization project webhook_secret
    websocket_base_url admin_api_key workload_identity credentials config profile""".split()
)
"""Arguments of the SDKs' constructors, including later versions."""


def sdk_module(name: str) -> Any:
    """Import an official SDK, when a client is first built.

    Raises:
        ConfigurationError: the SDK is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigurationError(f"the SDK {name!r} is not installed: pip install 'switchwise[{name}]'") from error


def refuse_arguments(
    who: str, model: object, defaults: object, cache_hints: object, marks_end: object, options: Mapping[str, Any]
) -> None:
    """Refuse arguments of which no client can be built.

    Parameters:
        who: name of the client's class.
        model, defaults, cache_hints, marks_end, options: as in `Client`.

    Raises:
        ConfigurationError: the message names the argument and the remedy.
    """
    if not isinstance(model, str):
        raise ConfigurationError(f"{who}(model={model!r:.80}): give the provider's name of the model")
    provider, _, name = model.partition(":")
    if name and provider in ("openai", "anthropic"):
        raise ConfigurationError(f"{who}(model={model!r:.80}): leave the provider out, model={name!r:.80}")
    if defaults is not None and not isinstance(defaults, Mapping):
        raise ConfigurationError(f"{who}(defaults={defaults!r:.80}): give name -> value, such as {{'temperature': 0}}")
    if cache_hints is not None and not isinstance(cache_hints, CacheHints):
        raise ConfigurationError(f"{who}(cache_hints={cache_hints!r:.80}): give CacheHints(...)")
    flag(who, "marks_end", marks_end)
    for name in options:
        if name not in _OPTIONS:
            raise ConfigurationError(f"{who}({name}=...): {meant(name, _OPTIONS, 'options')}")
    if isinstance(timeout := options.get("timeout"), str | int | float):
        number(who, "timeout", timeout, above=True)
    if (url := options.get("base_url")) is not None and not (isinstance(url, str) or hasattr(url, "host")):
        raise ConfigurationError(f"{who}(base_url={url!r:.80}): give an address, such as 'https://host/v1'")
