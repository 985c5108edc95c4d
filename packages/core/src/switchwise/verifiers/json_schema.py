"""The part of JSON Schema 2020-12 that model providers accept for structured output, checked without a dependency.

type, enum, const, properties, required, additionalProperties, items, prefixItems, minItems, maxItems, minLength,
maxLength, pattern, minimum, maximum, exclusiveMinimum, exclusiveMaximum, anyOf, oneOf, allOf, not, and $ref to #/$defs
or #/definitions. Other keywords are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from switchwise.nouns.errors import ConfigurationError

_TYPES: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": (int, float),
    "boolean": bool,
    "null": type(None),
}


_NESTED = ("additionalProperties", "allOf", "anyOf", "items", "not", "oneOf", "prefixItems")  # schemas, or lists of them
_NAMED = ("$defs", "definitions", "properties")  # name -> schema


def violation(value: Any, schema: Mapping[str, Any] | bool) -> str | None:
    """The first way in which `value` breaks `schema`, with its place; None: it follows it.

    Parameters:
        value: what `json.loads` gives.
        schema: a JSON schema; True allows everything, False nothing.

    >>> violation({"tags": ["a", 2]}, {"properties": {"tags": {"items": {"type": "string"}}}})
    'tags.1: 2 is not of type string'
    """
    root = schema if isinstance(schema, Mapping) else {}
    return next(_violations(value, schema, root, ""), None)


def refuse_unknown_types(schema: Any) -> None:
    """Raise `ConfigurationError` for a type that there is not: it would allow everything.

    Parameters:
        schema: a JSON schema.
    """
    if isinstance(schema, list | tuple):
        for part in schema:
            refuse_unknown_types(part)
    if not isinstance(schema, Mapping):
        return
    named = schema.get("type", ())
    for kind in [named] if isinstance(named, str) else named:
        if kind not in _TYPES:
            raise ConfigurationError(f"JSON schema: {kind!r} is no type; the types are {', '.join(_TYPES)}")
    for key in _NESTED:
        refuse_unknown_types(schema.get(key))
    for key in _NAMED:
        refuse_unknown_types(list((schema.get(key) or {}).values()))


def _violations(value: Any, schema: Any, root: Mapping[str, Any], place: str) -> Iterator[str]:
    if schema is True or schema == {}:
        return
    if schema is False:
        yield _at(place, "nothing is allowed here")
        return
    if "$ref" in schema:
        yield from _violations(value, _resolved(schema["$ref"], root), root, place)
    yield from _kind(value, schema, place)
    yield from _bounds(value, schema, place)
    for check in (_members, _elements, _choices):
        yield from check(value, schema, root, place)


def _kind(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    if "type" in schema:
        kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        if not any(_is(value, kind) for kind in kinds):
            yield _at(place, f"{_short(value)} is not of type {' or '.join(kinds)}")
    if "enum" in schema and not any(_same(value, choice) for choice in schema["enum"]):
        yield _at(place, f"{_short(value)} is none of {_short(schema['enum'])}")
    if "const" in schema and not _same(value, schema["const"]):
        yield _at(place, f"{_short(value)} is not {_short(schema['const'])}")


def _bounds(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    size: Any = len(value) if isinstance(value, str | list) else None
    what = "Length" if isinstance(value, str) else "Items"
    if size is not None:
        if size < schema.get(f"min{what}", 0):
            yield _at(place, f"shorter than {schema[f'min{what}']}")
        if size > schema.get(f"max{what}", size):
            yield _at(place, f"longer than {schema[f'max{what}']}")
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        yield _at(place, f"{_short(value)} does not match {schema['pattern']}")
    if _is(value, "number"):
        if value < schema.get("minimum", value) or value <= schema.get("exclusiveMinimum", float("-inf")):
            yield _at(place, f"{value} is too small")
        if value > schema.get("maximum", value) or value >= schema.get("exclusiveMaximum", float("inf")):
            yield _at(place, f"{value} is too large")


def _members(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield _at(place, f"{name!r} is missing")
    for name, member in value.items():
        if name in known:
            yield from _violations(member, known[name], root, _below(place, name))
        elif schema.get("additionalProperties", True) is False:
            yield _at(place, f"{name!r} is not allowed")
        else:
            yield from _violations(member, schema.get("additionalProperties", True), root, _below(place, name))


def _elements(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], place: str) -> Iterator[str]:
    if not isinstance(value, list):
        return
    first = schema.get("prefixItems", ())
    for i, element in enumerate(value):
        part = first[i] if i < len(first) else schema.get("items", True)
        yield from _violations(element, part, root, _below(place, str(i)))


def _choices(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], place: str) -> Iterator[str]:
    def wrong(part: Any) -> str | None:
        return next(_violations(value, part, root, place), None)

    for part in schema.get("allOf", ()):
        yield from _violations(value, part, root, place)
    if "anyOf" in schema and all(reasons := [wrong(part) for part in schema["anyOf"]]):
        yield f"{reasons[0]}, nor does it follow another of anyOf"
    if "oneOf" in schema and (fits := sum(wrong(part) is None for part in schema["oneOf"])) != 1:
        yield _at(place, f"{_short(value)} follows {fits} of oneOf")
    if "not" in schema and wrong(schema["not"]) is None:
        yield _at(place, f"{_short(value)} is excluded")


def _is(value: Any, kind: str) -> bool:
    if kind == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    if kind == "number" and isinstance(value, bool):
        return False
    return isinstance(value, _TYPES.get(kind, object))


def _same(value: Any, other: Any) -> bool:
    """JSON equality: true is not 1."""
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def _resolved(ref: str, root: Mapping[str, Any]) -> Any:
    part: Any = root
    for step in ref.removeprefix("#").strip("/").split("/"):
        part = part.get(step, {}) if step else part
    return part


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _at(place: str, what: str) -> str:
    return f"{place}: {what}" if place else what


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
