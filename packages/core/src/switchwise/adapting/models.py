"""The user's models, by name, as objects or as `provider:model`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar, cast

from switchwise.adapting.efforts import AtEffort, named_at
from switchwise.nouns.errors import ConfigurationError


class Named(Protocol):
    """A native model as a target."""

    @property
    def name(self) -> str:
        """Of the target."""


N = TypeVar("N", bound=Named)


def named(thing: object) -> str:
    """Describe an argument in a few words: the repr of a model may be long.

    >>> named("gpt"), named(3.5), named(int)
    ("'gpt'", 'a float', 'the class int')
    """
    if thing is None or isinstance(thing, str):
        return repr(thing)
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"


_SETTINGS = frozenset(
    "temperature max_tokens max_completion_tokens top_p top_k timeout max_retries api_key base_url stop seed streaming aim verify router "
    "observers catalog cache_hints on_broken reasoning_effort".split()
)


def refuse_slips(options: Mapping[str, Any]) -> None:
    """Refuse misspelled settings, which frameworks would send to the provider, or drop.

    Raises:
        ConfigurationError: the message names the probable one.
    """
    for name in options:
        near = () if name in _SETTINGS else get_close_matches(name, _SETTINGS, 1, 0.86)
        if near:
            raise ConfigurationError(f"{name}=: did you mean {near[0]}=?")


def by_name(
    models: Sequence[Any] | Mapping[str, Any],
    options: Mapping[str, Any],
    what: str,
    build: Callable[[str, Mapping[str, Any]], Any],
    wrap: Callable[[str, Any], N],
) -> dict[str, N]:
    """The models by target name.

    Parameters:
        models: models or `provider:model` strings, strongest first, or at an effort (`efforts`); or a mapping of names to them. A list in
            place of one holds the same model with several keys: the targets `name`, `name#2`, ...
        options: constructor arguments for those given as strings.
        what: what the framework calls a model.
        build: (`provider:model`, options) -> the model.
        wrap: (name, model) -> the model as a target, a dataclass with `name`, `effort` and `key_of`; the name may be empty.

    Raises:
        ConfigurationError: no model is given, two have one name, or an option is not used by any model.
    """
    if isinstance(models, str) or not isinstance(models, Collection | Iterator):  # a model may well be iterable
        raise ConfigurationError(f"models= is {named(models)}: give a list, models=[...], or a mapping of names to {what}s")
    given = list(models.items()) if isinstance(models, Mapping) else [("", model) for model in models]
    if not given:
        raise ConfigurationError(f"models= is empty: give at least one {what}")
    keyed = [(name, [*model] if isinstance(model, list | tuple) else [model]) for name, model in given]
    if empty := [name for name, keys in keyed if not keys]:
        raise ConfigurationError(f"models= has an empty list for {empty[0]!r}: give at least one {what}, one for each key")
    if options and not any(isinstance(_bare(model), str) for _, keys in keyed for model in keys):
        raise ConfigurationError(
            f"{', '.join(sorted(options))}: no model takes this setting, since all models= are given as objects; set it on them"
        )
    refuse_slips(options)
    found: dict[str, N] = {}
    for name, keys in keyed:
        first = ""
        for number, model in enumerate(keys, 1):
            native = _wrapped(f"{first}#{number}" if first else name, model, options, build, wrap)
            if native.name in found:
                raise ConfigurationError(
                    f"models= holds {native.name!r} twice: give a mapping of names, models={{'strong': ..., 'fast': ...}}"
                )
            found[native.name] = cast("N", replace(cast("Any", native), key_of=first)) if first else native
            first = first or native.name
    return found


def _wrapped(
    name: str,
    model: Any,
    options: Mapping[str, Any],
    build: Callable[[str, Mapping[str, Any]], Any],
    wrap: Callable[[str, Any], N],
) -> N:
    bare = _bare(model)
    native = wrap(name, build(bare, options) if isinstance(bare, str) else bare)
    if not isinstance(model, AtEffort):
        return native
    return cast("N", replace(cast("Any", native), name=name or named_at(native.name, model.level), effort=model.level))


def by_key(models: Mapping[str, Any], key_of: Mapping[str, str]) -> dict[str, list[Any]]:
    """The models by target name, all keys of one model together: as `by_name` takes them again.

    Parameters:
        models: target name -> model.
        key_of: target name -> the target of which it is a further key, or nothing.

    >>> by_key({"opus": 1, "opus#2": 2, "haiku": 3}, {"opus": "", "opus#2": "opus"})
    {'opus': [1, 2], 'haiku': [3]}
    """
    found: dict[str, list[Any]] = {}
    for name, model in models.items():
        found.setdefault(key_of.get(name) or name, []).append(model)
    return found


def _bare(model: Any) -> Any:
    return model.model if isinstance(model, AtEffort) else model
