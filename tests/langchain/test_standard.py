"""LangChain's own conformance suites, through `ChatSwitchwise` over the real wire.

What a bare native model passes on the same provider, the same model passes here; each skip says why.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

import httpx
import langchain_tests.integration_tests.chat_models as suite
import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_switchwise import ChatSwitchwise
from switchwise import Pool, Router, Shortlist, Target, View
from switchwise_loopback import LoopbackProvider

from .conftest import CLAUDE, GPT

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


@pytest.fixture(scope="module")
def running() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite fetches its pictures from the internet; a pixel will do."""

    def get(url: str, **kwargs: Any) -> httpx.Response:
        return httpx.Response(200, content=PIXEL, request=httpx.Request("GET", url))

    monkeypatch.setattr(suite.httpx, "get", get)
    monkeypatch.setenv("OPENAI_API_KEY", "test")


class Answers:
    """What the suites know of our targets.

    They ask for the constructor's arguments without a fixture at hand, so the provider's address is given to the class.
    """

    url = anthropic_url = ""
    chat_model_class = ChatSwitchwise
    has_tool_calling = True
    has_structured_output = True
    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    supports_anthropic_inputs = True

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _address(cls, running: LoopbackProvider) -> None:
        cls.url, cls.anthropic_url = running.openai_url, running.anthropic_url


class TestUnit(Answers, ChatModelUnitTests):
    chat_model_params: ClassVar = {"models": [f"openai:{GPT}", "openai:gpt-4.1-nano"], "base_url": "http://127.0.0.1:9/v1"}


class TestTwoOpenAITargets(Answers, ChatModelIntegrationTests):
    model_override_value = "gpt-4.1-nano"  # a target's name: the call goes there

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"models": [f"openai:{GPT}", "openai:gpt-4.1-nano"], "base_url": self.url}


class TestTwoResponsesTargets(Answers, ChatModelIntegrationTests):
    model_override_value = "gpt-4.1-nano"

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"models": [f"openai:{GPT}", "openai:gpt-4.1-nano"], "base_url": self.url, "use_responses_api": True}


class TestOneAnthropicTarget(Answers, ChatModelIntegrationTests):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"models": [f"anthropic:{CLAUDE}"], "base_url": self.anthropic_url, "api_key": "test"}


class TestEachCallToTheOtherProvider(Answers, ChatModelIntegrationTests):
    """OpenAI and Anthropic in alternation, so every history of the suite moves between them."""

    @pytest.fixture(autouse=True)
    def _addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", self.url)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", self.anthropic_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")

    @property
    def chat_model_params(self) -> dict[str, Any]:
        turn = itertools.count()

        def alternate(view: View, shortlist: Shortlist) -> Shortlist:
            return shortlist.prefer([("gpt", "claude")[next(turn) % 2]], "its turn")

        pool = Pool([Target("gpt", provider="openai"), Target("claude", provider="anthropic")])
        return {"models": {"gpt": f"openai:{GPT}", "claude": f"anthropic:{CLAUDE}"}, "router": Router(pool, alternate)}
