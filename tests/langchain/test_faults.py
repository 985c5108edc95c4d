"""Every fault of the loopback provider, by every way to call: the right fallback or the right error, and no word twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage

from langchain_switchwise import ChatSwitchwise
from switchwise import AllTargetsFailed, Interrupted, Limits, Pool, Router, Target
from switchwise.observe.journal import InMemory
from switchwise_loopback import Answer, Fault, LoopbackProvider

from .conftest import CLAUDE, GPT, claude, gpt

TEXT = "One two three four five six seven eight nine ten."
STREAMED = {
    Fault.STREAM_ERROR_MID,
    Fault.STREAM_FAILED,
    Fault.STREAM_CUT,
    Fault.RESET_MID_STREAM,
    Fault.STALL_MID_STREAM,
    Fault.PINGS_MID_STREAM,
}
"""Faults that strike after the first words were shown."""
PINGS = {Fault.PINGS, Fault.PINGS_MID_STREAM}
STALLS = {Fault.STALL, Fault.STALL_MID_STREAM, *PINGS}
ANSWERS = {Fault.REFUSAL, Fault.CONTENT_FILTER}
"""Faults that are an answer: the user's to see, unless a policy says otherwise."""
CALLERS = {Fault.BAD_REQUEST}
"""Faults of the caller: no other target would help."""
WAYS = ["invoke", "ainvoke", "stream", "astream", "events", "aevents"]


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider(lambda request: Answer(TEXT)) as running:
        yield running


def targets(
    provider: LoopbackProvider, first: str, patience: float = 30.0, limits: Limits | None = None, **options: Any
) -> tuple[ChatSwitchwise, str]:
    """A router whose first target, of the provider that will fail, is waited for so long; and the name of the model of the second."""
    names = ["claude", "gpt"] if first == "anthropic" else ["gpt", "claude"]
    make = {"claude": claude, "gpt": gpt}
    models = {name: make[name](provider, timeout=patience if name == names[0] else 30.0) for name in names}
    known = {"claude": "anthropic", "gpt": "openai"}
    router = Router(Pool([Target(name, provider=known[name], limits=limits) for name in names]), **options)
    return ChatSwitchwise(models, router=router), GPT if first == "anthropic" else CLAUDE


async def call(llm: ChatSwitchwise, way: str, show: Callable[[str], None]) -> AIMessage:
    """The answer; every word that is shown on the way goes to `show`."""
    if way == "invoke":
        return llm.invoke("hello")
    if way == "ainvoke":
        return await llm.ainvoke("hello")
    whole: Any = None
    if way == "stream":
        for chunk in llm.stream("hello"):
            show(str(chunk.text))
            whole = chunk if whole is None else whole + chunk
        return whole
    if way == "astream":
        async for chunk in llm.astream("hello"):
            show(str(chunk.text))
            whole = chunk if whole is None else whole + chunk
        return whole
    if way == "events":
        stream = llm.stream_events("hello", version="v3")
        for delta in stream.text:
            show(delta)
        return stream.output
    astream = await llm.astream_events("hello", version="v3")
    async for delta in astream.text:
        show(delta)
    return await astream


@pytest.mark.parametrize(
    ("fault", "way", "failing"),
    [
        pytest.param(fault, way, ("anthropic", "openai")[(i + j) % 2], id=f"{fault.value}-{way}")
        for i, fault in enumerate(Fault)
        for j, way in enumerate(WAYS)
    ],
)
async def test_every_fault_by_every_way_to_call(provider: LoopbackProvider, fault: Fault, way: str, failing: str) -> None:
    """Each fault at each provider by three of the ways."""
    journal = InMemory()
    limits = Limits(first=1.5, between=0.5) if fault in PINGS else None
    llm, second = targets(provider, failing, 0.5 if fault in STALLS else 30.0, limits, observers=[journal])
    provider.inject(fault, provider=failing, times=1, seconds=2.0, after=1)
    shown: list[str] = []
    streamed = way not in ("invoke", "ainvoke")

    if fault in CALLERS:
        with pytest.raises(Exception, match=r"(?i)error code: 400"):
            await call(llm, way, shown.append)
        assert len(provider.requests) == 1
        return
    if streamed and fault in STREAMED:
        with pytest.raises(Interrupted):
            await call(llm, way, shown.append)
        assert TEXT.startswith("".join(shown))
        assert "".join(shown), "the fault comes after the first words"
        assert len(provider.requests) == 1
        return

    answer = await call(llm, way, shown.append)
    if fault in ANSWERS:
        assert len(provider.requests) == 1
        return
    assert answer.text == TEXT
    assert answer.response_metadata["model_name"].startswith(second)
    assert "".join(shown) == (TEXT if streamed else "")
    assert len(journal) == 2
    assert len(provider.requests) <= 2, "one that is reset is noted a little later"
    assert sum(record.output_tokens or 0 for record in journal) == answer.usage_metadata["output_tokens"]


async def test_usage_is_counted_once_where_a_target_failed(provider: LoopbackProvider) -> None:
    llm, second = targets(provider, "anthropic")
    provider.inject(Fault.OVERLOADED, provider="anthropic")
    usage = UsageMetadataCallbackHandler()
    answer = llm.invoke("hello", {"callbacks": [usage]})
    (counted,) = usage.usage_metadata.values()
    assert counted["total_tokens"] == answer.usage_metadata["total_tokens"]
    assert second == GPT


@pytest.mark.parametrize("way", WAYS)
async def test_when_everything_fails_the_calls_are_few_and_the_errors_the_providers_own(
    provider: LoopbackProvider, way: str
) -> None:
    llm, _ = targets(provider, "anthropic")
    provider.inject(Fault.QUOTA, times=None)
    with pytest.raises(AllTargetsFailed) as failed:
        await call(llm, way, lambda word: None)
    assert len(provider.requests) == 2
    assert all(hasattr(error, "response") for error in failed.value.exceptions), "as the SDKs raised them"


async def test_a_model_that_is_used_from_several_event_loops_is_not_taken_for_an_outage(provider: LoopbackProvider) -> None:
    import asyncio
    import threading

    llm, _ = targets(provider, "anthropic")
    answers: list[AIMessage] = []

    def run() -> None:
        for _ in range(3):
            answers.append(asyncio.run(llm.ainvoke("hello")))  # noqa: PERF401  (one loop after the other)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.01)
    assert [answer.text for answer in answers] == [TEXT] * 3


def test_an_error_of_ours_is_not_an_outage(provider: LoopbackProvider) -> None:
    llm, _ = targets(provider, "anthropic")
    with pytest.raises(TypeError):
        llm.invoke("hello", nonsense=object())
    assert provider.requests == ()
