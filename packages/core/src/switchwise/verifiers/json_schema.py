"""Check JSON Schema, by `jsonschema-rs` if installed (extra `schema`), else the subset that providers accept for structured
output.

Without the extra, these keywords are supported: type, enum, const, properties, required, additionalProperties, items, minItems,
maxItems, minLength, maxLength, pattern, minimum, maximum, exclusiveMinimum, exclusiveMaximum, anyOf, allOf, and $ref to a place
in the same schema. Titles, descriptions and other annotations are ignored. A schema with any other keyword is refused at
construction, because an unchecked keyword would accept every value. References to other documents are always refused: nothing
is fetched.

Source: JSON Schema 2020-12.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from switchwise.nouns.errors import ConfigurationError

Schema = Mapping[str, Any] | bool
Check = Callable[[Any], str | None]
DEEPEST = 400  # levels of a value that are checked, and of a schema that are read

REMEDY = 'use another keyword, or install the extra: pip install "switchwise[schema]"'
NEWEST = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": (int, float),
    "boolean": bool,
    "null": type(None),
}
_NOTES = {"$comment", "$schema", "default", "deprecated", "description", "examples", "format", "readOnly", "title", "writeOnly"}


def checker(schema: Schema, formats: bool = False) -> Check:
    """Return a function that gives the first violation of the schema in a value, with its place, or None.

    Parameters:
        schema: a JSON schema; True allows everything, False nothing.
        formats: check `format` too, which is an annotation by the specification. Needs the extra `schema`.

    Raises:
        ConfigurationError: `schema` is not a schema; or, without the extra, it has an unsupported keyword.

    >>> check = checker({"properties": {"tags": {"items": {"type": "string"}}}})
    >>> check({"tags": ["a", 2]})
    'tags.1: 2 is not of type string'
    """
    try:
        import jsonschema_rs as library
    except ImportError:
        if formats:
            raise ConfigurationError(f"formats=True: cannot be checked here; {REMEDY}") from None
        made = _without_library(schema)
    else:
        made = _by_library(library, schema, formats)

    def check(value: Any) -> str | None:
        return f"nested deeper than {DEEPEST} levels" if _deeper(value) else made(value)

    return check


def _deeper(value: Any) -> bool:
    """Return whether a value has more than `DEEPEST` levels. Not recursive, since it decides whether recursion is safe."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            part
            for each in level
            if isinstance(each, dict | list)
            for part in (each.values() if isinstance(each, dict) else each)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


# -- by the library ----------------------------------------------------------------------------------------------------


def _by_library(library: Any, schema: Schema, formats: bool) -> Check:
    try:
        validator = library.validator_for(schema, validate_formats=formats, offline=True)
    except ValueError as error:  # an invalid schema, an unresolvable reference, or nesting that is too deep
        path = list(map(str, getattr(error, "instance_path", ())))
        message = getattr(error, "message", str(error))
        if path[-1:] == ["type"] or path[-2:-1] == ["type"]:
            message = f"{_short(error.instance)} is not a type; the types are {', '.join(_TYPES)}"  # type: ignore[attr-defined]
        raise ConfigurationError(f"JSON schema: {_at('.'.join(path), message)}") from None

    def check(value: Any) -> str | None:
        try:
            error = next(validator.iter_errors(value), None)
        except ValueError as wrong:  # values that JSON cannot represent
            return str(wrong)
        return None if error is None else _at(".".join(map(str, error.instance_path)), _message(error))

    return check


def _message(error: Any) -> str:
    """The violation in the same words as without the library; the value is abbreviated."""
    kind = error.kind.name
    if kind == "type":
        return f"{_short(error.instance)} is not of type {' or '.join(error.kind.types)}"
    if kind == "required":
        return f"{error.kind.property!r} is missing"
    if kind == "additionalProperties":
        return f"{error.kind.unexpected[0]!r} is not allowed"
    if kind == "falseSchema":
        return "nothing is allowed here"
    return str(error.message)


# -- without it --------------------------------------------------------------------------------------------------------


def _without_library(schema: Schema) -> Check:
    root = schema if isinstance(schema, Mapping) else {}
    if root.get("$schema", NEWEST).rstrip("#") != NEWEST:
        raise ConfigurationError(f"JSON schema: $schema is {root['$schema']!r}: only {NEWEST} is checked here; {REMEDY}")
    try:
        _refuse(schema, root, "")
    except RecursionError:
        raise ConfigurationError("JSON schema: nested too deeply") from None

    def check(value: Any) -> str | None:
        try:
            return next(_violations(value, schema, root, ""), None)
        except RecursionError:  # the reference refers to itself for the same value
            return "the schema refers to itself without end"

    return check


