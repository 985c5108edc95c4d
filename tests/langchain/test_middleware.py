"""Routing inside agents: what looks at the model sees the native one that was chosen."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelFallbackMiddleware,
    ModelRequest,
    ModelResponse,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    summarization,
)
from langchain_anthropic import ChatAnthropic
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.types import Command
from langsmith import traceable, tracing_context
from pydantic import BaseModel

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.doors.middleware import SwitchwiseMiddleware
from switchwise import Answer as Answered
from switchwise import Pool, Router, Target, hold
from switchwise.clients import LocalModel
from switchwise.observe.journal import InMemory
from switchwise.policies import ByAgent, ByDecision, Rules
from switchwise.verifiers import Judge
from switchwise_loopback import Answer, Fault, LoopbackProvider, Request, ToolCall

from .conftest import CLAUDE, GPT, Duo, claude, gpt
from .fakes import Scripted, look_up
from .test_chat_model import Runs
from .test_scope import Seer


class Models(AgentMiddleware[Any, Any, Any]):
    """Inner middleware that notes the class of the model it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[type[BaseChatModel]] = []

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        self.seen.append(type(request.model))
        return handler(request)

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        self.seen.append(type(request.model))
        return await handler(request)


def last(state: dict[str, Any]) -> AIMessage:
    message = state["messages"][-1]
    assert isinstance(message, AIMessage)
    return message


@pytest.mark.parametrize("name", ["strong", "fast"])
@pytest.mark.parametrize("middleware", [[SwitchwiseMiddleware()], []], ids=["middleware", "alone"])
def test_a_tool_in_the_words_of_responses_reaches_every_target(
    real: ChatSwitchwise, provider: LoopbackProvider, name: str, middleware: list[SwitchwiseMiddleware]
) -> None:
    flat = {
        "type": "function",
        "name": "get_time",
        "description": "The time.",
        "parameters": {"type": "object", "properties": {}},
    }
    agent = create_agent(real, [flat], middleware=middleware)
    state = agent.invoke({"messages": [("user", "hi")]}, {"configurable": {"switchwise_target": name}})
    assert last(state).response_metadata["switchwise"]["target"] == name
    (sent,) = provider.requests[-1].body["tools"]
    assert sent.get("name") == "get_time" or sent["function"]["name"] == "get_time"


async def test_inner_middleware_is_given_the_native_model(real: ChatSwitchwise) -> None:
    models = Models()
    agent = create_agent(real, [look_up], middleware=[SwitchwiseMiddleware(), models])
    for state in (agent.invoke({"messages": [("user", "hi")]}), await agent.ainvoke({"messages": [("user", "hi")]})):
        assert last(state).response_metadata["switchwise"]["target"] == "strong"
    assert set(models.seen) == {ChatAnthropic}


