"""C: money. What is billed is what the loopback provider counts."""

from __future__ import annotations

import asyncio
import gc
import importlib
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware
from langchain_openai import ChatOpenAI

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from switchwise import (
    AllTargetsFailed,
    BudgetExceeded,
    ConfigurationError,
    FailureKind,
    Needs,
    Pool,
    Price,
    Router,
    Target,
    TargetError,
    Usage,
    View,
    adrive,
    drive,
    usage_of,
)
from switchwise.catalog import Catalog
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.nouns.target import Defaults
from switchwise.policies import Budget, Cheapest, RateLimits
from switchwise.testing import Fails, Script
from switchwise_loopback import Answer, Fault, LoopbackProvider

from .conftest import MODEL, opened

PRICE = Price(1, 8)
QUESTION = [{"role": "user", "content": "Name a colour."}]


def priced(*names: str, **more: Any) -> Pool:
    return Pool([Target(name, "openai", MODEL, price=PRICE, **more) for name in names])


def capped(adapter: str, longest: int) -> dict[str, Any]:
    """What a client of an adapter is given so that it asks for answers of that length at most."""
    return {"defaults": {"max_completion_tokens": longest}} if adapter == "clients" else {"max_tokens": longest}


def test_c1_the_cap_that_the_client_sends_counts_in_the_bound(adapter: str) -> None:
    with LoopbackProvider(lambda _: Answer("word " * 20_000)) as provider:
        router = Router(priced("one"), Budget(usd=0.05, per="all"))
        long = opened(adapter, {"one": (provider.openai_url, "k")}, router, **capped(adapter, 32_000))
        with pytest.raises(BudgetExceeded):
            long.ask("Write a novel.")
        assert not provider.requests
    with LoopbackProvider(lambda _: Answer("word " * 20_000)) as provider:
        budget = Budget(usd=0.05, per="all", margin=3.0)
        short = opened(adapter, {"one": (provider.openai_url, "k")}, Router(priced("one"), budget), **capped(adapter, 200))
        for _ in range(100):
            try:
                short.ask("Write a novel.")
            except BudgetExceeded:
                break
        else:
            pytest.fail("it was never refused")
        billed = sum(
            PRICE.cost(Usage(seen.usage.input_tokens, seen.usage.output_tokens)) for seen in provider.requests if seen.usage
        )
        assert 0.95 * 0.05 < billed <= 0.05


def test_c1_what_a_client_lets_a_model_think_and_what_its_api_insists_on_count_too() -> None:
    budget = Budget(tokens=10**6, margin=1.0)
    thinking = Target("a", defaults=Defaults(thinking=2_000))
    assert budget.bound(thinking, View(tokens=100, needs=Needs(max_output=500)))[1] == 100 + 500 + 2_000
    clients = Clients({"a": AnthropicClient(api_key="k", model="claude-haiku-4-5")})
    assert budget.bound(clients.router.pool["a"], View(tokens=100))[1] == 100 + 8_192


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_c2_the_tier_that_served_is_what_is_paid(adapter: str, tier: str, provider: LoopbackProvider) -> None:
    usual = Catalog().target("one", provider="openai", model="gpt-5.1").price
    assert usual is not None
    budget = Budget(usd=1.0, per="all")
    router = Router(Pool([Target("one", "openai", MODEL, price=usual)]), budget)
    given = {"clients": {"defaults": {"service_tier": tier}}, "langchain": {"service_tier": tier}}
    door = opened(
        adapter,
        {"one": (provider.openai_url, "k")},
        router,
        **given.get(adapter, {"additional_kwargs": {"service_tier": tier}}),
    )
    door.ask("Name a colour.")
    [seen] = provider.requests
    assert seen.usage is not None
    used = Usage(seen.usage.input_tokens, seen.usage.output_tokens)
    assert budget.spent(View())[0] == pytest.approx(usual.tiers[tier].cost(used))
    assert usual.tiers[tier].cost(used) != usual.cost(used)
    dear = budget.bound(router.pool["one"], View(tokens=100))[0]
    assert dear >= usual.tiers[tier].most(110, 4_096)


def test_c2_a_commitment_has_a_price_of_its_own() -> None:
    reported = {
        "usage": {"input_tokens": 1_000, "output_tokens": 100, "cache_read_input_tokens": 0, "service_tier": "priority"}
    }
    usage = usage_of(reported)
    assert usage is not None
    assert Price(4, 20).cost(usage) == pytest.approx(0.006), "the list price, where nobody says what it is"
    assert Price(4, 20, tiers={"priority": Price.flat(per_month=5_000)}).cost(usage) == 0.0


