"""`compare` and `spending`, through each adapter, on real SDKs and a provider of this machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import ConfigurationError, Router, Scope, View, adrive, spending
from switchwise.catalog import target
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.display.figures import usd
from switchwise.nouns.target import Pool
from switchwise.observe.journal import InMemory
from switchwise.observe.side_by_side import Side, SideBySide
from switchwise.testing import Script
from switchwise_loopback import Fault, LoopbackProvider


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as provider:
        yield provider


MODELS = {"opus": ("anthropic", "claude-opus-5-5"), "luna": ("openai", "gpt-6-luna")}
JOURNAL: dict[str, Any] = {}


def router(journal: InMemory) -> Router:
    return Router(Pool(target(name, provider=p, model=m) for name, (p, m) in MODELS.items()), observers=[journal])


def sides(door: str, provider: LoopbackProvider, journal: InMemory, **options: Any) -> SideBySide:
    """The same question at both targets, through one adapter."""
    local = {"base_url": provider.openai_url, "api_key": "local", "max_retries": 0}
    other = {"base_url": provider.anthropic_url, "api_key": "local", "max_retries": 0}
    chosen = router(journal)
    if door == "clients":
        clients = {"opus": AnthropicClient(model="claude-opus-5-5", **other), "luna": OpenAIClient(model="gpt-6-luna", **local)}
        return Clients(clients, chosen).compare([{"role": "user", "content": "Is it?"}], **options)
    if door == "langchain":
        models = {"opus": ChatAnthropic(model_name="claude-opus-5-5", **other), "luna": ChatOpenAI(model="gpt-6-luna", **local)}
        return ChatSwitchwise(models, router=chosen).compare("Is it?", **options)
    local = {"api_base": provider.openai_url, "api_key": "local", "max_retries": 0}
    llms = {"opus": OpenAI(model="gpt-5", **local), "luna": OpenAI(model="gpt-5-mini", **local)}
    return Switchwise(llms, router=chosen).compare([ChatMessage("Is it?")], **options)


@pytest.mark.parametrize("door", ["clients", "langchain", "llamaindex"])
def test_one_request_at_several_targets_side_by_side(door: str, provider: LoopbackProvider) -> None:
    journal, seen = InMemory(), list[Side]()
    with spending() as spent:
        found = sides(door, provider, journal, progress=seen.append)
    records = {record.target: record for record in journal}
    assert [side.target for side in found] == ["opus", "luna"] == sorted(records, reverse=True)
    for side in found:
        record = records[side.target]
        assert side.answer
        assert (side.prompt, side.output, side.cost) == (record.input_tokens, record.output_tokens, record.cost)
        assert side.latency == record.latency > 0
        assert record.task == "compare"
        assert record.session.startswith("compare-")
    assert spent.cost == pytest.approx(sum(record.cost or 0 for record in journal))
    assert spent.cost > 0
    assert spent.calls == 2
    assert {side.target for side in seen} == {"opus", "luna"}
    assert found.cheapest is found["luna"]
    table = found.to_pandas()
    assert list(table.index) == ["opus", "luna"]
    assert table.loc["luna", "cost"] == found["luna"].cost
    assert found["opus"].answer in found._repr_html_()
    assert str(found).splitlines()[0].split() == ["target", "answer", "prompt", "cached", "output", "cost", "took"]


def test_a_target_that_fails_is_shown_next_to_those_that_answer(provider: LoopbackProvider) -> None:
    provider.inject(Fault.AUTHENTICATION, provider="anthropic", times=None)
    found = sides("clients", provider, InMemory())
    assert "AllTargetsFailed" in found["opus"].error
    assert (found["luna"].error, found["opus"].cost) == ("", None)
    assert [side.target for side in sides("clients", provider, InMemory(), targets=["fast", "luna"])] == ["luna"]
    with pytest.raises(ConfigurationError, match="'haiku' is neither a target nor a role"):
        sides("clients", provider, InMemory(), targets=["haiku"])
    with pytest.raises(ConfigurationError, match=r"targets=\[\]: name at least one of opus, luna"):
        sides("clients", provider, InMemory(), targets=[])


def test_spending_counts_what_is_within_and_nothing_else(provider: LoopbackProvider) -> None:
    local = {"base_url": provider.openai_url, "api_key": "local"}
    llm = ChatSwitchwise({"luna": ChatOpenAI(model="gpt-6-luna", **local)})  # type: ignore[arg-type]
    llm.invoke("before")
    with spending() as outer:
        llm.invoke("one")
        with spending() as inner:
            RunnableLambda(lambda word: llm.invoke(word)).batch(["two", "three"])  # in threads of LangChain's
            context = copy_context()
            thread = threading.Thread(target=context.run, args=(llm.invoke, "four"))
            thread.start()
            thread.join()
    llm.invoke("after")
    assert (inner.calls, outer.calls) == (3, 4)
    assert outer.cost == pytest.approx(sum(each.cost or 0 for each in outer.attempts))
    assert str(outer).startswith(f"{usd(outer.cost)} for 4 answers (luna $")
    assert "luna" in outer._repr_html_()


async def test_spending_tells_tasks_apart() -> None:
    chosen = router(InMemory())

    async def work(times: int) -> int:
        with spending() as spent:
            for _ in range(times):
                async for _ in adrive(chosen.start(View(Scope("s"))), Script(opus="Yes.").aperform):
                    pass
        return spent.calls

    assert await asyncio.gather(work(1), work(3), work(2)) == [1, 3, 2]
