"""Argument validation for constructors."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from math import inf

from switchwise.nouns.errors import ConfigurationError

_OURS = ("switchwise", "langchain_switchwise", "llama_index.llms.switchwise")


def number(owner: str, name: str, value: object, *, least: float = 0.0, most: float = inf, above: bool = False) -> None:
    """Raise unless the value is a number within these bounds.

    Parameters:
        owner, name: of the class and its parameter, for the message.
        value: what was given.
        least, most: the bounds.
        above: `least` itself is excluded.

    Raises:
        ConfigurationError: it is not a number, NaN, or out of bounds.
    """
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and least <= value <= most
        and not (above and value == least)
    ):
        return
    bounds = f"above {least:g}" if above else f"from {least:g}"
    upper = "" if most == inf else f" to {most:g}" if not above else f", up to {most:g}"
    raise ConfigurationError(f"{owner}({name}={value!r}): give a number {bounds}{upper or ('' if above else ' on')}")


def whole(owner: str, name: str, value: object, *, least: int = 1) -> None:
    """Raise unless the value is a whole number of at least `least`.

    Raises:
        ConfigurationError: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(f"{owner}({name}={value!r}): give a whole number from {least} on")


def one_of(owner: str, name: str, value: object, known: Collection[str]) -> None:
    """Raise unless the value is one of the known words.

    Raises:
        ConfigurationError: it is not.
    """
    if value not in known:
        raise ConfigurationError(f"{owner}({name}={value!r}): give {' or '.join(map(repr, known))}")


def words(owner: str, name: str, value: object, known: Collection[str] = ()) -> frozenset[str]:
    """Return the words as a set. A single string is refused: it would be read as its letters.

    Parameters:
        known: the allowed words; empty: any.

    Raises:
        ConfigurationError: it is not a collection of words, or holds an unknown one.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"{owner}({name}={value!r}): give a set of words, such as {{{value!r}}}")
    found = frozenset(value)
    if strange := sorted(repr(word) for word in found if not isinstance(word, str) or (known and word not in known)):
        remedy = f"the words are {', '.join(sorted(known))}" if known else "give words"
        raise ConfigurationError(f"{owner}({name}=...) holds {', '.join(strange)}: {remedy}")
    return found


def meant(word: object, known: Iterable[str], what: str) -> str:
    """Suggest a remedy for an unknown word: a similar one, or the list of all.

    >>> meant("sesion", ["session", "agent"], "words")
    "did you mean 'session'?"
    """
    names = sorted(known)
    near = similar(word, names)
    return f"did you mean {near!r}?" if near else f"the {what} are {', '.join(names)}"


def similar(word: object, known: Iterable[str], likeness: float = 0.7) -> str | None:
    """Return the known word that is most like `word`; None if none is.

    Parameters:
        likeness: least ratio of common letters, from 0 to 1.

    >>> similar("sesion", ["session", "agent"])
    'session'
    """
    from difflib import get_close_matches  # imported for an error message only

    return next(iter(get_close_matches(str(word), list(known), 1, likeness)), None)


def flag(owner: str, name: str, value: object) -> None:
    """Raise unless the value is True or False.

    Raises:
        ConfigurationError: it is not.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{owner}({name}={value!r}): give True or False")


def users_level() -> int:
    """The `stacklevel` at which `warnings.warn`, called where this is called, names the first line outside of switchwise."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    return level


def _is_ours(module: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in _OURS)


class Selections(dict[str, frozenset[str]]):
    """Word (a name or a role) -> names of the targets that it selects; raises `ConfigurationError` for an unknown word."""

    def __missing__(self, word: object) -> frozenset[str]:
        raise self.unknown(word)

    def unknown(self, word: object) -> ConfigurationError:
        """The error for a word that selects nothing."""
        known = ", ".join(sorted(self))
        hint = f"; did you mean {near!r}?" if (near := similar(word, self)) else ""
        return ConfigurationError(f"{word!r} is neither a target nor a role of this pool; it knows: {known}{hint}")
