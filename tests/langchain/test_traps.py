"""Where LangChain, LangGraph and deepagents bite whoever stands between them and a model: what no other file here holds."""

from __future__ import annotations

import asyncio
import copy
import inspect
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core.caches import InMemoryCache
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import HumanMessage
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from langchain_switchwise import ByDecision, ChatSwitchwise, SwitchwiseMiddleware
from langchain_switchwise.doors.deepagents import TargetProfile, register
from switchwise import Pool, Router, Target, Verdict
from switchwise.policies import ByAgent
from switchwise.verifiers import Judge
from switchwise_loopback import Answer, Fault, LoopbackProvider, Request

from .conftest import CLAUDE, GPT, Duo, claude, gpt, pinned
from .deciders import CORE, TARGETS, openai_decisions
from .fakes import Scripted, look_up
from .test_scope import Seer


class Place(BaseModel):
    """A place."""

    city: str


def node(call: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("say", call)
    builder.add_edge(START, "say")
    return builder.compile()


def target_of(message: Any) -> str:
    return str(message.response_metadata["switchwise"]["target"])


class TestWhatReachesAModelInAGraph:
    """Under `stream_mode="messages"` an `invoke` in a node becomes a stream without a run manager."""

    @pytest.mark.parametrize("mode", ["values", "messages"])
    def test_scope_and_pin_arrive_however_the_graph_is_read(self, mode: str) -> None:
        seer = Seer()
        pool = Pool([Target("one"), Target("two")])
        models = {name: Scripted(model_name=name) for name in ("one", "two")}
        llm = ChatSwitchwise(models, router=Router(pool, seer))
        graph = node(lambda state: {"messages": [llm.invoke(state["messages"])]})
        list(graph.stream({"messages": "hello"}, pinned("two", thread_id="t1", tenant="acme"), stream_mode=mode))
        (view,) = seer.views
        assert (view.scope.session, view.scope.task, view.pin) == ("t1", "say", "two")
        assert view.scope.labels["tenant"] == "acme"

    @pytest.mark.parametrize("mode", ["values", "messages"])
    async def test_asynchronously_too(self, mode: str) -> None:
        seer = Seer()
        llm = ChatSwitchwise({"one": Scripted()}, router=Router(Pool([Target("one")]), seer))

        async def say(state: Any) -> Any:
            return {"messages": [await llm.ainvoke(state["messages"])]}

        graph = node(say)
        async for _ in graph.astream({"messages": "hello"}, {"configurable": {"thread_id": "t1"}}, stream_mode=mode):
            pass
        assert [view.scope.session for view in seer.views] == ["t1"]

    def test_a_node_that_calls_from_threads_of_its_own_loses_its_place_but_not_its_conversation(self) -> None:
        """No context reaches such a thread: calls of one conversation still belong together."""
        seer = Seer()
        llm = ChatSwitchwise({"one": Scripted()}, router=Router(Pool([Target("one")]), seer))

        def say(state: Any) -> Any:
            with ThreadPoolExecutor(1) as pool:
                return {"messages": [pool.submit(llm.invoke, state["messages"]).result(timeout=30)]}

        first = node(say).invoke({"messages": "hello"})
        node(say).invoke({"messages": [*first["messages"], ("user", "and then?")]})
        one, other = (view.scope.session for view in seer.views)
        assert one == other != ""


class TestNamespaces:
    def test_an_agent_stays_the_same_though_the_last_part_changes_with_every_step(self) -> None:
        seer = Seer()
        llm = ChatSwitchwise({"one": Scripted()}, router=Router(Pool([Target("one")]), seer))
        for step in ("a", "b"):
            config: Any = {
                "configurable": {"thread_id": "t1", "checkpoint_ns": f"tools:1|model:{step}"},
                "metadata": {"lc_agent_name": "explorer", "checkpoint_ns": "tools:stale"},
            }
            llm.invoke("hello", config)
        assert len(llm.dispatch._views._builder) == 1
        assert {view.scope.agent for view in seer.views} == {"explorer"}

    def test_a_supervisor_is_known_by_the_node_that_it_runs_in(self) -> None:
        """Made by `create_react_agent`, it says no name of its own."""
        seer = Seer()
        llm = ChatSwitchwise({"one": Scripted()}, router=Router(Pool([Target("one")]), seer))
        llm.invoke("hello", {"configurable": {"thread_id": "t1", "checkpoint_ns": "chief:4f|agent:7a"}})
        assert seer.views[0].scope.agent == "chief"


class TestContext:
    """A context variable that is set inside a generator leaks to whoever consumes it."""

    def test_a_stream_leaves_its_consumers_context_alone(self, duo: Duo) -> None:
        before = var_child_runnable_config.get()
        stream = duo(strong="one two three").stream("hello", {"configurable": {"thread_id": "inside"}})
        next(stream)
        assert var_child_runnable_config.get() is before
        list(stream)
        assert var_child_runnable_config.get() is before

    async def test_an_asynchronous_one_too(self, duo: Duo) -> None:
        before = var_child_runnable_config.get()
        async for _ in duo(strong="one two three").astream("hello", {"configurable": {"thread_id": "inside"}}):
            assert var_child_runnable_config.get() is before

    async def test_agents_that_run_at_once_keep_their_own(self) -> None:
        seer = Seer()
        llm = ChatSwitchwise({"one": Scripted()}, router=Router(Pool([Target("one")]), seer))
        agent = create_agent(llm, [], middleware=[SwitchwiseMiddleware()])
        runs = [agent.ainvoke({"messages": [("user", f"{i}")]}, {"configurable": {"thread_id": f"t{i}"}}) for i in range(8)]
        await asyncio.wait_for(asyncio.gather(*runs), 60)
        assert sorted(view.scope.session for view in seer.views) == [f"t{i}" for i in range(8)]


class TestQuestionsOfOurOwn:
    """What a judge or a decision model says while an answer is made is nobody's to see."""

    @staticmethod
    def judged() -> ChatSwitchwise:
        def score(messages: Any) -> Any:
            code = str(messages[0].content).split("SCORE ")[1][:8]
            return Scripted(script=[f"It is good. SCORE {code}: 0.9"])._next([], {})

        models = {
            "strong": Scripted(model_name="strong"),
            "fast": Scripted(model_name="fast", script=["one two"]),
            "judge": Scripted(model_name="judge", answer=score),
        }
        pool = Pool([Target("strong"), Target("fast"), Target("judge")])
        prefer = ByAgent({"*": "fast"})
        return ChatSwitchwise(models, router=Router(pool, prefer, verify=Judge("judge")))

    def test_a_graph_shows_the_answer_and_not_a_word_of_the_judge(self) -> None:
        llm = self.judged()
        graph = node(lambda state: {"messages": [llm.invoke(state["messages"])]})
        shown = [str(chunk.content) for chunk, _ in graph.stream({"messages": "hello"}, stream_mode="messages")]
        assert llm.models["judge"].asked, "the judge was asked"  # type: ignore[attr-defined]
        assert "".join(shown) == "one two"

    def test_nor_do_its_v3_events(self) -> None:
        llm = self.judged()
        graph = node(lambda state: {"messages": [llm.invoke(state["messages"])]})
        messages = ["".join(message.text) for message in graph.stream_events({"messages": "hello"}, version="v3").messages]
        assert messages == ["one two"]

    @pytest.mark.parametrize("version", ["messages", "v3"])
    def test_a_decision_model_is_not_shown_either(self, version: str) -> None:
        def says(request: Request) -> Answer:
            return Answer("easy" if request.api == "decisions" else "one two")

        with LoopbackProvider(says) as provider:
            models = {"strong": gpt(provider, model="gpt-4.1"), "fast": gpt(provider)}
            router = Router(
                Pool([Target("strong"), Target("fast")]), ByDecision(openai_decisions(provider), "How hard?", TARGETS)
            )
            llm = ChatSwitchwise(models, router=router)
            graph = node(lambda state: {"messages": [llm.invoke(state["messages"])]})
            if version == "messages":
                shown = [str(chunk.text) for chunk, _ in graph.stream({"messages": "hello"}, stream_mode="messages")]
            else:
                shown = ["".join(message.text) for message in graph.stream_events({"messages": "hello"}, version="v3").messages]
            assert [seen.api for seen in provider.requests] == ["decisions", "chat"]
        assert "".join(shown) == "one two"


class TestCaches:
    def test_langchains_global_cache_never_gives_one_target_the_answer_of_another(self) -> None:
        before = get_llm_cache()
        set_llm_cache(InMemoryCache())
        try:
            llm = ChatSwitchwise({name: Scripted(model_name=name, script=[f"{name} says"]) for name in ("a", "b")})
            assert [llm.invoke("hello", pinned(name)).content for name in "aba"] == ["a says", "b says", "a says"]
            assert [len(model.asked) for model in llm.models.values()] == [1, 1]  # type: ignore[attr-defined]
        finally:
            set_llm_cache(before)


class TestWhoInspectsTheModel:
    """Frameworks look at a model's class, profile and signatures before they use it."""

    def test_a_supervisor_finds_parallel_tool_calls_in_the_signature(self) -> None:
        assert "parallel_tool_calls" in inspect.signature(ChatSwitchwise.bind_tools).parameters

    @pytest.mark.filterwarnings("error:Unrecognized")
    def test_its_profile_has_no_key_that_langchain_does_not_know(self, real: ChatSwitchwise) -> None:
        assert real.profile is not None
        assert set(real.profile) <= set(ModelProfile.__annotations__)

    def test_without_the_middleware_a_schema_is_asked_for_in_the_providers_own_way_if_all_can(
        self, real: ChatSwitchwise, provider: LoopbackProvider
    ) -> None:
        state = create_agent(real, [look_up], response_format=Place).invoke({"messages": [("user", "Where?")]}, pinned("fast"))
        assert isinstance(state["structured_response"], Place)
        assert provider.requests[-1].body["response_format"]["type"] == "json_schema"

    def test_a_model_with_a_fallback_around_it_still_binds_tools(self, duo: Duo) -> None:
        """LangChain resolves the annotations of `bind_tools` there: they must be importable."""
        other = Scripted(model_name="other", script=["other says"])
        llm = duo(strong=ConnectionResetError(), fast=ConnectionResetError()).with_fallbacks([other])
        bound: Any = llm.bind_tools([look_up])  # type: ignore[attr-defined]
        assert bound.invoke("hello").content == "other says"

    def test_a_model_with_a_retry_around_it_decides_again(self, duo: Duo) -> None:
        llm = duo(strong=[ConnectionResetError(), "back"], fast=[ConnectionResetError()])
        assert llm.with_retry(wait_exponential_jitter=False, stop_after_attempt=2).invoke("hello").content == "back"

    def test_it_can_be_copied(self, duo: Duo) -> None:
        llm = duo()
        for copied in (copy.copy(llm), llm.model_copy(), llm.with_config(tags=["x"])):
            assert target_of(copied.invoke("hello")) == "strong"  # type: ignore[attr-defined]

    def test_it_is_not_serialised_by_langchain(self) -> None:
        """Whoever loads such a text may build LangChain's own classes only."""
        assert ChatSwitchwise.is_lc_serializable() is False


class TestMiddlewareOfOthers:
    def test_its_names_are_its_own(self) -> None:
        import langchain.agents.middleware as theirs

        for ours in (SwitchwiseMiddleware(), TargetProfile()):
            assert not hasattr(theirs, ours.name)

    def test_in_a_deep_agent_it_may_be_given_by_hand_as_well(self, provider: LoopbackProvider) -> None:
        """Of one name there can be one: what the user gives stands in the place of what the entry point adds."""
        register()
        agent = create_deep_agent(model=ChatSwitchwise({"strong": claude(provider)}), middleware=[SwitchwiseMiddleware()])
        agent.invoke({"messages": [("user", "hi")]})
        assert "cache_control" in str(provider.requests[0].body)

    @pytest.mark.parametrize("outside", [True, False])
    def test_it_works_with_langchains_fallback_in_both_orders(
        self, real: ChatSwitchwise, provider: LoopbackProvider, outside: bool
    ) -> None:
        other = gpt(provider, model="gpt-4o")
        fallback = ModelFallbackMiddleware(other)
        chain: Any = [fallback, SwitchwiseMiddleware()] if outside else [SwitchwiseMiddleware(), fallback]
        provider.inject(Fault.SERVER_ERROR, provider="anthropic", times=None)
        provider.inject(Fault.SERVER_ERROR, model=GPT, times=None)
        state = create_agent(real, [], middleware=chain).invoke({"messages": [("user", "hi")]})
        assert state["messages"][-1].response_metadata["model_name"] == "gpt-4o"

    @pytest.mark.parametrize("outside", [True, False])
    def test_and_with_its_retry(self, duo: Duo, outside: bool) -> None:
        llm = duo(strong=[ConnectionResetError(), "back"], fast=ConnectionResetError())
        retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, jitter=False)
        chain: Any = [retry, SwitchwiseMiddleware()] if outside else [SwitchwiseMiddleware(), retry]
        assert create_agent(llm, [], middleware=chain).invoke({"messages": [("user", "hi")]})["messages"][-1].content == "back"

    def test_a_target_that_can_never_work_is_said_and_not_hidden_by_the_others(
        self, real: ChatSwitchwise, provider: LoopbackProvider
    ) -> None:
        """Anthropic's middleware outside ours sees no Claude and adds nothing, so nothing of it can reach OpenAI."""
        from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware

        chain: Any = [AnthropicPromptCachingMiddleware(unsupported_model_behavior="ignore"), SwitchwiseMiddleware()]
        agent = create_agent(real, [], middleware=chain)
        agent.invoke({"messages": [("user", "hi")]}, pinned("fast"))
        assert "cache_control" not in str(provider.requests[-1].body)

    def test_an_agents_model_may_be_named_by_the_run(self, real: ChatSwitchwise) -> None:
        agent = create_agent(real, [look_up], middleware=[SwitchwiseMiddleware()])
        assert target_of(agent.invoke({"messages": [("user", "hi")]}, pinned("fast"))["messages"][-1]) == "fast"


