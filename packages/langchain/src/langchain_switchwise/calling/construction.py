"""Constructor arguments of a `ChatSwitchwise`: they build its router and are pickled, without keys.

A copy in the same process shares the router with its budgets, circuits and learned state. Another process builds its own router from the
same parts, with empty state; `Router.dump` and `load` transfer it.

Native models differ. Those of OpenAI cannot be pickled at all, those of Anthropic with their key in plain sight, until their
first call. So a model that has a key (a `SecretStr`) is written as its class and settings, and finds it in the environment again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import SecretBytes, SecretStr

from langchain_switchwise.models.native import Native, pool_of
from switchwise import ConfigurationError, Router
from switchwise.adapting.models import named
from switchwise.catalog import Catalog
from switchwise.engine.policy import Verifier
from switchwise.nouns.exchange.on_broken import OnBroken
from switchwise.observe.observer import Observes
from switchwise.policies.default_chain import Aim, default_chain
from switchwise.prompt_cache.cache_hints import CacheHints

_SECRETS = (SecretStr, SecretBytes)
_TELLING = ("auth", "cookie", "key", "secret", "token")
_MADE_AGAIN = frozenset(["profile", "metadata", "callbacks", "tags", "rate_limiter", "cache"])
"""Constructor fields that LangChain excludes from a dump; other excluded fields are clients."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The arguments of a `ChatSwitchwise`, except its models and LangChain's own fields."""

    router: Router | None = None
    verify: Verifier | None = None
    observers: Sequence[Observes] = ()
    catalog: Catalog | None = None
    cache_hints: CacheHints | None = None
    aim: Aim | None = None
    on_broken: OnBroken | None = None

    def router_for(self, natives: Mapping[str, Native]) -> Router:
        """Return the given router, or the default one over these models.

        Raises:
            ConfigurationError: arguments of both are given, or the router's pool has other names.
        """
        if self.router is None:
            pool = pool_of(natives.values(), self.catalog)
            options: dict[str, Any] = {
                "verify": self.verify,
                "observers": self.observers,
                "on_broken": self.on_broken or "raise",
            }
            return Router(pool, *default_chain(pool, aim=self.aim or "quality"), **options)
        if not isinstance(self.router, Router):
            raise ConfigurationError(f"router= is {named(self.router)}: give a Router")
        if self.verify or self.observers or self.catalog or self.aim or self.on_broken:
            raise ConfigurationError(
                "verify=, observers=, catalog=, aim= and on_broken= belong to the router that you give: set them on it and its pool"
            )
        self.router.set_clients(natives)
        return self.router


def refuse_misplaced(models: object, options: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` for settings that belong to the models, and for a single model."""
    if misplaced := sorted({"cache", "custom_get_token_ids"} & options.keys()):
        raise ConfigurationError(f"{', '.join(misplaced)}: set it on the models, each of which keeps its own")
    if not models and (one := options.get("model") or options.get("model_name")):
        raise ConfigurationError(f"model={one!r}: give all models to choose from, models=['openai:gpt-4.1', ...]")


Packed = BaseChatModel | tuple[type[BaseChatModel], dict[str, Any]]


def packed(model: BaseChatModel) -> Packed:
    """Prepare a chat model for pickling: itself, or its class and settings if it has a key.

    Raises:
        TypeError: there may be a key among its headers.
    """
    values = vars(model)
    if not _has_key(model):
        return model
    headers = values.get("default_headers") or {}
    if telling := sorted(name for name in headers if any(word in name.lower() for word in _TELLING)):
        raise TypeError(
            f"cannot pickle {type(model).__name__}: default_headers has {', '.join(telling)}, which looks like a key"
        )
    fields = type(model).model_fields
    kept = [name for name in fields if name in model.model_fields_set and (not fields[name].exclude or name in _MADE_AGAIN)]
    return type(model), {name: values[name] for name in kept if not isinstance(values[name], _SECRETS)}


def _has_key(model: BaseChatModel) -> bool:
    """Return whether it, or its own client (ChatNVIDIA's), has a key."""
    made = (model.__pydantic_private__ or {}).values()
    held = [*vars(model).values(), *(value for each in made for value in getattr(each, "__dict__", {}).values())]
    return any(isinstance(value, _SECRETS) for value in held)


def unpacked(packed: Packed) -> BaseChatModel:
    """Restore a chat model.

    Raises:
        Exception: raised by its class if the key is missing.
    """
    if isinstance(packed, tuple):
        cls, settings = packed
        return cls(**settings)
    return packed
