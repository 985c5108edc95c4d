"""The native chat models behind the targets: given as objects or as `provider:model`, and described for the policies."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.language_models import BaseChatModel, ModelProfile

from fairlead import Capabilities, ConfigurationError, Pool, Target
from langchain_fairlead.dialect import Dialect

Given = BaseChatModel | str
Models = Sequence[Given] | Mapping[str, Given]
RETRIES = 1
"""An SDK's own retries where we build its client: with none a stale connection looks like an outage, two take seconds."""


@dataclass(frozen=True, slots=True)
class Native:
    """A native chat model as a target of the pool.

    Parameters:
        name: of the target.
        model: the chat model.
        dialect: the protocol that it speaks.
        provider, model_name: as its messages will state them.
    """

    name: str
    model: BaseChatModel
    dialect: Dialect
    provider: str = ""
    model_name: str = ""


def natives(models: Models, options: Mapping[str, Any]) -> dict[str, Native]:
    """The chat models by target name.

    Parameters:
        models: chat models or `provider:model` strings, strongest first; or a mapping of names to them.
        options: constructor arguments for those given as strings.

    Raises:
        ConfigurationError: there is none, two have one name, a string names nothing that can be built, or options are
            given that nothing takes.
    """
    named = list(models.items()) if isinstance(models, Mapping) else [("", model) for model in models]
    if not named:
        raise ConfigurationError("models= is empty: give at least one chat model")
    if options and not any(isinstance(model, str) for _, model in named):
        raise ConfigurationError(
            f"{', '.join(sorted(options))}: no model takes this setting, since all models= are given as objects; set it on them"
        )
    found: dict[str, Native] = {}
    for name, given in named:
        native = _native(name, build(given, options) if isinstance(given, str) else given)
        if native.name in found:
            raise ConfigurationError(
                f"models= holds {native.name!r} twice: give a mapping of names, models={{'strong': ..., 'fast': ...}}"
            )
        found[native.name] = native
    return found


def build(text: str, options: Mapping[str, Any]) -> BaseChatModel:
    """The chat model that `provider:model` stands for, as LangChain's `init_chat_model` reads it.

    Raises:
        ConfigurationError: nobody can build it.
    """
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise ConfigurationError(
            f"models= names {text!r} as a string, which needs LangChain: pip install langchain, or give a chat model"
        ) from error
    settings = {"max_retries": RETRIES, **options}
    if text.startswith("openai:"):
        settings.setdefault("stream_usage", True)
    try:
        model: BaseChatModel = init_chat_model(text, **settings)
    except Exception as error:  # whatever an integration raises while it is built, the configuration is wrong
        raise ConfigurationError(
            f"models= names {text!r}, which cannot be built ({type(error).__name__}: {error}); "
            "use 'provider:model' with the provider's package installed and its key set, or give a chat model"
        ) from error
    return model


def pool_of(models: Iterable[Native]) -> Pool:
    """The pool of these models, strongest first, with what is known of their prices and abilities."""
    return Pool([describe(native) for native in models])


def describe(native: Native) -> Target:
    """What is known of a model: its price from the catalog, its abilities from its own profile and the catalog.

    A model that the catalog does not know is accepted with a warning: it may be private, or a fake.
    """
    known = _known(native)
    if known is None:
        warnings.warn(
            f"target {native.name!r}: no price is known for model {native.model_name or native.name!r}; "
            "it can be called, but not be chosen by price",
            stacklevel=2,
        )
    can = capabilities(native.model.profile, known.can if known else Capabilities())
    return Target(native.name, native.provider, native.model_name, known.price if known else None, can)


def capabilities(profile: ModelProfile | None, known: Capabilities) -> Capabilities:
    """What a model can do: by its own profile, and by `known` where that is silent."""
    if not profile:
        return known
    has: Mapping[str, Any] = profile
    inputs = {"image": "image_inputs", "audio": "audio_inputs", "document": "pdf_inputs", "video": "video_inputs"}
    reads = frozenset([kind for kind, key in inputs.items() if has.get(key)])
    says = any(has.get(key) is not None for key in inputs.values())
    return Capabilities(
        _first(has.get("max_input_tokens"), known.window),
        _first(has.get("max_output_tokens"), known.max_output),
        _first(has.get("tool_calling"), known.tools),
        _first(has.get("structured_output"), known.structured_output),
        reads if says else known.modalities,
        _first(has.get("reasoning_output"), known.reasoning),
    )


def common_profile(models: Iterable[BaseChatModel]) -> ModelProfile | None:
    """What all models can do: the AND of what they can, the least of their limits; None where one does not say."""
    profiles: list[Mapping[str, Any]] = [model.profile or {} for model in models]
    keys = set(profiles[0]).intersection(*profiles[1:])
    common: dict[str, Any] = {}
    for key in sorted(keys):
        values = [profile[key] for profile in profiles]
        if all(isinstance(value, bool) for value in values):
            common[key] = all(values)
        elif all(isinstance(value, int) for value in values):
            common[key] = min(values)
        elif all(value == values[0] for value in values):
            common[key] = values[0]
    return cast("ModelProfile", common) if common else None


def _native(name: str, model: object) -> Native:
    if not isinstance(model, BaseChatModel):
        raise ConfigurationError(
            f"models= holds {model!r}, which is no chat model: give chat models or 'provider:model' strings; "
            "settings belong into the model's constructor, not into .bind()"
        )
    said = model._get_ls_params()
    provider, model_name = str(said.get("ls_provider") or ""), str(said.get("ls_model_name") or "")
    dialect = Dialect.of(model)
    if dialect is Dialect.OPENAI_CHAT and getattr(model, "stream_usage", True) is not True:
        warnings.warn(
            f"target {name or model_name!r} reports no tokens when it streams, so budgets do not see those calls: "
            "set stream_usage=True on it",
            stacklevel=2,
        )
    return Native(name or model_name or type(model).__name__, model, dialect, provider, model_name)


def _known(native: Native) -> Any:
    try:
        from fairlead.catalog import look_up  # type: ignore[import-not-found]
    except ImportError:
        return None
    return look_up(native.provider, native.model_name) if native.model_name else None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
