"""Dump and load state as JSON, with validation: a loaded file may be edited, or from another version.

Tables are dumped as rows of (key, value). An object with learned numbers is dumped by its slots: slots with a number, a boolean, a
string, None, or lists and dictionaries of these are included; others are not. A state of another form is refused.
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
    """Return the entries of a table as JSON rows of key and value, the least recently used first."""
    return [[list(key), value] for key, value in table.items()]


def table_rows(
    state: Any, name: str, what: str, parts: int | None, read: Callable[[Any], Any], meaning: str
) -> list[tuple[Key, Any]]:
    """Return the validated rows of `dump_table` under `name`.

    Parameters:
        state: a result of `dump`.
        name: name of the list in it.
        what: name of the state in errors.
        parts: number of strings in a key; None: any.
        read: converts a value to the table's form; None if it is invalid.
        meaning: description of a row, for errors.

    Raises:
        ConfigurationError: a row is invalid.
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
    """Return whether the value is a finite number, not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _is_key(key: list[Any], parts: int | None) -> bool:
    return (parts is None or len(key) == parts) and all(isinstance(part, str) for part in key)


def dump_slots(thing: object, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the slots of `thing` with plain data, except those in `without`."""
    found = {name: getattr(thing, name) for name in _slots(thing) if name not in without}
    return {name: _copy(value) for name, value in found.items() if _is_plain(value)}


def load_slots(thing: Any, state: Any, what: str) -> None:
    """Restore a result of `dump_slots` into an object of the same class.

    Parameters:
        thing: a new object; slots missing in the state are unchanged.
        state: a result of `dump_slots`.
        what: name of the state in errors.

    Raises:
        ConfigurationError: the state has another form; `thing` is unchanged.
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
    """Return `state` if it is a JSON object.

    Raises:
        ConfigurationError: it is not a JSON object.
    """
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise ConfigurationError(f"{what}: expected what `dump` gave, got {state!r:.80}")
    return state


def rows(state: Mapping[str, Any], name: str, what: str) -> list[Any]:
    """Return the list under `name`; empty if missing.

    Raises:
        ConfigurationError: it is not a list.
    """
    found = state.get(name, [])
    if not isinstance(found, list):
        raise ConfigurationError(f"{what}: {name!r} is not a list")
    return found


def words(state: Any, name: str, what: str) -> list[str]:
    """Return the list of strings under `name`.

    Raises:
        ConfigurationError: it is not a list of strings.
    """
    found = rows(mapping(state, what), name, what)
    if not all(isinstance(word, str) for word in found):
        raise ConfigurationError(f"{what}: {name!r} is not a list of names")
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
    return other > 0 or mine < 0 or mine == other  # divisors are never zero