def test_no_call_warns_where_nothing_is_wrong(real: ChatSwitchwise) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # ours; not what another test left to the garbage collector
        real.invoke([HumanMessage("hello")])
        list(real.stream("hello"))


def test_a_verdict_that_rejects_shows_nothing_of_the_rejected_in_an_agent(duo: Duo) -> None:
    llm = duo(strong="wrong words", fast="right words", verify=lambda view, reply: Verdict("right" in reply.text))
    agent = create_agent(llm, [], middleware=[SwitchwiseMiddleware()])
    parts = agent.stream({"messages": [("user", "hi")]}, stream_mode="messages")
    assert "wrong" not in "".join(str(chunk.content) for chunk, _ in parts)


if CORE:

    def test_it_lets_langchains_own_router_have_its_way(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
        """`ModelRouterMiddleware` (langchain >= 1.5) puts its model into every request; one of its choices may be ours."""
        from langchain.agents.middleware import ModelChoice, ModelRouterMiddleware

        from .deciders import ScriptedDecisions

        def says(state: Any) -> str:
            return "ours" if "route" in str(state.content) else "theirs"

        choices = {"theirs": ModelChoice(gpt(provider, model="gpt-4o"), "plain"), "ours": ModelChoice(real, "to be routed")}
        theirs = ModelRouterMiddleware(choices=choices, instructions="Which?", classifier=ScriptedDecisions(says=says))
        agent = create_agent(real, [], middleware=[theirs, SwitchwiseMiddleware()])
        agent.invoke({"messages": [("user", "hi")]})
        routed = agent.invoke({"messages": [("user", "route it")]})["messages"][-1]
        assert [seen.model for seen in provider.requests] == ["gpt-4o", CLAUDE]
        assert target_of(routed) == "strong"
