"""What LangChain's integrations make of a provider's usage, and what is read from it: nothing lost, nothing counted twice."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_openai import ChatOpenAI

from langchain_switchwise.answering.replies import merged, token_text, usage_of
from switchwise import Usage

ANSWER = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
}


def served(*bodies: dict[str, Any]) -> ChatOpenAI:
    """The real integration, before a server that answers with these bodies: one answer, or the chunks of a stream."""

    def answer(request: httpx.Request) -> httpx.Response:
        if not json.loads(request.content).get("stream"):
            return httpx.Response(200, json=bodies[0])
        lines = [f"data: {json.dumps(body)}\n\n" for body in bodies]
        return httpx.Response(200, text="".join([*lines, "data: [DONE]\n\n"]), headers={"content-type": "text/event-stream"})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return ChatOpenAI(model="m", api_key="sk-test", base_url="http://127.0.0.1/v1", http_client=client, stream_usage=True)


def chunk(content: str = "", **more: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": more.pop("finish", None)}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}


@pytest.mark.parametrize(
    ("extra", "usage"),
    [
        ({"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, Usage(100, 9, 64)),
        ({"cached_tokens": 80}, Usage(100, 9, 80)),
        ({"prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30}}, Usage(100, 9, 60, 30)),
        (
            {"total_tokens": 159, "completion_tokens_details": {"reasoning_tokens": 50}},
            Usage(100, 59, None, None, None, 50),
        ),
        ({}, Usage(100, 9)),
    ],
    ids=["DeepSeek", "Moonshot", "OpenAI", "xAI", "totals"],
)
def test_what_the_integration_has_no_field_for_is_not_lost(extra: dict[str, Any], usage: Usage) -> None:
    counts = {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109, **extra}
    message = served({**ANSWER, "usage": counts}).invoke("hi")
    assert usage_of(message) == usage


@pytest.mark.parametrize("tier", ["priority", "flex", "default"])
def test_a_service_tier_changes_no_count(tier: str) -> None:
    counts = {
        "prompt_tokens": 100,
        "completion_tokens": 9,
        "total_tokens": 109,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    message = served({**ANSWER, "usage": counts, "service_tier": tier}).invoke("hi")
    assert usage_of(message) == Usage(100, 9, 60, 30, None, 4)
    assert usage_of(message.model_copy(update={"response_metadata": {}})) == Usage(100, 9, 60, 30, None, 4)


def test_a_stream_that_counts_once_is_counted_once() -> None:
    counts = {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109, "prompt_tokens_details": {"cached_tokens": 60}}
    model = served(chunk("a"), chunk("b", finish="stop"), {**chunk(), "choices": [], "usage": counts})
    assert usage_of(merged(list(model.stream("hi")))) == Usage(100, 9, 60)


def test_a_stream_that_counts_in_every_chunk_is_counted_once() -> None:
    def counts(answer: int) -> dict[str, Any]:
        return {
            "prompt_tokens": 100,
            "completion_tokens": answer,
            "total_tokens": 100 + answer,
            "prompt_tokens_details": {"cached_tokens": 60},
        }

    model = served(
        chunk("a", usage=counts(1)),
        chunk("b", usage=counts(2)),
        chunk("c", usage=counts(3), finish="stop"),
        {**chunk(), "choices": [], "usage": counts(3)},
    )
    assert usage_of(merged(list(model.stream("hi")))) == Usage(100, 3, 60)


def test_usage_of_a_stream_that_reports_prompt_and_answer_separately_is_added_up() -> None:
    first = AIMessageChunk("", usage_metadata={"input_tokens": 100, "output_tokens": 0, "total_tokens": 100})
    parts = [AIMessageChunk("a", usage_metadata={"input_tokens": 0, "output_tokens": 2, "total_tokens": 2}) for _ in range(3)]
    assert usage_of(merged([first, *parts])) == Usage(100, 6)


def test_the_passes_of_an_answer_of_anthropic_are_all_paid() -> None:
    extra = {
        "input_tokens": 30,
        "output_tokens": 9,
        "cache_read_input_tokens": 0,
        "iterations": [
            {"type": "message", "input_tokens": 10, "output_tokens": 4, "cache_read_input_tokens": 0},
            {"type": "message", "input_tokens": 20, "output_tokens": 5, "cache_read_input_tokens": 100},
        ],
    }
    counted = {"input_tokens": 30, "output_tokens": 9, "total_tokens": 39, "input_token_details": {"cache_read": 0}}
    assert usage_of(AIMessage("hi", usage_metadata=counted, response_metadata={"usage": extra})) == Usage(130, 9, 100)


def test_an_answer_from_the_cache_of_langchain_consumed_nothing() -> None:
    counted = {"input_tokens": 30, "output_tokens": 9, "total_tokens": 39, "total_cost": 0}
    assert usage_of(AIMessage("hi", usage_metadata=counted)) == Usage(0, 0)


def test_no_word_of_usage_is_unknown() -> None:
    assert usage_of(AIMessage("hi")) is None
    assert usage_of(AIMessage("hi", response_metadata={"token_usage": None, "model_name": "m"})) is None


@pytest.mark.parametrize(
    ("counted", "reported", "usage"),
    [
        ({}, {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.0123}, Usage(10, 5, cost=0.0123)),
        ({"cache_read": 8, "cache_creation": 8}, {}, Usage(26, 5, 8, 8)),
    ],
    ids=["a router of providers reports its price", "a cache that is not part of the prompt"],
)
def test_a_reported_cost_and_a_cache_beyond_the_prompt_are_read(
    counted: dict[str, Any], reported: dict[str, Any], usage: Usage
) -> None:
    tokens: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "input_token_details": counted}
    assert usage_of(AIMessage("x", usage_metadata=tokens, response_metadata={"token_usage": reported})) == usage


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("a", "a"),
        ({"delta": {"type": "text-delta", "text": "b"}}, "b"),
        ({"delta": {"type": "reasoning-delta", "text": "b"}}, ""),
        ({"delta": None}, ""),
        ([{"type": "text", "text": "c"}, {"type": "tool_use"}, "d"], "c"),
        (None, ""),
    ],
)
def test_the_text_of_a_token_is_read_in_each_form(said: Any, text: str) -> None:
    assert token_text(said) == text
