"""A call takes no longer than its limits and its deadline: FIELD B10."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise, route_scope
from switchwise import (
    AllTargetsFailed,
    ConfigurationError,
    FailureKind,
    Interrupted,
    Limits,
    Pool,
    Router,
    Scope,
    Target,
    View,
    drive,
)
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.observe.journal import InMemory
from switchwise.policies import Healthy
from switchwise.testing import Clock, Script
from switchwise_loopback import Answer, Fault, LoopbackProvider

SLOW, QUICK, CLAUDE = "gpt-4.1", "gpt-4.1-mini", "claude-sonnet-5"
TEXT = "One two three four five six seven eight nine ten."
LONG = 20.0
"""Seconds that a fault would last, were nothing done about it."""
SOON = Limits(first=5, between=0.3)
ADAPTERS = ["clients", "langchain", "llamaindex"]
WAYS = ["whole", "awhole", "stream", "astream"]
HELLO: list[Any] = [{"role": "user", "content": "hi"}]
MESSAGES = [ChatMessage(role="user", content="hi")]


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider(lambda _: Answer(TEXT), pace={SLOW: 0.0}) as running:
        yield running


def routed(limits: Limits | None = None, **options: Any) -> Router:
    pool = Pool([Target("slow", "openai", SLOW, limits=limits), Target("quick", "openai", QUICK)])
    return Router(pool, Healthy(), **options)


def built(adapter: str, provider: LoopbackProvider, router: Router) -> Any:
    names = {"slow": SLOW, "quick": QUICK}
    if adapter == "clients":
        return Clients(
            {name: OpenAIClient(model=m, base_url=provider.openai_url, api_key="k") for name, m in names.items()}, router
        )
    if adapter == "langchain":
        return ChatSwitchwise(
            {
                name: ChatOpenAI(model=m, base_url=provider.openai_url, api_key="k", stream_usage=True)
                for name, m in names.items()
            },
            router=router,
        )
    return Switchwise(
        {name: OpenAI(model=m, api_base=provider.openai_url, api_key="k") for name, m in names.items()}, router=router
    )


async def ask(adapter: str, llm: Any, way: str, shown: list[str] | None = None, **words: Any) -> str:
    """The text of the answer; `words` are those of the call's scope."""
    said = [] if shown is None else shown
    if adapter == "langchain":
        config = {"configurable": {f"switchwise_{name}": value for name, value in words.items()}}
        if way == "whole":
            return str(llm.invoke("hi", config).text)
        if way == "awhole":
            return str((await llm.ainvoke("hi", config)).text)
        if way == "stream":
            for chunk in llm.stream("hi", config):
                said.append(str(chunk.text))
        else:
            async for chunk in llm.astream("hi", config):
                said.append(str(chunk.text))
    elif adapter == "llamaindex":
        if way == "whole":
            return str(llm.chat(MESSAGES, route=words).message.content)
        if way == "awhole":
            return str((await llm.achat(MESSAGES, route=words)).message.content)
        if way == "stream":
            for chunk in llm.stream_chat(MESSAGES, route=words):
                said.append(chunk.delta or "")
        else:
            async for chunk in await llm.astream_chat(MESSAGES, route=words):
                said.append(chunk.delta or "")
    elif way == "whole":
        return str(llm.complete(HELLO, **words).text)
    elif way == "awhole":
        return str((await llm.acomplete(HELLO, **words)).text)
    elif way == "stream":
        for text in llm.stream(HELLO, **words):
            said.append(text)
    else:
        async for text in llm.astream(HELLO, **words):
            said.append(text)
    return "".join(said)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_b10_a_target_that_only_keeps_the_connection_alive_is_left(
    adapter: str, way: str, provider: LoopbackProvider
) -> None:
    """Streamed it sends pings, whole it sends nothing: the first has no token in time, the second no end."""
    provider.inject(Fault.PINGS, model=SLOW, seconds=LONG)
    router = routed(Limits(first=0.3, total=0.6))
    begun = time.monotonic()
    assert await ask(adapter, built(adapter, provider, router), way) == TEXT
    assert time.monotonic() - begun < LONG / 2
    assert router.health()["slow"].kind is FailureKind.TIMEOUT, "not a token came: it may be dead"


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_b10_pings_between_tokens_do_not_count(adapter: str, way: str, provider: LoopbackProvider) -> None:
    provider.inject(Fault.PINGS_MID_STREAM, model=SLOW, seconds=LONG, after=2)
    router, shown, begun = routed(SOON), list[str](), time.monotonic()
    with pytest.raises(Interrupted, match=r"no further token within 0\.3 s"):
        await ask(adapter, built(adapter, provider, router), way, shown)
    assert time.monotonic() - begun < LONG / 2
    assert TEXT.startswith("".join(shown))
    assert router.health()["slow"].state == "closed", "it is slow, not dead: one such failure opens nothing"
    assert router.health()["slow"].failed == 1


