"""Who is out, for how long, and for whom: FIELD A1 to A6."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.openai import OpenAI

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import (
    BudgetExceeded,
    ConfigurationError,
    FailureKind,
    NoTarget,
    Pool,
    Price,
    Router,
    Target,
    TargetError,
    View,
    drive,
)
from switchwise.clients import Clients, OpenAIClient
from switchwise.policies import Budget, Healthy, Rules
from switchwise.testing import Clock, Fails, Says, Script
from switchwise_loopback import Fault, LoopbackProvider

from .conftest import opened

ACCOUNTS = [Fault.AUTHENTICATION, Fault.QUOTA, Fault.PERMISSION]


@pytest.mark.parametrize("given", ["default router", "own router"])
@pytest.mark.parametrize("fault", ACCOUNTS, ids=lambda fault: fault.value)
def test_a1_what_is_wrong_with_a_key_or_an_account_concerns_that_account_alone(
    adapter: str, given: str, fault: Fault, first: LoopbackProvider, second: LoopbackProvider
) -> None:
    router = (
        None if given == "default router" else Router(Pool([Target("a", "openai", "m"), Target("b", "openai", "m")]), Healthy())
    )
    door = opened(adapter, {"a": (first.openai_url, "key-one"), "b": (second.openai_url, "key-two")}, router)
    first.inject(fault, times=None)
    assert [door.ask(text) for text in ("one", "two", "three")] == ["from the second"] * 3
    assert len(first.requests) == 1


def test_a1_two_keys_at_one_address_are_two_accounts_and_no_key_is_kept(adapter: str, first: LoopbackProvider) -> None:
    door = opened(
        adapter, {"a": (first.openai_url, "key-one"), "b": (first.openai_url, "key-two"), "c": (first.openai_url, "key-one")}
    )
    a, b, c = door.router.pool
    assert a.account == c.account != b.account
    assert a.account.startswith("127.0.0.1:")
    assert "key-one" not in repr(door.router.pool.targets)


def test_a1_targets_of_one_account_fail_together(adapter: str, first: LoopbackProvider, second: LoopbackProvider) -> None:
    servers = {"a": (first.openai_url, "key"), "same": (first.openai_url, "key"), "b": (second.openai_url, "key")}
    door = opened(adapter, servers)
    first.inject(Fault.AUTHENTICATION, times=None)
    assert door.ask("one") == "from the second"
    assert len(first.requests) == 1


@pytest.mark.parametrize(
    ("url", "provider"), [("https://api.groq.com/openai/v1", "groq"), ("https://api.deepseek.com", "deepseek")]
)
def test_a1_an_address_says_whose_targets_they_are(adapter: str, url: str, provider: str) -> None:
    door = opened(adapter, {"a": (url, "key"), "b": ("https://api.openai.com/v1", "key")})
    assert [target.provider for target in door.router.pool] == [provider, "openai"]


def test_a1_a_refusal_reaches_the_same_model_of_the_account_at_most() -> None:
    pool = Pool(
        [
            Target("a", "openai", "gpt", account="h#1"),
            Target("twin", "openai", "gpt", account="h#1"),
            Target("small", "openai", "gpt-small", account="h#1"),
            Target("other key", "openai", "gpt", account="h#2"),
        ]
    )
    script = Script(a=Fails(FailureKind.REFUSED), otherwise=Fails(FailureKind.REFUSED))
    router = Router(pool)
    with pytest.raises(ExceptionGroup):
        list(drive(router.start(View()), script.perform))
    assert script.called == ["a", "small", "other key"]


PRICED = Pool([Target("dear", "x", price=Price(10, 50)), Target("cheap", "y", price=Price(0.1, 0.5))])


@pytest.mark.parametrize("chain", [(Healthy, Budget), (Budget, Healthy)], ids=["healthy first", "budget first"])
def test_a2_a_pause_gives_way_when_nothing_else_is_affordable_wherever_it_stands(chain: tuple[Any, Any]) -> None:
    clock = Clock()
    make = {Healthy: Healthy, Budget: lambda: Budget(usd=0.05)}
    router = Router(PRICED, *(make[kind]() for kind in chain), clock=clock)
    script = Script(cheap=[Fails(FailureKind.OVERLOADED), Says("busy no more")], clock=clock)
    view = View(tokens=20_000)
    run = router.start(view)
    assert "".join(drive(run, script.perform, sleep=clock.advance)) == "busy no more"
    script.parts["cheap"] = Fails(FailureKind.RATE_LIMIT, retry_after=120.0)
    with pytest.raises(ExceptionGroup):
        list(drive(router.start(view), script.perform, sleep=clock.advance))
    script.parts["cheap"] = "well again"
    run = router.start(view)
    assert "".join(drive(run, script.perform, sleep=clock.advance)) == "well again"
    notes = {note.policy: note.because for note in run.outcome.attempt.call.shortlist.notes}
    assert "more than is left may be needed: dear" in notes["Budget"]


def test_a2_the_error_names_what_really_stopped_the_call() -> None:
    clock, healthy = Clock(), Healthy()
    router = Router(PRICED, healthy, Budget(usd=1e-9), clock=clock)
    script = Script(clock=clock, otherwise="yes")
    with pytest.raises(BudgetExceeded, match=r"more than is left may be needed"):
        list(drive(router.start(View(tokens=20_000)), script.perform))
    router = Router(PRICED, Healthy(), Rules().exclude("cheap", because="not for us"), clock=clock)
    script.parts["dear"] = Fails(FailureKind.QUOTA)
    with pytest.raises(ExceptionGroup):
        list(drive(router.start(View()), script.perform))
    script.parts["dear"] = "paid"
    assert "".join(drive(router.start(View()), script.perform)) == "paid"
    nobody = Router(
        PRICED, Healthy(), Rules().exclude("cheap", because="not for us"), Rules().exclude("dear", because="nor this")
    )
    with pytest.raises(NoTarget, match="nor this"):
        nobody.start(View())


@pytest.mark.parametrize("rate", [1.0, 10.0, 50.0])
def test_a3_with_traffic_the_share_of_failures_decides(outages: Any, rate: float) -> None:
    assert outages.few_failures(rate) <= 0.03


def test_a3_a_pause_that_the_provider_asks_for_counts_at_once() -> None:
    clock, healthy = Clock(), Healthy()
    router = Router(Pool([Target("a"), Target("b")]), healthy, clock=clock)
    script = Script(a=["yes"] * 30 + [Fails(FailureKind.RATE_LIMIT, retry_after=6.0), "yes"], b="yes", clock=clock)
    for _ in range(32):
        list(drive(router.start(View()), script.perform))
    assert script.called[-3:] == ["a", "b", "b"]
    clock.advance(6.0)
    assert router.decide(View()).names == ("a", "b")


@pytest.mark.parametrize("kind", [FailureKind.NOT_FOUND, FailureKind.AUTHENTICATION, FailureKind.QUOTA])
def test_a4_what_does_not_pass_by_itself_is_probed_at_growing_intervals(kind: FailureKind) -> None:
    clock = Clock()
    router = Router.default(
        Pool([Target("a", "x"), Target("b", "y")]), healthy=Healthy(lasting=10.0, longest_lasting=40.0), clock=clock
    )
    script = Script(a=Fails(kind), b="yes", clock=clock)
    probes, start = [], clock()
    for _ in range(200):
        before = script.called.count("a")
        list(drive(router.start(View()), script.perform))
        if script.called.count("a") > before:
            probes.append(clock() - start)
        clock.advance(1.0)
    assert probes == [0.0, 10.0, 30.0, 70.0, 110.0, 150.0, 190.0]
    script.parts["a"] = "renewed"
    clock.advance(40.0)
    assert "".join(drive(router.start(View()), script.perform)) == "renewed"
    assert router.health()["a"].state == "closed"


@pytest.mark.parametrize(("timeout", "bar"), [(10.0, 130), (30.0, 330)])
def test_a5_in_an_outage_one_caller_at_a_time_waits(outages: Any, timeout: float, bar: int) -> None:
    waited, again = outages.outage(timeout)
    assert timeout * 10 <= waited <= bar, "who had begun before anybody could know, and one probe after another"
    assert 0 < again <= 60.0 + timeout


def test_a5_the_first_pause_after_a_time_out_is_at_least_as_long_as_the_call_took() -> None:
    clock = Clock()
    router = Router(Pool([Target("a"), Target("b")]), Healthy(), clock=clock)
    script = Script(a=Fails(FailureKind.TIMEOUT, seconds=45.0), b="yes", clock=clock)
    list(drive(router.start(View()), script.perform))
    assert router.health()["a"].until - clock() == 45.0


def test_a6_what_the_caller_brought_along_teaches_nothing_about_others_calls() -> None:
    clock = Clock()
    router = Router(Pool([Target("a"), Target("b")]), Healthy(), clock=clock)

    def fails(call: Any) -> Any:
        error = TargetError(FailureKind.AUTHENTICATION)
        error.own_doing = True
        return Fails(error)

    script = Script(a=fails, b="yes", clock=clock)
    list(drive(router.start(View()), script.perform))
    assert router.decide(View()).names == ("a", "b")


@pytest.mark.parametrize(
    ("brought", "fault"),
    [
        ({"timeout": 0.05}, Fault.STALL),
        ({"extra_headers": {"authorization": "Bearer my-own"}}, Fault.AUTHENTICATION),
        ({"model": "my-own"}, Fault.NOT_FOUND),
    ],
    ids=["time-out", "key", "model"],
)
def test_a6_a_time_out_a_key_or_a_model_sent_with_the_call_is_the_caller_s_own(
    brought: dict[str, Any], fault: Fault, first: LoopbackProvider, second: LoopbackProvider
) -> None:
    settings: dict[str, Any] = {"max_retries": 0, "stream_usage": True}
    chat = ChatSwitchwise(
        {
            "a": ChatOpenAI(model="gpt-4.1-mini", base_url=first.openai_url, api_key="key", **settings),
            "b": ChatOpenAI(model="gpt-4.1-mini", base_url=second.openai_url, api_key="key", **settings),
        }
    )
    llm = Switchwise(
        {
            "a": OpenAI(model="gpt-4.1-mini", api_base=first.openai_url, api_key="key", max_retries=0),
            "b": OpenAI(model="gpt-4.1-mini", api_base=second.openai_url, api_key="key", max_retries=0),
        }
    )
    clients = Clients(
        {
            "a": OpenAIClient(model="gpt-4.1-mini", base_url=first.openai_url, api_key="key"),
            "b": OpenAIClient(model="gpt-4.1-mini", base_url=second.openai_url, api_key="key"),
        }
    )
    hello = [{"role": "user", "content": "hello"}]
    asked = [
        (chat.router, lambda: chat.invoke("hello", **brought)),
        (llm.router, lambda: llm.chat([ChatMessage(role="user", content="hello")], **brought)),
        (clients.router, lambda: clients.complete(hello, extra={"openai": brought})),
    ]
    for router, ask in asked:
        first.clear()
        first.inject(fault, seconds=0.2)
        with contextlib.suppress(ConfigurationError, ExceptionGroup):
            ask()
        states = {state.state for name, state in router.health().items() if name != "b"}
        assert states <= {"closed"}, router.health()
