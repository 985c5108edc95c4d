"""The server: keys, models, windows, concurrency, its life, and what it remembers."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import httpx
import openai
import pytest

from switchwise_loopback import Answer, Fault, LoopbackProvider

from .conftest import aclaude, agpt, claude, gpt, post

ASK: Any = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("key", ["bad", "bad-key-1234", ""])
def test_keys(provider, key):
    body = {"model": "m", "messages": ASK}
    reply = post(provider, "/v1/chat/completions", body, authorization=f"Bearer {key}".strip())
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == ("invalid_api_key" if key else None)
    reply = post(provider, "/v1/messages", {**body, "max_tokens": 9}, authorization="", **{"x-api-key": key})
    assert (reply.status_code, reply.json()["error"]["type"]) == (401, "authentication_error")


def test_models_that_do_not_exist(serve):
    provider = serve(models=["gpt-4o"])
    with pytest.raises(openai.NotFoundError) as raised:
        gpt(provider).chat.completions.create(model="gpt-9", messages=ASK)
    assert raised.value.code == "model_not_found"
    with pytest.raises(anthropic.NotFoundError, match="model: claude-9"):
        claude(provider).messages.create(model="claude-9", max_tokens=9, messages=ASK)
    with pytest.raises(openai.NotFoundError, match="gpt-9"):
        gpt(provider).models.retrieve("gpt-9")
    with pytest.raises(openai.NotFoundError, match=r"Invalid URL \(GET /v1/assistants\)"):
        gpt(provider).get("/assistants", cast_to=httpx.Response)


def test_windows(serve):
    provider = serve(windows={"small": 100})
    long: Any = [{"role": "user", "content": "a" * 4000}]
    with pytest.raises(
        openai.BadRequestError, match=r"maximum context length is 100 tokens\. However, your messages"
    ) as raised:
        gpt(provider).chat.completions.create(model="small", messages=long)
    assert raised.value.code == "context_length_exceeded"
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 1007 tokens > 100 maximum"):
        claude(provider).messages.create(model="small", max_tokens=9, messages=long)
    with pytest.raises(anthropic.BadRequestError, match=r"exceed context limit: \d+ \+ 95 > 100"):
        claude(provider).messages.create(model="small", max_tokens=95, messages=ASK)
    with pytest.raises(openai.BadRequestError, match=r"you requested \d+ tokens \(\d+ in the messages, 95 in the completion\)"):
        gpt(provider).chat.completions.create(model="small", max_tokens=95, messages=ASK)
    assert gpt(provider).chat.completions.create(model="large", messages=long).choices


def test_fifty_requests_at_once(provider):
    client = gpt(provider)

    def one(number: int) -> str:
        ask: Any = [{"role": "user", "content": f"number {number}!"}]
        return client.chat.completions.create(model="gpt-4o", messages=ask).choices[0].message.content or ""

    with ThreadPoolExecutor(50) as pool:
        texts = list(pool.map(one, range(50)))
    assert all(f"number {number}!" in text for number, text in enumerate(texts))
    assert len(provider.requests) == 50
    assert len({str(seen.answer) for seen in provider.requests}) == 50


async def test_fifty_streams_at_once(provider):
    async with agpt(provider) as first, aclaude(provider) as second:

        async def one(number: int) -> str:
            ask: Any = [{"role": "user", "content": f"number {number}!"}]
            if number % 2:
                stream = await first.chat.completions.create(model="m", messages=ask, stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            async with second.messages.stream(model="m", max_tokens=99, messages=ask) as events:
                return await events.get_final_text()

        texts = await asyncio.gather(*map(one, range(50)))
    assert all(f"number {number}!" in text for number, text in enumerate(texts))


def test_connections_are_kept_alive_and_calls_are_quick(provider):
    client = gpt(provider)
    client.chat.completions.create(model="m", messages=ASK)
    begun = time.monotonic()
    for _ in range(20):
        client.chat.completions.create(model="m", messages=ASK)
    assert time.monotonic() - begun < 20 * 0.04  # a delayed acknowledgement costs 40 ms each


def test_a_script_is_used_in_order_and_then_says_that_it_is_exhausted(serve):
    client = gpt(serve([Answer("one"), Answer("two")]), max_retries=2)
    for expected in ("one", "two"):
        assert client.chat.completions.create(model="m", messages=ASK).choices[0].message.content == expected
    with pytest.raises(openai.BadRequestError, match="the script of answers is exhausted"):
        client.chat.completions.create(model="m", messages=ASK)


def test_an_error_in_the_answer_is_no_outage_and_comes_back_to_the_test():
    def broken(request: Any) -> Answer:
        raise KeyError("mistake")

    with pytest.raises(KeyError, match="mistake"), LoopbackProvider(broken) as provider:  # noqa: PT012
        try:
            gpt(provider).chat.completions.create(model="m", messages=ASK)
        except openai.BadRequestError as error:
            assert error.code == "loopback_answer_failed"  # noqa: PT017


@pytest.mark.parametrize("answer", [lambda _: "hello", ["hello"], lambda _: None], ids=["a string", "a script", "nothing"])
def test_what_is_no_answer_is_named_to_the_client_and_to_the_test(answer):
    provider = LoopbackProvider(answer).start()
    try:
        with pytest.raises(openai.BadRequestError, match=r"for an answer: give a switchwise_loopback\.Answer"):
            gpt(provider).chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    finally:
        with pytest.raises(TypeError, match=r"^answer= gave ('hello'|None) for an answer"):
            provider.stop()


def test_requests_are_seen(serve):
    provider = serve([Answer("hello")])
    gpt(provider).chat.completions.create(model="gpt-4o", messages=ASK, extra_headers={"x-session": "s1"})
    (seen,) = provider.requests
    assert (seen.provider, seen.api, seen.model, seen.status, seen.fault) == ("openai", "chat", "gpt-4o", 200, None)
    assert seen.body["messages"] == ASK
    assert seen.headers["x-session"] == "s1"
    assert seen.answer == Answer("hello")
    assert seen.usage is not None
    assert seen.usage.output_tokens == 2


def test_the_answer_sees_a_neutral_request(serve):
    requests: list[Any] = []

    def answer(request: Any) -> Answer:
        requests.append(request)
        return Answer("ok")

    provider = serve(answer)
    use: Any = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]}
    result: Any = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "a", "content": "42"}, {"type": "text", "text": "so?"}],
    }
    claude(provider).messages.create(model="m", max_tokens=9, system="be brief", messages=[*ASK, use, result])
    call: Any = {
        "role": "assistant",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}],
    }
    messages: Any = [
        {"role": "system", "content": "be brief"},
        *ASK,
        call,
        {"role": "tool", "tool_call_id": "a", "content": "42"},
        {"role": "user", "content": "so?"},
    ]
    gpt(provider).chat.completions.create(model="m", messages=messages)
    first, second = requests
    assert [turn.role for turn in first.messages] == ["system", "user", "assistant", "tool", "user"]
    assert [(turn.role, turn.text, turn.results) for turn in first.messages] == [
        (turn.role, turn.text, turn.results) for turn in second.messages
    ]
    assert first.messages[2].tool_calls[0].arguments_dict == second.messages[2].tool_calls[0].arguments_dict == {"x": 1}


def test_latency_is_per_model(serve):
    provider = serve(latency={"slow": 0.05})
    client = gpt(provider)
    client.chat.completions.create(model="quick", messages=ASK)
    begun = time.monotonic()
    client.chat.completions.create(model="slow", messages=ASK)
    assert time.monotonic() - begun >= 0.05


def test_starting_again_changes_nothing(provider):
    url = provider.openai_url
    assert provider.start().openai_url == url


def test_an_error_of_observe_is_shown_and_is_no_answer(serve, capfd):
    provider = serve(observe=lambda seen: 1 / 0)
    with pytest.raises(openai.APIConnectionError):
        gpt(provider).chat.completions.create(model="m", messages=ASK)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_stopping_is_quick_even_amid_stalls():
    provider = LoopbackProvider().start()
    provider.inject(Fault.STALL, times=None, seconds=60)
    client = gpt(provider, timeout=5)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(client.chat.completions.create, model="m", messages=ASK) for _ in range(4)]
        while len(provider.requests) < 4:
            pass
        begun = time.monotonic()
        provider.stop()
        for future in futures:
            assert isinstance(future.exception(timeout=5), openai.APIConnectionError)
    assert time.monotonic() - begun < 1


def test_a_stopped_provider_says_so():
    with pytest.raises(RuntimeError, match="not running"):
        _ = LoopbackProvider().openai_url


def test_unknown_paths_and_broken_bodies(provider):
    assert post(provider, "/v1/embeddings", {}).status_code == 404
    assert "must be a JSON object" in post(provider, "/v1/chat/completions", [1]).json()["error"]["message"]
    reply = httpx.post(f"{provider.openai_url}/chat/completions", content=b"{", headers={"authorization": "Bearer k"})
    assert (reply.status_code, "parse the JSON" in reply.text) == (400, True)


def test_providers_with_one_seed_agree(serve):
    replies = [gpt(serve(seed=7)).chat.completions.create(model="m", messages=ASK) for _ in range(2)]
    assert replies[0].id == replies[1].id
    assert replies[0].choices == replies[1].choices


JUNK: list[Any] = [1, "x", True, [], {}, [1], {"type": "x"}, [None], [[]], [{"role": "user"}]]
KEYS = [
    "model",
    "messages",
    "input",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "response_format",
    "text",
    "stop",
    "max_tokens",
]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_no_body_looks_like_an_outage(provider, path):
    good = {
        "/v1/chat/completions": {"model": "m", "messages": ASK},
        "/v1/responses": {"model": "m", "input": ASK},
        "/v1/messages": {"model": "m", "messages": ASK, "max_tokens": 9},
    }[path]
    for key in KEYS:
        for junk in JUNK:
            reply = post(provider, path, {**good, key: junk})
            assert reply.status_code in (200, 400), (key, junk, reply.text)
            assert reply.json()
