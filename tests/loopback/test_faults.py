"""Every fault gives what the SDK would see of the real one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from switchwise_loopback import Answer, Fault, LoopbackProvider

from .conftest import aclaude, agpt, claude, gpt

GPT, HAIKU = "gpt-4o", "claude-haiku-4-5"
ASK: Any = [{"role": "user", "content": "Tell me something that takes more than one piece to say."}]


def call_gpt(provider: LoopbackProvider, **options: Any) -> Any:
    return gpt(provider).chat.completions.create(model=GPT, messages=ASK, **options)


def call_claude(provider: LoopbackProvider, **options: Any) -> Any:
    return claude(provider).messages.create(model=HAIKU, max_tokens=100, messages=ASK, **options)


PLAIN: list[tuple[Fault, type[Exception], int, type[Exception], int]] = [
    # fault, what OpenAI's SDK raises and its status, what Anthropic's SDK raises and its status
    (Fault.RATE_LIMIT, openai.RateLimitError, 429, anthropic.RateLimitError, 429),
    (Fault.CONCURRENCY, openai.RateLimitError, 429, anthropic.RateLimitError, 429),
    (Fault.QUOTA, openai.RateLimitError, 429, anthropic.BadRequestError, 400),
    (Fault.TOO_LARGE, openai.RateLimitError, 429, anthropic.RateLimitError, 429),
    (Fault.OVERLOADED, openai.InternalServerError, 503, anthropic.InternalServerError, 529),
    (Fault.SERVER_ERROR, openai.InternalServerError, 500, anthropic.InternalServerError, 500),
    (Fault.UNAVAILABLE, openai.InternalServerError, 503, anthropic.APIStatusError, 503),
    (Fault.AUTHENTICATION, openai.AuthenticationError, 401, anthropic.AuthenticationError, 401),
    (Fault.PERMISSION, openai.PermissionDeniedError, 403, anthropic.PermissionDeniedError, 403),
    (Fault.NOT_FOUND, openai.NotFoundError, 404, anthropic.NotFoundError, 404),
    (Fault.CONTEXT_OVERFLOW, openai.BadRequestError, 400, anthropic.BadRequestError, 400),
    (Fault.BAD_REQUEST, openai.BadRequestError, 400, anthropic.BadRequestError, 400),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row[0].value)
def test_error_responses(provider, row, stream):
    fault, openai_error, openai_status, anthropic_error, anthropic_status = row
    provider.inject(fault, times=2)
    with pytest.raises(openai_error) as raised:
        call_gpt(provider, stream=stream)
    assert raised.value.status_code == openai_status  # type: ignore[attr-defined]
    with pytest.raises(anthropic_error) as streamed:
        call_claude(provider, stream=stream)
    assert streamed.value.status_code == anthropic_status  # type: ignore[attr-defined]
    assert [seen.fault for seen in provider.requests] == [fault.name] * 2
    assert [seen.status for seen in provider.requests] == [openai_status, anthropic_status]


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault.RATE_LIMIT, "requests", "rate_limit_exceeded"),
        (Fault.TOO_LARGE, "tokens", "rate_limit_exceeded"),
        (Fault.QUOTA, "insufficient_quota", "insufficient_quota"),
        (Fault.CONTEXT_OVERFLOW, "invalid_request_error", "context_length_exceeded"),
        (Fault.NOT_FOUND, "invalid_request_error", "model_not_found"),
        (Fault.SERVER_ERROR, "server_error", "server_error"),
    ],
)
def test_openai_bodies_tell_kinds_of_one_status_apart(provider, fault, kind, code):
    provider.inject(fault)
    with pytest.raises(openai.APIStatusError) as raised:
        call_gpt(provider)
    assert (raised.value.type, raised.value.code) == (kind, code)


def test_retry_after_is_sent_only_if_given(provider):
    provider.inject(Fault.RATE_LIMIT, times=2)
    provider.inject(Fault.RATE_LIMIT, times=2, retry_after=1.5)
    headers = []
    for call in (call_gpt, call_claude, call_gpt, call_claude):
        with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)) as raised:
            call(provider)
        headers.append(raised.value.response.headers)  # type: ignore[attr-defined]
    assert ["retry-after" in header for header in headers] == [False, False, True, True]
    assert headers[2]["retry-after-ms"] == "1500"
    assert headers[3]["retry-after"] == "1.5"


def test_a_request_too_large_leaves_the_limit_untouched(provider):
    provider.inject(Fault.TOO_LARGE)
    with pytest.raises(anthropic.RateLimitError) as raised:
        call_claude(provider)
    headers = raised.value.response.headers
    assert headers["anthropic-ratelimit-input-tokens-remaining"] == headers["anthropic-ratelimit-input-tokens-limit"]
    assert headers["x-should-retry"] == "false"


def test_a_proxys_503_is_plain_text_without_request_id(provider):
    provider.inject(Fault.UNAVAILABLE)
    with pytest.raises(openai.InternalServerError) as raised:
        call_gpt(provider)
    assert raised.value.body is None or isinstance(raised.value.body, str)
    assert raised.value.response.headers["content-type"] == "text/plain"
    assert "x-request-id" not in raised.value.response.headers


def test_the_sdk_does_not_retry_a_500_that_says_so(provider):
    provider.inject(Fault.SERVER_ERROR, times=None)
    with pytest.raises(anthropic.InternalServerError):
        claude(provider, max_retries=2).messages.create(model=HAIKU, max_tokens=9, messages=ASK)
    assert len(provider.requests) == 1


def test_the_sdk_retries_a_rate_limit(provider):
    provider.inject(Fault.RATE_LIMIT, times=1, retry_after=0.01)
    reply = gpt(provider, max_retries=2).chat.completions.create(model=GPT, messages=ASK)
    assert reply.choices[0].message.content
    assert [seen.status for seen in provider.requests] == [429, 200]


BROKEN: list[tuple[Fault, type[Exception], type[Exception], bool]] = [
    # fault, what OpenAI's SDK raises, what Anthropic's SDK raises, whether content comes first
    (Fault.STREAM_ERROR_FIRST, openai.APIError, anthropic.APIStatusError, False),
    (Fault.STREAM_ERROR_MID, openai.APIError, anthropic.APIStatusError, True),
    (Fault.STREAM_QUOTA, openai.APIError, anthropic.APIStatusError, False),
    (Fault.STREAM_FAILED, openai.APIError, anthropic.APIStatusError, True),
    (Fault.RESET_MID_STREAM, httpx.ReadError, httpx2.ReadError, True),
    (Fault.STALL_MID_STREAM, httpx.ReadError, httpx2.ReadError, True),
]


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row[0].value)
def test_broken_streams(provider, row):
    fault, openai_error, anthropic_error, content = row
    provider.inject(fault, times=2, seconds=0.02)
    seen = ""
    with pytest.raises(openai_error):  # noqa: PT012 - the error comes in the middle
        for chunk in call_gpt(provider, stream=True):
            seen += chunk.choices[0].delta.content or ""
    assert bool(seen) is content
    streamed = ""
    with pytest.raises(anthropic_error):  # noqa: PT012
        for event in call_claude(provider, stream=True):
            streamed += event.delta.text if event.type == "content_block_delta" else ""
    assert bool(streamed) is content
    assert [one.status for one in provider.requests] == [200, 200]


async def test_broken_streams_of_async_clients(provider):
    provider.inject(Fault.STREAM_ERROR_MID, times=2, after=2)
    pieces: list[str] = []
    async with agpt(provider) as openai_client:
        stream = await openai_client.chat.completions.create(model=GPT, messages=ASK, stream=True)
        with pytest.raises(openai.APIError):
            pieces.extend([chunk.choices[0].delta.content or "" async for chunk in stream])
    async with aclaude(provider) as client:
        events = await client.messages.create(model=HAIKU, max_tokens=100, messages=ASK, stream=True)
        with pytest.raises(anthropic.APIStatusError) as raised:
            [event async for event in events]
    assert raised.value.status_code == 200  # the SDK's: never classify by status alone
    assert raised.value.type == "overloaded_error"


def test_a_cut_stream_is_silent_and_lacks_its_terminal_marker(provider):
    provider.inject(Fault.STREAM_CUT, times=2, after=2)
    chunks = list(call_gpt(provider, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)
    kinds = [event.type for event in call_claude(provider, stream=True)]
    assert kinds.count("content_block_delta") == 2
    assert "message_stop" not in kinds


def test_pings_end_with_the_connection(provider):
    provider.inject(Fault.PINGS, seconds=0.02)
    with pytest.raises(httpx.ReadError):
        list(call_gpt(provider, stream=True))


def test_a_truncated_stream_without_content_is_cut_too(serve):
    provider = serve(lambda request: Answer(""))
    provider.inject(Fault.TRUNCATED)
    body = {"model": GPT, "messages": ASK, "stream": True}
    headers = {"authorization": "Bearer k"}
    cut, whole = (httpx.post(f"{provider.openai_url}/chat/completions", json=body, headers=headers).text for _ in range(2))
    assert 0 < len(cut) < len(whole)
    assert "[DONE]" not in cut


def test_an_openai_stream_that_failed_goes_on_to_done_with_zero_usage(provider):
    provider.inject(Fault.STREAM_ERROR_MID)
    body = {"model": GPT, "messages": ASK, "stream": True, "stream_options": {"include_usage": True}}
    text = httpx.post(f"{provider.openai_url}/chat/completions", json=body, headers={"authorization": "Bearer k"}).text
    frames = text.strip().split("\n\n")
    assert '"error"' in frames[-3]
    assert '"prompt_tokens":0' in frames[-2]
    assert frames[-1] == "data: [DONE]"


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.STALL, Fault.STREAM_CUT, Fault.RESET_MID_STREAM, Fault.STALL_MID_STREAM])
@pytest.mark.parametrize(
    ("call", "error"), [(call_gpt, openai.APIConnectionError), (call_claude, anthropic.APIConnectionError)]
)
def test_connections_that_break_before_headers(provider, fault, call, error):
    provider.inject(fault, seconds=0.02)
    with pytest.raises(error):
        call(provider)
    assert provider.requests[-1].status == 0


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.STREAM_ERROR_FIRST, 529), (Fault.STREAM_ERROR_MID, 500), (Fault.STREAM_QUOTA, 400), (Fault.STREAM_FAILED, 500)],
)
def test_stream_faults_have_an_equivalent_without_a_stream(provider, fault, status):
    provider.inject(fault)
    with pytest.raises(anthropic.APIStatusError) as raised:
        call_claude(provider)
    assert raised.value.status_code == status


def test_a_stall_outlasts_the_clients_patience(provider):
    provider.inject(Fault.STALL, times=2, seconds=60)
    begun = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        gpt(provider, timeout=0.05).chat.completions.create(model=GPT, messages=ASK)
    with pytest.raises(anthropic.APITimeoutError):
        claude(provider, timeout=0.05).messages.create(model=HAIKU, max_tokens=9, messages=ASK)
    provider.stop()
    assert time.monotonic() - begun < 2


def test_refusals(provider):
    provider.inject(Fault.REFUSAL, times=4)
    message = call_gpt(provider).choices[0].message
    assert (message.content, bool(message.refusal)) == (None, True)
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in call_gpt(provider, stream=True)) == message.refusal
    reply = call_claude(provider)
    assert (reply.stop_reason, reply.stop_details.type, reply.content) == ("refusal", "refusal", [])
    deltas = [event.delta for event in call_claude(provider, stream=True) if event.type == "message_delta"]
    assert deltas[0].stop_reason == "refusal"


def test_the_content_filter(provider):
    provider.inject(Fault.CONTENT_FILTER, times=2)
    assert call_gpt(provider).choices[0].finish_reason == "content_filter"
    assert call_claude(provider).stop_reason == "refusal"


@pytest.mark.parametrize(
    ("whom", "statuses"),
    [
        ({"provider": "openai"}, [503, 200]),
        ({"provider": "anthropic"}, [200, 529]),
        ({"model": HAIKU}, [200, 529]),
        ({"model": "other"}, [200, 200]),
    ],
)
def test_faults_strike_whom_they_are_meant_for(provider, whom, statuses):
    provider.inject(Fault.OVERLOADED, times=None, **whom)
    calls: list[Callable[..., Any]] = [call_gpt, call_claude]
    for call in calls:
        with contextlib.suppress(openai.APIStatusError, anthropic.APIStatusError):
            call(provider)
    assert [seen.status for seen in provider.requests] == statuses


def test_faults_come_in_order_and_end(provider):
    provider.inject(Fault.RATE_LIMIT)
    provider.inject(Fault.SERVER_ERROR)
    for status in (429, 500):
        with pytest.raises(openai.APIStatusError) as raised:
            call_gpt(provider)
        assert raised.value.status_code == status
    assert call_gpt(provider).choices


def test_clear_ends_faults_and_forget_empties_the_log(provider):
    provider.inject(Fault.OVERLOADED, times=None)
    with pytest.raises(openai.InternalServerError):
        call_gpt(provider)
    provider.clear()
    call_gpt(provider)
    assert [seen.status for seen in provider.requests] == [503, 200]
    provider.inject(Fault.OVERLOADED, times=None)
    provider.forget()
    assert provider.requests == ()
    with pytest.raises(openai.InternalServerError):
        call_gpt(provider)
