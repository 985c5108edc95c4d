"""Rewrites ids and names of tool calls for a target. Pure; the result depends only on the place in the conversation.

An id that the target refuses is replaced by its digest, everywhere the same. A missing id is derived from its position. Where ids must be unique,
a repeated one gets a number: some OpenAI models repeat theirs.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from switchwise.dialects.dialect import CallIdRules, ToolRules

_STRANGE = re.compile(r"[^a-zA-Z0-9_-]")


class CallIds:
    """Ids of the tool calls of one conversation, for one target.

    Records at which message an id occurs, so that the same message always gets the same ids, however often it is read.

    Parameters:
        rules: of the target.
        once: each id must be unique, whatever the rules say: some models switch to another API once tools are bound.

    >>> ids = CallIds(CallIdRules(longest=40, once=True))
    >>> ids.called("call_1", 1), ids.answered("call_1", 2), ids.called("call_1", 3), ids.answered("call_1", 4)
    ('call_1', 'call_1', 'call_1__2', 'call_1__2')
    >>> ids.called(None, 5), ids.called("call_5", 6)
    ('call_5', 'call_5__2')
    """

    __slots__ = ("_once", "_places", "_rules", "_unnamed")

    def __init__(self, rules: CallIdRules, once: bool = False) -> None:
        self._rules = rules
        self._once = once or rules.once
        self._places: dict[str, tuple[int, ...]] = {}
        self._unnamed: dict[int, int] = {}

    def called(self, given: str | None, place: int, number: int = 0) -> str:
        """Return the id of a call.

        Parameters:
            given: its original id; empty or None if it has none.
            place: index of its message in the conversation.
            number: index of the call in that message.
        """
        if not given:
            self._unnamed[place] = max(self._unnamed.get(place, 0), number + 1)
            given = _by_place(place, number)
        if not self._once:
            return self._fit(given, 0)
        places = self._places.get(given, ())
        if place not in places:
            places = self._places[given] = (*places, place)
        return self._fit(given, self._before(given, place))

    def answered(self, given: str | None, place: int, number: int = 0) -> str:
        """Return the id of the call that a result answers: the latest with that id; without an id, the one at its position among the results.

        Parameters:
            given: the id that the result carries; empty or None if it has none.
            place: index of its message in the conversation.
            number: index of the result in that message.
        """
        if not given:
            caller = max((at for at in self._unnamed if at < place), default=None)
            position = number if caller is None else place - caller - 1 + number
            place = place if caller is None else caller
            given = _by_place(place, position)
            return self._fit(given, self._before(given, place))
        return self._fit(given, self._before(given, place) - 1)

    def upto(self, place: int) -> CallIds:
        """Return the ids of the messages before `place`, for a conversation that branches there."""
        ids = CallIds(self._rules, self._once)
        ids._places = {
            given: kept for given, places in self._places.items() if (kept := tuple([at for at in places if at < place]))
        }
        ids._unnamed = {at: count for at, count in self._unnamed.items() if at < place}
        return ids

    def _before(self, given: str, place: int) -> int:
        """Count the messages before `place` that hold a call with that id."""
        return sum(at < place for at in self._places.get(given, ()))

    def _fit(self, given: str, before: int) -> str:
        """Return the id to use after `before` calls that had the same one."""
        own = given if before < 1 else f"{given}__{before + 1}"  # ids made of places have one underscore
        return own if self._rules.accept(own) else made(own, self._rules)


def _by_place(place: int, number: int) -> str:
    return f"call_{place}_{number}" if number else f"call_{place}"


def made(given: str, rules: CallIdRules) -> str:
    """Derive an id that the target accepts from one that it refuses.

    >>> len(made("x" * 80, CallIdRules(longest=40))), made("call_1", CallIdRules(pattern="[a-zA-Z0-9]{9}", made=9))
    (37, 'f0ce5c525')
    """
    digest = blake2b(given.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return digest[: rules.made] if rules.made else f"call_{digest}"


def tool_name(given: str, rules: ToolRules) -> str:
    """Return the name of a tool as the target accepts it: letters, digits, `_` and `-`.

    >>> tool_name("search files", ToolRules()), tool_name("any name", ToolRules(longest_name=0))
    ('search_files', 'any name')
    """
    if not rules.longest_name:
        return given
    return (
        _STRANGE.sub("_", given)[: rules.longest_name] if len(given) > rules.longest_name or _STRANGE.search(given) else given
    )


_STRANGE_AUTHOR = re.compile(r"[\s<|\\/>]")


def author_name(given: str) -> str:
    """Return the author's name as Chat Completions accepts it: no spaces, angle brackets, bars or slashes.

    >>> author_name("Ada Lovelace")
    'Ada_Lovelace'
    """
    return _STRANGE_AUTHOR.sub("_", given)
