"""Checks of tools, tool choices and schemas, for Chat Completions and Responses.

Source: recorded 400 responses, and the documentation of structured outputs for strict schemas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..nouns.errors import invalid

NAME = re.compile(r"[a-zA-Z0-9_-]+\Z")
LONGEST_NAME = 64


def one_of(value: Any, allowed: Iterable[str], param: str) -> None:
    """`value` must be one of `allowed`."""
    names = [f"'{name}'" for name in allowed]
    if not isinstance(value, str) or f"'{value}'" not in names:
        listed = " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])}, and {names[-1]}"
        raise invalid(f"Invalid value: '{value}'. Supported values are: {listed}.", param, "invalid_value")


def known(value: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    """`value` may have no other keys than `allowed`."""
    for key in value:
        if key not in allowed:
            raise invalid(f"Unknown parameter: '{where}.{key}'.", f"{where}.{key}", "unknown_parameter")


def needed(value: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    """`value` must have `keys`."""
    for key in keys:
        if value.get(key) is None:
            raise invalid(f"Missing required parameter: '{where}.{key}'.", f"{where}.{key}", "missing_required_parameter")


def typed(value: Any, kind: type, where: str) -> None:
    """`value` must be of `kind`."""
    if not isinstance(value, kind):
        names = {str: "a string", dict: "an object", list: "an array", int: "an integer", bool: "a boolean"}
        got = next((name for one, name in names.items() if isinstance(value, one)), "null" if value is None else "a number")
        raise invalid(f"Invalid type for '{where}': expected {names[kind]}, but got {got} instead.", where, "invalid_type")


def not_empty(value: Any, where: str) -> None:
    """`value` must be an array with elements."""
    typed(value, list, where)
    if not value:
        text = f"Invalid '{where}': empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise invalid(text, where, "empty_array")


def check_function(function: Mapping[str, Any], where: str) -> None:
    """Name, parameters and strictness of a function tool."""
    needed(function, ["name"], where)
    check_name(function["name"], f"{where}.name")
    parameters = function.get("parameters")
    if parameters is None:
        return
    problem = _object_problem(parameters) or (strict_problem(parameters) if function.get("strict") else None)
    if problem:
        message = f"Invalid schema for function '{function['name']}': {problem}"
        raise invalid(message, f"{where}.parameters", "invalid_function_parameters")


def check_name(name: Any, where: str) -> None:
    """Names of functions and response formats."""
    typed(name, str, where)
    if not NAME.match(name):
        message = (
            f"Invalid '{where}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        )
        raise invalid(message, where, "invalid_value")
    too_long(name, LONGEST_NAME, where)


def too_long(text: Any, limit: int, where: str) -> None:
    """Strings of at most `limit` characters."""
    typed(text, str, where)
    if len(text) > limit:
        message = (
            f"Invalid '{where}': string too long. Expected a string with maximum length {limit}, "
            f"but got a string with length {len(text)} instead."
        )
        raise invalid(message, where, "string_above_max_length")


def check_schema(name: str, schema: Any, strict: bool, where: str) -> None:
    """The schema of a structured output."""
    if schema is None and not strict:
        return
    problem = _object_problem(schema) or (strict_problem(schema) if strict else None)
    if problem:
        raise invalid(f"Invalid schema for response_format '{name}': {problem}", where)


def check_choice(choice: Any, names: list[str], where: str = "tool_choice") -> None:
    """A choice that names a tool must name an offered one. `names` of functions."""
    if isinstance(choice, str):
        one_of(choice, ("none", "auto", "required"), where)
    if not names and choice not in (None, "none", "auto"):
        text = f"Invalid value for '{where}': '{where}' is only allowed when 'tools' are specified."
        raise invalid(text, where)


def not_offered(name: Any, names: list[str], where: str = "tool_choice") -> None:
    """The named tool must be offered."""
    if name not in names:
        raise invalid(f"Invalid value for '{where}': Tool choice '{name}' not found in 'tools' parameter.", where)


def _object_problem(schema: Any) -> str | None:
    if not isinstance(schema, Mapping):
        return "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'."
    kind = schema.get("type")
    if schema == {} or "$ref" in schema:
        return None
    return None if kind == "object" else f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."


def strict_problem(schema: Mapping[str, Any], context: tuple[str, ...] = ()) -> str | None:
    """Refuse open objects and optional properties, as strict mode does."""
    if "properties" in schema or schema.get("type") == "object":
        properties = schema.get("properties") or {}
        if not isinstance(properties, Mapping):
            return f"In context={context}, 'properties' must be an object."
        if schema.get("additionalProperties") is not False:
            return f"In context={context}, 'additionalProperties' is required to be supplied and to be false."
        required = schema.get("required")
        missing = next((name for name in properties if not isinstance(required, list) or name not in required), None)
        if missing is not None:
            return (
                f"In context={context}, 'required' is required to be supplied and to be an array including every key in "
                f"properties. Missing '{missing}'."
            )
    nested: list[tuple[tuple[str, ...], Any]] = [
        (("properties", name), value) for name, value in (schema.get("properties") or {}).items()
    ]
    nested += [(("$defs", name), value) for name, value in (schema.get("$defs") or {}).items()]
    nested += [((key, str(at)), value) for key in ("anyOf", "allOf") for at, value in enumerate(schema.get(key) or ())]
    if isinstance(schema.get("items"), Mapping):
        nested.append((("items",), schema["items"]))
    for path, value in nested:
        problem = strict_problem(value, (*context, *path)) if isinstance(value, Mapping) else None
        if problem:
            return problem
    return None
