"""A provider per test, and the official SDKs pointed at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from switchwise_loopback import LoopbackProvider

Post = Callable[..., httpx.Response]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve() -> Iterator[Callable[..., LoopbackProvider]]:
    """Start providers that stop with the test."""
    started: list[LoopbackProvider] = []

    def start(answer: Any = None, **options: Any) -> LoopbackProvider:
        started.append(LoopbackProvider(answer, **options).start())
        return started[-1]

    yield start
    for provider in started:
        provider.stop()


@pytest.fixture
def provider(serve: Callable[..., LoopbackProvider]) -> LoopbackProvider:
    return serve()


def gpt(provider: LoopbackProvider, **options: Any) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(verify=False)  # no certificates to load: this is plain HTTP
    return openai.OpenAI(
        **{"base_url": provider.openai_url, "api_key": "test", "max_retries": 0, "http_client": http, **options}
    )


def claude(provider: LoopbackProvider, **options: Any) -> anthropic.Anthropic:
    http = anthropic.DefaultHttpxClient(verify=False)
    return anthropic.Anthropic(
        **{"base_url": provider.anthropic_url, "api_key": "test", "max_retries": 0, "http_client": http, **options}
    )


def agpt(provider: LoopbackProvider) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=provider.openai_url, api_key="test", max_retries=0)


def aclaude(provider: LoopbackProvider) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=provider.anthropic_url, api_key="test", max_retries=0)


def post(provider: LoopbackProvider, path: str, body: Any, **headers: str) -> httpx.Response:
    """A raw request: what no SDK would send."""
    sent = {"authorization": "Bearer test", "x-api-key": "test", "anthropic-version": "2023-06-01", **headers}
    with httpx.Client(verify=False, trust_env=False) as client:
        return client.post(f"{provider.anthropic_url}{path}", json=body, headers=sent)
