"""The official SDKs parse what the provider sends, streamed and not, sync and async."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchwise_loopback import Answer, ToolCall, Usage

from .conftest import aclaude, agpt, claude, gpt, post

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
FUNCTION: Any = {"type": "function", "function": {"name": "forecast", "parameters": SCHEMA}}
TOOL: Any = {"name": "forecast", "input_schema": SCHEMA}
ASK: Any = [{"role": "user", "content": "The forecast in Paris for 3 days?"}]
TWO = Answer(
    "Looking.", (ToolCall("forecast", {"city": "Paris", "days": 3}), ToolCall("forecast", {"city": "Zürich", "days": 1}))
)
CALLS = [("forecast", {"city": "Paris", "days": 3}), ("forecast", {"city": "Zürich", "days": 1})]


def test_chat_gives_text_usage_and_headers(serve):
    client = gpt(serve([Answer("Hello, Ada.")]))
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=ASK)
    reply = raw.parse()
    assert reply.choices[0].message.content == "Hello, Ada."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["x-ratelimit-remaining-requests"] == "4999"


def test_chat_stream_equals_the_whole(serve):
    client = gpt(serve(lambda request: TWO))
    whole = client.chat.completions.create(model="gpt-4o", messages=ASK, tools=[FUNCTION])
    with client.chat.completions.stream(
        model="gpt-4o", messages=ASK, tools=[FUNCTION], stream_options={"include_usage": True}
    ) as stream:
        streamed = stream.get_final_completion()
    for reply in (whole, streamed):
        message = reply.choices[0].message
        assert message.content == "Looking."
        assert [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()] == CALLS
        assert reply.choices[0].finish_reason == "tool_calls"
    assert streamed.usage == whole.usage
    ids = [call.id for call in streamed.choices[0].message.tool_calls or ()]
    assert len(set(ids)) == 2
    assert all(made.startswith("call_") and len(made) <= 40 for made in ids)


def test_chat_streams_usage_only_on_request_and_in_a_chunk_without_choices(provider):
    client = gpt(provider)
    bare = list(client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in bare)
    asked = list(
        client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True, stream_options={"include_usage": True})
    )
    assert [bool(chunk.usage) for chunk in asked] == [False] * (len(asked) - 1) + [True]
    assert asked[-1].choices == []


def test_messages_give_text_usage_and_headers(serve):
    client = claude(serve([Answer("Hello, Ada.")]))
    raw = client.messages.with_raw_response.create(model="claude-haiku-4-5", max_tokens=100, messages=ASK)
    reply = raw.parse()
    assert [block.type for block in reply.content] == ["text"]
    assert reply.stop_reason == "end_turn"
    assert reply.usage.cache_creation is not None
    assert raw.headers["request-id"].startswith("req_")
    assert raw.headers["anthropic-ratelimit-requests-remaining"] == "3999"
    assert raw.headers["retry-after"] == "20"  # on a 200, as recorded: it must not be obeyed


def test_messages_stream_equals_the_whole(serve):
    client = claude(serve(lambda request: TWO))
    whole = client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=ASK, tools=[TOOL])
    with client.messages.stream(model="claude-haiku-4-5", max_tokens=100, messages=ASK, tools=[TOOL]) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_message()
    for reply in (whole, streamed):
        assert [block.type for block in reply.content] == ["text", "tool_use", "tool_use"]
        assert [(block.name, block.input) for block in reply.content if block.type == "tool_use"] == CALLS
        assert reply.stop_reason == "tool_use"
        assert reply.usage.output_tokens == whole.usage.output_tokens
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert all(block.id.startswith("toolu_") for block in streamed.content if block.type == "tool_use")


async def test_async_clients_stream(provider):
    async with agpt(provider) as openai_client:
        stream = await openai_client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    async with (
        aclaude(provider) as client,
        client.messages.stream(model="claude-haiku-4-5", max_tokens=100, messages=ASK) as events,
    ):
        answered = "".join([piece async for piece in events.text_stream])
    assert "forecast in Paris" in text
    assert "forecast in Paris" in answered


@pytest.mark.parametrize("stream", [False, True])
def test_structured_output_on_both(provider, stream):
    form: Any = {"type": "json_schema", "json_schema": {"name": "Forecast", "strict": True, "schema": SCHEMA}}
    body = {"model": "gpt-4o", "messages": ASK, "response_format": form, "stream": stream}
    sent = post(provider, "/v1/chat/completions", body).text
    output = {"format": {"type": "json_schema", "schema": SCHEMA}}
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": ASK, "output_config": output, "stream": stream}
    answered = post(provider, "/v1/messages", body).text
    if not stream:
        assert json.loads(json.loads(sent)["choices"][0]["message"]["content"]) == {"city": "Paris", "days": 3}
        assert json.loads(json.loads(answered)["content"][0]["text"]) == {"city": "Paris", "days": 3}
    else:
        assert sent.endswith("data: [DONE]\n\n")
        assert "message_stop" in answered


def test_json_object_takes_the_quoted_keys(provider):
    ask: Any = [{"role": "user", "content": "Return JSON with 'setup' and 'punchline' keys."}]
    reply = gpt(provider).chat.completions.create(model="gpt-4o", messages=ask, response_format={"type": "json_object"})
    assert set(json.loads(reply.choices[0].message.content or "")) == {"setup", "punchline"}


@pytest.mark.parametrize(
    ("text", "bounds", "expected", "openai_stop", "anthropic_stop"),
    [
        ("one two three four five six", {"max_tokens": 2}, "one two ", "length", "max_tokens"),
        ("one two STOP three", {"stop": ["STOP"], "max_tokens": 99}, "one two ", "stop", "stop_sequence"),
        ("one two", {"max_tokens": 99}, "one two", "stop", "end_turn"),
    ],
)
def test_answers_are_cut_at_their_bounds(serve, text, bounds, expected, openai_stop, anthropic_stop):
    provider = serve(lambda request: Answer(text))
    reply = gpt(provider).chat.completions.create(model="gpt-4o", messages=ASK, **bounds)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (expected, openai_stop)
    named = {"stop_sequences" if key == "stop" else key: value for key, value in bounds.items()}
    answered = claude(provider).messages.create(model="claude-haiku-4-5", messages=ASK, **named)
    assert (answered.content[0].text, answered.stop_reason) == (expected, anthropic_stop)  # type: ignore[union-attr]
    assert answered.stop_sequence == ("STOP" if "stop" in bounds else None)


def test_tool_arguments_that_do_not_fit_are_cut_to_broken_json(serve):
    provider = serve([TWO])
    reply = gpt(provider).chat.completions.create(model="gpt-4o", messages=ASK, tools=[FUNCTION], max_tokens=6)
    choice = reply.choices[0]
    assert choice.finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads((choice.message.tool_calls or [])[0].function.arguments)


def test_scripted_usage_is_reported_by_each_protocols_rules(serve):
    usage = Usage(input_tokens=5000, output_tokens=70, cache_read=4000, cache_write_5m=600, cache_write_1h=100)
    provider = serve(lambda request: Answer("ok", usage=usage))
    spent = gpt(provider).chat.completions.create(model="gpt-5.6-sol", messages=ASK).usage
    assert spent is not None
    assert (spent.prompt_tokens, spent.prompt_tokens_details.cached_tokens) == (5000, 4000)
    assert spent.prompt_tokens_details.cache_write_tokens == 700
    answered = claude(provider).messages.create(model="claude-haiku-4-5", max_tokens=99, messages=ASK).usage
    assert (answered.input_tokens, answered.cache_read_input_tokens, answered.cache_creation_input_tokens) == (300, 4000, 700)
    assert (answered.cache_creation.ephemeral_5m_input_tokens, answered.cache_creation.ephemeral_1h_input_tokens) == (600, 100)


def test_multimodal_parts_are_read(provider):
    data = "data:application/pdf;base64,AAAA"
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": data}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    gpt(provider).chat.completions.create(model="gpt-4o-audio-preview", messages=[{"role": "user", "content": parts}])
    blocks: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
    ]
    claude(provider).messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": blocks}])
    first, second = provider.requests
    assert first.usage is not None
    assert second.usage is not None
    assert first.usage.input_tokens > 765 + 1500 + 100
    assert second.usage.input_tokens > 765 + 1500


def test_models_are_listed(serve):
    provider = serve(models=["gpt-4o", "claude-haiku-4-5"])
    assert [model.id for model in gpt(provider).models.list()] == ["gpt-4o", "claude-haiku-4-5"]
    assert [model.id for model in claude(provider).models.list()] == ["gpt-4o", "claude-haiku-4-5"]
    assert claude(provider).models.retrieve("claude-haiku-4-5").id == "claude-haiku-4-5"


def test_tokens_are_counted_as_they_are_billed(provider):
    client = claude(provider)
    counted = client.messages.count_tokens(model="claude-haiku-4-5", messages=ASK).input_tokens
    reply = client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=ASK)
    assert reply.usage.input_tokens == counted


def test_two_choices_on_request(provider):
    reply = gpt(provider).chat.completions.create(model="gpt-4o", messages=ASK, n=2)
    assert [choice.index for choice in reply.choices] == [0, 1]


@pytest.mark.parametrize("stream", [False, True])
def test_web_search_on_messages(serve, stream):
    provider = serve(lambda request: Answer("found", searches=("weather",)))
    tool: Any = {"type": "web_search_20250305", "name": "web_search"}
    body: Any = {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": ASK, "tools": [tool]}
    if stream:
        with claude(provider).messages.stream(**body) as events:
            reply = events.get_final_message()
    else:
        reply = claude(provider).messages.create(**body)
    assert [block.type for block in reply.content] == ["server_tool_use", "web_search_tool_result", "text"]
    assert reply.usage.server_tool_use is not None
    assert reply.usage.server_tool_use.web_search_requests == 1
    blocks = [block.to_dict() for block in reply.content]
    for block in blocks:
        block.pop("parsed_output", None)
    later: Any = [*ASK, {"role": "assistant", "content": blocks}, {"role": "user", "content": "and?"}]
    assert claude(provider).messages.create(**{**body, "messages": later}).content
