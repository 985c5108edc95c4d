"""Time limits of a call: to its first token, between tokens, and in total."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.fast_dataclass import dataclass
from switchwise.nouns.validation import meant, number


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits of a call in seconds. A call beyond a limit fails as `timeout`, and another target is tried.

    Parameters:
        first: to the first token of a stream. Pings, roles and empty chunks do not count; parts of tool calls and of reasoning do.
        between: between two tokens of a stream, while the caller waits for the next one.
        total: to the end of the answer, streamed or not. The only limit of an answer that is not streamed.

    Raises:
        ConfigurationError: a limit is not a number above 0.

    >>> Limits(first=10).over(Limits(first=30, total=120))
    Limits(first=10, between=None, total=120)
    """

    first: float | None = None
    between: float | None = None
    total: float | None = None

    def __post_init__(self) -> None:
        for name in ("first", "between", "total"):
            if (value := getattr(self, name)) is not None:
                number("Limits", name, value, above=True)

    def over(self, other: Limits | None) -> Limits:
        """Return these limits, completed by those of `other`."""
        if other is None:
            return self
        first = other.first if self.first is None else self.first
        between = other.between if self.between is None else self.between
        return Limits(first, between, other.total if self.total is None else self.total)

    @classmethod
    def read(cls, given: object) -> Limits | None:
        """Return limits given as `Limits` or as a mapping of their names to seconds; None for None.

        Raises:
            ConfigurationError: it is neither.

        >>> Limits.read({"first": 5})
        Limits(first=5, between=None, total=None)
        """
        if given is None or isinstance(given, Limits):
            return given
        names = [field.name for field in fields(cls)]
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"limits={given!r:.80}: give Limits(first=..., between=..., total=...), in seconds")
        for name in given:
            if name not in names:
                raise ConfigurationError(f"limits has {name!r}: {meant(name, names, 'limits')}")
        return cls(**given)
