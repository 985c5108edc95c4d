"""What Messages refuses, and with which words."""

from __future__ import annotations

from typing import Any

import pytest

from switchwise_loopback.anthropic.checks import check
from switchwise_loopback.nouns.errors import Reject

from .conftest import post

USER = {"role": "user", "content": "hi"}
SAID = {"role": "assistant", "content": "ok"}
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
MARK = {"type": "ephemeral"}
THINK = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}


def use(*made: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": one, "name": "f", "input": {}} for one in made]}


def results(*made: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": one, "content": "42"} for one in made]}


def says(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def block(**value: Any) -> dict[str, Any]:
    return {"messages": [says("user", value)]}


def marked(count: int, **mark: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": f"part {at}", "cache_control": {**MARK, **mark}} for at in range(count)]


SEARCH = says("assistant", {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}})

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    # name, changes of a good body, part of the message
    ("no max_tokens", {"max_tokens": None}, "max_tokens: Field required"),
    ("unknown parameter", {"prompt_cache_key": "x"}, "prompt_cache_key: Extra inputs are not permitted"),
    ("empty messages", {"messages": []}, "at least one message is required"),
    ("assistant first", {"messages": [SAID, USER]}, 'first message must use the "user" role'),
    ("system message", {"messages": [USER, {"role": "system", "content": "x"}]}, 'Unexpected role "system"'),
    ("tool message", {"messages": [USER, {"role": "tool", "content": "x"}]}, 'Unexpected role "tool"'),
    ("message key", {"messages": [{**USER, "name": "ada"}]}, "messages.0.name: Extra inputs are not permitted"),
    ("empty content", {"messages": [{"role": "user", "content": ""}]}, "must have non-empty content"),
    ("no blocks", {"messages": [says("user"), SAID, USER]}, "must have non-empty content"),
    ("empty text", block(type="text", text=""), "text content blocks must be non-empty"),
    ("blank text", block(type="text", text=" \n"), "must contain non-whitespace text"),
    ("openai image", block(type="image_url", image_url={"url": "x"}), "Input tag 'image_url' found using 'type' does not match"),
    ("openai reasoning", {"messages": [USER, says("assistant", {"type": "reasoning", "id": "rs_1"}), USER]}, "Input tag 'reasoning'"),
    ("web_search_call", {"messages": [USER, says("assistant", {"type": "web_search_call"}), USER]}, "Input tag 'web_search_call'"),
    ("block field", block(type="text", text="a", index=0), "messages.0.content.0.text.index: Extra inputs are not permitted"),
    ("media type", block(type="image", source={"type": "base64", "media_type": "image/tiff", "data": "A"}), "Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"),
    ("tool_use of the user", {"messages": [says("user", *use("a")["content"])]}, "`tool_use` blocks can only be in `assistant` messages"),
    ("result missing", {"messages": [USER, use("a", "b"), results("a")]}, "`tool_use` ids were found without `tool_result` blocks immediately after: b"),
    ("result at the end missing", {"messages": [USER, use("a")]}, "found without `tool_result` blocks"),
    ("text before the result", {"messages": [USER, use("a"), says("user", {"type": "text", "text": "x"}, *results("a")["content"])]}, "immediately after: a"),
    ("orphaned result", {"messages": [results("a")]}, "unexpected `tool_use_id` found in `tool_result` blocks: a"),
    ("late result", {"messages": [USER, use("a"), results("a"), SAID, results("a")]}, "messages.4.content.0: unexpected `tool_use_id`"),
    ("duplicate result", {"messages": [USER, use("a"), results("a", "a")]}, "each tool_use must have a single result"),
    ("duplicate use", {"messages": [USER, use("a"), results("a"), use("a"), results("a")]}, "`tool_use` ids must be unique"),
    ("foreign id", {"messages": [USER, use("call|fc"), results("call|fc")]}, "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"),
    ("tool name", {"tools": [{**TOOL, "name": "a b"}]}, "tools.0.custom.name: String should match pattern"),
    ("tool without schema", {"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
    ("schema type", {"tools": [{"name": "f", "input_schema": {"type": "string"}}]}, "input_schema.type: Input should be 'object'"),
    ("schema union", {"tools": [{"name": "f", "input_schema": {"type": "object", "anyOf": []}}]}, "does not support oneOf, allOf, or anyOf"),
    ("openai tool", {"tools": [{"type": "function", "function": {}}]}, "Input tag 'function' found using 'type'"),
    ("twice the same tool", {"tools": [TOOL, TOOL]}, "Tool names must be unique"),
    ("choice as text", {"tools": [TOOL], "tool_choice": "auto"}, "tool_choice: Input should be a valid dictionary"),
    ("openai choice", {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}, "Input tag 'function'"),
    ("choice not offered", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "required"}}, "Tool 'required' not found in provided tools"),
    ("choice without tools", {"tool_choice": {"type": "any"}}, "may only be specified while providing tools"),
    ("five breakpoints", {"messages": [says("user", *marked(5))]}, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
    ("four and automatic", {"messages": [says("user", *marked(4))], "cache_control": MARK}, "Found 5."),
    ("ttl", {"messages": [says("user", *marked(1, ttl="2h"))]}, "Input should be '5m' or '1h'"),
    ("ttl order", {"system": marked(1), "messages": [says("user", *marked(1, ttl="1h"))]}, "must not come after a ttl='5m'"),
    ("cached empty text", block(type="text", text="", cache_control=MARK), "cache_control cannot be set for empty text blocks"),
    ("cached thinking", {"messages": [USER, says("assistant", {"type": "thinking", "thinking": "a", "signature": "b", "cache_control": MARK}), USER]}, "thinking.cache_control: Extra inputs"),
    ("prefill", {"model": "claude-opus-4-6", "messages": [USER, SAID]}, "does not support assistant message prefill"),
    ("prefill ends blank", {"messages": [USER, {"role": "assistant", "content": "so "}]}, "cannot end with trailing whitespace"),
    ("sampling", {"model": "claude-opus-5-5", "temperature": 0}, "`temperature` is deprecated for this model."),
    ("small budget", {"thinking": {"type": "enabled", "budget_tokens": 10}}, "greater than or equal to 1024"),
    ("budget over max_tokens", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "`max_tokens` must be greater than `thinking.budget_tokens`"),
    ("no budgets", {"model": "claude-opus-4-8", **THINK}, '"thinking.type.enabled" is not supported for this model'),
    ("thinking, temperature", {**THINK, "temperature": 0}, "`temperature` may only be set to 1 when thinking is enabled"),
    ("thinking, top_k", {**THINK, "top_k": 5}, "`top_k` must be unset when thinking is enabled"),
    ("thinking, forced", {**THINK, "tools": [TOOL], "tool_choice": {"type": "tool", "name": "f"}}, "Thinking may not be enabled when tool_choice forces tool use."),
    ("thinking, any", {**THINK, "tools": [TOOL], "tool_choice": {"type": "any"}}, "Thinking may not be enabled when tool_choice forces tool use."),
    ("loop without thinking", {**THINK, "messages": [USER, use("a"), results("a")]}, "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`"),
    ("foreign signature", {"messages": [USER, says("assistant", {"type": "thinking", "thinking": "a", "signature": "b"}), USER]}, "messages.1.content.0: Invalid `signature` in `thinking` block"),
    ("search result alone", {"messages": [USER, says("assistant", {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}), USER]}, "must have a corresponding `server_tool_use` block before it"),
    ("search without result", {"messages": [USER, SEARCH, USER, SAID, USER]}, "`web_search` tool use with id `srvtoolu_1` was found without a corresponding"),
    ("search id", {"messages": [USER, says("assistant", {**SEARCH["content"][0], "id": "call_1"}), USER]}, "server_tool_use.id: String should match pattern '^srvtoolu_"),
    ("open output schema", {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "'additionalProperties' must be explicitly set to false"),
    ("effort", {"model": "claude-opus-4-6", "output_config": {"effort": "xhigh"}}, "does not support effort level 'xhigh'"),
    ("number as stop", {"stop_sequences": ["a", 5]}, "stop_sequences.1: Input should be a valid string"),
    ("blank stop", {"stop_sequences": [" "]}, "stop_sequences.0: each stop sequence must contain non-whitespace"),
    ("temperature as text", {"temperature": "hot"}, "temperature: Input should be a valid number"),
    ("thinking, top_p", {**THINK, "top_p": 0.5}, "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled"),
    ("thinking, top_p of 0", {**THINK, "top_p": 0}, "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled"),
    ("schema as text", {"tools": [{"name": "f", "input_schema": "{}"}]}, "tools.0.custom.input_schema: Input should be a valid dictionary"),
    ("effort in place as text", {"model": "claude-opus-5", "messages": [USER, {"role": "system", "content": [], "output_config": "low"}, USER]}, "messages.1.output_config: Input should be a valid dictionary"),
    ("number as content", {"messages": [{"role": "user", "content": 5}]}, "messages.0.content: Input should be a valid list"),
    ("system first", {"model": "claude-opus-4-8", "messages": [{"role": "system", "content": "x"}, USER]}, 'first message must use the "user" role'),
    ("blank content", {"messages": [{"role": "user", "content": " "}]}, "text content blocks must contain non-whitespace text"),
    ("no text", block(type="text"), "messages.0.content.0.text.text: Field required"),
    ("number as text", block(type="text", text=5), "messages.0.content.0.text.text: Input should be a valid string"),
    ("input as text", {"messages": [USER, says("assistant", {**use("a")["content"][0], "input": "{}"}), results("a")]}, "tool_use.input: Input should be a valid dictionary"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_refused(provider, change, message):
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [USER], **change}
    reply = post(provider, "/v1/messages", {key: value for key, value in body.items() if value is not None})
    problem = reply.json()
    assert reply.status_code == 400, problem
    assert message in problem["error"]["message"]
    assert (problem["type"], problem["error"]["type"]) == ("error", "invalid_request_error")
    assert problem["request_id"] == reply.headers["request-id"]
    assert reply.headers["x-should-retry"] == "false"


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("neighbours of one role", {"messages": [USER, USER, SAID, SAID, USER]}),
    ("results over two messages", {"messages": [USER, use("a", "b"), results("a"), results("b")]}),
    ("result, then text", {"messages": [USER, use("a"), says("user", *results("a")["content"], {"type": "text", "text": "x"})]}),
    ("prefill on an older model", {"messages": [USER, SAID]}),
    ("system amid the conversation", {"model": "claude-opus-4-8", "messages": [USER, {"role": "system", "content": "x"}, SAID, USER]}),
    ("loop under adaptive thinking", {"model": "claude-opus-4-8", "thinking": {"type": "adaptive"}, "messages": [USER, use("a"), results("a")]}),
    ("thinking on at a turn", {**THINK, "messages": [USER, use("a"), results("a"), SAID, USER]}),
    ("no tool", {"tools": [TOOL], "tool_choice": {"type": "none"}}),
    ("a block without a list of fields", {"messages": [USER, says("assistant", {"type": "compaction", "content": "so far"}), USER]}),
    ("a reference as result", {"messages": [USER, use("a"), says("user", {**results("a")["content"][0], "content": [{"type": "tool_reference", "tool_name": "f"}]})]}),
    ("four breakpoints, long first", {"system": marked(2, ttl="1h"), "messages": [says("user", *marked(2))]}),
]  # fmt: skip


@pytest.mark.parametrize("change", [pytest.param(row[1], id=row[0]) for row in ACCEPTED])
def test_accepted(provider, change):
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [USER], **change}
    reply = post(provider, "/v1/messages", body)
    assert reply.status_code == 200, reply.text


def test_the_version_header_is_required(provider):
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [USER]}
    reply = post(provider, "/v1/messages", body, **{"anthropic-version": ""})
    assert "anthropic-version" in reply.json()["error"]["message"]


@pytest.mark.parametrize("field", ["model", "max_tokens", "messages", "stop_sequences", "tools", "output_config"])
def test_a_value_of_another_type_is_refused_by_its_field(field: str) -> None:
    with pytest.raises(Reject, match=f"'{field}: Input should be a valid"):
        check({"model": "claude-haiku-5-5", "max_tokens": 5, "messages": [USER], field: 5.5})
