"""The native chat models behind the targets: given as objects or as `provider:model`, and described for the policies."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, cast

from langchain_core.language_models import BaseChatModel, ModelProfile

from langchain_switchwise.models.dialect import dialect_of, must_think, responds_with_tools, thoughtless
from switchwise import Capabilities, ConfigurationError, Pool
from switchwise.adapting.accounts import defaults_of, whereabouts
from switchwise.adapting.efforts import AtEffort
from switchwise.adapting.models import by_name, named
from switchwise.adapting.sdk_clients import HiddenRetries, Later, owned
from switchwise.catalog import Catalog, account_of, provider_at
from switchwise.dialects import Dialect
from switchwise.dialects.effort import with_effort
from switchwise.dialects.table import ANTHROPIC, BEDROCK
from switchwise.nouns.target import Defaults
from switchwise.nouns.validation import users_level

Given = BaseChatModel | str | AtEffort
Models = Sequence[Given | Sequence[Given]] | Mapping[str, Given | Sequence[Given]]
_MAKERS = {
    "amazon_bedrock": ("bedrock", "bedrock_converse"),
    "anthropic-bedrock": ("anthropic",),
    "anthropicvertex": ("anthropic", "google_vertexai"),
    "google_genai": ("google_vertexai",),
    "mistral": ("mistralai",),
}
RETRIES = 1
"""Retry settings of integrations without an SDK: for some the number of attempts, for others of retries."""


@dataclass(frozen=True, slots=True)
class Native:
    """A native chat model as a target of the pool.

    Parameters:
        name: name of the target.
        model: the chat model.
        dialect: row of its API.
        provider, model_name: as in its messages.
        thinkless: the same model with thinking switched off, for tool loops that began without; None: not needed.
        responds_with_tools: with tools bound, it uses the Responses API.
        makers: makers (`model_provider`) named in its own messages.
        account: result of `account_of`: its address and a digest of its key.
        effort: reasoning effort of its calls; empty: the model's own setting.
        key_of: the target of which it is a further key; empty: none.
    """

    name: str
    model: BaseChatModel
    dialect: Dialect
    provider: str = ""
    model_name: str = ""
    thinkless: Native | None = None
    responds_with_tools: bool = False
    makers: frozenset[str] = frozenset()
    account: str = ""
    effort: str = ""
    key_of: str = ""

    @property
    def defaults(self) -> Defaults:
        """The client's default settings. The longest answer of its profile, which some integrations set by default, is not a
        limit.
        """
        found = defaults_of(vars(self.model))
        longest = (self.model.profile or {}).get("max_output_tokens")
        return replace(found, max_output=None) if found.max_output is not None and found.max_output == longest else found


def natives(models: Models, options: Mapping[str, Any]) -> dict[str, Native]:
    """The chat models by target name.

    Parameters:
        models: chat models or `provider:model` strings, strongest first; or a mapping of names to them. A list in place of one: several keys.
        options: constructor arguments for those given as strings.

    Raises:
        ConfigurationError: no model is given, two have one name, a string cannot be built, an API has no effort setting, or an
            option is not used by any model.
    """
    found = by_name(models, options, "chat model", build, _native)
    for native in found.values():
        if native.effort:
            with_effort(native.dialect, native.model_name, native.effort, {})  # refuses an effort that the API cannot express
    return {name: _owned(native, alone=len(found) == 1) for name, native in found.items()}


def _owned(native: Native, alone: bool) -> Native:
    """The target with a copy of its model: without hidden retries (unless it is the only target), and with connections per
    event loop.
    """
    model = native.model
    retries, chosen = getattr(model, "max_retries", None), "max_retries" in model.model_fields_set
    if chosen and isinstance(retries, int) and retries > 1 and not alone:
        warnings.warn(
            f"target {native.name!r} has max_retries={retries}: it retries by itself before another target is asked; leave the setting out",
            HiddenRetries,
            stacklevel=users_level(),
        )
    thinkless = native.thinkless and _owned(native.thinkless, alone)
    return replace(native, model=_ours(model, chosen or alone), thinkless=thinkless)


def _ours(model: BaseChatModel, retries: bool) -> BaseChatModel:
    """A copy of a model with its own SDK clients; the model itself if it has neither clients nor retries."""
    lazy = [name for cls in type(model).__mro__ for name, value in vars(cls).items() if isinstance(value, cached_property)]
    quiet = not retries and "max_retries" in type(model).model_fields
    copied = copy(model)
    if quiet:
        copied.__dict__["max_retries"] = 0 if lazy else RETRIES
    for name in lazy:  # the model's own clients may retry, and belong to its event loop
        copied.__dict__.pop(name, None)
    plain = copy(copied)
    later = [name for name in lazy if "async" in name and name.endswith("client")]
    copied.__dict__.update({name: Later(partial(_built, plain, name, retries)) for name in later})
    clients = owned(vars(copied), retries)
    if not clients and not later and not quiet:
        return model
    copied.__dict__.update(clients)
    return copied


def _built(model: BaseChatModel, name: str, retries: bool) -> Any:
    client = getattr(model, name)
    return owned({name: client}, retries).get(name, client)


def build(text: str, options: Mapping[str, Any]) -> BaseChatModel:
    """Build the chat model of `provider:model`, by LangChain's `init_chat_model`.

    Raises:
        ConfigurationError: the model cannot be built.
    """
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise ConfigurationError(
            f"models= names {text!r} as a string, which needs LangChain: pip install langchain, or give a chat model"
        ) from error
    settings = dict(options)
    if text.startswith("openai:"):
        settings.setdefault("stream_usage", True)
    try:
        model: BaseChatModel = init_chat_model(text, **settings)
    except Exception as error:  # any exception of an integration's constructor is a configuration error
        raise ConfigurationError(
            f"models= names {text!r}, which cannot be built ({type(error).__name__}: {error}); "
            "use 'provider:model' with the provider's package installed and its key set, or give a chat model"
        ) from error
    return model


def pool_of(models: Iterable[Native], catalog: Catalog | None = None) -> Pool:
    """Return the pool of these models, strongest first, with prices and capabilities.

    A model's own profile has priority for capabilities. A model without a known price gives a warning: it may be private, or a
    fake.
    """
    known = catalog or Catalog()
    return Pool(
        [
            replace(
                known.target(
                    m.name,
                    provider=m.provider,
                    model=m.model_name,
                    can=abilities(m.model.profile),
                    account=m.account,
                    defaults=m.defaults,
                ),
                effort=m.effort,
                key_of=m.key_of,
            )
            for m in models
        ]
    )


def abilities(profile: ModelProfile | None) -> Capabilities:
    """Capabilities of a model by its profile."""
    has: Mapping[str, Any] = profile or {}
    inputs = {"image": "image_inputs", "audio": "audio_inputs", "document": "pdf_inputs", "video": "video_inputs"}
    says = any(has.get(key) is not None for key in inputs.values())
    return Capabilities(
        has.get("max_input_tokens"),
        has.get("max_output_tokens"),
        has.get("tool_calling"),
        has.get("structured_output"),
        frozenset([kind for kind, key in inputs.items() if has.get(key)]) if says else None,
        has.get("reasoning_output"),
    )


def common_profile(models: Iterable[BaseChatModel]) -> ModelProfile | None:
    """Common profile: capabilities that all models have, their smallest limits, but the largest window; None if one is unknown.

    `max_input_tokens` decides when a conversation must be shortened: not before the largest window is full, since until then
    some target can serve it.
    """
    profiles: list[Mapping[str, Any]] = [model.profile or {} for model in models]
    keys = set(profiles[0]).intersection(*profiles[1:])
    common: dict[str, Any] = {}
    for key in sorted(keys):
        values = [profile[key] for profile in profiles]
        if all(isinstance(value, bool) for value in values):
            common[key] = all(values)
        elif all(isinstance(value, int) for value in values):
            common[key] = max(values) if key == "max_input_tokens" else min(values)
        elif all(value == values[0] for value in values):
            common[key] = values[0]
    return cast("ModelProfile", common) if common else None


def _native(name: str, model: object) -> Native:
    if not isinstance(model, BaseChatModel):
        raise ConfigurationError(
            f"models= holds {named(model)}, which is not a chat model: give chat models or 'provider:model' strings; "
            "settings belong into the model's constructor, not into .bind()"
        )
    params = model._get_ls_params()
    provider, model_name = str(params.get("ls_provider") or ""), str(params.get("ls_model_name") or "")
    address, key = whereabouts(vars(model), getattr(model, "root_client", None))
    if provider == "openai":
        provider = provider_at(address) or provider
    dialect = dialect_of(model)
    if dialect.protocol in ("openai-chat", "chat-completions") and getattr(model, "stream_usage", True) is not True:
        warnings.warn(
            f"target {name or model_name!r} reports no tokens when it streams, so budgets do not see those calls: "
            "set stream_usage=True on it",
            stacklevel=users_level(),
        )
    name = name or model_name or type(model).__name__
    thinkless = None
    if dialect in (ANTHROPIC, BEDROCK) and must_think(model):
        thinkless = Native(f"{name} without thinking", thoughtless(model), dialect)
    account = account_of(address, key)
    makers = _makers(model, provider)
    return Native(name, model, dialect, provider, model_name, thinkless, responds_with_tools(model), makers, account)


def _makers(model: BaseChatModel, provider: str) -> frozenset[str]:
    """Names of the integration in its messages, which differ from those in traces."""
    makers = {provider, *_MAKERS.get(provider, ())}
    if any(base.__name__ == "BaseChatOpenAI" for base in type(model).__mro__):
        makers.add("openai")
    return frozenset(makers)