@pytest.mark.parametrize("way", ["whole", "astream"])
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_b10_the_limits_of_a_call_are_its_own(adapter: str, way: str, provider: LoopbackProvider) -> None:
    provider.inject(Fault.PINGS, model=SLOW, seconds=LONG)
    router = routed(Limits(first=60, total=60))
    assert await ask(adapter, built(adapter, provider, router), way, limits={"first": 1, "total": 1}) == TEXT
    assert "slow" not in router.health(), "a short limit of the caller's says nothing about the target"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_b10_the_deadline_cuts_the_call_under_way(adapter: str, way: str, provider: LoopbackProvider) -> None:
    provider.inject(Fault.PINGS, times=None, seconds=LONG)
    llm, begun = built(adapter, provider, routed()), time.monotonic()
    with pytest.raises(AllTargetsFailed) as failed:
        await ask(adapter, llm, way, deadline=time.time() + 1)
    assert isinstance(failed.value.exceptions[0], TimeoutError)
    assert 0.9 < time.monotonic() - begun < LONG / 2
    assert {request.model for request in provider.requests} <= {SLOW}, "nobody else is asked after it"


@pytest.mark.parametrize("way", ["whole", "awhole"])
async def test_b10_after_the_deadline_nothing_is_sent(way: str, provider: LoopbackProvider) -> None:
    with pytest.raises(AllTargetsFailed, match="no end within 0 s"):
        await ask("clients", built("clients", provider, routed()), way, deadline=time.time() - 1)
    assert not provider.requests


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_b10_a_slow_answer_that_keeps_to_its_limits_is_read_to_its_end(
    adapter: str, way: str, provider: LoopbackProvider
) -> None:
    provider._pace[SLOW] = 0.1
    router = routed(Limits(first=5, between=5, total=60))
    assert await ask(adapter, built(adapter, provider, router), way) == TEXT
    assert [request.model for request in provider.requests] == [SLOW]


async def test_b10_a_reader_who_takes_his_time_is_not_the_targets_fault(provider: LoopbackProvider) -> None:
    llm = built("clients", provider, routed(SOON))
    stream = iter(llm.stream(HELLO))
    said = next(stream)
    threading.Event().wait(0.5)
    assert said + "".join(stream) == TEXT
    chunks = aiter(llm.astream(HELLO))
    said = await anext(chunks)
    await asyncio.sleep(0.5)
    assert said + "".join([text async for text in chunks]) == TEXT


