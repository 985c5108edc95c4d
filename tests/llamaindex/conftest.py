"""Real LlamaIndex LLMs against the loopback provider."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from llama_index.llms.openai import OpenAI, OpenAIResponses

from llama_index.llms.switchwise import Switchwise
from switchwise import Attempt, Pool, Router, Target
from switchwise.catalog import Unpriced
from switchwise.engine.recovery import Recovery
from switchwise_loopback import LoopbackProvider

from .methods import METHODS, Method


class Journal(list[Attempt]):
    """Keeps every attempt."""

    def __call__(self, attempt: Attempt) -> None:
        self.append(attempt)

    @property
    def results(self) -> list[tuple[str, str]]:
        return [(a.target.name, a.kind.value if a.kind else "ok" if a.reply else "abandoned") for a in self]


@pytest.fixture(params=METHODS, ids=lambda method: method.name)
def method(request: pytest.FixtureRequest) -> Method:
    return request.param


@pytest.fixture(params=[m for m in METHODS if not m.structured], ids=lambda method: method.name)
def stamped_method(request: pytest.FixtureRequest) -> Method:
    """A method whose answer has a place for the decision; a structured one is the user's own object."""
    return request.param


@pytest.fixture(params=[m for m in METHODS if m.streams], ids=lambda method: method.name)
def streaming(request: pytest.FixtureRequest) -> Method:
    return request.param


@pytest.fixture(autouse=True)
def _prices_do_not_matter() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unpriced)
        yield


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        yield running


@pytest.fixture
def transports() -> Mapping[str, Any]:
    """HTTP clients of the test's own, which read no certificates.

    Of their own, since the SDK leaves a stream that nobody reads on to the garbage collector, and httpcore waits for ever if that
    closes it while the same thread is inside the same client.
    """
    return {"http_client": httpx.Client(verify=False), "async_http_client": httpx.AsyncClient(verify=False)}


@pytest.fixture
def openai(provider: LoopbackProvider, transports: Mapping[str, Any]) -> Callable[..., OpenAI]:
    """Makes a native OpenAI LLM that talks to the loopback provider."""

    def make(model: str = "gpt-4.1", **settings: Any) -> OpenAI:
        given = {"api_base": provider.openai_url, "api_key": "test", "max_retries": 0, **transports, **settings}
        return OpenAI(model=model, **given)

    return make


@pytest.fixture
def responses(provider: LoopbackProvider, transports: Mapping[str, Any]) -> Callable[..., OpenAIResponses]:
    """Makes a native LLM that speaks OpenAI's Responses to the loopback provider."""

    def make(model: str = "gpt-4.1", **settings: Any) -> OpenAIResponses:
        given = {"api_base": provider.openai_url, "api_key": "test", "max_retries": 0, **transports, **settings}
        return OpenAIResponses(model=model, **given)

    return make


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def two(openai: Callable[..., OpenAI], journal: Journal) -> Switchwise:
    """Two targets, of two providers as far as the router knows, so that one's failure does not rule out the other."""
    router = Router(Pool([Target("one", "first"), Target("two", "second")]), observers=[journal], recovery=Recovery(patience=0))
    return Switchwise({"one": openai("gpt-4.1"), "two": openai("gpt-4o")}, router=router)