def test_c2_a_subscription_is_used_up_first_and_takes_nothing_of_a_budget() -> None:
    pool = Pool([Target("opus", price=Price(4, 20)), Target("plan", price=Price.flat(per_month=200))])
    budget = Budget(usd=1.0, per="all")
    router = Router(pool, RateLimits(requests=2, only="plan"), budget, Cheapest(), clock=lambda: 0.0)
    script = Script(plan="yes", opus="yes")
    for _ in range(3):
        list(drive(router.start(View(tokens=100)), script.perform))
    assert script.called == ["plan", "plan", "opus"]
    assert router.decide(View(tokens=100)).names == ("opus",)


@pytest.mark.parametrize(
    ("reported", "cost"),
    [
        ({"usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.0125}}, 0.0125),  # OpenRouter
        ({"usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost_in_usd_ticks": 125_000_000}}, 0.0125),  # xAI
        ({"usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost": {"total_cost": 0.0125}}}, 0.0125),  # Perplexity
    ],
)
def test_c2_the_provider_s_own_cost_counts(reported: dict[str, Any], cost: float) -> None:
    usage = usage_of(reported)
    assert usage is not None
    assert usage.cost == pytest.approx(cost)
    assert PRICE.cost(usage) == pytest.approx(cost)


def test_c5_the_answer_of_a_fallback_inside_is_believed_to_be_its_maker_s(
    first: LoopbackProvider, second: LoopbackProvider
) -> None:
    ours = ChatOpenAI(model="gpt-4.1", base_url=first.openai_url, api_key="k", max_retries=0)
    other = ChatOpenAI(model="gpt-4.1-nano", base_url=second.openai_url, api_key="k", max_retries=0)
    llm = ChatSwitchwise({"strong": ours})
    agent = create_agent(llm, [], middleware=[SwitchwiseMiddleware(), ModelFallbackMiddleware(other)])
    first.inject(Fault.OVERLOADED, times=None)
    message = agent.invoke({"messages": [("user", "Name a colour.")]})["messages"][-1]
    assert message.content == "from the second"
    [seen] = second.requests
    assert seen.usage is not None
    record = message.response_metadata["switchwise"]
    assert record["target"] == "gpt-4.1-nano"
    price = Catalog().target("x", provider="openai", model="gpt-4.1-nano").price
    assert price is not None
    assert record["cost"] == pytest.approx(price.cost(Usage(seen.usage.input_tokens, seen.usage.output_tokens)))
    assert "strong" not in llm.router.health() or llm.router.health()["strong"].state == "closed"


@pytest.mark.parametrize("longest", [-(10**8), 0, -1])
def test_c6_a_limit_of_the_answer_below_one_is_refused(longest: int, provider: LoopbackProvider) -> None:
    clients = Clients(
        {"one": OpenAIClient(base_url=provider.openai_url, api_key="k")}, Router(priced("one"), Budget(usd=0.005))
    )
    with pytest.raises(ConfigurationError, match=rf"max_tokens={longest}\)?: give a whole number from 1 on"):
        clients.complete(QUESTION, max_tokens=longest)
    chat = ChatSwitchwise({"one": ChatOpenAI(model=MODEL, base_url=provider.openai_url, api_key="k")}, router=clients.router)
    with pytest.raises(ConfigurationError, match=rf"max_tokens={longest}\)?: give a whole number from 1 on"):
        chat.invoke("Name a colour.", max_tokens=longest)
    assert not provider.requests
    assert Budget(usd=1).bound(clients.router.pool["one"], View(tokens=-5, needs=Needs(max_output=longest)))[0] >= 0


