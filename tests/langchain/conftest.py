"""Real chat models against a loopback provider, and a pair of fakes for whatever needs no wire."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

from langchain_switchwise import ChatSwitchwise
from switchwise.catalog import Unpriced
from switchwise_loopback import LoopbackProvider

from .fakes import Scripted

CLAUDE, GPT = "claude-sonnet-5", "gpt-4.1-mini"
THINKING = {"type": "enabled", "budget_tokens": 1024}
TARGETS = ["chat", "responses", "newest", "claude", "thinking", "adaptive"]
Duo = Callable[..., ChatSwitchwise]


@pytest.fixture(autouse=True)
def fakes_have_no_price() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unpriced)
        yield


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        yield running


def claude(provider: LoopbackProvider, **options: Any) -> ChatAnthropic:
    return ChatAnthropic(
        **{"model": CLAUDE, "base_url": provider.anthropic_url, "api_key": "test", "max_retries": 0, **options}
    )


def gpt(provider: LoopbackProvider, **options: Any) -> ChatOpenAI:
    settings = {"model": GPT, "base_url": provider.openai_url, "api_key": "test", "max_retries": 0, "stream_usage": True}
    return ChatOpenAI(**{**settings, **options})


@pytest.fixture
def real(provider: LoopbackProvider) -> ChatSwitchwise:
    """Claude, then GPT, over the real wire."""
    return ChatSwitchwise({"strong": claude(provider), "fast": gpt(provider)})


@pytest.fixture(scope="module")
def shared() -> Iterator[LoopbackProvider]:
    """One provider for a whole module."""
    with LoopbackProvider() as running:
        yield running


@pytest.fixture(scope="module")
def llm(shared: LoopbackProvider) -> ChatSwitchwise:
    """A target for each way to speak with OpenAI and Anthropic: those of `TARGETS`."""
    return ChatSwitchwise(
        {
            "chat": gpt(shared),
            "responses": gpt(shared, model="gpt-5", use_responses_api=True, reasoning={"summary": "auto"}),
            "newest": gpt(shared, model="gpt-6-sol"),  # Chat Completions, and Responses once tools are bound
            "claude": claude(shared),
            "thinking": claude(shared, model="claude-opus-4-5", thinking=THINKING, max_tokens=4096),
            "adaptive": claude(shared, model="claude-opus-5-5", thinking={"type": "adaptive"}, max_tokens=4096),
        }
    )


@pytest.fixture
def duo() -> Duo:
    """Two fakes, `strong` and `fast`, with what they are to do."""

    def make(strong: Any = "strong says", fast: Any = "fast says", **options: Any) -> ChatSwitchwise:
        models = {
            name: Scripted(model_name=name, script=script if isinstance(script, list) else [script])
            for name, script in (("strong", strong), ("fast", fast))
        }
        return ChatSwitchwise(models, **options)

    return make


def pinned(target: str, **configurable: Any) -> dict[str, Any]:
    return {"configurable": {"switchwise_target": target, **configurable}}
