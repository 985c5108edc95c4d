"""The default answers, and the schemas that they fill in."""

from __future__ import annotations

from typing import Any

import pytest

from switchwise_loopback import Request, Tool, ToolCall, ToolResult, Turn
from switchwise_loopback.answers.responder import DefaultResponder
from switchwise_loopback.answers.schema import Hints, instance

WEATHER = Tool(
    "get_weather", parameters={"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}
)
MAGIC = Tool(
    "magic_function", parameters={"type": "object", "properties": {"input": {"type": "integer"}}, "required": ["input"]}
)
NOTHING = Tool("magic_function_no_args", parameters={"type": "object", "properties": {}})
JOKE = Tool("Joke", parameters={"type": "object", "properties": {"setup": {"type": "string"}}, "required": ["setup"]})


def respond(text: str, *tools: Tool, after: tuple[Turn, ...] = (), **options: Any) -> Any:
    messages = (Turn("user", text), *after)
    return DefaultResponder()(Request("openai", "chat", "m", messages, tools, **options))


def calls(answer: Any) -> list[tuple[str, Any]]:
    return [(call.name, call.arguments) for call in answer.tool_calls]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("What is the weather in San Francisco, CA?", {}, [("get_weather", {"location": "San Francisco, CA"})]),
        ("What is the value of magic_function(3)? Use the tool.", {}, [("magic_function", {"input": 3})]),
        ("Hello!", {}, []),
        ("Hello!", {"tool_choice": "required"}, [("get_weather", {"location": "sample location"})]),
        ("Hello!", {"tool_choice": "tool", "forced_tool": "magic_function"}, [("magic_function", {"input": 1})]),
        ("The weather?", {"tool_choice": "none"}, []),
        (
            "magic_function(3) and get_weather",
            {"parallel_tool_calls": False},
            [("get_weather", {"location": "sample location"})],
        ),
    ],
)
def test_tools_are_called_only_if_asked_for(text, options, expected):
    assert calls(respond(text, WEATHER, MAGIC, **options)) == expected


def test_a_tool_without_arguments_gets_none():
    assert calls(respond("What is magic_function_no_args()? Use the tool.", NOTHING)) == [("magic_function_no_args", {})]


def test_after_tool_results_it_answers_in_text():
    after = (
        Turn("assistant", tool_calls=(ToolCall("get_weather", {}, "a"),)),
        Turn("tool", results=(ToolResult("a", "sunny"),)),
    )
    answer = respond("The weather in Paris?", WEATHER, after=after)
    assert not answer.tool_calls
    assert "sunny" in answer.text


def test_a_required_call_moves_on_so_that_a_loop_ends():
    after = (
        Turn("assistant", tool_calls=(ToolCall("get_weather", {}, "a"),)),
        Turn("tool", results=(ToolResult("a", "sunny"),)),
    )
    assert calls(respond("The weather?", WEATHER, JOKE, tool_choice="required"))[0][0] == "get_weather"
    assert calls(respond("The weather?", WEATHER, JOKE, tool_choice="required", after=after))[0][0] == "Joke"


def test_a_required_call_is_made_without_any_user_turn():
    asked = Request("openai", "chat", "m", (Turn("system", "Call tools."),), (JOKE,), tool_choice="required")
    assert calls(DefaultResponder()(asked)) == [("Joke", {"setup": "sample setup"})]


def test_unicode_is_taken_from_quotes():
    customer = Tool("unicode_customer", parameters={"type": "object", "properties": {"name": {"type": "string"}}})
    assert calls(respond("Create a customer named '你好啊集团'", customer, tool_choice="required")) == [
        ("unicode_customer", {"name": "你好啊集团"})
    ]


def test_the_same_request_gives_the_same_answer():
    assert respond("Tell me a story", WEATHER) == respond("Tell me a story", WEATHER)


NESTED = {
    "type": "object",
    "properties": {"people": {"type": "array", "items": {"$ref": "#/$defs/Person"}}},
    "required": ["people"],
    "$defs": {
        "Person": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "boss": {"anyOf": [{"$ref": "#/$defs/Person"}, {"type": "null"}]}},
            "required": ["name", "boss"],
        }
    },
}


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        ({"const": 7}, "", 7),
        ({"enum": ["red", "green"]}, "paint it green", "green"),
        ({"enum": ["red", "green"]}, "", "red"),
        ({"type": ["null", "integer"]}, "take 5", 5),
        ({"type": "integer", "minimum": 10, "maximum": 20}, "take 5", 10),
        ({"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5}, "", 5),
        ({"type": "number"}, "2.5 kilos", 2.5),
        ({"type": "string", "format": "date"}, "", "2026-01-15"),
        ({"type": "string", "minLength": 30}, "", "sample value".ljust(30, ".")),
        ({"type": "string", "maxLength": 3}, "", "sam"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": True}, "", [1, 2]),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"const": "x"}]}, "", [1, "x"]),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, "", True),
        ({"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 2}}, "required": ["b"]}]}, "", {"a": 1, "b": 2}),
        ({"type": "object", "properties": {"a": {}, "b": {"type": "null"}}, "required": ["b"]}, "", {"b": None}),
        ({"$ref": "#/definitions/N", "definitions": {"N": {"const": "n"}}}, "", "n"),
        ({"type": "integer", "maximum": 20}, "take 50", 20),
        ({"type": "integer", "minimum": 1.5}, "", 2),
        ({"type": "integer", "maximum": -0.5}, "", -1),
        ({"type": "integer", "exclusiveMinimum": 1.5, "exclusiveMaximum": 2.5}, "", 2),
        ({"properties": {"a": True, "b": {}, "c": {"items": {"const": 1}}}}, "", {"a": "a", "b": "sample b", "c": [1]}),
        ({"anyOf": [{"const": "x"}, {"const": "y"}], "properties": {"a": {"$ref": "#/anyOf/1"}}}, "", "x"),
        ({"type": "object", "properties": {"a": {"$ref": "#/properties/b/anyOf/1"}, "b": {"anyOf": [{"const": 1}, {"const": 2}]}}}, "", {"a": 2, "b": 1}),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "", "sample value"),
    ],
)  # fmt: skip
def test_instances(schema, text, expected):
    assert instance(schema, Hints(text)) == expected


def test_recursive_schemas_end():
    made = instance(NESTED)
    depth = 0
    person = made["people"][0]
    while person is not None and depth < 50:
        assert person["name"]
        person, depth = person["boss"], depth + 1
    assert depth < 10
    tree = {"anyOf": [{"type": "object", "properties": {"left": {"$ref": "#"}}, "required": ["left"]}, {"type": "string"}]}
    assert str(instance(tree)).count("left") < 10
