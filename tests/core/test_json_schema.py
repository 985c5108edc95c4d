"""JSON Schema with the extra `schema` and without it: no keyword is skipped in silence."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchwise import ConfigurationError, Reply, View
from switchwise.verifiers import Schema
from switchwise.verifiers.json_schema import DEEPEST, checker


@pytest.fixture(params=["with the extra", "without it"])
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without it":
        monkeypatch.setitem(sys.modules, "jsonschema_rs", None)


both = pytest.mark.usefixtures("_library")


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)


CHECKED_ALWAYS: list[tuple[Any, list[Any], list[Any]]] = [
    ({"type": "integer"}, [3, 3.0, -1], [3.5, "3", True, None]),
    ({"type": ["string", "null"]}, ["", None], [0, []]),
    ({"enum": ["a", 1, [0]]}, ["a", 1, [0]], ["b", True, [False]]),
    ({"const": 0}, [0, 0.0], [False, None]),
    ({"const": {"a": [0]}}, [{"a": [0]}], [{"a": [False]}, {"a": []}]),
    ({"type": "object", "required": ["a"]}, [{"a": 1}], [{}, []]),
    ({"properties": {"a": {"type": "string"}}, "additionalProperties": False}, [{}, {"a": ""}], [{"b": 1}, {"a": 1}]),
    ({"additionalProperties": {"type": "number"}}, [{"x": 1}], [{"x": "1"}]),
    ({"items": {"minimum": 2}, "maxItems": 2}, [[], [2, 3]], [[1], [2, 2, 2]]),
    ({"items": False, "minItems": 0}, [[]], [[1]]),
    ({"minLength": 2, "maxLength": 3, "pattern": "^a"}, ["ab", "abc", 7], ["a", "abcd", "ba"]),
    ({"exclusiveMinimum": 0, "exclusiveMaximum": 1}, [0.5], [0, 1]),
    ({"minimum": 0, "maximum": 1}, [0, 1, "x"], [-1, 2]),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ["", None], [1]),
    ({"allOf": [{"minimum": 0}, {"maximum": 10}]}, [5], [-1, 11]),
    (
        {
            "$ref": "#/$defs/node",
            "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}, "n": {"type": "number"}}}},
        },
        [{"n": 1, "next": {"n": 2}}],
        [{"next": {"next": {"n": "x"}}}],
    ),
    ({"$ref": "#/definitions/a~1b%25", "definitions": {"a/b%": {"type": "null"}}}, [None], [0]),
    ({"$ref": "#/allOf/1", "allOf": [True, {"type": "null"}]}, [None], [0]),
    ({"title": "Day", "description": "a day", "format": "date", "default": 1, "examples": [2]}, ["today", 3], []),
    ({}, [1, None], []),
    (True, [1], []),
    (False, [], [1]),
]

NEEDS_THE_EXTRA: list[tuple[dict[str, Any], Any, Any]] = [
    ({"oneOf": [{"minimum": 0}, {"maximum": 10}]}, 11, 5),
    ({"not": {"type": "null"}}, 1, None),
    ({"prefixItems": [{"type": "string"}]}, ["a"], [1]),
    ({"multipleOf": 3}, 9, 10),
    ({"uniqueItems": True}, [1, 2], [1, 1]),
    ({"contains": {"const": 1}}, [2, 1], [2]),
    ({"contains": True, "maxContains": 1}, [2], [2, 3]),
    ({"contains": True, "minContains": 2}, [2, 3], [2]),
    ({"minProperties": 1}, {"a": 1}, {}),
    ({"maxProperties": 1}, {"a": 1}, {"a": 1, "b": 2}),
    ({"patternProperties": {"^n": {"type": "number"}}}, {"n": 1, "s": ""}, {"n": ""}),
    ({"propertyNames": {"maxLength": 1}}, {"a": 1}, {"ab": 1}),
    ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
    ({"dependentSchemas": {"a": {"required": ["b"]}}}, {"b": 1}, {"a": 1}),
    ({"if": {"type": "string"}, "then": {"minLength": 1}}, "a", ""),
    ({"if": {"type": "string"}, "else": {"const": 0}}, "a", 1),
    ({"unevaluatedItems": False}, [], [1]),
    ({"properties": {"a": True}, "unevaluatedProperties": False}, {"a": 1}, {"b": 1}),
    ({"$anchor": "top", "items": {"$ref": "#top"}, "type": "array"}, [[]], [1]),
    ({"$dynamicAnchor": "top", "items": {"$dynamicRef": "#top"}, "type": "array"}, [[]], [1]),
    ({"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"]}}, {"b": 1}, {"a": 1}),
]


@both
@pytest.mark.parametrize(("schema", "good", "bad"), CHECKED_ALWAYS)
def test_what_providers_take_is_checked_with_and_without_the_extra(schema: Any, good: list[Any], bad: list[Any]) -> None:
    check = checker(schema)
    assert [check(value) for value in good] == [None] * len(good)
    assert all(check(value) for value in bad)


@pytest.mark.parametrize(("schema", "good", "bad"), NEEDS_THE_EXTRA, ids=lambda part: str(part)[:40])
def test_f7_everything_else_is_checked_with_the_extra(schema: dict[str, Any], good: Any, bad: Any) -> None:
    check = checker(schema)
    assert check(good) is None
    assert check(bad)


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("schema", [row[0] for row in NEEDS_THE_EXTRA], ids=lambda part: str(part)[:40])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda schema: schema,
        lambda schema: {"properties": {"inner": {"items": schema}}},
        lambda schema: {"anyOf": [{"type": "null"}, {"additionalProperties": schema}]},
        lambda schema: {"$defs": {"inner": schema}, "$ref": "#/$defs/inner"},
    ],
    ids=["at the top", "in properties", "in anyOf", "in $defs"],
)
def test_f7_and_refused_without_it_wherever_it_stands(schema: dict[str, Any], wrap: Any) -> None:
    if "$schema" in schema:
        wrap = lambda same: same  # noqa: E731  the dialect of a whole document
    with pytest.raises(ConfigurationError, match=r'pip install "switchwise\[schema\]"'):
        checker(wrap(schema))


@pytest.mark.usefixtures("_alone")
def test_a_refusal_names_the_place_and_the_keyword() -> None:
    with pytest.raises(ConfigurationError, match=r"properties\.day\.not: the keyword 'not' is not checked here"):
        Schema({"properties": {"day": {"not": {"type": "null"}}}})


@both
@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "int"}, "'int' is not a type; the types are object, array"),
        ({"properties": {"n": {"type": ["string", "int"]}}}, "is not a type; the types are object"),
        ({"required": "city"}, "required"),
        ({"required": [1]}, "required"),
        ({"minLength": -1}, "minLength"),
        ({"minimum": "0"}, "minimum"),
        ({"pattern": "("}, "pattern"),
        ({"items": 3}, "items"),
        ({"properties": {"a": "string"}}, r"properties\.a"),
        ({"anyOf": []}, "anyOf"),
        ({"enum": "a"}, "enum"),
        ({"$ref": "#/$defs/none"}, "none"),
    ],
)
def test_what_is_no_schema_is_refused_by_its_place(schema: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        checker(schema)


@both
@pytest.mark.parametrize("where", ["http://127.0.0.1:9/other.json", "file:///etc/hostname", "other.json"])
def test_a_reference_to_another_document_is_refused_and_nothing_is_fetched(where: str) -> None:
    with pytest.raises(ConfigurationError):
        checker({"properties": {"a": {"$ref": where}}})


@both
def test_a_reason_names_the_place() -> None:
    check = checker(
        {"properties": {"a": {"items": {"required": ["c"], "additionalProperties": False, "properties": {"c": True}}}}}
    )
    assert check({"a": [{}]}) == "a.0: 'c' is missing"
    assert check({"a": [{"c": 1, "d": 1}]}) == "a.0: 'd' is not allowed"


@both
def test_a_long_value_is_cut_short_in_the_reason() -> None:
    reason = checker({"type": "integer"})("x" * 1_000)
    assert reason is not None
    assert len(reason) < 100


@both
def test_a_schema_that_refers_to_itself_without_end_ends() -> None:
    check = checker({"$ref": "#"})
    assert check(1) in (None, "the schema refers to itself without end")


@both
@pytest.mark.parametrize("depth", [DEEPEST, 100_000])
def test_a_value_without_bottom_is_refused_and_not_followed(depth: int) -> None:
    value: Any = []
    for _ in range(depth):
        value = [value]
    assert checker({"items": {"$ref": "#"}})(value) == f"nested deeper than {DEEPEST} levels"
    while value:  # freed level by level: the interpreter would go as deep as it is
        value = value[0]


@both
def test_a_schema_without_bottom_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5_000):
        schema = {"items": schema}
    with pytest.raises(ConfigurationError, match="JSON schema"):
        checker(schema)


@both
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_number_that_json_cannot_say_is_judged_and_raises_nothing(value: Any) -> None:
    assert Schema({"type": "string"})(View(), Reply("", tool_calls=())).accepted is False
    assert checker({"type": "string"})(value)


def test_formats_are_notes_unless_they_are_asked_for() -> None:
    day = {"type": "string", "format": "date"}
    assert Schema(day)(View(), Reply('"today"')).accepted
    assert not Schema(day, formats=True)(View(), Reply('"today"')).accepted
    assert Schema(day, formats=True)(View(), Reply('"2026-11-20"')).accepted


@pytest.mark.usefixtures("_alone")
def test_formats_need_the_extra() -> None:
    with pytest.raises(ConfigurationError, match=r"formats=True.*switchwise\[schema\]"):
        Schema({"format": "date"}, formats=True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(json_values)
def test_the_empty_schema_allows_everything(value: Any) -> None:
    assert checker({})(value) is None


schemas = st.recursive(
    st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null"]),
            "minimum": st.integers(-5, 5),
            "maxLength": st.integers(0, 3),
            "minItems": st.integers(0, 2),
            "required": st.lists(st.sampled_from("ab"), unique=True),
            "const": st.none() | st.integers(-2, 2) | st.booleans() | st.lists(st.integers(0, 1), max_size=2),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "items": inner,
            "properties": st.dictionaries(st.sampled_from("ab"), inner),
            "additionalProperties": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
        },
    ),
    max_leaves=8,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("xy", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(schemas, values)
def test_both_ways_agree(schema: Any, value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        by_library = checker(schema)(value)
        patch.setitem(sys.modules, "jsonschema_rs", None)
        assert (checker(schema)(value) is None) is (by_library is None)
