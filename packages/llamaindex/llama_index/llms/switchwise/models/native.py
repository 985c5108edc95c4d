"""The native LLMs behind the targets: given as objects or as `provider:model`, and described for the policies."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from inspect import signature
from itertools import repeat
from typing import Any

from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW

from llama_index.llms.switchwise.models.dialect import dialect_of, integration_of, is_openais, model_of, provider_of
from switchwise import ConfigurationError, Pool, Target
from switchwise.adapting.accounts import defaults_of, whereabouts
from switchwise.adapting.models import by_name
from switchwise.adapting.sdk_clients import HiddenRetries, Later, owned
from switchwise.catalog import Catalog, Known, Unpriced, account_of
from switchwise.dialects import Dialect
from switchwise.dialects.effort import with_effort
from switchwise.nouns.target import Defaults
from switchwise.nouns.validation import users_level

Models = Sequence[Any] | Mapping[str, Any]
RETRIES = 0
"""Retry settings of integrations where we build the LLM: hidden retries would delay fallback."""
_CLASSES = {
    "openai": ("llama_index.llms.openai", "OpenAI"),
    "openai-like": ("llama_index.llms.openai_like", "OpenAILike"),
    "openai-responses": ("llama_index.llms.openai", "OpenAIResponses"),
    "anthropic": ("llama_index.llms.anthropic", "Anthropic"),
}
_METHODS = ("chat", "achat", "metadata")
_WITH_TOOLS = ("chat_with_tools", "achat_with_tools", "stream_chat_with_tools", "astream_chat_with_tools")
_UNTOLD = LLMMetadata()


@dataclass(frozen=True, slots=True)
class Native:
    """One of the LLMs behind a `Switchwise`.

    Parameters:
        name: name of the target.
        llm: the LlamaIndex LLM; anything with its methods will do.
        dialect: row of its API.
        integration: the package whose code converts its messages.
        usage_option: its configured usage option for streams; None if unset, since its server refuses `stream_options`.
        effort: reasoning effort of its calls; empty: the LLM's own setting.
        key_of: the target of which it is a further key; empty: of none.
    """

    name: str
    llm: Any
    dialect: Dialect
    integration: str = ""
    usage_option: Any = ""
    effort: str = ""
    key_of: str = ""

    @property
    def requests_usage(self) -> bool:
        """Whether to request the usage of a stream, which OpenAI sends only on request; not for compatible classes, nor against the user's setting."""
        package = type(self.llm).__module__
        extra = getattr(self.llm, "additional_kwargs", None) or {}
        return package.startswith("llama_index.llms.openai.") and "stream_options" not in extra

    @property
    def account(self) -> str:
        """Result of `account_of`: its address and a digest of its key."""
        client = getattr(self.llm, "_client", None)
        return account_of(*whereabouts(vars(self.llm), None if isinstance(client, Later) else client))

    @property
    def defaults(self) -> Defaults:
        """The LLM's default settings of requests."""
        return defaults_of(vars(self.llm))

    @property
    def marks(self) -> bool:
        """Whether it writes cache marks into the given messages (`cache_idx`)."""
        return getattr(self.llm, "cache_idx", None) is not None

    @property
    def metadata(self) -> LLMMetadata:
        """Metadata of the LLM; integrations raise for unknown models."""
        try:
            found: LLMMetadata = self.llm.metadata
        except ValueError:
            found = _UNTOLD.model_copy(update={"is_function_calling_model": hasattr(self.llm, "chat_with_tools")})
        return found

    @property
    def calls_tools(self) -> bool:
        """Whether it accepts tools: its metadata says so, and it has a method for it; few custom LLMs have all four."""
        return self.metadata.is_function_calling_model and any(hasattr(self.llm, method) for method in _WITH_TOOLS)


def natives(models: Models, options: Mapping[str, Any]) -> dict[str, Native]:
    """The LLMs by target name.

    Parameters:
        models: LLMs or `provider:model` strings, strongest first; or a mapping of names to them. A list in place of one: several keys.
        options: constructor arguments for those given as strings.

    Raises:
        ConfigurationError: no LLM is given, two have one name, or one cannot be built, shared, or set to its effort.
    """
    found = by_name(models, options, "LLM", build, _native)
    for native in found.values():
        if native.effort and native.integration == "google_genai":
            raise ConfigurationError(
                f"target {native.name!r}: LlamaIndex's GoogleGenAI takes an effort in its generation_config only; give two LLMs with names"
            )
        if native.effort:
            with_effort(
                native.dialect, model_of(native.llm), native.effort, {}
            )  # refuses an effort that the API cannot express
    return {name: replace(native, llm=_ours(native, alone=len(found) == 1)) for name, native in found.items()}


