"""One meaning of usage for all providers; unknown is None."""

from __future__ import annotations

import json
import re
from itertools import product
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from anthropic.types import Message
from genai_prices import extract_usage
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from switchwise import Usage, usage_of

from .. import traffic

FLAVORS = {"chat": ("openai", "chat"), "responses": ("openai", "responses"), "messages": ("anthropic", "default")}
TYPES: dict[str, Any] = {"chat": ChatCompletion, "responses": Response, "messages": Message}


CHAT = {"prompt_tokens": 100, "completion_tokens": 9}
SHAPES: dict[str, tuple[Any, Usage | None]] = {
    # OpenAI Chat, and those who speak it
    "totals only": ({**CHAT, "total_tokens": 109}, Usage(100, 9)),
    "OpenAI Chat": (
        {
            "prompt_tokens": 1500,
            "completion_tokens": 300,
            "total_tokens": 1800,
            "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 256},
            "completion_tokens_details": {"reasoning_tokens": 200},
        },
        Usage(1500, 300, 1024, 256, None, 200),
    ),
    "DeepSeek": ({**CHAT, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, Usage(100, 9, 64)),
    "DeepSeek, no hit": ({**CHAT, "prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 100}, Usage(100, 9, 0)),
    "Moonshot": ({**CHAT, "total_tokens": 109, "cached_tokens": 80}, Usage(100, 9, 80)),
    "Kimi's streams have it in the choice": ({"choices": [{"usage": {**CHAT, "cached_tokens": 80}}]}, Usage(100, 9, 80)),
    "xAI counts reasoning beside the answer": (
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "prompt_tokens_details": {"cached_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 94},
        },
        Usage(32, 103, 6, None, None, 94),
    ),
    "a total with the cache that the prompt leaves out": (
        {**CHAT, "total_tokens": 169, "cached_tokens": 60, "reasoning_tokens": 4},
        Usage(160, 9, 60, None, None, 4),
    ),
    "a total that nothing explains": (
        {**CHAT, "total_tokens": 169, "cached_tokens": 10, "reasoning_tokens": 4},
        Usage(100, 9, 10, None, None, 4),
    ),
    "usage deeper than any answer holds it": ({"usage": {"usage": {"usage": CHAT}}}, None),
    "passes that took nothing": ({"input_tokens": 0, "iterations": [{"input_tokens": 0, "output_tokens": 0}]}, None),
    "thoughts that only the total tells": ({**CHAT, "total_tokens": 409}, Usage(100, 309)),
    "LiteLLM of Claude": (
        {
            **CHAT,
            "total_tokens": 109,
            "prompt_tokens_details": {"cached_tokens": 60},
            "cache_read_input_tokens": 60,
            "cache_creation_input_tokens": 30,
        },
        Usage(100, 9, 60, 30),
    ),
    "OpenRouter": (
        {**CHAT, "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30}, "cost": 0.001},
        Usage(100, 9, 60, 30),
    ),
    "parts that do not fit into the whole stand beside it": (
        {**CHAT, "prompt_tokens_details": {"cached_tokens": 900}},
        Usage(1000, 9, 900),
    ),
    # OpenAI Responses
    "OpenAI Responses": (
        {
            "input_tokens": 1500,
            "output_tokens": 300,
            "total_tokens": 1800,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 1400},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
        Usage(1500, 300, 0, 1400, None, 0),
    ),
    "the event that ends a stream of Responses": (
        {
            "type": "response.completed",
            "response": {"usage": {"input_tokens": 9, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 4}}},
        },
        Usage(9, 3, 4),
    ),
    # Anthropic Messages
    "Anthropic, no word of the cache": ({"input_tokens": 10, "output_tokens": 5}, Usage(10, 5)),
    "Anthropic": (
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 700,
            "cache_creation_input_tokens": 300,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        },
        Usage(1010, 5, 700, 100, 200),
    ),
    "Anthropic, unsplit": (
        {"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 300},
        Usage(310, 5, None, 300),
    ),
    "Anthropic, all of it cached": (
        {"input_tokens": 0, "output_tokens": 5, "cache_read_input_tokens": 300},
        Usage(300, 5, 300),
    ),
    "the event that begins a stream of Messages": (
        {
            "type": "message_start",
            "message": {"usage": {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 90}},
        },
        Usage(93, 1, 90),
    ),
    "Anthropic, several passes": (
        {
            "input_tokens": 30,
            "output_tokens": 9,
            "iterations": [
                {"type": "message", "input_tokens": 10, "output_tokens": 4},
                {"type": "advisor_message", "input_tokens": 50, "output_tokens": 7},
                {"type": "message", "input_tokens": 20, "output_tokens": 5, "cache_read_input_tokens": 100},
            ],
        },
        Usage(180, 16, 100),
    ),
    # Gemini
    "Gemini": (
        {
            "usageMetadata": {
                "promptTokenCount": 5000,
                "cachedContentTokenCount": 4096,
                "candidatesTokenCount": 30,
                "thoughtsTokenCount": 766,
                "totalTokenCount": 5796,
            }
        },
        Usage(5000, 796, 4096, None, None, 766),
    ),
    "Gemini, nothing said of a cache": (
        {"promptTokenCount": 50, "candidatesTokenCount": 30, "totalTokenCount": 80},
        Usage(50, 30),
    ),
    "Gemini ran tools of its own": (
        {"promptTokenCount": 50, "toolUsePromptTokenCount": 25, "candidatesTokenCount": 30, "totalTokenCount": 105},
        Usage(75, 30),
    ),
    "Gemini answered nothing": ({"promptTokenCount": 50, "totalTokenCount": 50}, Usage(50, 0)),
    "Gemini as Google's SDK dumps it": (
        {
            "usage_metadata": {
                "prompt_token_count": 5000,
                "cached_content_token_count": None,
                "candidates_token_count": 30,
                "thoughts_token_count": None,
                "tool_use_prompt_token_count": None,
            }
        },
        Usage(5000, 30),
    ),
    # Bedrock
    "Bedrock Converse": (
        {
            "usage": {
                "inputTokens": 10,
                "outputTokens": 5,
                "totalTokens": 1015,
                "cacheReadInputTokens": 700,
                "cacheWriteInputTokens": 300,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 100}],
            }
        },
        Usage(1010, 5, 700, 100, 200),
    ),
    "Bedrock Converse without a cache": ({"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, Usage(10, 5)),
    "Nova by InvokeModel": (
        {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokenCount": 90, "cacheWriteInputTokenCount": 0},
        Usage(100, 5, 90, 0),
    ),
    "the event that ends a stream of Converse": (
        {"metadata": {"usage": {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 90}}},
        Usage(100, 5, 90),
    ),
    # LangChain's usage_metadata
    "LangChain": (
        {
            "input_tokens": 100,
            "output_tokens": 9,
            "total_tokens": 109,
            "input_token_details": {"cache_read": 60, "cache_creation": 30},
            "output_token_details": {"reasoning": 4},
        },
        Usage(100, 9, 60, 30, None, 4),
    ),
    "ChatAnthropic moves what was written to the split": (
        {
            "input_tokens": 1010,
            "output_tokens": 5,
            "input_token_details": {
                "cache_read": 700,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 100,
                "ephemeral_1h_input_tokens": 200,
            },
        },
        Usage(1010, 5, 700, 100, 200),
    ),
    "older ChatAnthropic tells it twice": (
        {
            "input_tokens": 1010,
            "output_tokens": 5,
            "input_token_details": {
                "cache_read": 700,
                "cache_creation": 300,
                "ephemeral_5m_input_tokens": 100,
                "ephemeral_1h_input_tokens": 200,
            },
        },
        Usage(1010, 5, 700, 100, 200),
    ),
    "OpenAI's service tiers stand before the keys": (
        {
            "input_tokens": 100,
            "output_tokens": 9,
            "total_tokens": 109,
            "input_token_details": {"priority_cache_read": 60, "priority_cache_creation": 30, "priority": 40},
            "output_token_details": {"priority_reasoning": 4, "priority": 5},
        },
        Usage(100, 9, 60, 30, None, 4),
    ),
    "LangChain on a flexible tier": (
        {"input_tokens": 100, "output_tokens": 9, "input_token_details": {"flex_cache_read": 60, "flex": 40}},
        Usage(100, 9, 60),
    ),
    "an integration that leaves the cache out of the total": (
        {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "input_token_details": {"cache_read": 700}},
        Usage(710, 5, 700),
    ),
    # nothing
    "a stream that failed": ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
    "another that failed": ({"input_tokens": 0, "output_tokens": 0}, None),
    "null": ({"usage": None}, None),
    "empty": ({}, None),
    "nothing": (None, None),
    "a string": ("usage", None),
    "something else": ({"usage": {"characters": 100}}, None),
}


@pytest.mark.parametrize(("reported", "usage"), SHAPES.values(), ids=SHAPES)
def test_each_shape(reported: Any, usage: Usage | None) -> None:
    assert usage_of(reported) == usage


@pytest.mark.parametrize(
    ("shape", "tier"),
    [
        ("OpenAI's service tiers stand before the keys", "priority"),
        ("LangChain on a flexible tier", "flex"),
        ("OpenRouter", ""),
    ],
)
def test_tier_and_cost_are_read_with_the_counts(shape: str, tier: str) -> None:
    for reported in (SHAPES[shape][0], as_objects(SHAPES[shape][0])):
        usage = usage_of(reported)
        assert usage is not None
        assert (usage.tier, usage.cost) == (tier, 0.001 if shape == "OpenRouter" else None)


def as_objects(reported: Any) -> Any:
    """The same with attributes for keys, as SDKs have it."""
    if isinstance(reported, dict):
        return SimpleNamespace(**{name: as_objects(value) for name, value in reported.items()})
    return [as_objects(each) for each in reported] if isinstance(reported, list) else reported


@pytest.mark.parametrize("name", [name for name, (reported, _) in SHAPES.items() if isinstance(reported, dict)])
def test_objects_are_read_like_mappings(name: str) -> None:
    reported, usage = SHAPES[name]
    assert usage_of(as_objects(reported)) == usage


def without_cache(reported: Any) -> Any:
    if isinstance(reported, dict):
        return {
            name: without_cache(value)
            for name, value in reported.items()
            if not re.search("cache|ephemeral", name, re.IGNORECASE)
        }
    return [without_cache(each) for each in reported] if isinstance(reported, list) else reported


@pytest.mark.parametrize("name", [name for name, (_, usage) in SHAPES.items() if usage])
def test_cache_tokens_that_a_provider_omits_are_unknown_and_not_zero(name: str) -> None:
    usage = usage_of(without_cache(SHAPES[name][0]))
    if usage is not None:
        assert (usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens) == (None, None, None)


@pytest.mark.parametrize("name", [name for name, (_, usage) in SHAPES.items() if usage])
def test_the_parts_fit_into_the_whole(name: str) -> None:
    usage = usage_of(SHAPES[name][0])
    assert usage is not None
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0) + (usage.cache_write_1h_tokens or 0)
    assert cached <= usage.input_tokens
    assert (usage.reasoning_tokens or 0) <= usage.output_tokens


def answers() -> list[tuple[str, dict[str, Any]]]:
    """Whole recorded answers with usage, of all three APIs."""
    good = [one for one in traffic.recordings(traffic.traffic()) if one.api and one.status == 200 and not one.streamed]
    bodies = [(one.api, json.loads(one.body)) for one in good if one.body.lstrip().startswith("{")]
    whole = ("chat.completion", "response", "message")
    return [(api, body) for api, body in bodies if body.get("usage") and body.get("object", body.get("type")) in whole]


def test_every_recorded_usage_is_read_as_genai_prices_reads_it() -> None:
    seen = 0
    for api, body in answers():
        provider, flavor = FLAVORS[api]
        theirs = extract_usage(body, provider_id=provider, api_flavor=flavor).usage
        ours = usage_of(body)
        assert ours is not None
        if body["usage"].get("iterations"):  # they read the main model's passes only
            continue
        seen += 1
        written = (ours.cache_write_tokens or 0) + (ours.cache_write_1h_tokens or 0)
        reported = theirs._reported_values()
        assert ours.input_tokens == reported["input_tokens"]
        assert ours.output_tokens == reported.get("output_tokens", 0)
        assert (ours.cache_read_tokens or 0) == reported.get("cache_read_tokens", 0)
        assert written == reported.get("cache_write_tokens", 0)
        assert (ours.cache_write_1h_tokens or 0) == reported.get("cache_write_1h_tokens", 0)
    assert seen >= 10


def test_sdk_objects_are_read_like_the_json_they_were_made_of() -> None:
    for api, body in answers():
        assert usage_of(TYPES[api].construct(**body)) == usage_of(body)


def test_totals_alone_are_read_as_in_any_other_mapping() -> None:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    for counts in product([None, 0, 7, True, "7"], [None, 0, 3], [None, 0, 7, 10, 12]):
        for given in (names, names[:2]):
            reported = dict(zip(given, counts, strict=False))
            assert usage_of(reported) == usage_of(MappingProxyType(reported)), reported
