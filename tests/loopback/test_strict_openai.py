"""What Chat Completions refuses, and with which words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from switchwise_loopback.nouns.errors import Reject
from switchwise_loopback.openai.checks import check as chat_check
from switchwise_loopback.openai.responses_checks import check as responses_check

from .conftest import post

USER = {"role": "user", "content": "hi"}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def call(made: str = "call_1", **function: Any) -> dict[str, Any]:
    return {"id": made, "type": "function", "function": {"name": "f", "arguments": "{}", **function}}


def asks(*made: str) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [call(one) for one in made]}


def result(made: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": made, "content": "42"}


def part(**value: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [value]}]}


def open_schema(strict: bool) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    return {"type": "json_schema", "json_schema": {"name": "S", "strict": strict, "schema": schema}}


CLOSED = {"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": False}

REFUSED: list[tuple[str, dict[str, Any], str, str | None]] = [
    # name, changes of a good body, part of the message, code
    ("unknown parameter", {"thinking": {}}, "Unrecognized request argument supplied: thinking", None),
    ("anthropic parameters", {"top_k": 1, "system": "x"}, "arguments supplied: top_k, system", None),
    ("no model", {"model": None}, "you must provide a model parameter", None),
    ("no messages", {"messages": None}, "Missing required parameter: 'messages'.", "missing_required_parameter"),
    ("empty messages", {"messages": []}, "empty array", "empty_array"),
    ("role", {"messages": [{"role": "human", "content": "hi"}]}, "Invalid value: 'human'. Supported", "invalid_value"),
    ("null content", {"messages": [{"role": "user", "content": None}]}, "expected a string, got null", None),
    ("empty assistant", {"messages": [{"role": "assistant"}]}, "expected a string, got null", None),
    ("unknown message key", {"messages": [{**USER, "cache_control": {}}]}, "messages[0].cache_control", "unknown_parameter"),
    ("reasoning_content", {"messages": [USER, {"role": "assistant", "content": "a", "reasoning_content": "b"}]}, "[1].reasoning", "unknown_parameter"),
    ("cache_control", part(type="text", text="a", cache_control={"type": "ephemeral"}), "content[0].cache_control'", "unknown_parameter"),
    ("no part type", part(text="a"), "Missing required parameter: 'messages[0].content[0].type'.", "missing_required_parameter"),
    ("thinking block", part(type="thinking", thinking="a", signature="b"), "Invalid value: 'thinking'. Supported values", "invalid_value"),
    ("tool_use block", part(type="tool_use", id="a", name="b", input={}), "Invalid value: 'tool_use'", "invalid_value"),
    ("anthropic image", part(type="image", source={}), "Invalid value: 'image'", "invalid_value"),
    ("image url", part(type="image_url", image_url={"url": "cat.png"}), "Expected a valid URL", "invalid_value"),
    ("audio format", {"model": "gpt-4o-audio-preview", **part(type="input_audio", input_audio={"data": "A", "format": "ogg"})}, "'wav' and 'mp3'", "invalid_value"),
    ("audio on a deaf model", part(type="input_audio", input_audio={"data": "A", "format": "wav"}), "either text or image_url type", "invalid_value"),
    ("file data", part(type="file", file={"file_data": "AAAA"}), "base64-encoded data URL", "invalid_value"),
    ("result missing", {"messages": [USER, asks("call_1", "call_2"), result("call_1"), USER]}, "did not have response messages: call_2", None),
    ("result missing at the end", {"messages": [USER, asks("call_1")]}, "must be followed by tool messages", None),
    ("orphaned result", {"messages": [USER, result("call_9")]}, "must be a response to a preceeding message", None),
    ("late result", {"messages": [USER, asks("call_1"), result("call_1"), USER, result("call_1")]}, "must be a response", None),
    ("duplicate result", {"messages": [USER, asks("call_1"), result("call_1"), result("call_1")]}, "Duplicate value for 'tool_call_id'", None),
    ("long call id", {"messages": [USER, asks("x" * 41), result("x" * 41)]}, "maximum length 40", "string_above_max_length"),
    ("arguments as object", {"messages": [USER, {**asks(), "tool_calls": [call(arguments={})]}, result("call_1")]}, "expected a string, but got an object", "invalid_type"),
    ("choice", {"tools": [FUNCTION], "tool_choice": "any"}, "Invalid value: 'any'. Supported values are: 'none', 'auto', and 'required'.", "invalid_value"),
    ("anthropic choice", {"tools": [FUNCTION], "tool_choice": {"type": "tool", "name": "f"}}, "Invalid value: 'tool'", "invalid_value"),
    ("choice not offered", {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "not found in 'tools'", None),
    ("choice without tools", {"tool_choice": "required"}, "only allowed when 'tools' are specified", None),
    ("parallel without tools", {"parallel_tool_calls": True}, "only allowed when 'tools' are specified", None),
    ("no tools", {"tools": []}, "Invalid 'tools': empty array", "empty_array"),
    ("server tool", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "Supported values are: 'function' and 'custom'", "invalid_value"),
    ("anthropic tool", {"tools": [{"name": "f", "input_schema": {}}]}, "Missing required parameter: 'tools[0].type'", "missing_required_parameter"),
    ("tool cache_control", {"tools": [{**FUNCTION, "cache_control": {}}]}, "Unknown parameter: 'tools[0].cache_control'", "unknown_parameter"),
    ("tool name", {"tools": [{"type": "function", "function": {"name": "a b"}}]}, "does not match pattern", "invalid_value"),
    ("tool schema", {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]}, "Invalid schema for function 'f'", "invalid_function_parameters"),
    ("strict tool", {"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}]}, "'additionalProperties' is required", "invalid_function_parameters"),
    ("strict format", {"response_format": open_schema(True)}, "Invalid schema for response_format 'S'", None),
    ("json mode", {"response_format": {"type": "json_object"}}, "must contain the word 'json'", None),
    ("format type", {"response_format": {"type": "xml"}}, "Invalid value: 'xml'", "invalid_value"),
    ("stream options", {"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled", None),
    ("temperature", {"temperature": -1}, "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1 instead.", "decimal_below_min_value"),
    ("max_tokens", {"max_tokens": 0}, "integer below minimum value", "integer_below_min_value"),
    ("five stops", {"stop": list("abcde")}, "array too long", "array_above_max_length"),
    ("reasoning max_tokens", {"model": "o3", "max_tokens": 9}, "Use 'max_completion_tokens' instead", "unsupported_parameter"),
    ("reasoning stop", {"model": "gpt-5", "stop": ["a"]}, "'stop' is not supported with this model", "unsupported_parameter"),
    ("reasoning temperature", {"model": "gpt-5-mini", "temperature": 0.5}, "Only the default (1) value", "unsupported_value"),
    ("web search", {"web_search_options": {}}, "Web search options not supported with this model.", None),
    ("temperature as text", {"temperature": "hot"}, "Invalid type for 'temperature': expected a decimal", "invalid_type"),
    ("system on o1-mini", {"model": "o1-mini", "messages": [{"role": "system", "content": "x"}, USER]}, "does not support 'system' with this model", "unsupported_value"),
    ("name with a space", {"messages": [{**USER, "name": "ada l"}]}, "Invalid 'messages[0].name': string does not match pattern", "invalid_value"),
    ("no calls", {"messages": [USER, {"role": "assistant", "content": "x", "tool_calls": []}]}, "Invalid 'messages[1].tool_calls': empty array", "empty_array"),
    ("schema as list", {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'", "invalid_function_parameters"),
    ("strict, optional inside", {"response_format": {"type": "json_schema", "json_schema": {"name": "S", "strict": True, "schema": {**CLOSED, "properties": {"a": {**CLOSED, "required": []}}, "required": ["a"]}}}}, "In context=('properties', 'a'), 'required' is required to be supplied and to be an array including every key in properties. Missing 'b'.", None),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message", "code"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_refused(provider, change, message, code):
    body = {"model": "gpt-4o", "messages": [USER], **change}
    reply = post(provider, "/v1/chat/completions", {key: value for key, value in body.items() if value is not None})
    error = reply.json()["error"]
    assert reply.status_code == 400, error
    assert message in error["message"]
    assert (error["type"], error["code"]) == ("invalid_request_error", code)
    assert provider.requests[-1].error == error["message"]


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("system anywhere", {"messages": [USER, {"role": "system", "content": "be brief"}, USER]}),
    ("developer", {"messages": [{"role": "developer", "content": "be brief"}, USER]}),
    ("assistant first and last", {"messages": [{"role": "assistant", "content": "a"}, USER, {"role": "assistant", "content": "b"}]}),
    ("empty text", {"messages": [{"role": "user", "content": ""}]}),
    ("parallel calls in any order", {"messages": [USER, asks("a", "b"), result("b"), result("a")]}),
    ("the same id again, later", {"messages": [USER, asks("a"), result("a"), asks("a"), result("a")]}),
    ("open schema, not strict", {"response_format": open_schema(False)}),
    ("temperature on gpt-5.1", {"model": "gpt-5.1", "temperature": 0}),
    ("custom tool", {"tools": [{"type": "custom", "custom": {"name": "sh"}}], "tool_choice": {"type": "custom", "custom": {"name": "sh"}}}),
    ("a refusal comes back", {"messages": [USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, USER]}),
    ("an uploaded file", part(type="file", file={"file_id": "file-1"})),
    ("a format without schema", {"response_format": {"type": "json_schema", "json_schema": {"name": "S"}}}),
    ("empty and referring schemas", {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}, {"type": "function", "function": {"name": "g", "parameters": {"$ref": "#/$defs/A", "$defs": {"A": CLOSED}}}}]}),
]  # fmt: skip


@pytest.mark.parametrize("change", [pytest.param(row[1], id=row[0]) for row in ACCEPTED])
def test_accepted(provider, change):
    reply = post(provider, "/v1/chat/completions", {"model": "gpt-4o", "messages": [USER], **change})
    assert reply.status_code == 200, reply.text


def test_leniency_is_an_option(serve):
    provider = serve(strict=False)
    assert post(provider, "/v1/chat/completions", {"model": "m", "messages": [USER], "odd": 1}).status_code == 200
    nameless = post(provider, "/v1/chat/completions", {"messages": [USER]})
    assert (nameless.status_code, nameless.json()["error"]["message"]) == (400, "you must provide a model parameter")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tools": [{"type": "function", "function": 5}]}, "tools[0].function"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "function": 5}}, "tool_choice.function"),
        ({"response_format": {"type": "json_schema", "json_schema": 5}}, "response_format.json_schema"),
        ({"messages": [USER, {"role": "assistant", "content": "x", "tool_calls": 5}]}, "messages[1].tool_calls"),
        (
            {"messages": [USER, {"role": "assistant", "tool_calls": [{**call(), "function": 5}]}]},
            "messages[1].tool_calls[0].function",
        ),
        ({"messages": [USER, {"role": "assistant", "tool_calls": [{**call(), "id": 5}]}]}, "messages[1].tool_calls[0].id"),
        ({"messages": [USER, asks("a"), {**result("a"), "tool_call_id": []}]}, "messages[2].tool_call_id"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_value_of_another_type_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Reject, match=f"Invalid type for '{re.escape(field)}'"):
        chat_check({"model": "gpt-4o", "messages": [USER], **change})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"max_output_tokens": "x"}, "max_output_tokens"),
        ({"temperature": "x"}, "temperature"),
        ({"text": 5}, "text"),
        ({"text": {"format": 5}}, "text.format"),
        ({"tools": 5}, "tools"),
        ({"input": [{"type": "function_call", "call_id": 5, "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": 5}]}, "input[0].output"),
        ({"input": [{"type": "configuration_update", "reasoning": 5}]}, "input[0].reasoning"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_responses_refuses_a_value_of_another_type_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Reject, match=f"Invalid type for '{re.escape(field)}'"):
        responses_check({"model": "gpt-6-luna", "input": "hi", **change})
