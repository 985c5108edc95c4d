"""Converts a JSON schema to the strict form that providers enforce: closed objects, every property required. Works on a copy.

An optional property becomes required, as in the providers' own SDKs for pydantic models.

Source: the documentation of structured outputs of OpenAI (strict mode) and Anthropic (`output_config.format`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchwise.nouns.errors import ConfigurationError

_DEEPEST = 64
_LISTS = ("anyOf", "allOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions")
_DROPPED = ("default", "discriminator", "oneOf", "examples")
"""Keywords that strict mode refuses or renames."""


def json_schema_of(given: object) -> Mapping[str, Any] | None:
    """Return the given JSON schema, or that of a pydantic model; None if there is none.

    Raises:
        ConfigurationError: it is neither.
    """
    if given is None or isinstance(given, Mapping):
        return given
    if isinstance(given, type) and callable(draw := getattr(given, "model_json_schema", None)):
        drawn: Mapping[str, Any] = draw()
        return drawn
    raise ConfigurationError(f"schema={given!r:.80}: give a pydantic model, or a JSON schema as a mapping")


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a closed copy of a schema.

    Raises:
        ConfigurationError: it is nested too deep to be sent.

    >>> strict({"type": "object", "properties": {"city": {"type": "string", "default": "Kyiv"}}})["required"]
    ['city']
    """
    return _closed(schema, schema, 0)


def _closed(node: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise ConfigurationError(f"schema= is nested more than {_DEEPEST} deep: no provider takes that; make it flatter")
    if "$ref" in node and len(node) > 1:  # strict mode allows no sibling keys
        found = _found(str(node["$ref"]), root)
        siblings = {name: value for name, value in node.items() if name != "$ref"}
        node = {**found, **siblings} if found is not None and "$ref" not in str(found) else {"$ref": node["$ref"]}
    if "oneOf" in node and "anyOf" not in node:
        node = {**node, "anyOf": node["oneOf"]}
    closed: dict[str, Any] = {}
    for name, value in node.items():
        if name in _DROPPED:
            continue
        if name in _MAPS and isinstance(value, Mapping):
            closed[name] = {key: _inner(each, root, depth) for key, each in value.items()}
        elif name in _LISTS and isinstance(value, list):
            closed[name] = [_inner(each, root, depth) for each in value]
        else:
            closed[name] = _inner(value, root, depth) if name == "items" else value
    if closed.get("type") == "object" or "properties" in closed:
        closed.setdefault("additionalProperties", False)
        closed["required"] = list(closed.get("properties") or ())
    return closed


def _inner(node: Any, root: Mapping[str, Any], depth: int) -> Any:
    return _closed(node, root, depth + 1) if isinstance(node, Mapping) else node


def _found(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the target of a reference within the schema; None if it cannot be resolved."""
    if not reference.startswith("#/"):
        return None
    found: Any = root
    for step in reference[2:].split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None
