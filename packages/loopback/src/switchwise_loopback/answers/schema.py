"""Made-up instances of JSON schemas, as a model would fill them in.

Rules:
1. The instance is valid for the schema: types, enum, const, required, $ref, anyOf / oneOf / allOf, bounds, lengths, formats.
   `pattern`, `not`, `if` and `dependent*` are ignored.
2. `Hints` (numbers, quoted strings and places found in the prompt) are used where they fit, each once, then defaults.
3. The same schema and the same hints give the same instance.
4. Required properties are always present; optional ones only if the schema names no required ones at all.
5. A recursive schema ends: below `DEEPEST` levels arrays are empty and unions take their smallest branch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

DEEPEST = 6
FORMATS: Mapping[str, str] = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}

_QUOTED = re.compile(r"'([^'\n]{1,200})'|\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)")
_PLACE = re.compile(r"\b(?:in|at|for|of|to)\s+([A-Z][\w.'-]*(?:,?\s+[A-Z][\w.'-]*)*)")


class Hints:
    """Values found in a text, handed out once each in order of appearance.

    >>> hints = Hints("magic_function(3) for 'Ada'")
    >>> hints.number(), hints.string(), hints.string()
    (3, 'Ada', None)
    """

    def __init__(self, text: str = "") -> None:
        self.text = text
        quoted = [next(group for group in match.groups() if group is not None) for match in _QUOTED.finditer(text)]
        self._strings = quoted + _PLACE.findall(text)
        self._numbers = [float(number) for number in _NUMBER.findall(text)]

    def string(self) -> str | None:
        """The next quoted string or place name."""
        return self._strings.pop(0) if self._strings else None

    def number(self) -> float | int | None:
        """The next number; whole ones as int."""
        if not self._numbers:
            return None
        number = self._numbers.pop(0)
        return int(number) if number.is_integer() else number


def instance(schema: Mapping[str, Any], hints: Hints | None = None) -> Any:
    """An instance of `schema`.

    >>> instance({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}, Hints("take 7"))
    {'n': 7}
    """
    return _Maker(schema, hints or Hints()).make(schema, "value", 0)


class _Maker:
    def __init__(self, root: Mapping[str, Any], hints: Hints) -> None:
        self.root = root
        self.hints = hints

    def make(self, schema: Any, name: str, depth: int) -> Any:
        if not isinstance(schema, Mapping):  # true: anything goes
            return name
        schema = self._flat(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            mentioned = [value for value in schema["enum"] if isinstance(value, str) and value in self.hints.text]
            return (mentioned or schema["enum"])[0]
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self._union(schema, key, name, depth)
        kind = _type(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, kind)
        if kind == "boolean":
            return True
        if kind == "null":
            return None
        return self._string(schema, name)

    def _flat(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow `$ref` and merge `allOf`."""
        for _ in range(32):
            ref = schema.get("$ref")
            if not isinstance(ref, str):
                break
            schema = {**self._resolve(ref), **{key: value for key, value in schema.items() if key != "$ref"}}
        if "allOf" not in schema:
            return schema
        merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            flat = self._flat(part)
            merged["properties"] = {**merged.get("properties", {}), **flat.get("properties", {})}
            merged["required"] = [*merged.get("required", []), *flat.get("required", [])]
            merged.update({key: value for key, value in flat.items() if key not in ("properties", "required")})
        return {key: value for key, value in merged.items() if value != {} or key not in ("properties",)}

    def _resolve(self, ref: str) -> Mapping[str, Any]:
        node: Any = self.root
        for part in ref.removeprefix("#").strip("/").split("/"):
            if isinstance(node, list):
                node = node[int(part)] if part.isdecimal() and int(part) < len(node) else {}
            elif part:
                node = node.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(node, Mapping) else {}
        return node if isinstance(node, Mapping) else {}

    def _union(self, schema: Mapping[str, Any], key: str, name: str, depth: int) -> Any:
        rest = {k: v for k, v in schema.items() if k not in (key, "default", "title", "description")}
        branches = [{**rest, **self._flat(branch)} for branch in schema[key] if isinstance(branch, Mapping)]
        real = [branch for branch in branches if _type(branch) != "null"]
        if depth >= DEEPEST and len(real) < len(branches):
            return None
        if depth >= DEEPEST:
            real.sort(key=lambda branch: len(branch.get("properties", {})) + ("items" in branch))
        return self.make(real[0], name, depth) if real else None

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required: Sequence[str] = schema.get("required") or (
            () if "required" in schema or depth >= DEEPEST else tuple(properties)
        )
        return {key: self.make(properties.get(key, {}), key, depth + 1) for key in dict.fromkeys(required)}

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        prefix = list(schema.get("prefixItems") or ())
        least = int(schema.get("minItems", 0))
        wanted = max(least, len(prefix), 0 if depth >= DEEPEST else 1)
        wanted = min(wanted, int(schema.get("maxItems", wanted)))
        items = schema.get("items", {})
        made = [self.make(prefix[at] if at < len(prefix) else items, name, depth + 1) for at in range(wanted)]
        if schema.get("uniqueItems"):
            made = [f"{item} {at + 1}" if at and isinstance(item, str) else item for at, item in enumerate(made)]
            made = [
                item + at if isinstance(item, int | float) and not isinstance(item, bool) else item
                for at, item in enumerate(made)
            ]
        return made

    def _number(self, schema: Mapping[str, Any], kind: str) -> float | int:
        whole = kind == "integer"
        low, high = schema.get("minimum"), schema.get("maximum")
        if "exclusiveMinimum" in schema:
            low = math.floor(schema["exclusiveMinimum"]) + 1 if whole else schema["exclusiveMinimum"] + 1e-3
        if "exclusiveMaximum" in schema:
            high = math.ceil(schema["exclusiveMaximum"]) - 1 if whole else schema["exclusiveMaximum"] - 1e-3
        found = self.hints.number()
        value: float | int = found if found is not None and not (whole and isinstance(found, float)) else 1
        if low is not None and value < low:
            value = math.ceil(low) if whole else low
        if high is not None and value > high:
            value = math.floor(high) if whole else high
        step = schema.get("multipleOf")
        if step:
            value = -(-value // step) * step
            value = value - step if high is not None and value > high else value
        return int(value) if whole else value

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        text = self.hints.string() or f"sample {name.replace('_', ' ')}"
        text = text.ljust(int(schema.get("minLength", 0)), ".")
        return text[: int(schema["maxLength"])] if "maxLength" in schema else text


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, Sequence) and not isinstance(kind, str):
        kind = next((entry for entry in kind if entry != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"
