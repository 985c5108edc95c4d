"""The Responses API: shapes through the SDK, kept responses, sealed reasoning, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from switchwise_loopback import Answer, Fault, ToolCall

from .conftest import agpt, gpt, post

GPT, THINKER, OTHER = "gpt-4o", "gpt-5.2", "gpt-5.1"
FUNCTION: Any = {
    "type": "function",
    "name": "f",
    "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}},
    "strict": False,
}
ASK = "How is the weather?"
SEALED: Any = {"include": ["reasoning.encrypted_content"], "store": False}


def think(request: Any) -> Answer:
    return Answer("So.", (ToolCall("f", {"x": 1}),) if request.messages[-1].role == "user" else (), reasoning="hm " * 20)


def items(response: Any) -> list[dict[str, Any]]:
    return [item.model_dump(exclude_none=True) for item in response.output]


def results(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "42"}
        for item in output
        if item["type"] == "function_call"
    ]


def test_whole_and_stream_agree(serve):
    client = gpt(serve(think))
    body: Any = {"model": THINKER, "input": ASK, "tools": [FUNCTION], "reasoning": {"summary": "auto"}}
    whole = client.responses.create(**body)
    with client.responses.stream(**body) as stream:
        events = list(stream)
        streamed = stream.get_final_response()
    for response in (whole, streamed):
        assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
        assert response.output_text == "So."
        assert json.loads(response.output[2].arguments) == {"x": 1}  # type: ignore[union-attr]
        assert response.status == "completed"
        assert response.usage is not None
        assert response.usage.output_tokens_details.reasoning_tokens == 15
    assert [events[0].type, events[1].type, events[-1].type] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(numbers)
    assert "".join(event.delta for event in events if event.type == "response.reasoning_summary_text.delta") == "hm " * 20


async def test_async_stream(provider):
    async with agpt(provider) as client:
        stream = await client.responses.create(model=GPT, input=ASK, stream=True)
        text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
    assert ASK in text


def test_structured_output_parses(provider):
    class Trip(BaseModel):
        city: str
        days: int

    response = gpt(provider).responses.parse(model=GPT, input="3 days in Paris", text_format=Trip)
    assert response.output_parsed == Trip(city="Paris", days=3)


def test_an_answer_that_does_not_fit_is_incomplete(serve):
    response = gpt(serve([Answer("word " * 50)])).responses.create(model=GPT, input=ASK, max_output_tokens=16)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


def test_a_refusal_is_a_part(provider):
    provider.inject(Fault.REFUSAL, times=2)
    client = gpt(provider)
    part = client.responses.create(model=GPT, input=ASK).output[0].content[0]  # type: ignore[union-attr, index]
    assert part.type == "refusal"
    kinds = [event.type for event in client.responses.create(model=GPT, input=ASK, stream=True)]
    assert "response.refusal.done" in kinds


def test_web_search_runs_on_the_server(serve):
    client = gpt(serve(lambda request: Answer("found", searches=("weather",))))
    response = client.responses.create(model=GPT, input=ASK, tools=[{"type": "web_search"}])
    assert [item.type for item in response.output] == ["web_search_call", "message"]
    kinds = [event.type for event in client.responses.create(model=GPT, input=ASK, tools=[{"type": "web_search"}], stream=True)]
    assert "response.web_search_call.searching" in kinds


def test_a_kept_response_is_continued(serve):
    provider = serve(think)
    client = gpt(provider)
    first = client.responses.create(model=THINKER, input=ASK, tools=[FUNCTION], instructions="be brief")
    second = client.responses.create(
        model=THINKER, input=results(items(first)), previous_response_id=first.id, tools=[FUNCTION]
    )  # type: ignore[arg-type]
    assert second.previous_response_id == first.id
    third = client.responses.create(model=OTHER, input="and?", previous_response_id=second.id)
    assert third.output
    spent = [seen.usage.input_tokens for seen in provider.requests if seen.usage]
    assert spent[0] < spent[1]


def test_what_is_not_kept_cannot_be_continued(serve):
    client = gpt(serve(think))
    response = client.responses.create(model=THINKER, input=ASK, store=False)
    for made in (response.id, "resp_unknown"):
        with pytest.raises(openai.BadRequestError, match="not found") as raised:
            client.responses.create(model=THINKER, input=ASK, previous_response_id=made)
        assert raised.value.code == "previous_response_not_found"


@pytest.mark.parametrize("options", [{}, SEALED], ids=["kept", "sealed"])
def test_reasoning_comes_back_to_its_model_only(serve, options):
    client = gpt(serve(think))
    output = items(client.responses.create(model=THINKER, input=ASK, tools=[FUNCTION], **options))
    again: Any = {"input": [{"role": "user", "content": ASK}, *output, *results(output)], "tools": [FUNCTION], **options}
    assert client.responses.create(model=THINKER, **again).output_text == "So."
    assert client.responses.create(model=f"{THINKER}-2026-01-01", **again).output_text == "So."  # the same model
    with pytest.raises(openai.APIStatusError, match="could not be verified" if options else "not found") as raised:
        client.responses.create(model=OTHER, **again)
    assert raised.value.status_code == (400 if options else 404)


def test_reasoning_that_was_not_kept_is_not_found(serve):
    client = gpt(serve(think))
    output = items(client.responses.create(model=THINKER, input=ASK, tools=[FUNCTION], store=False))
    with pytest.raises(openai.NotFoundError, match="Items are not persisted when `store` is set to false"):
        client.responses.create(model=THINKER, input=[*output, *results(output)], tools=[FUNCTION], store=False)  # type: ignore[list-item]


def test_reasoning_and_what_it_led_to_belong_together(serve):
    client = gpt(serve(lambda request: Answer(tool_calls=(ToolCall("f"),), reasoning="hm")))
    reasoning, call = items(client.responses.create(model=THINKER, input=ASK, tools=[FUNCTION]))
    outputs = results([call])
    with pytest.raises(openai.BadRequestError, match="was provided without its required following item"):
        client.responses.create(model=THINKER, input=[reasoning, {"role": "user", "content": "and?"}])  # type: ignore[list-item]
    with pytest.raises(openai.BadRequestError, match="without its required 'reasoning' item: 'rs_"):
        client.responses.create(model=THINKER, input=[call, *outputs])  # type: ignore[list-item]
    bare = {key: value for key, value in call.items() if key != "id"}
    assert client.responses.create(model=OTHER, input=[bare, *outputs]).output  # type: ignore[list-item]


def test_references_find_kept_items(serve):
    client = gpt(serve(lambda request: Answer("hello")))
    (message,) = items(client.responses.create(model=GPT, input=ASK))
    assert client.responses.create(
        model=GPT, input=[{"type": "item_reference", "id": message["id"]}, {"role": "user", "content": "and?"}]
    ).output  # type: ignore[list-item]
    with pytest.raises(openai.NotFoundError, match="Item with id 'msg_x' not found"):
        client.responses.create(model=GPT, input=[{"type": "item_reference", "id": "msg_x"}])  # type: ignore[list-item]


USER: Any = {"role": "user", "content": "hi"}
CALL: Any = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT: Any = {"type": "function_call_output", "call_id": "call_1", "output": "42"}


def part(role: str = "user", **value: Any) -> dict[str, Any]:
    return {"input": [{"role": role, "content": [value]}]}


REFUSED: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("unknown parameter", {"messages": []}, "Unknown parameter: 'messages'.", "unknown_parameter"),
    ("no input", {"input": None}, "must be provided", "missing_required_parameter"),
    ("call without output", {"input": [USER, CALL]}, "No tool output found for function call call_1.", None),
    ("output without call", {"input": [USER, OUTPUT]}, "No tool call found for function call output with call_id call_1.", None),
    ("output twice", {"input": [CALL, OUTPUT, OUTPUT]}, "No tool call found", None),
    ("item twice", {"input": [{**CALL, "id": "fc_1"}, OUTPUT, {**CALL, "id": "fc_1"}, OUTPUT]}, "Duplicate item found with id fc_1", None),
    ("foreign item id", {"input": [{**CALL, "id": "call_1"}, OUTPUT]}, "Expected an ID that begins with 'fc'", "invalid_value"),
    ("chat message", {"input": [{"role": "tool", "tool_call_id": "a", "content": "b"}]}, "Unknown parameter: 'input[0].tool_call_id'", "unknown_parameter"),
    ("chat part", part(type="text", text="a"), "Invalid value: 'text'. Supported values are: 'input_text'", "invalid_value"),
    ("input_text of the assistant", part("assistant", type="input_text", text="a"), "Supported values are: 'output_text' and 'refusal'", "invalid_value"),
    ("thinking block", part(type="thinking", thinking="a"), "Invalid value: 'thinking'", "invalid_value"),
    ("cache_control", part(type="input_text", text="a", cache_control={}), "Unknown parameter: 'input[0].content[0].cache_control'", "unknown_parameter"),
    ("unknown item", {"input": [{"type": "tool_use", "id": "a"}]}, "Invalid value: 'tool_use'", "invalid_value"),
    ("chat tool", {"tools": [{"type": "function", "function": {"name": "f"}}]}, "Missing required parameter: 'tools[0].name'", "missing_required_parameter"),
    ("anthropic server tool", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "Invalid value: 'web_search_20250305'", "invalid_value"),
    ("choice", {"tools": [FUNCTION], "tool_choice": "any"}, "Invalid value: 'any'", "invalid_value"),
    ("choice not offered", {"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "g"}}, "not found in 'tools'", None),
    ("few tokens", {"max_output_tokens": 9}, "Expected a value >= 16, but got 9 instead.", "integer_below_min_value"),
    ("json mode", {"text": {"format": {"type": "json_object"}}}, "must contain the word 'json'", None),
    ("strict schema", {"text": {"format": {"type": "json_schema", "name": "S", "strict": True, "schema": {"type": "object"}}}}, "Invalid schema for response_format 'S'", None),
    ("effort on a model that does not reason", {"reasoning": {"effort": "low"}}, "'reasoning.effort' is not supported with this model", "unsupported_parameter"),
    ("sealed reasoning there", {"include": ["reasoning.encrypted_content"]}, "Encrypted content is not supported with this model.", None),
    ("temperature", {"model": "o3", "temperature": 0}, "Unsupported parameter: 'temperature'", "unsupported_parameter"),
    ("foreign reasoning", {"model": THINKER, "input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAother"}, CALL, OUTPUT]}, "could not be verified", "invalid_encrypted_content"),
    ("no model", {"model": None}, "you must provide a model parameter", None),
    ("high temperature", {"temperature": 3}, "decimal above maximum value. Expected a value <= 2, but got 3 instead.", "decimal_above_max_value"),
    ("empty update", {"model": "gpt-6-luna", "input": [USER, {"type": "configuration_update"}]}, "Missing required parameter: 'input[1].reasoning'", "missing_required_parameter"),
    ("reasoning without summary", {"model": THINKER, "input": [USER, {"type": "reasoning", "id": "rs_1"}]}, "Missing required parameter: 'input[1].summary'", "missing_required_parameter"),
    ("bare file data", part(type="input_file", file_data="AAAA"), "Expected a base64-encoded data URL with a valid file MIME type (e.g. 'data:application/pdf", "invalid_value"),
    ("audio as file", part(type="input_file", file_data="data:audio/wav;base64,AAAA"), "but got unsupported MIME type 'audio/wav'", "invalid_value"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message", "code"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_refused(provider, change, message, code):
    body = {"model": GPT, "input": [USER], **change}
    reply = post(provider, "/v1/responses", {key: value for key, value in body.items() if value is not None})
    error = reply.json()["error"]
    assert reply.status_code == 400, error
    assert message in error["message"]
    assert error["code"] == code


def test_an_update_of_the_format_and_a_screenshot_are_taken(provider):
    update: Any = {"type": "configuration_update", "text": {"verbosity": "low"}}
    shot: Any = {"role": "user", "content": [{"type": "computer_screenshot", "image_url": "data:image/png;base64,AAAA"}]}
    assert post(provider, "/v1/responses", {"model": "gpt-6-luna", "input": [USER, update, shot]}).status_code == 200


def test_sealed_reasoning_cannot_be_forged(serve):
    client = gpt(serve(think))
    output = items(client.responses.create(model=THINKER, input=ASK, tools=[FUNCTION], **SEALED))
    content, mark = json.loads(base64.urlsafe_b64decode(output[0]["encrypted_content"].removeprefix("gAAAA")))
    forged = json.dumps([content.replace(THINKER, OTHER), mark]).encode()
    output[0]["encrypted_content"] = "gAAAA" + base64.urlsafe_b64encode(forged).decode()
    with pytest.raises(openai.BadRequestError, match="could not be verified"):
        client.responses.create(model=OTHER, input=[*output, *results(output)], tools=[FUNCTION], **SEALED)


def test_error_responses_differ_from_chat(serve):
    provider = serve(windows={GPT: 10}, models=[GPT])
    client = gpt(provider)
    with pytest.raises(openai.BadRequestError, match="exceeds the context window of this model") as raised:
        client.responses.create(model=GPT, input=ASK * 9)
    assert raised.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="The requested model 'gpt-9' does not exist") as raised:
        client.responses.create(model="gpt-9", input=ASK)
    assert raised.value.code == "model_not_found"


def test_broken_streams(provider):
    client = gpt(provider)
    for fault in (Fault.STREAM_ERROR_FIRST, Fault.STREAM_ERROR_MID, Fault.STREAM_QUOTA):
        provider.inject(fault)
        with pytest.raises(openai.APIError) as raised:
            list(client.responses.create(model=GPT, input=ASK, stream=True))
        assert raised.value.type == ("insufficient_quota" if fault is Fault.STREAM_QUOTA else "server_error")
    provider.inject(Fault.STREAM_CUT)
    kinds = [event.type for event in client.responses.create(model=GPT, input=ASK, stream=True)]
    assert "response.output_text.delta" in kinds
    assert "response.completed" not in kinds


def test_a_failed_response_is_an_event_and_no_exception(provider):
    provider.inject(Fault.STREAM_FAILED)
    *_, last = gpt(provider).responses.create(model=GPT, input=ASK, stream=True)
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == "server_error"


def test_caches_are_reported(provider):
    client = gpt(provider)
    text = "a" * 8000
    first = client.responses.create(model="gpt-5.6-sol", input=text).usage
    second = client.responses.create(model="gpt-5.6-sol", input=[{"role": "user", "content": text}]).usage
    assert first is not None
    assert second is not None
    assert (first.input_tokens_details.cached_tokens, first.input_tokens_details.cache_write_tokens) == (0, 2004)
    assert (second.input_tokens_details.cached_tokens, second.input_tokens_details.cache_write_tokens) == (2004, 0)


def test_a_continued_response_reads_what_it_repeats(serve):
    client = gpt(serve(think))
    first = client.responses.create(model="gpt-5.6-sol", input="a" * 8000, tools=[FUNCTION])
    second = client.responses.create(
        model="gpt-5.6-sol", input=results(items(first)), previous_response_id=first.id, tools=[FUNCTION]
    )  # type: ignore[arg-type]
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens_details.cached_tokens == first.usage.input_tokens_details.cache_write_tokens
