"""What SDKs do behind a router's back: retries that nobody asked for, connections of an event loop that ended. FIELD A8 and D8."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import FailureKind, Pool, Reply, Router, Target, TargetError, View, drive
from switchwise.adapting.sdk_clients import HiddenRetries
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise_loopback import Fault, LoopbackProvider

Ask = Callable[[], Awaitable[tuple[str, str]]]
GPT, MINI, CLAUDE = "gpt-4.1", "gpt-4.1-mini", "claude-sonnet-5"
HELLO: list[Any] = [{"role": "user", "content": "hi"}]


def natives(provider: LoopbackProvider, **options: Any) -> dict[str, Any]:
    url = provider.openai_url
    return {
        "langchain": ChatOpenAI(model=GPT, base_url=url, api_key="k", stream_usage=True, **options),
        "langchain claude": ChatAnthropic(model=CLAUDE, base_url=provider.anthropic_url, api_key="k", **options),
        "llamaindex": OpenAI(model=GPT, api_base=url, api_key="k", **options),
        "clients": OpenAIClient(model=GPT, base_url=url, api_key="k", **options),
        "clients given": OpenAIClient(
            openai.OpenAI(base_url=url, api_key="k", **options),
            openai.AsyncOpenAI(base_url=url, api_key="k", **options),
            model=GPT,
        ),
        "clients claude": AnthropicClient(model=CLAUDE, base_url=provider.anthropic_url, api_key="k", **options),
    }


ALL = ["langchain", "langchain claude", "llamaindex", "clients", "clients given", "clients claude"]


def asking(name: str, provider: LoopbackProvider, **options: Any) -> Ask:
    """Asks as the README writes it, without `max_retries=`: gives the text, and which target answered."""
    first = natives(provider, **options)[name]
    if name.startswith("langchain"):
        second = ChatOpenAI(model=MINI, base_url=provider.openai_url, api_key="k", stream_usage=True)
        llm = ChatSwitchwise({"first": first, "second": second})

        async def ask() -> tuple[str, str]:
            answer = await llm.ainvoke("hi")
            return str(answer.content), answer.response_metadata["switchwise"]["target"]

    elif name == "llamaindex":
        index = Switchwise({"first": first, "second": OpenAI(model=MINI, api_base=provider.openai_url, api_key="k")})

        async def ask() -> tuple[str, str]:
            answer = await index.achat([ChatMessage(role="user", content="hi")])
            return str(answer.message.content), answer.additional_kwargs["switchwise"]["target"]

    else:
        clients = Clients({"first": first, "second": OpenAIClient(model=MINI, base_url=provider.openai_url, api_key="k")})

        async def ask() -> tuple[str, str]:
            answer = await clients.acomplete(HELLO)
            return answer.text, answer.outcome.target.name

    return ask


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("wait", [6, 300])
def test_a8_nobody_waits_for_a_target_while_another_one_is_there(name: str, wait: float, provider: LoopbackProvider) -> None:
    model = CLAUDE if "claude" in name else GPT
    provider.inject(Fault.RATE_LIMIT, times=None, model=model, retry_after=wait)
    ask = asking(name, provider)
    begun = time.perf_counter()
    _, target = asyncio.run(ask())
    assert target == "second"
    assert time.perf_counter() - begun < 5
    assert [request.model for request in provider.requests] == [model, MINI]


@pytest.mark.parametrize("name", ["langchain", "langchain claude", "llamaindex", "clients given"])
def test_a8_retries_that_somebody_set_are_kept_and_said(name: str, provider: LoopbackProvider) -> None:
    model = CLAUDE if "claude" in name else GPT
    provider.inject(Fault.UNAVAILABLE, times=None, model=model)
    with pytest.warns(HiddenRetries, match="max_retries=4"):
        asking(name, provider, max_retries=4)
    assert not provider.requests


def test_a8_a_target_that_is_alone_may_be_retried_by_its_sdk(provider: LoopbackProvider) -> None:
    provider.inject(Fault.SERVER_ERROR, times=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HiddenRetries)
        llm = ChatSwitchwise({"only": natives(provider)["langchain"]})
    assert llm.models["only"].root_client.max_retries == openai.DEFAULT_MAX_RETRIES  # type: ignore[attr-defined]


def test_a8_what_the_caller_gave_stays_as_it_was(provider: LoopbackProvider) -> None:
    given = natives(provider)
    ChatSwitchwise({"a": given["langchain"], "b": given["langchain claude"]})
    assert given["langchain"].root_client.max_retries == openai.DEFAULT_MAX_RETRIES
    assert given["langchain claude"]._client.max_retries == anthropic.DEFAULT_MAX_RETRIES
    Switchwise({"a": given["llamaindex"], "b": natives(provider)["llamaindex"]})
    assert given["llamaindex"].max_retries == 3


@pytest.mark.parametrize("name", ALL)
def test_d8_one_model_object_in_many_event_loops(name: str, provider: LoopbackProvider) -> None:
    ask = asking(name, provider)
    assert {asyncio.run(ask())[1] for _ in range(10)} == {"first"}
    assert len(provider.requests) == 10


@pytest.mark.parametrize("name", ["langchain", "llamaindex", "clients"])
async def test_d8_calls_of_one_loop_share_its_connections(name: str, provider: LoopbackProvider) -> None:
    ask = asking(name, provider)
    assert {target for _, target in [await ask() for _ in range(3)]} == {"first"}
    assert {target for _, target in await asyncio.gather(ask(), ask(), ask())} == {"first"}
    assert len(provider.requests) == 6


class TestAStaleConnection:
    """One that was dead before it was used: the call is made once more, uncounted, whoever performs it."""

    @staticmethod
    def perform(dead: int, said: str, made: list[int]) -> Any:
        def perform(call: Any) -> Any:
            made.append(1)
            if len(made) <= dead:
                raise TargetError(FailureKind.CONNECTION, said)
            yield Reply("yes")

        return perform

    @pytest.mark.parametrize("said", ["Server disconnected without sending a response.", "Event loop is closed"])
    def test_a8_it_is_called_again_at_once(self, said: str) -> None:
        made: list[int] = []
        run = Router(Pool([Target("a"), Target("b")])).start(View())
        list(drive(run, self.perform(1, said, made)))
        assert (run.outcome.target.name, len(run.outcome.attempts), len(made)) == ("a", 1, 2)

    @pytest.mark.parametrize(("dead", "said", "calls"), [(2, "Event loop is closed", 3), (1, "refused", 2)])
    def test_a8_but_once(self, dead: int, said: str, calls: int) -> None:
        made: list[int] = []
        run = Router(Pool([Target("a"), Target("b")])).start(View())
        list(drive(run, self.perform(dead, said, made)))
        assert (run.outcome.target.name, len(run.outcome.attempts), len(made)) == ("b", 2, calls)

    def test_a8_not_after_a_part_of_the_answer(self) -> None:
        def perform(call: Any) -> Any:
            yield "part"
            raise TargetError(FailureKind.CONNECTION, "Event loop is closed")

        run = Router(Pool([Target("a"), Target("b")])).start(View())
        with pytest.raises(Exception, match="broke off"):
            list(drive(run, perform))
