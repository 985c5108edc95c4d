"""Every method with an Anthropic target: as the bare LLM, with its failures called by their names, and with its cache counted."""

from __future__ import annotations

import json

import httpx
import pytest
from anthropic import Anthropic as Client
from llama_index.core.base.llms.types import CacheControl, CachePoint, ChatMessage, TextBlock
from llama_index.llms.anthropic import Anthropic

from llama_index.llms.switchwise import Switchwise
from switchwise import Interrupted, Pool, Router, Target, Usage
from switchwise_loopback import Fault

from ..methods import CITY, City, content_of

FAULTS = {
    Fault.RATE_LIMIT: "rate_limit",
    Fault.QUOTA: "quota_exhausted",
    Fault.TOO_LARGE: "request_too_large",
    Fault.OVERLOADED: "overloaded",
    Fault.UNAVAILABLE: "server_error",
    Fault.CONTEXT_OVERFLOW: "context_overflow",
    Fault.NOT_FOUND: "model_not_found",
    Fault.STREAM_ERROR_FIRST: "overloaded",
    Fault.RESET: "connection",
}


@pytest.fixture
def both(anthropic, openai, journal):
    router = Router(Pool([Target("claude", "anthropic"), Target("gpt", "openai")]), observers=[journal])
    return Switchwise({"claude": anthropic(), "gpt": openai()}, router=router)


async def test_a_method_gives_what_the_bare_llm_gives(method, anthropic, provider):
    bare = anthropic()
    text = "Please add 1 and 2." if "tools" in method.name else "What is it?"
    expected, last = await method.ask(bare, text)
    got, routed = await method.ask(Switchwise({"only": bare}), text)
    assert got == expected
    assert content_of(routed) == content_of(last)
    first, second = [seen.body for seen in provider.requests]
    assert first == second


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.value)
async def test_a_failure_is_called_by_its_name_and_another_provider_answers(method, both, journal, provider, fault):
    provider.inject(fault, provider="anthropic")
    await method.ask(both, "What is it?")
    first, second = journal.results
    assert second == ("gpt", "ok")
    assert first == ("claude", FAULTS[fault]) or (fault is Fault.STREAM_ERROR_FIRST and not method.streams)


@pytest.mark.parametrize(
    "fault", [Fault.STREAM_CUT, Fault.STREAM_ERROR_MID, Fault.RESET_MID_STREAM], ids=lambda fault: fault.value
)
async def test_a_stream_that_breaks_off_is_not_taken_for_a_short_answer(streaming, both, journal, provider, fault):
    if streaming.structured:
        return  # Anthropic's integration does not stream these
    provider.inject(fault, provider="anthropic", after=2)
    with pytest.raises(Interrupted):
        await streaming.ask(both, "What is it?")
    assert [name for name, _ in journal.results] == ["claude"]


async def test_usage_is_known_but_for_native_structured_output(method, both, journal):
    await method.ask(both, "What is it?")
    usage = journal[0].reply.usage
    if method.structured:
        assert usage is None
    else:
        assert usage.input_tokens > 0
        assert usage.output_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_cached_tokens_count_as_part_of_the_prompt(both, journal, streamed):
    long = "A ship is led by its switchwises. " * 400
    mark = CachePoint(cache_control=CacheControl(type="ephemeral"))
    history = [ChatMessage(role="user", blocks=[TextBlock(text=long), mark, TextBlock(text="And?")])]
    for _ in range(2):
        if streamed:
            list(both.stream_chat(history))
        else:
            both.chat(history)
    first, second = [attempt.reply.usage for attempt in journal]
    assert (first.cache_write_tokens or 0) > 1_000
    assert second.cache_read_tokens == first.cache_write_tokens
    assert second.input_tokens == first.input_tokens > 1_000


MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
}
CACHED = {"cache_read_input_tokens": 2_000, "cache_creation_input_tokens": 0}


@pytest.mark.parametrize(
    ("marked", "repeated", "usage"),
    [
        (True, True, Usage(2_005, 3, 2_000, 0)),
        (True, False, None),
        (False, False, Usage(5, 3)),
    ],
    ids=["repeated at the end", "only at the beginning", "only at the beginning, with nothing to cache"],
)
def test_a_prompt_of_which_only_a_part_is_counted_is_of_unknown_length(journal, marked, repeated, usage):
    """The integration drops the first event of a stream, and with it what was cached, unless the last one repeats it."""
    events = [
        {"type": "message_start", "message": {**MESSAGE, "usage": {"input_tokens": 5, "output_tokens": 1, **CACHED}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Yes"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 3, **({"input_tokens": 5, **CACHED} if repeated else {})},
        },
        {"type": "message_stop"},
    ]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    reply = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    llm = Anthropic(model="claude-sonnet-4-5", api_key="test", max_retries=0)
    llm._client = Client(api_key="test", http_client=httpx.Client(transport=httpx.MockTransport(lambda _: reply)))
    mark = [CachePoint(cache_control=CacheControl(type="ephemeral"))] if marked else []
    history = [ChatMessage(role="user", blocks=[TextBlock(text="Well?"), *mark])]
    *_, last = Switchwise([llm], observers=[journal]).stream_chat(history)
    assert last.message.content == "Yes"
    assert journal[0].reply.usage == usage


def test_max_tokens_of_a_structured_call_do_not_break_it(both):
    assert both.structured_predict(City, CITY, what="it", llm_kwargs={"max_tokens": 100}).name
