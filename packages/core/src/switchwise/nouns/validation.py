"""What constructors ask of the numbers and words that they are given: better a clear refusal than a policy that is silently off."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from math import inf

from switchwise.nouns.errors import ConfigurationError


def number(who: str, name: str, value: object, *, least: float = 0.0, most: float = inf, above: bool = False) -> None:
    """Refuse what is no number within these bounds.

    Parameters:
        who, name: of the class and its parameter, for the message.
        value: what was given.
        least, most: the bounds.
        above: `least` itself will not do.

    Raises:
        ConfigurationError: it is no number, not a number (NaN), or out of bounds.
    """
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and least <= value <= most
        and not (above and value == least)
    ):
        return
    told = f"above {least:g}" if above else f"from {least:g}"
    upper = "" if most == inf else f" to {most:g}" if not above else f", up to {most:g}"
    raise ConfigurationError(f"{who}({name}={value!r}): give a number {told}{upper or ('' if above else ' on')}")


def whole(who: str, name: str, value: object, *, least: int = 1) -> None:
    """Refuse what is no whole number from `least` on.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(f"{who}({name}={value!r}): give a whole number from {least} on")


def one_of(who: str, name: str, value: object, known: Collection[str]) -> None:
    """Refuse what is none of the known words.

    Raises:
        ConfigurationError: it is something else.
    """
    if value not in known:
        raise ConfigurationError(f"{who}({name}={value!r}): give {' or '.join(map(repr, known))}")


def words(who: str, name: str, value: object, known: Collection[str] = ()) -> frozenset[str]:
    """The words as a set. A single string is refused: it would be taken for its letters.

    Parameters:
        known: the only words that mean something; empty: any.

    Raises:
        ConfigurationError: it is no collection of words, or holds one that means nothing.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"{who}({name}={value!r}): give a set of words, such as {{{value!r}}}")
    found = frozenset(value)
    if strange := sorted(repr(word) for word in found if not isinstance(word, str) or (known and word not in known)):
        remedy = f"the words are {', '.join(sorted(known))}" if known else "give words"
        raise ConfigurationError(f"{who}({name}=...) holds {', '.join(strange)}: {remedy}")
    return found


def meant(word: object, known: Iterable[str], what: str) -> str:
    """The remedy for a word that is not known: the one that it is close to, or all of them.

    >>> meant("sesion", ["session", "agent"], "words")
    "did you mean 'session'?"
    """
    names = sorted(known)
    near = get_close_matches(str(word), names, 1, 0.7)
    return f"did you mean {near[0]!r}?" if near else f"the {what} are {', '.join(names)}"


def flag(who: str, name: str, value: object) -> None:
    """Refuse what is neither True nor False.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{who}({name}={value!r}): give True or False")
