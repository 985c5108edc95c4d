"""Each entry point calls the same public method of the target that was chosen, with what the caller passes parsed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.doors.node import follow
from langchain_switchwise.porting.tools import Tools
from switchwise import FailureKind, TargetError

from .conftest import Duo
from .fakes import Scripted, look_up
from .test_chat_model import Runs

QUESTION = [HumanMessage("hello")]


async def _ainvoke(llm: Any) -> None:
    await llm.ainvoke(QUESTION)


async def _astream(llm: Any) -> None:
    assert [chunk async for chunk in llm.astream(QUESTION)]


async def _agenerate(llm: Any) -> None:
    await llm.agenerate([QUESTION])


async def _aevents(llm: Any) -> None:
    async with await llm.astream_events(QUESTION, version="v3") as stream:
        assert [event async for event in stream]


SYNC: dict[str, Callable[[Any], object]] = {
    "invoke": lambda llm: llm.invoke(QUESTION),
    "stream": lambda llm: list(llm.stream(QUESTION)),
    "generate": lambda llm: llm.generate([QUESTION]),
    "stream_events": lambda llm: list(llm.stream_events(QUESTION, version="v3")),
}
ASYNC = {"ainvoke": _ainvoke, "astream": _astream, "agenerate": _agenerate, "astream_events": _aevents}


@pytest.mark.parametrize("name", [*SYNC, *ASYNC])
async def test_an_entry_point_calls_the_targets_own_method_of_that_name(name: str) -> None:
    called: list[str] = []
    original = getattr(BaseChatModel, name)

    def spying(self: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self, Scripted):
            called.append(name)
        return original(self, *args, **kwargs)

    with patch.object(BaseChatModel, name, spying):
        llm = ChatSwitchwise({"one": Scripted()})
        if name in SYNC:
            SYNC[name](llm)
        else:
            await ASYNC[name](llm)
    assert called == [name]


def test_the_run_tree_is_that_of_a_native_model_beneath_the_run_of_the_logical_call(duo: Duo) -> None:
    def tree(llm: Any) -> Any:
        collector = RunCollectorCallbackHandler()
        RunnableLambda(lambda text: llm.invoke(text)).invoke("hello", {"callbacks": [collector]})
        (root,) = collector.traced_runs
        return branch(root)

    def branch(run: Any) -> Any:
        return (run.run_type, run.name, [branch(child) for child in run.child_runs])

    llm = duo()
    kind, name, beneath = tree(llm)
    assert (kind, name, [("chain", "switchwise", tree(llm.models["strong"])[2])]) == (kind, name, beneath)


def test_cache_and_rate_limiter_are_the_models_own() -> None:
    class Counts(BaseRateLimiter):
        acquired = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            self.acquired += 1
            return True

        async def aacquire(self, *, blocking: bool = True) -> bool:
            return self.acquire()

    limiter = Counts()
    llm = ChatSwitchwise({"one": Scripted(cache=InMemoryCache(), rate_limiter=limiter)})
    assert [llm.invoke("hello").content for _ in range(2)] == ["yes", "yes"]
    assert limiter.acquired == 1, "the second answer came from the cache"


def test_what_stops_a_binding_still_does(duo: Duo) -> None:
    llm = duo()
    bound = llm.bind_tools([{"name": "look_up", "description": "", "parameters": {}}], stop=["end"])
    bound.invoke("hello")
    assert llm.models["strong"].settings[-1]["stop"] == ["end"]
    list(bound.stream("hello"))
    assert llm.models["strong"].settings[-1]["stop"] == ["end"]


class Tagged(Scripted):
    """A model whose bound tools come with a config, as integrations add one for their tracing."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return super().bind_tools(tools, **kwargs).with_config(tags=["with tools"])


async def test_generate_binds_tools_as_invoke_does() -> None:
    """A binding has no `generate`: what it adds goes to the model's own."""
    model, runs = Tagged(), Runs()
    llm = ChatSwitchwise({"one": model})
    llm.invoke("hello", {"callbacks": [runs]}, tools=[look_up], seed=1)
    llm.generate([QUESTION], callbacks=[runs], tools=[look_up], seed=1, run_name="named")
    await llm.agenerate([QUESTION], callbacks=[runs], tools=[look_up], seed=1)
    assert model.settings == [{"stop": None, "tools": [look_up], "seed": 1}] * 3
    assert ["with tools" in run["tags"] for run in runs.started] == [True] * 3
    plain = Scripted()
    ChatSwitchwise({"one": plain}).generate([QUESTION], tools=[look_up])
    assert plain.settings == [{"stop": None, "tools": [look_up]}]
    assert [run.get("name") for run in runs.started] == [None, "named", None]


async def test_a_timeout_of_the_callers_own_says_nothing_of_the_target_to_others(duo: Duo) -> None:
    for own, then in (({"timeout": 0.01}, "strong says"), ({}, "fast says")):
        llm = duo(strong=[TargetError(FailureKind.TIMEOUT), "strong says"])
        assert (await llm.ainvoke("hello", **own)).content == "fast says"
        assert (await llm.ainvoke("hello")).content == then


class TestWhatTheCallerPasses:
    """It is parsed once: only settings of the call reach the target, and what the caller holds stays as it was."""

    def test_it_is_parsed_into_one_object(self, duo: Duo) -> None:
        given = {"model": "fast", **follow({"switchwise_decision": {"target": "fast"}}), "tools": [look_up], "seed": 1}
        given |= {"tool_choice": "any", "parallel_tool_calls": False}
        before = dict(given)
        request = duo().dispatch.request("hello", None, given, ["end"])
        assert given == before
        assert (request.pin, request.follow, request.settings) == ("fast", "fast", {"seed": 1, "stop": ["end"]})
        assert isinstance(request.tools, Tools)
        assert (request.tools.raw, request.tools.choice, request.tools.parallel) == ([look_up], "any", False)
        with pytest.raises(AttributeError):
            request.pin = "strong"  # type: ignore[misc]

    def test_only_settings_reach_the_target(self, duo: Duo) -> None:
        llm = duo()
        llm.invoke("hello", model="fast", seed=1, **follow({"switchwise_decision": {"target": "fast"}}))
        assert llm.models["fast"].settings == [{"stop": None, "seed": 1}]

    def test_a_response_format_that_is_bound_with_the_tools_is_sent_once(self, duo: Duo) -> None:
        form = {"type": "json_object"}
        bound: Any = duo().bind_tools([look_up], response_format=form)
        request = bound.bound.dispatch.request("hello", None, bound.kwargs)
        assert request.formatted
        assert request.settings == {}
