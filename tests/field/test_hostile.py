"""Hostile input and secrets: FIELD F1, F3, F6."""

from __future__ import annotations

import json
import logging
import pickle
import re
import time
import traceback
from typing import Any

import openai
import pytest
from llama_index.llms.openai import OpenAI

from llama_index.llms.switchwise import Switchwise
from switchwise import AllTargetsFailed, ConfigurationError, FailureKind, Pool, Router, Target
from switchwise.clients import Clients, OpenAIClient
from switchwise.failures import ROWS, classify
from switchwise.nouns.secrets import masked
from switchwise.observe.journal import InMemory
from switchwise_loopback import Answer, LoopbackProvider, Request
from switchwise_loopback.nouns.errors import Reject

from .conftest import opened

SIZE = 100_000
PIECES = [
    "limit 1 ",
    "item with id ",
    "exceed",
    "violat",
    "a",
    " ",
    "1",
    "/",
    "0a/",
    "retry in 1m",
    "try again in 9",
    "max_tokens ",
    "the model ",
]
PIECES += [
    "would exceed the rate limit of 1 ",
    "Bearer ",
    "sk-",
    "per day ",
    "'gpt-",
    "cannot ",
    '{"error":',
    "input token count ",
    "\\",
    "é",
]


def fragments() -> list[str]:
    """The pieces, and the literal beginnings of every alternative in the table."""
    found = set(PIECES)
    for row in ROWS:
        for pattern in (row.text, row.words, row.unless):
            found |= {part for part in re.split(r"[|()\[\]{}?*+.\\^$]", pattern) if len(part) > 2}
    return sorted(found)


def test_f1_every_row_looks_at_100_kb_of_adversarial_text_within_5_ms() -> None:
    slowest = ("", 0.0)
    for piece in fragments():
        text = (piece * (SIZE // len(piece) + 1))[:SIZE]
        for body in (text, {"error": {"message": text, "type": text, "code": text}}):
            took = min(_seconds(body) for _ in range(4))
            slowest = max(slowest, (piece, took), key=lambda found: found[1])
    assert slowest[1] < 0.005, slowest


def _seconds(body: Any) -> float:
    begun = time.thread_time()
    classify(429, body, {"retry-after": "9" * SIZE, "date": "x" * SIZE})
    return time.thread_time() - begun


KEYS = {
    "openai": "sk-proj-abcDEF0123456789abcDEF",
    "anthropic": "sk-ant-api03-abcDEF0123456789_abc",
    "azure": "0123456789abcdef0123456789abcdef",
    "hugging face": "hf_abcdefGHIJKLmnopQRSTuvwx",
    "nvidia": "nvapi-abcDEF0123456789-abcDEF",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "mistral": "abcdEFGH1234ijklMNOP5678qrstUVWX",
    "groq": "gsk_abcDEF0123456789abcDEF",
    "own words": "correct-horse-battery",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_f3_a_key_that_a_server_echoes_is_shown_nowhere(adapter: str, key: str, caplog: pytest.LogCaptureFixture) -> None:
    def echo(request: Request) -> Answer:
        raise Reject(401, f"bad credentials '{key}' for {key}!", "authentication_error")

    with caplog.at_level(logging.DEBUG, "switchwise"), LoopbackProvider(echo) as first, LoopbackProvider(echo) as second:
        journal = InMemory()
        router = Router.default(Pool([Target("a", "openai"), Target("b", "openai")]), observers=[journal])
        door = opened(adapter, {"a": (first.openai_url, key), "b": (second.openai_url, key)}, router)
        with pytest.raises(AllTargetsFailed) as caught:
            door.ask("hello")
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text + repr(list(journal))
        shown += json.dumps(door.router.dump()) + repr(door.router.pool.targets) + repr(door.router.health())
    assert key not in shown
    assert key.encode() not in pickle.dumps(caught.value.message)


@pytest.mark.parametrize("key", list(KEYS.values())[:-1], ids=list(KEYS)[:-1])
def test_f3_what_looks_like_a_key_is_masked_wherever_it_comes_from(key: str) -> None:
    assert key not in masked(f"the key {key} was refused")
    with pytest.raises(ConfigurationError) as caught:
        OpenAIClient(key)  # type: ignore[arg-type]
    assert key not in str(caught.value)


def test_f3_what_helps_people_stays_readable() -> None:
    said = "Request too large for gpt-5-nano (org-x1, request req_011CSHoEeqs5C35K2UUqR7Fy): item rs_68af4030baa48193b0b43b4c2a176a1a0e"
    assert masked(said) == said


def test_f6_a_body_that_nests_too_deep_is_classified() -> None:
    deep: Any = "too deep"
    for _ in range(5_000):
        deep = {"error": deep}
    for body in (deep, '{"error":' * 5_000 + "1" + "}" * 5_000, "[" * 50_000):
        assert classify(500, body)[0] is FailureKind.SERVER_ERROR
        assert classify(400, body)[0] is FailureKind.NOT_ACCEPTED


def test_f3_the_error_of_an_sdk_keeps_its_class_and_status() -> None:
    key = KEYS["mistral"]

    def echo(request: Request) -> Answer:
        raise Reject(400, f"unknown field near {key}", "invalid_request_error")

    with LoopbackProvider(echo) as first:
        clients = Clients({"a": OpenAIClient(base_url=first.openai_url, api_key=key, model="gpt-4.1-mini")})
        with pytest.raises(openai.BadRequestError) as caught:
            clients.complete([{"role": "user", "content": "hello"}])
    assert caught.value.status_code == 400
    assert "unknown field near ***" in str(caught.value)


def test_f4_a_pickled_client_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    client = OpenAIClient(api_key="correct-horse-battery", base_url="http://127.0.0.1:9/v1", model="gpt-4.1-mini")
    packed = pickle.dumps(client)
    assert b"correct-horse" not in packed
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    again = pickle.loads(packed)
    assert again.account == OpenAIClient(base_url="http://127.0.0.1:9/v1", api_key="from-the-environment").account


def test_f4_a_pickled_llm_of_llamaindex_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    llms = {"openai": OpenAI(model="gpt-4.1-mini", api_key="correct-horse-battery", api_base="http://127.0.0.1:9/v1")}
    llm = Switchwise(llms, system_prompt="Be brief.")
    packed = pickle.dumps(llm)
    assert b"correct-horse" not in packed
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    again = pickle.loads(packed)
    assert again.models["openai"].api_key == "from-the-environment"
    assert (again.models["openai"].api_base, again.system_prompt) == ("http://127.0.0.1:9/v1", "Be brief.")
    held = Switchwise({"a": OpenAI(model="gpt-4.1", api_key="k", default_headers={"x-api-key": "correct-horse"})})
    with pytest.raises(pickle.PicklingError, match="default_headers has x-api-key"):
        pickle.dumps(held)
