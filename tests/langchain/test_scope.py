"""Where in the work a call is made, as the graphs and agents around it tell."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from langchain_switchwise import ChatSwitchwise
from switchwise import Level, Pool, Router, Shortlist, StepKind, Target, View

from .fakes import Scripted


class Seer:
    """A policy that only looks."""

    name = "Seer"

    def __init__(self) -> None:
        self.views: list[View] = []

    def __call__(self, view: View, shortlist: Shortlist) -> Shortlist:
        self.views.append(view)
        return shortlist

    @property
    def scopes(self) -> list[tuple[str, str, str]]:
        return [view.scope.key(Level.TASK)[1:] for view in self.views]  # type: ignore[misc]


@pytest.fixture
def seer() -> Seer:
    return Seer()


def model(seer: Seer, answer: Any = None, **options: Any) -> ChatSwitchwise:
    return ChatSwitchwise({"one": Scripted(answer=answer)}, router=Router(Pool([Target("one")]), seer), **options)


def calls(name: str, **args: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": uuid.uuid4().hex}])


@pytest.mark.parametrize("where", ["configurable", "metadata"])
def test_ids_of_databases_are_numbers_and_what_is_none_is_not_given(seer: Seer, where: str) -> None:
    llm = model(seer)
    given = {"switchwise_tenant": 0, "user": None, "team": 0, "switchwise_labels": {"user_id": 7, "region": None}}
    llm.invoke("hello", {where: {"thread_id": 0, **given}})
    llm.invoke("hello", {where: {"thread_id": None, "switchwise_tenant": None, "tenant": "", "switchwise_labels": None}})
    first, second = (view.scope for view in seer.views)
    assert (first.session, first.tenant, first.labels) == ("0", "0", {"team": "0", "user_id": "7"})
    assert (second.tenant, second.label("tenant")) == ("", "")


class TestSession:
    def test_the_thread_is_the_session(self, seer: Seer) -> None:
        model(seer).invoke("hello", {"configurable": {"thread_id": "t1"}})
        assert seer.views[0].scope.session == "t1"

    def test_without_a_thread_the_beginning_of_the_conversation_stands_for_it(self, seer: Seer) -> None:
        llm = model(seer)
        opening = [SystemMessage("be kind"), HumanMessage("hello")]
        llm.invoke(opening)
        llm.invoke([*opening, AIMessage("hi"), HumanMessage("and now?")])
        llm.invoke([SystemMessage("be strict"), HumanMessage("hello")])
        sessions = [view.scope.session for view in seer.views]
        assert sessions[0] == sessions[1] != sessions[2]
        assert sessions[0]

    def test_a_graph_needs_to_pass_nothing_on(self, seer: Seer) -> None:
        llm = model(seer)
        graph = StateGraph(MessagesState)
        graph.add_node("review", lambda state: {"messages": [llm.invoke(state["messages"])]})
        graph.add_edge(START, "review")
        app = graph.compile(checkpointer=InMemorySaver())
        app.invoke({"messages": "hello"}, {"configurable": {"thread_id": "t7", "tenant": "acme", "switchwise_target": "one"}})
        assert [view.scope.key(Level.TASK) for view in seer.views] == [("acme", "t7", "main", "review")]
        assert seer.views[0].scope.labels["tenant"] == "acme"
        assert seer.views[0].pin == "one"

    def test_many_threads_at_once_do_not_mix(self, seer: Seer) -> None:
        llm = model(seer)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: llm.invoke(f"hello {i}", {"configurable": {"thread_id": f"t{i}"}}), range(40)))
        assert sorted(view.scope.session for view in seer.views) == sorted(f"t{i}" for i in range(40))


class TestAgent:
    def test_an_agent_is_known_by_its_name(self, seer: Seer) -> None:
        create_agent(model(seer), [], name="reviewer").invoke({"messages": [("user", "hello")]})
        assert seer.views[0].scope.agent == "reviewer"

    def test_a_nested_agent_has_a_name_of_its_own(self, seer: Seer) -> None:
        def answer(messages: list[Any]) -> AIMessage:
            last = messages[-1]
            return (
                calls("explore", what="it") if isinstance(last, HumanMessage) and last.content == "outer" else AIMessage("done")
            )

        llm = model(seer, answer)
        inner = create_agent(llm, [], name="explorer")

        @tool
        def explore(what: str) -> str:
            """Explore."""
            return str(inner.invoke({"messages": [("user", what)]})["messages"][-1].content)

        outer = create_agent(llm, [explore], name="boss", checkpointer=InMemorySaver())
        outer.invoke({"messages": [("user", "outer")]}, {"configurable": {"thread_id": "t1"}})
        assert [(view.scope.session, view.scope.agent) for view in seer.views] == [
            ("t1", "boss"),
            ("t1", "explorer"),
            ("t1", "boss"),
        ]

    def test_an_unnamed_agent_inside_a_named_one_is_not_taken_for_it(self, seer: Seer) -> None:
        def answer(messages: list[Any]) -> AIMessage:
            last = messages[-1]
            return (
                calls("explore", what="it") if isinstance(last, HumanMessage) and last.content == "outer" else AIMessage("done")
            )

        llm = model(seer, answer)
        inner = create_agent(llm, [])

        @tool
        def explore(what: str) -> str:
            """Explore."""
            return str(inner.invoke({"messages": [("user", what)]})["messages"][-1].content)

        create_agent(llm, [explore], name="boss").invoke(
            {"messages": [("user", "outer")]}, {"configurable": {"thread_id": "t1"}}
        )
        assert [view.scope.agent for view in seer.views] == ["boss", "boss/sub-agent", "boss"]

    def test_delegations_that_run_at_once_are_read_apart(self, seer: Seer) -> None:
        def answer(messages: list[Any]) -> AIMessage:
            last = messages[-1]
            if isinstance(last, HumanMessage) and last.content == "outer":
                both = [{"name": "explore", "args": {"what": f"part {i}"}, "id": f"c{i}"} for i in range(3)]
                return AIMessage("", tool_calls=both)
            return AIMessage("done")

        llm = model(seer, answer)
        inner = create_agent(llm, [], name="explorer")

        @tool
        def explore(what: str) -> str:
            """Explore."""
            return str(inner.invoke({"messages": [("user", what)]})["messages"][-1].content)

        create_agent(llm, [explore], name="boss").invoke(
            {"messages": [("user", "outer")]}, {"configurable": {"thread_id": "t1"}}
        )
        explorers = [view for view in seer.views if view.scope.agent == "explorer"]
        assert [view.scope.step for view in explorers] == [1, 1, 1]
        assert len(llm.dispatch._views._builder) == 4


class TestTask:
    @pytest.mark.parametrize("where", ["configurable", "metadata"])
    def test_a_task_can_be_named(self, seer: Seer, where: str) -> None:
        model(seer).invoke("hello", {where: {"switchwise_task": "triage"}})
        assert seer.views[0].scope.task == "triage"

    def test_calls_that_middleware_makes_say_what_they_are_for(self, seer: Seer) -> None:
        model(seer).invoke("hello", {"metadata": {"lc_source": "summarization"}})
        assert seer.views[0].scope.task == "summarization"

    def test_an_agents_model_node_is_no_task(self, seer: Seer) -> None:
        create_agent(model(seer), [], name="reviewer").invoke({"messages": [("user", "hello")]})
        assert seer.views[0].scope.task != "model"

    def test_labels_can_be_given_freely(self, seer: Seer) -> None:
        model(seer).invoke("hello", {"metadata": {"user": 7, "switchwise_labels": {"tier": "gold"}}})
        assert seer.views[0].scope.labels == {"user": "7", "tier": "gold"}


class TestStep:
    def test_a_failed_tool_is_seen(self, seer: Seer) -> None:
        history = [HumanMessage("run it"), calls("run"), ToolMessage("Traceback: boom", tool_call_id="x", status="error")]
        model(seer).invoke(history)
        assert seer.views[0].signals.step is StepKind.FAILURE

    def test_images_and_tools_are_needs(self, seer: Seer) -> None:
        image = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
        model(seer).bind_tools([calls_nothing]).invoke([HumanMessage([{"type": "text", "text": "see"}, image])], max_tokens=50)
        needs = seer.views[0].needs
        assert (needs.tools, needs.modalities, needs.max_output) == (True, {"image"}, 50)

    def test_a_node_that_runs_again_after_an_error_is_a_failure_to_learn_from(self, seer: Seer) -> None:
        from langgraph.types import RetryPolicy

        llm, tries = model(seer), []

        def shaky(state: MessagesState) -> dict[str, Any]:
            message = llm.invoke(state["messages"])
            tries.append(1)
            if len(tries) == 1:
                raise ConnectionError("after the call")
            return {"messages": [message]}

        graph = StateGraph(MessagesState)
        graph.add_node("shaky", shaky, retry_policy=RetryPolicy(initial_interval=0.001, jitter=False))
        graph.add_edge(START, "shaky")
        graph.compile().invoke({"messages": "hello"})
        assert [view.signals.failures for view in seer.views] == [0, 1]


@tool
def calls_nothing() -> None:
    """Nothing."""