def test_b10_pieces_of_a_tool_call_and_of_thinking_are_tokens() -> None:
    chat, claude = OpenAIClient(api_key="k").assembly(), AnthropicClient(api_key="k").assembly()
    piece = {"function": {"arguments": '{"a"'}, "index": 0}
    assert chat.has_tokens({"choices": [{"delta": {"tool_calls": [piece]}}]})
    assert chat.has_tokens({"choices": [{"delta": {"reasoning_content": "Hm"}}]})
    assert not chat.has_tokens({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
    assert claude.has_tokens({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "Hm"}})
    assert not claude.has_tokens({"type": "message_start", "message": {}})


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_b10_the_thread_of_a_call_that_was_left_ends(adapter: str, provider: LoopbackProvider) -> None:
    """It waits for a socket that stays open: it is woken, and so is one that an abandoned stream leaves."""
    before = {thread for thread in threading.enumerate() if thread.name == "switchwise call"}
    provider.inject(Fault.PINGS, model=SLOW, seconds=LONG)
    llm = built(adapter, provider, routed(Limits(first=0.3)))
    assert await ask(adapter, llm, "stream") == TEXT
    left = [t for t in threading.enumerate() if t.name == "switchwise call" and t not in before]
    for thread in left:
        thread.join(LONG / 2)
    assert not [thread for thread in left if thread.is_alive()]


class TestLangChain:
    """Limits and deadline of a call, in each way that LangChain has to say them."""

    @pytest.mark.parametrize("how", ["with_config", "bind", "argument"])
    def test_b10_all_ways_to_say_it(self, how: str, provider: LoopbackProvider) -> None:
        provider.inject(Fault.STALL, model=SLOW, seconds=LONG)
        journal = InMemory()
        llm = built("langchain", provider, routed(observers=[journal]))
        limits = {"total": 1.0}
        if how == "with_config":
            llm = llm.with_config(configurable={"switchwise_limits": limits})
        elif how == "bind":
            llm = llm.bind(switchwise_limits=Limits(total=1.0))
        answer = llm.invoke("hi", switchwise_limits=limits) if how == "argument" else llm.invoke("hi")
        assert answer.text == TEXT
        assert [record.target for record in journal] == ["slow", "quick"]
        assert all("switchwise_limits" not in request.body for request in provider.requests)

    def test_b10_inside_a_graph(self, provider: LoopbackProvider) -> None:
        from langgraph.graph import START, MessagesState, StateGraph

        provider.inject(Fault.PINGS, model=SLOW, seconds=LONG)
        llm = built("langchain", provider, routed())
        graph = StateGraph(MessagesState)
        graph.add_node("answer", lambda state: {"messages": [llm.invoke(state["messages"])]})
        graph.add_edge(START, "answer")
        state = graph.compile().invoke(
            {"messages": [("user", "hi")]}, {"configurable": {"switchwise_limits": {"first": 1, "total": 1}}}
        )
        assert state["messages"][-1].text == TEXT

    async def test_b10_through_anthropics_own_stream(self, provider: LoopbackProvider) -> None:
        provider.inject(Fault.PINGS, model=CLAUDE, times=2, seconds=LONG)
        claude = ChatAnthropic(model=CLAUDE, base_url=provider.anthropic_url, api_key="k")
        quick = ChatOpenAI(model=QUICK, base_url=provider.openai_url, api_key="k", stream_usage=True)
        pool = Pool([Target("claude", "anthropic", CLAUDE, limits=Limits(first=0.3)), Target("quick", "openai", QUICK)])
        llm = ChatSwitchwise({"claude": claude, "quick": quick}, router=Router(pool))
        assert "".join(str(chunk.text) for chunk in llm.stream("hi")) == TEXT
        assert "".join([str(chunk.text) async for chunk in llm.astream("hi")]) == TEXT


class TestLlamaIndex:
    @pytest.mark.parametrize("how", ["route_scope", "bind"])
    def test_b10_around_a_call(self, how: str, provider: LoopbackProvider) -> None:
        provider.inject(Fault.STALL, model=SLOW, seconds=LONG)
        llm = built("llamaindex", provider, routed())
        if how == "bind":
            assert llm.bind(limits={"total": 1.0}).chat(MESSAGES).message.content == TEXT
        else:
            with route_scope(limits={"total": 1.0}):
                assert llm.chat(MESSAGES).message.content == TEXT


class TestTheBreaker:
    """What a call that was cut short says about its target."""

    @staticmethod
    def after(times: int, **healthy: Any) -> Any:
        clock = Clock()

        def perform(call: Any) -> Any:
            clock.advance(12.0)
            if call.target.name == "slow":
                from switchwise import TargetError

                error = TargetError(FailureKind.TIMEOUT, "no end within 12 s")
                error.own_doing = error.soft = True
                raise error
            yield from Script(otherwise="yes").perform(call)

        router = Router(Pool([Target("slow"), Target("quick")]), Healthy(**healthy), clock=clock, timer=clock)
        for _ in range(times):
            list(drive(router.start(View(Scope())), perform))
        return router.health().get("slow")

    def test_b10_a_long_wait_that_the_caller_ended_counts_in_the_share(self) -> None:
        assert self.after(9, window=1e6).state == "closed"
        assert self.after(10, window=1e6).kind is FailureKind.TIMEOUT

    def test_b10_a_short_one_says_nothing(self) -> None:
        assert self.after(10, window=1e6, waited=15.0) is None


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"frist": 5}, "did you mean 'first'"),
        ({"first": 0}, "above 0"),
        (5, "give Limits"),
        ("soon", "give Limits"),
    ],
)
def test_b10_wrong_limits_are_refused_by_name(wrong: Any, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        Limits.read(wrong)