def _ours(native: Native, alone: bool) -> Any:
    """A copy of the LLM without hidden retries, unless no other target is there, and with connections for each event loop."""
    llm = native.llm
    if native.effort and getattr(llm, "reasoning_effort", None) is not None:  # the constructor's would win over the call's
        llm = llm.model_copy(update={"reasoning_effort": None})
    retries, private = getattr(llm, "max_retries", None), getattr(llm, "__pydantic_private__", None)
    if private is None:
        return llm
    default = signature(type(llm).__init__).parameters.get("max_retries")
    quiet = default is not None and retries == default.default and bool(retries) and not alone
    if isinstance(retries, int) and retries > 1 and not quiet and not alone:
        warnings.warn(
            f"target {native.name!r} retries by itself (max_retries={retries}): one failing call costs up to "
            f"{_requests(native.dialect, retries)} requests before switchwise sees the failure; leave the setting out",
            HiddenRetries,
            stacklevel=users_level(),
        )
    copied = llm.model_copy()
    if quiet:
        copied.__dict__["max_retries"] = 0
    if getattr(copied, "reuse_client", False) and getattr(copied, "_async_http_client", copied) is None:
        with suppress(Exception):  # missing settings raise at the first call
            copied._get_aclient()
    clients = owned(copied.__pydantic_private__, retries=not quiet)
    if (clients or quiet) and getattr(copied, "reuse_client", False) and getattr(copied, "_client", copied) is None:
        clients["_client"] = Later(partial(_client_of, copied.model_copy(), retries=not quiet))
    if not clients and not quiet:
        return llm
    copied.__pydantic_private__.update(clients)
    return copied


def _client_of(llm: Any, retries: bool) -> Any:
    """The synchronous client that an LLM builds when it is first called."""
    client = llm._get_client()
    return owned({"": client}, retries).get("", client)


def build(text: str, options: Mapping[str, Any]) -> Any:
    """Build the LLM of `provider:model`, without its own retries.

    Raises:
        ConfigurationError: the LLM cannot be built.
    """
    provider, _, model = text.partition(":")
    if provider not in _CLASSES or not model:
        known = ", ".join(f"{name}:<model>" for name in _CLASSES)
        raise ConfigurationError(f"models= names {text!r}, which cannot be built; use {known}, or give an LLM")
    package, name = _CLASSES[provider]
    try:
        made = getattr(import_module(package), name)
    except ImportError as error:
        raise ConfigurationError(
            f"models= names {text!r}: install {package.replace('_', '-').replace('.', '-')} for it, or give an LLM"
        ) from error
    return made(model=model, **{"max_retries": RETRIES, **options})


def pool_of(models: Iterable[Native], catalog: Catalog | None = None) -> Pool:
    """Return the pool of these LLMs, strongest first, with prices and capabilities."""
    known = catalog or Catalog()
    return Pool(list(map(describe, models, repeat(known))))


def describe(native: Native, catalog: Catalog) -> Target:
    """Return an LLM's price and capabilities, from the catalogue and its metadata.

    An LLM without a known price gives a warning: it may be private, or a fake.
    """
    provider, model = provider_of(native.llm), model_of(native.llm)
    known = catalog.look_up(provider, model) if model else Known()
    if known.price is None:
        warnings.warn(
            f"target {native.name!r}: no price is known for model {model or native.name!r}; it can be called, but not be "
            "chosen by price; give catalog=Catalog({(provider, model): Known(price=Price(...))}) if you know it",
            Unpriced,
            stacklevel=users_level(),
        )
    window = known.can.window if known.can.window is not None else window_of(native)
    can = replace(known.can, window=window, tools=native.calls_tools)
    return Target(
        native.name,
        provider,
        model,
        known.price,
        can,
        account=native.account,
        effort=native.effort,
        defaults=native.defaults,
        key_of=native.key_of,
    )


def common_metadata(models: Iterable[Native]) -> LLMMetadata:
    """Metadata of the pool: the largest window, since long prompts go there; tools if any LLM calls them, since calls with tools go
    there; the shortest answer.
    """
    described = [(native.name, native.metadata, window_of(native)) for native in models]
    outputs = [metadata.num_output for _, metadata, _ in described if metadata.num_output > 0]
    return LLMMetadata(
        context_window=max([window for _, _, window in described if window is not None], default=DEFAULT_CONTEXT_WINDOW),
        num_output=min(outputs, default=-1),
        is_chat_model=any(metadata.is_chat_model for _, metadata, _ in described),
        is_function_calling_model=any(native_metadata.is_function_calling_model for _, native_metadata, _ in described),
        model_name="switchwise:" + "|".join(name for name, _, _ in described),
        system_role=described[0][1].system_role,
    )


def window_of(native: Native) -> int | None:
    """The context window of an LLM's metadata; None if it is only LlamaIndex's default."""
    window = native.metadata.context_window
    return window if window != DEFAULT_CONTEXT_WINDOW else None


def _native(name: str, llm: Any) -> Native:
    if any(not hasattr(type(llm), method) for method in _METHODS):
        raise ConfigurationError(
            f"models= holds {llm!r}, which is not an LLM: give LlamaIndex LLMs or 'provider:model' strings"
        )
    name = name or model_of(llm) or type(llm).__name__
    if getattr(llm, "track_previous_responses", False):
        raise ConfigurationError(
            f"target {name!r} has track_previous_responses=True: it keeps the last response on the instance, so that the "
            "conversations that share it would mix; omit it"
        )
    dialect = dialect_of(llm)
    extra = getattr(llm, "additional_kwargs", None)
    if (
        isinstance(extra, dict) and extra.get("stream_options", extra) is None
    ):  # its server refuses the field, and None would be sent
        llm = llm.model_copy(
            update={"additional_kwargs": {key: value for key, value in extra.items() if key != "stream_options"}}
        )
        return Native(name, llm, dialect, integration_of(llm), usage_option=None)
    return Native(name, llm, dialect, integration_of(llm))


def _requests(dialect: Dialect, retries: int) -> int:
    """HTTP requests of one failing call. OpenAI's integration retries around an SDK that retries."""
    return retries * (retries + 1) if is_openais(dialect) else retries + 1
