"""Problems of a configuration: file, line, field, message, remedy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.secrets import masked


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem.

    Parameters:
        file: path of the file.
        line: from 1; 0: the file as a whole.
        field: such as `routers.main.policies[2].Budget.usd`; empty: the file as a whole.
        message: the problem, with the value unless it may be a key.
        remedy: what to write instead.
    """

    file: str
    line: int
    field: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        field = f"{self.field}: " if self.field else ""
        return f"{place}: {field}{self.message}; {self.remedy}"

    def as_dict(self) -> dict[str, Any]:
        """Its fields, as JSON types."""
        return asdict(self)


class BadConfiguration(ConfigurationError):
    """Raised for an invalid configuration file. `problems` lists all problems in the order of the file.

    Parameters:
        problems: at least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        shown = [
            replace(each, field=masked(each.field), message=masked(each.message), remedy=masked(each.remedy))
            for each in problems
        ]
        self.problems = tuple(sorted(shown, key=lambda problem: (problem.file, problem.line)))
        super().__init__()
        self.args = ("\n".join(map(str, self.problems)),)  # a word after a field's name is not a key

    def __reduce__(self) -> tuple[type[BadConfiguration], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


def near(word: str, known: Collection[str]) -> str:
    """The remedy for an unknown word.

    >>> near("budgett", ["Budget", "Fits"])
    "did you mean 'Budget'?"
    >>> near("xyz", ["Budget", "Fits"])
    'use one of: Budget, Fits'
    """
    by_lower = {each.lower(): each for each in known}
    if found := get_close_matches(word.lower(), by_lower, 1, 0.6):
        return f"did you mean {by_lower[found[0]]!r}?"
    return f"use one of: {', '.join(sorted(known))}" if known else "remove it"