def _refuse(schema: Any, root: Mapping[str, Any], place: str) -> None:
    """Raise `ConfigurationError` for an unsupported keyword or an invalid schema."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise ConfigurationError(
            f"JSON schema: {_at(place, f'{_short(schema)} is not a schema: give an object, true or false')}"
        )
    for word, value in schema.items():
        where = _below(place, word)
        if word in _NOTES or (word == "$id" and not place):
            continue
        if word not in _TAKES:
            raise ConfigurationError(f"JSON schema: {where}: the keyword {word!r} is not checked here; {REMEDY}")
        fits, wanted = _TAKES[word]
        if not fits(value):
            raise ConfigurationError(f"JSON schema: {where}: {_short(value)} {wanted}")
        if word == "$ref" and _resolved(value, root) is None:
            raise ConfigurationError(
                f"JSON schema: {where}: {value!r} is not in this schema; give the place of one that is, '#/$defs/...'"
            )
        for name, part in _parts(word, value):
            _refuse(part, root, _below(where, name) if name else where)


def _parts(word: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The schemas in the value of a keyword."""
    if word in _NAMED:
        yield from value.items()
    elif word in _LISTED:
        yield from ((str(i), part) for i, part in enumerate(value))
    elif word in _NESTED:
        yield "", value


def _violations(value: Any, schema: Any, root: Mapping[str, Any], place: str) -> Iterator[str]:
    if isinstance(schema, bool):
        if not schema:
            yield _at(place, "nothing is allowed here")
        return
    if "$ref" in schema:
        yield from _violations(value, _resolved(schema["$ref"], root), root, place)
    yield from _kind(value, schema, place)
    yield from _bounds(value, schema, place)
    yield from _members(value, schema, root, place)
    if isinstance(value, list):
        for i, element in enumerate(value):
            yield from _violations(element, schema.get("items", True), root, _below(place, str(i)))
    for part in schema.get("allOf", ()):
        yield from _violations(value, part, root, place)
    if "anyOf" in schema:
        reasons = [next(_violations(value, part, root, place), None) for part in schema["anyOf"]]
        if all(reasons):
            yield f"{reasons[0]}, nor does it follow another of anyOf"


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
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            yield _at(place, f"{name!r} is missing")
    for name, member in value.items():
        if name in known:
            yield from _violations(member, known[name], root, _below(place, name))
        elif others is False:
            yield _at(place, f"{name!r} is not allowed")
        else:
            yield from _violations(member, others, root, _below(place, name))


def _is(value: Any, kind: str) -> bool:
    if kind == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    if kind == "number" and isinstance(value, bool):
        return False
    return isinstance(value, _TYPES[kind])


def _same(value: Any, other: Any) -> bool:
    """JSON equality: true is not 1, also inside lists and objects."""
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_same, value, other))
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_same(value[name], other[name]) for name in value)
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def _resolved(ref: str, root: Mapping[str, Any]) -> Any:
    """The schema at a place of this one; None if there is none."""
    part: Any = root
    for step in unquote(ref.removeprefix("#")).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(part, list) and name.isdecimal() and int(name) < len(part):
            part = part[int(name)]
        else:
            part = part.get(name) if isinstance(part, Mapping) else None
    return part if ref.startswith("#/") or ref == "#" else None


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _at(place: str, what: str) -> str:
    return f"{place}: {what}" if place else what


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _words(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _pattern(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


def _schemas(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value)


_NESTED = ("additionalProperties", "items")  # a schema
_LISTED = ("allOf", "anyOf")  # a list of schemas
_NAMED = ("$defs", "definitions", "properties")  # name -> schema
_NUMBER = (lambda value: _is(value, "number"), "is not a number")
_COUNT = (_count, "is not a whole number from 0 on")
_TAKES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    # keyword: whether a value has the right form, and the error otherwise
    "$ref": (lambda value: isinstance(value, str), "is not a place in this schema, '#/$defs/...'"),
    "type": (
        lambda value: (
            value in _TYPES if isinstance(value, str) else _words(value) and bool(value) and set(value) <= set(_TYPES)
        ),
        f"is not a type; the types are {', '.join(_TYPES)}",
    ),
    "enum": (lambda value: isinstance(value, list | tuple), "is not a list of values"),
    "const": (lambda _: True, ""),
    "required": (_words, "is not a list of names"),
    "pattern": (_pattern, "is not a regular expression"),
    **dict.fromkeys(_NESTED, (lambda value: isinstance(value, Mapping | bool), "is not a schema")),
    **dict.fromkeys(_LISTED, (_schemas, "is not a list of schemas")),
    **dict.fromkeys(_NAMED, (lambda value: isinstance(value, Mapping), "is not an object of schemas")),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), _COUNT),
}
