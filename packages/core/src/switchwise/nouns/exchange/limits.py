"""How long a call may take: to its first token, between tokens, and as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.validation import meant, number


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a call may take. What is over a limit fails as `timeout`, and another target is asked.

    Parameters:
        first: to the first token of a stream. A ping, a role or an empty chunk is no token; a piece of a tool call and of reasoning is one.
        between: between two tokens of a stream, while somebody waits for the next one.
        total: to the end of the answer, streamed or whole. It is the only limit that a whole answer has: nothing of that can be seen earlier.

    Raises:
        ConfigurationError: one is not a number above 0.

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
        """These limits, and those of `other` where there are none."""
        if other is None:
            return self
        first = other.first if self.first is None else self.first
        between = other.between if self.between is None else self.between
        return Limits(first, between, other.total if self.total is None else self.total)

    @classmethod
    def read(cls, given: object) -> Limits | None:
        """The limits that somebody gives: as such, or as a mapping of their names to seconds; None: none.

        Raises:
            ConfigurationError: it is something else.

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