@pytest.fixture
def concurrency(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`tools/sharing/concurrency.py`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools" / "sharing"))
    return importlib.import_module("concurrency")


@pytest.mark.parametrize(
    "fault", [Fault.TRUNCATED, Fault.HTML_PAGE, Fault.EMPTY_BODY, Fault.RESET, Fault.STREAM_CUT, Fault.STREAM_QUOTA]
)
def test_c7_a_call_whose_answer_was_made_and_lost_is_charged_with_its_bound(fault: Fault, provider: LoopbackProvider) -> None:
    budget = Budget(usd=1.0, per="all")
    clients = Clients({"one": OpenAIClient(base_url=provider.openai_url, api_key="k")}, Router(priced("one"), budget))
    provider.inject(fault, times=2)
    with pytest.raises(Exception):  # noqa: B017, PT011  (each of them in its own way)
        list(clients.stream(QUESTION, max_tokens=100))
    bound = budget.bound(clients.router.pool["one"], View(tokens=1, needs=Needs(max_output=100)))[0]
    billed = sum(
        PRICE.cost(Usage(seen.usage.input_tokens, seen.usage.output_tokens)) for seen in provider.requests if seen.usage
    )
    assert budget.spent(View())[0] >= max(bound * len(provider.requests), billed)


@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.OVERLOADED, Fault.SERVER_ERROR, Fault.AUTHENTICATION])
def test_c7_a_refusal_with_an_error_s_status_and_a_port_where_nobody_listens_cost_nothing(
    fault: Fault, provider: LoopbackProvider
) -> None:
    budget = Budget(usd=1.0, per="all")
    clients = Clients({"one": OpenAIClient(base_url=provider.openai_url, api_key="k")}, Router(priced("one"), budget))
    provider.inject(fault, times=None)
    with pytest.raises(AllTargetsFailed):
        clients.complete(QUESTION, max_tokens=100)
    nobody = Clients({"one": OpenAIClient(base_url="http://127.0.0.1:9/v1", api_key="k")}, Router(priced("one"), budget))
    with pytest.raises(AllTargetsFailed):
        nobody.complete(QUESTION, max_tokens=100)
    assert budget.spent(View()) == (0.0, 0)


def test_c7_threads_and_tasks_with_every_fault_and_half_cancelled_pass_no_limit(concurrency: Any) -> None:
    """The whole trial, 64 threads and 200 tasks, is `python tools/sharing/concurrency.py`."""
    result = concurrency.run(0.04, threads=8, tasks=20, rounds=6, timeout=2.0)
    assert 0.005 < result.billed <= result.charged <= 0.04
    assert result.failed > 0.1 * result.requests
    assert result.ends["CancelledError"] + result.ends["left early"] > 5


def test_c7_what_is_sent_twice_is_set_aside_twice() -> None:
    """A connection that was dead before it was used is tried again at once: nobody knows whether the first request got there."""
    stale = TargetError(FailureKind.CONNECTION, "Server disconnected without sending a response.")
    budget = Budget(tokens=1_000, per="all")
    router = Router(Pool([Target("a"), Target("b")]), budget)
    view, sent = View(tokens=100, needs=Needs(max_output=190)), []

    async def perform(call: Any) -> Any:
        sent.append(call.target.name)
        raise stale
        yield

    async def ask() -> None:
        async for _ in adrive(router.start(view), perform, sleep=lambda _: asyncio.sleep(0)):
            pass

    with pytest.raises(AllTargetsFailed):
        asyncio.run(ask())
    assert sent == ["a", "a", "b"], "301 each, and 1,000 in all: three may be sent, a fourth may not"
    assert budget.spent(view)[1] == 3 * 301


def test_c8_a_stream_that_nobody_reads_costs_nothing(provider: LoopbackProvider) -> None:
    budget = Budget(usd=1.0, per="all")
    clients = Clients({"one": OpenAIClient(base_url=provider.openai_url, api_key="k")}, Router(priced("one"), budget))
    kept = [clients.stream(QUESTION), clients.astream(QUESTION)]
    run = clients.router.start(View(tokens=10))
    assert budget.spent(View())[1] > 0
    del run
    gc.collect()
    assert budget.spent(View()) == (0.0, 0), "neither charged nor held, though the streams are still there"
    assert len(kept) == 2
    assert not provider.requests


def test_c8_a_cancel_in_the_pause_before_a_retry_costs_nothing() -> None:
    budget = Budget(usd=1.0, per="all")
    router = Router(priced("one"), budget)
    script = Script(one=[Fails(FailureKind.OVERLOADED)])

    async def ask() -> None:
        paused = asyncio.Event()

        async def pause(_: float) -> None:
            paused.set()
            await asyncio.Event().wait()

        async def drive() -> None:
            async for _ in adrive(router.start(View(tokens=100)), script.aperform, sleep=pause):
                pass

        task = asyncio.ensure_future(drive())
        await paused.wait()
        assert budget.spent(View())[1] > 0, "it is reserved while it waits"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ask())
    assert script.called == ["one"]
    assert budget.spent(View()) == (0.0, 0)
