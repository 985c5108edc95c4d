"""Assembles a Chat Completions message from the deltas of its stream. Servers differ in what they repeat and in how they number calls.

| delta | effect |
|---|---|
| texts | appended |
| list items | merged by their index |
| a call with a new id | a new call, whatever its index: some servers number every call 0 |
| a part of a call without an id | appended to the latest call with its index |
| anything else | replaces the previous value |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
_GROWS = frozenset(
    {"content", "arguments", "input", "refusal", "reasoning", "reasoning_content", "data", "transcript", "text", "summary"}
)
_CALLS = "tool_calls"


def grow(message: Json, delta: Mapping[str, Any]) -> None:
    """Add a delta to a message, in place.

    >>> message = {}
    >>> for id_, text in (("a", '{"city":'), (None, '"Kyiv"}'), ("b", '{"city":"Lviv"}')):
    ...     grow(message, {"tool_calls": [{"index": 0, "id": id_, "function": {"arguments": text}}]})
    >>> [call["function"]["arguments"] for call in message["tool_calls"]]
    ['{"city":"Kyiv"}', '{"city":"Lviv"}']
    """
    for name, part in delta.items():
        if part is None:
            continue
        before = message.get(name)
        if isinstance(part, str) and isinstance(before, str) and name in _GROWS:
            message[name] = before + part
        elif isinstance(part, dict):
            grow(before if isinstance(before, dict) else _fresh(message, name, {}), part)
        elif isinstance(part, list):
            items = before if isinstance(before, list) else _fresh(message, name, [])
            for piece in part:
                if not isinstance(piece, dict):
                    items.append(piece)
                elif name == _CALLS:
                    grow(_call(items, piece), piece)
                else:
                    grow(at(items, piece.get("index", len(items))), piece)
        elif part != "" or before is None:
            message[name] = part


def at(items: list[Json], index: int) -> Json:
    """Return the item with this index, creating it if missing; items may arrive in any order."""
    found = next((item for item in items if item.get("index") == index), None)
    if found is None:
        found = {"index": index}
        items.append(found)
        items.sort(key=lambda item: item["index"])
    return found


def _call(calls: list[Json], piece: Json) -> Json:
    """Return the call to which a delta belongs."""
    index, named = piece.get("index"), piece.get("id")
    if named and (known := next((call for call in calls if call.get("id") == named), None)):
        return known
    same = [call for call in calls if index is None or call.get("index") == index]
    if same and not (named and same[-1].get("id")):
        return same[-1]
    call: Json = {"index": len(calls) if index is None else index}
    calls.append(call)
    calls.sort(key=lambda each: each["index"])
    return call


def _fresh(message: Json, name: str, empty: Any) -> Any:
    message[name] = empty
    return empty
