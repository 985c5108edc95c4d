"""Usage as LlamaIndex's integrations pass it on: the fullest account is read, in the one meaning."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import ResponseCompletedEvent

from llama_index.llms.switchwise.answering.usage import usage_of
from switchwise import Usage


def response(raw: Any = None, **kwargs: Any) -> ChatResponse:
    return ChatResponse(message=ChatMessage(role="assistant", content="hi"), raw=raw, **kwargs)


TOTALS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@pytest.mark.parametrize(
    ("given", "usage"),
    [
        (
            response(
                ChatCompletion.construct(usage={"prompt_tokens": 100, "completion_tokens": 9, "prompt_cache_hit_tokens": 64}),
                additional_kwargs={"prompt_tokens": 100, "completion_tokens": 9},
            ),
            Usage(100, 9, 64),
        ),
        (
            response(
                {"usage_metadata": {"prompt_token_count": 50, "candidates_token_count": 3, "thoughts_token_count": 4}},
                additional_kwargs={"prompt_tokens": 50, "completion_tokens": 3},
            ),
            Usage(50, 7, None, None, None, 4),
        ),
        (
            response(
                {"usage": {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 90, "cacheWriteInputTokens": 0}},
                additional_kwargs=TOTALS,
            ),
            Usage(100, 5, 90, 0),
        ),
        (
            response(
                ResponseCompletedEvent.construct(
                    type="response.completed",
                    response={"usage": {"input_tokens": 9, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 4}}},
                )
            ),
            Usage(9, 3, 4),
        ),
        (response(ChatCompletionChunk.construct(choices=[], usage=None), additional_kwargs=TOTALS), Usage(10, 5)),
        (response({"type": "message_delta", "usage": None}), None),
    ],
    ids=["DeepSeek", "Gemini", "Bedrock", "the end of a stream of Responses", "totals only", "an event without"],
)
def test_the_fullest_account_is_read(given: ChatResponse, usage: Usage | None) -> None:
    assert usage_of(given) == usage


def test_what_a_stream_of_messages_drops_is_unknown_and_not_zero() -> None:
    kept = ChatMessage(role="assistant", content="hi", additional_kwargs={"usage": {"input_tokens": 7, "output_tokens": 1}})
    usage = usage_of(ChatResponse(message=kept, raw={"type": "content_block_delta", "delta": {}, "index": 0}))
    assert usage == Usage(7, 1)
    assert usage.cache_read_tokens is None