async def test_it_falls_back_and_the_inner_chain_is_run_again(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
    models = Models()
    agent = create_agent(real, [], middleware=[SwitchwiseMiddleware(), models])
    provider.inject(Fault.OVERLOADED, provider="anthropic", times=2)
    for state in (agent.invoke({"messages": [("user", "hi")]}), await agent.ainvoke({"messages": [("user", "hi")]})):
        assert last(state).response_metadata["switchwise"]["target"] == "fast"
    assert len(models.seen) >= 3


def test_prompt_caching_works_and_leaves_no_trace_at_another_provider(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
    agent = create_agent(
        real, [look_up], system_prompt="Be brief.", middleware=[SwitchwiseMiddleware(), AnthropicPromptCachingMiddleware()]
    )
    agent.invoke({"messages": [("user", "hi")]})
    assert "cache_control" in str(provider.requests[-1].body)
    provider.inject(Fault.OVERLOADED, provider="anthropic")
    agent.invoke({"messages": [("user", "hi")]})
    assert provider.requests[-1].provider == "openai"
    assert "cache_control" not in str(provider.requests[-1].body)


@pytest.mark.parametrize("middleware", [[], [SwitchwiseMiddleware()]])
def test_who_listens_to_the_agent_hears_a_model_that_has_listeners_of_its_own(duo: Duo, middleware: Any) -> None:
    own, around = Runs(), Runs()
    create_agent(duo(callbacks=[own]), [], middleware=middleware).invoke(
        {"messages": [("user", "hi")]}, {"callbacks": [around]}
    )
    assert (len(own.started), len(around.started)) == (1, 1)


def test_its_hook_is_traced_as_any_other(duo: Duo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_API_KEY", "test")  # nothing is sent
    runs: list[Any] = []
    traced: Any = traceable(name="hook")(SwitchwiseMiddleware().wrap_model_call)
    request: Any = ModelRequest(model=duo(), messages=[HumanMessage("hi")])
    with tracing_context(enabled="local"):
        traced(request, lambda _: ModelResponse([AIMessage("yes")]), langsmith_extra={"on_end": runs.append})
    assert [sorted(run.inputs) for run in runs] == [["handler", "request"]]
    assert runs[0].outputs["output"].result[0].content == "yes"


class Place(BaseModel):
    """A place."""

    city: str


def test_each_target_answers_a_schema_in_the_way_that_suits_it(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
    agent = create_agent(real, [look_up], middleware=[SwitchwiseMiddleware()], response_format=Place)
    assert isinstance(agent.invoke({"messages": [("user", "Where?")]})["structured_response"], Place)
    provider.inject(Fault.OVERLOADED, provider="anthropic")
    assert isinstance(agent.invoke({"messages": [("user", "Where?")]})["structured_response"], Place)
    assert provider.requests[-1].body["response_format"]["type"] == "json_schema"


def test_a_model_that_somebody_else_chose_passes_through(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
    other = gpt(provider, model="gpt-4o")
    agent = create_agent(real, [], middleware=[ModelFallbackMiddleware(other), SwitchwiseMiddleware()])
    provider.inject(Fault.SERVER_ERROR, model=CLAUDE, times=None)
    provider.inject(Fault.SERVER_ERROR, model=GPT, times=None)
    state = agent.invoke({"messages": [("user", "hi")]})
    assert last(state).response_metadata["model_name"] == "gpt-4o"
    assert "switchwise" not in last(state).response_metadata


async def test_so_does_it_asynchronously(provider: LoopbackProvider) -> None:
    request: Any = ModelRequest(model=gpt(provider, model="gpt-4o"), messages=[HumanMessage("hi")])

    async def handler(given: Any) -> Any:
        return ModelResponse([await given.model.ainvoke(given.messages)])

    response: Any = await SwitchwiseMiddleware().awrap_model_call(request, handler)
    assert response.result[0].response_metadata["model_name"].startswith("gpt-4o")


def test_a_model_of_the_pool_that_inner_middleware_chose_is_the_one_that_is_named_and_paid(
    real: ChatSwitchwise, provider: LoopbackProvider
) -> None:
    class Elsewhere(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return handler(request.override(model=gpt(provider)))

    agent = create_agent(real, [], middleware=[SwitchwiseMiddleware(), Elsewhere()])
    message = last(agent.invoke({"messages": [("user", "hi")]}))
    record, usage, price = message.response_metadata["switchwise"], message.usage_metadata, real.router.pool["fast"].price
    assert record["target"] == "fast"
    assert record["because"].startswith("fast answered in place of strong")
    assert usage is not None
    assert price is not None
    assert record["cost"] == pytest.approx(price.estimate(usage["input_tokens"], usage["output_tokens"]))


def test_a_forced_tool_is_forced_in_the_words_of_each_target(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
    class Forces(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return handler(request.override(tool_choice="any" if len(request.messages) == 1 else None))

    agent = create_agent(real, [look_up], middleware=[Forces(), SwitchwiseMiddleware()])
    agent.invoke({"messages": [("user", "hi")]})
    provider.inject(Fault.OVERLOADED, provider="anthropic", times=None)
    agent.invoke({"messages": [("user", "hi")]})
    forced = {seen.provider: seen.body["tool_choice"] for seen in provider.requests if "tool_choice" in seen.body}
    assert forced == {"anthropic": {"type": "any"}, "openai": "required"}


def test_an_inner_chain_without_an_answer_is_an_error_and_no_outage(duo: Duo) -> None:
    llm = duo()
    request: Any = ModelRequest(model=llm, messages=[HumanMessage("hi")])
    with pytest.raises(TypeError, match="must give an AIMessage"):
        SwitchwiseMiddleware().wrap_model_call(request, lambda _: ModelResponse([HumanMessage("no")]))
    assert llm.invoke("hi").response_metadata["switchwise"]["target"] == "strong"


def test_a_retry_around_it_decides_again(duo: Duo) -> None:
    llm = duo(strong=[ConnectionResetError(), "back"], fast=ConnectionResetError())
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, jitter=False)
    state = create_agent(llm, [], middleware=[retry, SwitchwiseMiddleware()]).invoke({"messages": [("user", "hi")]})
    assert last(state).content == "back"


def test_a_pause_for_a_human_is_no_failure_of_a_model(duo: Duo) -> None:
    llm = duo()

    def pause(request: Any) -> Any:
        raise GraphInterrupt(())

    with pytest.raises(GraphBubbleUp):
        SwitchwiseMiddleware().wrap_model_call(ModelRequest(model=llm, messages=[HumanMessage("hi")]), pause)
    assert llm.invoke("hi").response_metadata["switchwise"]["target"] == "strong", "it is not cooling down"


def test_a_human_can_approve_a_tool_and_the_agent_goes_on(duo: Duo) -> None:
    call = AIMessage("", tool_calls=[{"name": "look_up", "args": {"what": "it"}, "id": "c1"}])
    agent = create_agent(
        duo(strong=[call, "done"], fast=[call, "done"]),
        [look_up],
        middleware=[SwitchwiseMiddleware(), HumanInTheLoopMiddleware(interrupt_on={"look_up": True})],
        checkpointer=InMemorySaver(),
    )
    config: Any = {"configurable": {"thread_id": "t1"}}
    assert "__interrupt__" in agent.invoke({"messages": [("user", "hi")]}, config)
    state = agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
    assert any(isinstance(message, ToolMessage) for message in state["messages"])


def test_summaries_are_distinguished_from_the_agents_own_calls(duo: Duo) -> None:
    seer = Seer()
    models = {"one": Scripted()}
    llm = ChatSwitchwise(models, router=Router(Pool([Target("one")]), seer))
    summarize = SummarizationMiddleware(model=llm, trigger=("messages", 4), keep=("messages", 2))
    agent = create_agent(llm, [], middleware=[summarize, SwitchwiseMiddleware()])
    agent.invoke({"messages": [("user", f"question {i}") for i in range(6)]})
    assert seer.views[0].scope.task == "summarization"
    assert len(seer.views) == 2


def test_summaries_count_its_messages_where_langchain_has_a_table_of_makers_and_where_not(
    duo: Duo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is private to LangChain: older versions have none."""
    for table in ({}, None):
        monkeypatch.setattr(summarization, "_LS_PROVIDER_ALIASES", table, raising=False)
        assert duo()._get_ls_params()["ls_provider"] == "switchwise"
        assert table is None or "switchwise" in table


def test_the_todo_that_is_in_progress_is_the_task() -> None:
    seer = Seer()
    plan = [{"content": "Write the tests", "status": "in_progress"}, {"content": "Ship", "status": "pending"}]
    call = AIMessage("", tool_calls=[{"name": "write_todos", "args": {"todos": plan}, "id": "c1"}])
    llm = ChatSwitchwise({"one": Scripted(script=[call, "done"])}, router=Router(Pool([Target("one")]), seer))
    create_agent(llm, [], middleware=[TodoListMiddleware(), SwitchwiseMiddleware()]).invoke({"messages": [("user", "hi")]})
    assert seer.views[1].scope.task == "Write the tests"


def processes(per: str, *turns: str) -> Callable[[], Any]:
    """Makes an agent as a process has it that has never seen its thread; the state is kept between them, as in a database.

    Parameters:
        per: how long its router holds a decision.
        turns: whom the router prefers, each time that it decides anew.
    """
    turn, saver = iter(turns), InMemorySaver()

    def flip(view: Any, shortlist: Any) -> Any:
        return shortlist.prefer([next(turn)], "its turn")

    def process() -> Any:
        models = {name: Scripted(model_name=name) for name in ("strong", "fast")}
        router = Router(Pool([Target("strong"), Target("fast")]), hold(flip, per=per))
        return create_agent(ChatSwitchwise(models, router=router), [], middleware=[SwitchwiseMiddleware()], checkpointer=saver)

    return process


def test_a_thread_that_is_resumed_elsewhere_remembers_what_was_held() -> None:
    process = processes("session", "fast", "strong", "strong")
    config: Any = {"configurable": {"thread_id": "t1"}}
    states = [process().invoke({"messages": [("user", "hi")]}, config) for _ in range(2)]
    assert [last(state).response_metadata["switchwise"]["target"] for state in states] == ["fast", "fast"]
    assert "switchwise_held" not in states[0]


def test_what_is_held_for_the_next_task_leaves_what_was_held_for_the_last() -> None:
    process = processes("task", "fast", "strong", "strong", "fast")
    answered = []
    for task in ("read", "write", "read", "write"):
        config: Any = {"configurable": {"thread_id": "t1", "switchwise_task": task}}
        state = process().invoke({"messages": [("user", "hi")]}, config)
        answered.append(last(state).response_metadata["switchwise"]["target"])
    assert answered == ["fast", "strong", "fast", "strong"]


class TestDeepAgents:
    @pytest.fixture(autouse=True)
    def registered(self) -> None:
        module, _, function = self.entry_point().partition(":")
        getattr(importlib.import_module(module), function)()

    @staticmethod
    def entry_point() -> str:
        pyproject = Path(__file__).parents[2] / "packages/langchain/pyproject.toml"
        points = tomllib.loads(pyproject.read_text())["project"]["entry-points"]
        return str(points["deepagents.harness_profiles"]["switchwise"])

    @staticmethod
    def answer(request: Request) -> Answer:
        """The main agent delegates to all three at once; they answer."""
        tools = {offered.name for offered in request.tools}
        asked = request.last_user_text
        if "task" in tools and asked == "Plan a trip." and not any(turn.results for turn in request.messages):
            names = ("explorer", "writer", "general-purpose")
            calls = tuple(ToolCall("task", {"description": f"for {name}", "subagent_type": name}) for name in names)
            return Answer("", calls)
        return Answer(f"answer to: {asked}")

    def test_every_agent_goes_to_its_own_target_with_prompt_caching_intact(self) -> None:
        journal = InMemory()
        with LoopbackProvider(self.answer) as provider:
            models = {
                "opus": claude(provider, model="claude-opus-4-5"),
                "haiku": claude(provider, model="claude-haiku-4-5"),
                "mini": gpt(provider),
            }
            rules = ByAgent({"explorer": "mini", "writer": "haiku", "general-purpose": "haiku", "*": "opus"})
            from langchain_switchwise.models.native import natives, pool_of

            router = Router(pool_of(natives(models, {}).values()), hold(rules, per="agent"), observers=[journal])
            llm = ChatSwitchwise(models, router=router)
            agent = create_deep_agent(
                model=llm,
                system_prompt="You plan.",
                subagents=[
                    {"name": "explorer", "description": "explores", "system_prompt": "Explore."},
                    {"name": "writer", "description": "writes", "system_prompt": "Write."},
                ],
            )
            agent.invoke({"messages": [("user", "Plan a trip.")]}, {"configurable": {"thread_id": "t1"}})
            targets = Counter((record.agent, record.target) for record in journal)
            assert {agent: target for agent, target in targets if agent != "main"} == {
                "explorer": "mini",
                "writer": "haiku",
                "general-purpose": "haiku",
            }
            for seen in provider.requests:
                assert ("cache_control" in str(seen.body)) is (seen.provider == "anthropic")

    def test_as_much_is_read_from_the_cache_as_with_the_bare_model(self) -> None:
        prompt = "You plan trips. " + "Mind the weather, the trains and the budget of everybody. " * 400
        reads = []
        for routed in (False, True):
            with LoopbackProvider(self.answer) as provider:
                model = claude(provider)
                llm = ChatSwitchwise({"opus": model}) if routed else model
                agent = create_deep_agent(model=llm, system_prompt=prompt)
                messages: list[Any] = []
                for question in ("Where to?", "And then?", "And back?"):
                    messages = agent.invoke({"messages": [*messages, ("user", question)]})["messages"]
                reads.append([(seen.usage.cache_read, seen.usage.cache_write) for seen in provider.requests])
        bare, through = reads
        assert through == bare
        assert sum(read for read, _ in bare) > 0

    def test_a_sub_agents_own_model_is_respected(self) -> None:
        with LoopbackProvider(self.answer) as provider:
            llm = ChatSwitchwise({"opus": claude(provider)})
            agent = create_deep_agent(
                model=llm,
                subagents=[
                    {
                        "name": "explorer",
                        "description": "explores",
                        "system_prompt": "Explore.",
                        "model": gpt(provider, model="gpt-4o"),
                    },
                    {"name": "writer", "description": "writes", "system_prompt": "Write."},
                ],
            )
            agent.invoke({"messages": [("user", "Plan a trip.")]})
            assert Counter(seen.model for seen in provider.requests) == {CLAUDE: 4, "gpt-4o": 1}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_policy_may_ask_a_model_inside_an_agent(asynchronous: bool) -> None:
    asked: list[Any] = []

    def easy(ask: Any) -> dict[str, Answered]:
        asked.append(ask.about)
        return {name: Answered(label="easy") for name in ask.questions}

    policy = ByDecision(LocalModel("classifier", easy), "How hard is it?", {"easy": "fast", "hard": "strong"})
    models = {name: Scripted(model_name=name) for name in ("strong", "fast")}
    llm = ChatSwitchwise(models, router=Router(Pool([Target("strong"), Target("fast")]), policy))
    agent, given = create_agent(llm, [], middleware=[SwitchwiseMiddleware()]), {"messages": [("user", "hi")]}
    state = await agent.ainvoke(given) if asynchronous else agent.invoke(given)
    assert last(state).response_metadata["switchwise"]["target"] == "fast"
    assert len(asked) == 1


def test_what_another_router_held_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "t"}}
    for policies in ([hold(lambda _, found: found.prefer(["fast"], "its turn"), per="session")], []):
        models = {name: Scripted(model_name=name) for name in ("strong", "fast")}
        llm = ChatSwitchwise(models, router=Router(Pool([Target("strong"), Target("fast")]), *policies))
        agent = create_agent(llm, [], middleware=[SwitchwiseMiddleware()], checkpointer=saver)
        state = agent.invoke({"messages": [("user", "hi")]}, config)  # type: ignore[arg-type]
    assert last(state).response_metadata["switchwise"]["target"] == "strong"
    assert "is left out: this router has no such policy" in caplog.text


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_model_of_the_pool_may_judge_inside_an_agent(asynchronous: bool) -> None:
    """What it says to the judge's question is neither the answer nor a step that inner middleware sees."""

    def says(messages: list[Any]) -> AIMessage:
        code = re.search(r"SCORE ([0-9a-f]+)", " ".join(message.text for message in messages))
        return AIMessage(f"SCORE {code[1]}: 0.1" if code else "right")

    models = {"strong": Scripted(answer=says), "fast": Scripted(script=["wrong"])}
    router = Router(Pool([Target("strong"), Target("fast")]), Rules().prefer("fast"), verify=Judge("strong"))
    inner, given = Models(), {"messages": [("user", "hi")]}
    agent = create_agent(ChatSwitchwise(models, router=router), [], middleware=[SwitchwiseMiddleware(), inner])
    state = await agent.ainvoke(given) if asynchronous else agent.invoke(given)
    assert (last(state).content, last(state).response_metadata["switchwise"]["target"]) == ("right", "strong")
    assert len(models["strong"].asked) == 2, "the question, and the call after the rejection"
    assert len(inner.seen) == 2
