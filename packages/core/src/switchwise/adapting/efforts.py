"""One model at several efforts, as separate targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, overload

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.target import Target


@dataclass(frozen=True, slots=True)
class AtEffort:
    """A model at one level of effort.

    Parameters:
        model: the framework's model, its `provider:model` string, or a client of the SDKs.
        level: the level, in the provider's word.
    """

    model: Any
    level: str


@overload
def efforts(model: Target, *levels: str) -> tuple[Target, ...]: ...
@overload
def efforts(model: Any, *levels: str) -> tuple[AtEffort, ...]: ...
def efforts(model: Any, *levels: str) -> tuple[Any, ...]:
    """One model at several efforts, as entries of `models=`, of `Clients`, or, from a `Target`, of a pool.

    Each is a separate target, named `model@level`, with its own price, prompt cache and outcomes. Two or three levels are enough: 500
    runs do not separate neighbours.

    Parameters:
        model: a target, or a model as accepted by the adapter.
        levels: in the provider's words, strongest first as in a pool.

    Raises:
        ConfigurationError: no level is given, one is not a word, or one is given twice.

    >>> [target.name for target in efforts(Target("gpt-5", "openai", "gpt-5"), "medium", "low")]
    ['gpt-5@medium', 'gpt-5@low']
    >>> efforts("openai:gpt-5", "low")
    (AtEffort(model='openai:gpt-5', level='low'),)
    """
    if not levels:
        raise ConfigurationError("efforts(...): give at least one level after the model, such as 'low' and 'medium'")
    for level in levels:
        if not isinstance(level, str) or not level.isalpha() or not level.islower():
            raise ConfigurationError(f"efforts(...): the level {level!r} is not a word such as 'low', 'medium' or 'high'")
    if len({*levels}) < len(levels):
        raise ConfigurationError(f"efforts(...): {', '.join(levels)} holds a level twice")
    if isinstance(model, Target):
        return tuple(replace(model, name=named_at(model.name, level), effort=level) for level in levels)
    return tuple(AtEffort(model, level) for level in levels)


def named_at(name: str, level: str) -> str:
    """The name of a target at a level."""
    return f"{name}@{level}"
