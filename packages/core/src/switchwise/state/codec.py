"""State as JSON, and back, checked: what is loaded comes from a file that somebody may have edited, or from another version.

Tables are dumped as rows of (key, value). An object that has learnt numbers is dumped by its slots: a slot that holds a number, a truth value,
a string, None, or lists and dictionaries of them is carried over; any other stays as it is. What does not have the form that the object itself has
is refused, so that a state of something else does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import isfinite
from typing import Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Key
from switchwise.state.store import Table

_PLAIN = (int, float, str, type(None))


def dump_table(table: Table) -> list[Any]:
    """The entries of a table as rows of JSON: key and value, the least recently used first."""
    return [[list(key), value] for key, value in table.items()]


def table_rows(
    state: Any, name: str, what: str, parts: int | None, read: Callable[[Any], Any], meaning: str
) -> list[tuple[Key, Any]]:
    """The rows under `name` that `dump_table` gave, checked.

    Parameters:
        state: what `dump` gave.
        name: of the list in it.
        what: how errors call the state.
        parts: how many strings a key has; None: any number.
        read: gives the value as the table keeps it, None if it is not one.
        meaning: what a row is, for the error.

    Raises:
        ConfigurationError: a row is something else.
    """
    if name not in mapping(state, what):
        raise ConfigurationError(f"{what}: {name!r} is missing; start without that state")
    found = []
    for row in rows(state, name, what):
        match row:
            case [list() as key, value] if _is_key(key, parts) and (checked := read(value)) is not None:
                found.append((tuple(key), checked))
            case _:
                raise ConfigurationError(f"{what}: {row!r:.80} is not {meaning}; start without that state")
    return found


def is_amount(value: Any) -> bool:
    """Whether it is a finite number, not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _is_key(key: list[Any], parts: int | None) -> bool:
    return (parts is None or len(key) == parts) and all(isinstance(part, str) for part in key)


def dump_slots(thing: object, without: Collection[str] = ()) -> dict[str, Any]:
    """The slots of `thing` that hold plain data, but for those named in `without`."""
    found = {name: getattr(thing, name) for name in _slots(thing) if name not in without}
    return {name: _copy(value) for name, value in found.items() if _is_plain(value)}


def load_slots(thing: Any, state: Any, what: str) -> None:
    """Put back what `dump_slots` gave, into an object of the same kind.

    Parameters:
        thing: a fresh one. What the state does not tell of it stays.
        state: what `dump_slots` gave.
        what: how errors call it.

    Raises:
        ConfigurationError: the state is of something else; `thing` is as it was.
    """
    checked = {}
    for name, value in mapping(state, what).items():
        if name not in _slots(thing) or not _is_plain(value) or not _alike(getattr(thing, name), value):
            raise ConfigurationError(
                f"{what}: {name!r} is not as this version of switchwise keeps it; start without that state"
            )
        checked[name] = _copy(value)
    for name, value in checked.items():
        setattr(thing, name, value)


def mapping(state: Any, what: str) -> Mapping[str, Any]:
    """`state`, if it is an object of JSON.

    Raises:
        ConfigurationError: it is not.
    """
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise ConfigurationError(f"{what}: expected what `dump` gave, got {state!r:.80}")
    return state


def rows(state: Mapping[str, Any], name: str, what: str) -> list[Any]:
    """The list under `name`; empty where there is none.

    Raises:
        ConfigurationError: it is no list.
    """
    found = state.get(name, [])
    if not isinstance(found, list):
        raise ConfigurationError(f"{what}: {name!r} is no list")
    return found


def words(state: Any, name: str, what: str) -> list[str]:
    """The list of strings under `name`.

    Raises:
        ConfigurationError: it is none.
    """
    found = rows(mapping(state, what), name, what)
    if not all(isinstance(word, str) for word in found):
        raise ConfigurationError(f"{what}: {name!r} is no list of names")
    return found


def _slots(thing: object) -> tuple[str, ...]:
    slots: tuple[str, ...] = type(thing).__slots__  # type: ignore[attr-defined]  # it is asked of slotted classes only
    return slots


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return isinstance(value, _PLAIN) and (not isinstance(value, float) or isfinite(value))


def _copy(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_copy(each) for each in value]
    return {key: _copy(each) for key, each in value.items()} if isinstance(value, dict) else value


def _alike(mine: Any, other: Any) -> bool:
    if isinstance(mine, list):
        return isinstance(other, list) and len(mine) == len(other) and all(map(_alike, mine, other))
    if isinstance(mine, dict) or isinstance(other, list | dict):
        return isinstance(mine, dict) and isinstance(other, dict)
    if mine is None or isinstance(mine, bool):
        return other is None or isinstance(other, bool)
    if isinstance(mine, str) or not isinstance(other, int | float):
        return isinstance(mine, str) and isinstance(other, str)
    return other > 0 or mine < 0 or mine == other  # what is divided by is never zero
