"""Recorded calls, made again through the two clients: what was asked goes out unchanged, what came back is understood."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from switchwise import Call, Pool, Reply, Shortlist, Target, TargetError, Usage, View
from switchwise.clients import AnthropicClient, Client, OpenAIClient, usage_of
from switchwise.failures import classify, translated
from switchwise.nouns.errors import FailureKind as Kind

from .. import traffic

pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated")
CALLS = [one for one in traffic.recordings(traffic.traffic()) if one.api in ("chat", "messages")]
RESPONSES_API = openai.OpenAI(api_key="x", max_retries=0).responses
RESPONSES = [one for one in traffic.recordings(traffic.traffic()) if one.api == "responses" and one.failed]


@cache
def client_of(api: str) -> Client:
    """One for all calls: an SDK client takes long to build."""
    if api == "chat":
        return OpenAIClient(openai.OpenAI(api_key="x", max_retries=0), openai.AsyncOpenAI(api_key="x", max_retries=0))
    return AnthropicClient(
        anthropic.Anthropic(api_key="x", max_retries=0), anthropic.AsyncAnthropic(api_key="x", max_retries=0)
    )


def asked(recorded: traffic.Recorded) -> tuple[Call, dict[str, Any]]:
    params = dict(recorded.request)
    target = Target("recorded", model=params.pop("model"))
    return Call(target, View(), Shortlist(Pool([target]))), params


def perform(recorded: traffic.Recorded, folder: Path) -> list[Any] | TargetError:
    call, params = asked(recorded)
    with traffic.replay(recorded, folder):
        try:
            return list(client_of(recorded.api).perform(call, params))
        except TargetError as failure:
            return failure


async def aperform(recorded: traffic.Recorded, folder: Path) -> list[Any] | TargetError:
    call, params = asked(recorded)
    with traffic.replay(recorded, folder):
        try:
            return [item async for item in client_of(recorded.api).aperform(call, params)]
        except TargetError as failure:
            return failure


# -- a plain reading of the recording, which shares nothing with the clients ---------------------------------------


def terminal(recorded: traffic.Recorded) -> bool:
    if not recorded.streamed:
        return True
    if recorded.api == "messages":
        return any(event["type"] == "message_stop" for event in recorded.events)
    ends: dict[int, bool] = {}
    for event in recorded.events:
        for choice in event.get("choices", []):
            ends[choice["index"]] = ends.get(choice["index"], False) or bool(choice.get("finish_reason"))
    return bool(ends) and all(ends.values())


def text_of(recorded: traffic.Recorded) -> str:
    if recorded.api == "chat":
        if not recorded.streamed:
            message = json.loads(recorded.body)["choices"][0]["message"]
            return message.get("content") or message.get("refusal") or ""
        deltas = [c["delta"] for e in recorded.events for c in e.get("choices", []) if c["index"] == 0 and c.get("delta")]
        return "".join(delta.get("content") or "" for delta in deltas) or "".join(d.get("refusal") or "" for d in deltas)
    if not recorded.streamed:
        return "".join(block["text"] for block in json.loads(recorded.body)["content"] if block["type"] == "text")
    return "".join(
        (event.get("content_block") or event.get("delta") or {}).get("text") or ""
        for event in recorded.events
        if event["type"] in ("content_block_start", "content_block_delta")
    )


def tools_of(recorded: traffic.Recorded) -> list[str]:
    if recorded.api == "messages":
        if not recorded.streamed:
            return [block["name"] for block in json.loads(recorded.body)["content"] if block["type"] == "tool_use"]
        blocks = [event["content_block"] for event in recorded.events if event["type"] == "content_block_start"]
        return [block["name"] for block in blocks if block["type"] == "tool_use"]
    if not recorded.streamed:
        message = json.loads(recorded.body)["choices"][0]["message"]
        calls = [call["function"] for call in message.get("tool_calls") or ()] or [message.get("function_call")]
        return [call["name"] for call in calls if call]
    deltas = [c["delta"] for e in recorded.events for c in e.get("choices", []) if c["index"] == 0 and c.get("delta")]
    calls = [call["function"] for delta in deltas for call in delta.get("tool_calls") or ()]
    calls += [delta["function_call"] for delta in deltas if delta.get("function_call")]
    return [call["name"] for call in calls if call.get("name")]


def check_answer(recorded: traffic.Recorded, items: list[Any]) -> None:
    *chunks, reply = items
    assert isinstance(reply, Reply)
    assert reply.text == text_of(recorded)
    assert [name for name, _ in reply.tool_calls] == tools_of(recorded)
    assert all("_raw" not in arguments for _, arguments in reply.tool_calls)
    assert bool(chunks) == recorded.streamed
    assert (reply.first_chunk is not None) == recorded.streamed
    assert reply.model
    client = client_of(recorded.api)
    shown = "".join(client.text_of(chunk) for chunk in chunks)
    assert not recorded.streamed or shown in (reply.text, "")
    if usage := reply.usage:
        parts = [usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens]
        assert sum(part or 0 for part in parts) <= usage.input_tokens
        assert (usage.reasoning_tokens or 0) <= usage.output_tokens
    if '"usage"' in recorded.body and not recorded.streamed:
        assert reply.usage is not None
    again = client.message_of(reply, reply.model)
    assert [call["function"]["name"] for call in again.get("tool_calls", []) if "function" in call] in (tools_of(recorded), [])


def check(recorded: traffic.Recorded, got: list[Any] | TargetError) -> None:
    if recorded.failed:
        assert isinstance(got, TargetError)
        expected = classify(recorded.status, recorded.stream_error or recorded.body, recorded.headers)
        assert (got.kind, got.retry_after) == expected
        assert got.own is got.__cause__
    elif not terminal(recorded):
        assert isinstance(got, TargetError)
        assert got.kind is Kind.CONNECTION
    else:
        assert isinstance(got, list), got
        check_answer(recorded, got)


def test_there_is_enough_to_replay() -> None:
    assert len(CALLS) >= 35
    assert sum(one.streamed for one in CALLS) >= 6
    assert {one.status for one in CALLS} >= {200, 400, 401, 404, 429, 503, 529}


@pytest.mark.parametrize("recorded", CALLS, ids=lambda one: one.id)
def test_a_recorded_call_through_the_client(recorded: traffic.Recorded, tmp_path: Path) -> None:
    check(recorded, perform(recorded, tmp_path))


@pytest.mark.parametrize("recorded", CALLS, ids=lambda one: one.id)
async def test_a_recorded_call_through_the_asynchronous_client(recorded: traffic.Recorded, tmp_path: Path) -> None:
    check(recorded, await aperform(recorded, tmp_path))


@pytest.mark.parametrize("recorded", RESPONSES, ids=lambda one: one.id)
def test_a_recorded_failure_of_responses_through_the_sdk(recorded: traffic.Recorded, tmp_path: Path) -> None:
    with traffic.replay(recorded, tmp_path), pytest.raises(TargetError) as caught, translated():
        list(RESPONSES_API.create(**recorded.request))
    assert caught.value.kind is classify(recorded.status, recorded.stream_error or recorded.body, recorded.headers)[0]


def test_a_request_that_was_not_recorded_fails_the_test_and_is_no_outage(tmp_path: Path) -> None:
    recorded = next(one for one in CALLS if one.status == 200 and one.api == "chat" and not one.streamed)
    call, params = asked(recorded)
    changed = {**params, "messages": [{"role": "user", "content": "something else"}]}
    with traffic.replay(recorded, tmp_path), pytest.raises(traffic.CassetteMiss):
        list(client_of(recorded.api).perform(call, changed))


def test_usage_of_known_recordings() -> None:
    def usage(name: str) -> Usage | None:
        found = next(one for one in traffic.recordings(traffic.SAMPLE) if one.file.name.startswith(name) and one.status == 200)
        return usage_of(json.loads(found.body))

    written = usage("anthropic_completion_cache_write_1h")
    assert written is not None
    assert written.cache_write_1h_tokens
    assert written.input_tokens > written.cache_write_1h_tokens
    five_six = usage("v1__chat_completion_prompt_caching_5_6_cache_write")
    assert five_six is not None
    assert five_six.cache_write_tokens
