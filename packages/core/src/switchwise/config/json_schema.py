"""The JSON Schema of configuration files, for editors, generated from the constructors."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args

from switchwise.config.conditions import FIELDS
from switchwise.config.registry import ROOMS, described, known, parameters
from switchwise.config.values import SharedState, alternatives, part_of
from switchwise.nouns.exchange.limits import Limits
from switchwise.nouns.signals import Phase, StepKind
from switchwise.nouns.target import MODALITIES, Capabilities, Price
from switchwise.nouns.view import View
from switchwise.policies.default_chain import Aim
from switchwise.policies.rules import Rules

SHIPPED = Path(__file__).with_name("switchwise.schema.json")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Json = dict[str, Any]
_TEXT: Json = {"type": "string", "minLength": 1}
_TEXTS: Json = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_SECRET: Json = {"type": "string", "pattern": "^(env|file):\\S+$", "description": "Where it is kept: env:NAME or file:PATH."}


def json_schema() -> Json:
    """Return the schema with all installed policies, verifiers, estimators and observers."""
    drawing = _Drawing()
    target = _table(
        {
            "provider": _TEXT,
            "model": {**_TEXT, "description": "The provider's name of the model; also provider:model."},
            "api": {"enum": ["chat", "responses", "messages"]},
            "roles": {**_TEXTS, "description": "Words that rules may use instead of its name."},
            "price": drawing.noun(Price),
            "can": drawing.noun(Capabilities),
            "limits": drawing.noun(Limits),
            "key": _SECRET,
            "keys": {
                "type": "array",
                "items": _SECRET,
                "minItems": 1,
                "description": "Several keys of this model, which take turns.",
            },
            "base_url": {"type": "string", "pattern": "^(https?://|env:|file:)"},
            "timeout": {"type": "number", "exclusiveMinimum": 0, "description": "Of a request, in seconds."},
            "effort": {
                **_TEXT,
                "description": "Of reasoning, in the provider's word: low, high; one model at two efforts is two targets.",
            },
            "settings": {"type": "object", "description": "Arguments of the client or of the framework's model."},
        }
    )
    router = _table(
        {
            "pool": {"type": "array", "items": _TEXT, "minItems": 1, "description": "Targets, strongest first; without: all."},
            "policies": {"type": "array", "items": {"$ref": "#/$defs/policies"}, "description": "In order of importance."},
            "verify": {"$ref": "#/$defs/verifiers"},
            "cache": {"$ref": "#/$defs/caches"},
            "journal": {**_TEXTS, "description": "Files that each attempt is written to, relative to this one."},
            "observers": {"type": "array", "items": {"$ref": "#/$defs/observers"}, "description": "Further ones."},
            "store": {
                "anyOf": [_TEXT, drawing.noun(SharedState)],
                "description": "Where several processes share its state: an address.",
            },
            "labels": {"type": "object", "additionalProperties": _TEXTS, "description": "The calls that it is for."},
            "on_broken": {
                "anyOf": [{"enum": ["raise", "restart"]}, {**_table({"continue": _TEXT}), "required": ["continue"]}],
                "description": "What follows when a streamed reply breaks off after part of it was shown.",
            },
        }
    )
    short = {"type": "string", "pattern": "^[^:]+:.+", "description": "provider:model"}
    top = _table(
        {
            "version": {"const": 1},
            "include": {**_TEXTS, "description": "Files that this one adds to, relative to it."},
            "default": {**_TEXT, "description": "The router that is meant where none is named."},
            "targets": {"type": "object", "additionalProperties": {"anyOf": [short, target]}},
            "routers": {"type": "object", "additionalProperties": router},
        }
    )
    parts = {kind: drawing.parts(kind) for kind in ROOMS}
    return {"$schema": DIALECT, "title": "switchwise", **top, "$defs": {"condition": _condition(), **drawing.nouns, **parts}}


class _Drawing:
    """Generate schemas of constructors. `nouns` has those of the encountered dataclasses."""

    def __init__(self) -> None:
        self.nouns: dict[str, Json] = {}

    def parts(self, kind: str) -> Json:
        """Schema of one kind: a name, or a table of one name with its arguments."""
        classes = {name: cls for name, cls in known(kind).items() if isinstance(cls, type)}
        names: list[str] = [*classes, *(["Default"] if kind == "policies" else [])]
        own = {"type": "string", "pattern": _OWN, "description": "package.module:Class"}
        table: Json = {
            "type": "object",
            "properties": {name: self._arguments(cls) for name, cls in classes.items()},
            "patternProperties": {_OWN: True},
            "additionalProperties": False,
        }
        if kind == "policies":
            levels = ["session", "agent", "task"]
            table["properties"]["hold"] = {
                "enum": levels,
                "description": "Keep its preference for as long as one of these lasts.",
            }
            aim: Json = {"enum": [*get_args(Aim)], "description": "What the default chain is out for."}
            table["properties"]["Default"] = {"anyOf": [aim, _table({"aim": aim})]}
        return {"anyOf": [{"enum": names}, own, table]}

    def _arguments(self, cls: type) -> Json:
        first_line = (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")
        if cls is Rules:
            rule = _table({**dict.fromkeys(("prefer", "require", "exclude"), _TEXT), "when": _TEST, "because": _TEXT})
            return {"description": first_line, "anyOf": [rule, {"type": "array", "items": rule}]}
        takes = parameters(cls)
        first = next(iter(takes.values()), None)
        if first and first[1].kind is inspect.Parameter.VAR_POSITIONAL:
            return {"description": first_line, "type": "array", "items": self.of(first[0]) or True}
        rest = next((hint for hint, each in takes.values() if each.kind is inspect.Parameter.VAR_KEYWORD), None)
        descriptions = described(cls)
        fields = {name: pair for name, pair in takes.items() if pair[1].kind not in _UNNAMED}
        made: Json = {
            "type": "object",
            "properties": {},
            "additionalProperties": False if rest is None else self.of(rest) or True,
        }
        for name, (hint, _) in fields.items():
            if (schema := self.of(hint)) is not None:
                made["properties"][name] = {**schema, "description": descriptions[name]} if name in descriptions else schema
        if required := [name for name, (_, each) in fields.items() if each.default is inspect.Parameter.empty]:
            made["required"] = required
        positional = [hint for hint, each in fields.values() if each.kind is not inspect.Parameter.KEYWORD_ONLY]
        alone = self.of(positional[0]) if positional and rest is None else None
        if alone is not None and alone.get("type") != "object":
            return {"description": first_line, "anyOf": [made, alone]}
        return {"description": first_line, **made}

    def of(self, hint: Any) -> Json | None:
        """The schema of a parameter's type; None if a file cannot express it."""
        options = [schema for each in alternatives(hint) if each is not NoneType and (schema := self._one(each)) is not None]
        return None if not options else options[0] if len(options) == 1 else {"anyOf": options}

    def _one(self, hint: Any) -> Json | None:
        origin, inside = typing.get_origin(hint), typing.get_args(hint)
        if kind := part_of(hint):
            return {"$ref": f"#/$defs/{kind}"}
        if hint in _SIMPLE:
            return _SIMPLE[hint]
        if origin is Literal:
            return {"enum": list(inside)}
        if isinstance(hint, type) and issubclass(hint, Enum):
            return {"enum": [each.value if isinstance(each.value, str) else each.name.lower() for each in hint]}
        if origin is typing.get_origin(Callable[[], Any]):
            return _TEST if inside == ([View], bool) else {**_TEXT, "description": "package.module:function"}
        if origin in (dict, typing.get_origin(Mapping[str, Any])):
            return {"type": "object", "additionalProperties": (self.of(inside[1]) if len(inside) == 2 else None) or True}
        if isinstance(origin, type) and issubclass(origin, typing.Collection):
            return {"type": "array", "items": (self.of(inside[0]) if inside else None) or True}
        return self.noun(hint) if is_dataclass(hint) and isinstance(hint, type) else None

    def noun(self, cls: type) -> Json:
        """A reference to the schema of a dataclass, which may be recursive."""
        if cls.__name__ not in self.nouns:
            self.nouns[cls.__name__] = {}
            descriptions, made = described(cls), {}
            for name, (hint, _) in parameters(cls).items():
                if (schema := self.of(hint)) is not None:
                    made[name] = {**schema, "description": descriptions[name]} if name in descriptions else schema
            self.nouns[cls.__name__] = _table(made)
        return {"$ref": f"#/$defs/{cls.__name__}"}


