"""A loopback provider, and two clients of the real SDKs that point at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest

from switchwise import Router
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise_loopback import LoopbackProvider

Make = Callable[..., Clients]


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        yield running


@pytest.fixture
def openai_client(provider: LoopbackProvider) -> OpenAIClient:
    options: dict[str, Any] = {"base_url": provider.openai_url, "api_key": "x", "max_retries": 0}
    return OpenAIClient(openai.OpenAI(**options), openai.AsyncOpenAI(**options), model="gpt-4o-mini")


@pytest.fixture
def anthropic_client(provider: LoopbackProvider) -> AnthropicClient:
    options: dict[str, Any] = {"base_url": provider.anthropic_url, "api_key": "x", "max_retries": 0}
    return AnthropicClient(anthropic.Anthropic(**options), anthropic.AsyncAnthropic(**options), model="claude-opus-4-5")


@pytest.fixture
def make(openai_client: OpenAIClient, anthropic_client: AnthropicClient) -> Make:
    """Clients of both providers; by default the Anthropic one leads."""

    def made(router: Router | None = None, lead: str = "claude") -> Clients:
        both = {"claude": anthropic_client, "gpt": openai_client}
        return Clients(dict(sorted(both.items(), key=lambda pair: pair[0] != lead)), router)

    return made
