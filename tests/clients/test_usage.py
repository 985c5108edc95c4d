"""One meaning of usage for all providers; unknown is None."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message
from genai_prices import extract_usage
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from fairlead import Usage
from fairlead.clients import usage_of

from .. import traffic

FLAVORS = {"chat": ("openai", "chat"), "responses": ("openai", "responses"), "messages": ("anthropic", "default")}
TYPES: dict[str, Any] = {"chat": ChatCompletion, "responses": Response, "messages": Message}


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}, Usage(9, 3)),
        (
            {
                "prompt_tokens": 1500,
                "completion_tokens": 300,
                "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 256},
                "completion_tokens_details": {"reasoning_tokens": 200},
            },
            Usage(1500, 300, 1024, 256, None, 200),
        ),
        ({"prompt_tokens": 100, "completion_tokens": 1, "prompt_cache_hit_tokens": 64}, Usage(100, 1, 64)),
        (
            {
                "input_tokens": 1500,
                "output_tokens": 300,
                "total_tokens": 1800,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
            Usage(1500, 300, 0, None, None, 0),
        ),
        ({"input_tokens": 10, "output_tokens": 5}, Usage(10, 5)),
        (
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_input_tokens": 700,
                "cache_creation_input_tokens": 300,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            },
            Usage(1010, 5, 700, 100, 200),
        ),
        ({"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 300}, Usage(310, 5, None, 300)),
        (
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
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({"input_tokens": 0, "output_tokens": 0}, None),
        ({"usage": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_each_shape(told: Any, usage: Usage | None) -> None:
    assert usage_of(told) == usage


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
        told = theirs._reported_values()
        assert ours.input_tokens == told["input_tokens"]
        assert ours.output_tokens == told.get("output_tokens", 0)
        assert (ours.cache_read_tokens or 0) == told.get("cache_read_tokens", 0)
        assert written == told.get("cache_write_tokens", 0)
        assert (ours.cache_write_1h_tokens or 0) == told.get("cache_write_1h_tokens", 0)
    assert seen >= 10


def test_sdk_objects_are_read_like_the_json_they_were_made_of() -> None:
    for api, body in answers():
        assert usage_of(TYPES[api].construct(**body)) == usage_of(body)