def _table(fields: Mapping[str, Json]) -> Json:
    return {"type": "object", "properties": dict(fields), "additionalProperties": False}


_OWN = r"^[A-Za-z_][\w.]*:[A-Za-z_]"
_UNNAMED = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY)
_SIMPLE: Mapping[Any, Json] = {
    Any: {},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: _TEXT,
    Path: _TEXT,
}
_TEST: Json = {"anyOf": [{"$ref": "#/$defs/condition"}, {**_TEXT, "description": "package.module:function of the view"}]}


def _condition() -> Json:
    flag, whole = {"type": "boolean"}, {"type": "integer", "minimum": 0}
    words: dict[str, Json] = {
        "phase": _words([phase.value for phase in Phase]),
        "step": _words([step.value for step in StepKind]),
        "modality": _words(sorted(MODALITIES)),
        "label": {"type": "object", "additionalProperties": {"anyOf": [*_TEXTS["anyOf"], flag]}, "minProperties": 1},
        "first": flag,
        "tools": flag,
        "structured_output": flag,
        "failures": whole,
        "tokens_above": whole,
        "tokens_below": whole,
        "not": {"$ref": "#/$defs/condition"},
        "any": {"type": "array", "items": {"$ref": "#/$defs/condition"}},
    }
    return {
        **_table({name: words.get(name, _TEXTS) for name in FIELDS}),
        "minProperties": 1,
        "description": "All fields must hold.",
    }


def _words(words: list[str]) -> Json:
    return {"anyOf": [{"enum": words}, {"type": "array", "items": {"enum": words}}]}
