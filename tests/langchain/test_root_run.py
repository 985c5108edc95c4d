"""A trace shows one run for each logical call, with its attempts beneath and the reason on it."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tracers.context import collect_runs
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langgraph.graph import START, MessagesState, StateGraph

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from switchwise import AllTargetsFailed, FailureKind, Pool, Router, Target, TargetError
from switchwise.engine.recovery import Recovery
from switchwise.policies import ByDecision
from switchwise.verifiers import Judge
from tests.langchain.fakes import Scripted


def easy(messages: list[Any]) -> AIMessage:
    """Answers the question in the form that it asks for."""
    code = re.search(r"ANSWERS ([0-9a-f]{8})", messages[-1].text)
    assert code is not None
    return AIMessage(f'ANSWERS {code[1]}: {{"switchwise": "easy"}}')


DOWN = TargetError(FailureKind.OVERLOADED)


def llm(second: Any = "hello", **options: Any) -> ChatSwitchwise:
    """Two targets, of which the first is down."""
    router = Router(Pool([Target("one"), Target("two")]), recovery=Recovery(patience=0), **options)
    return ChatSwitchwise({"one": Scripted(script=[DOWN]), "two": Scripted(script=[second])}, router=router)


def graph(model: ChatSwitchwise) -> Any:
    def ask(state: MessagesState, config: RunnableConfig) -> Any:
        return {"messages": [model.invoke(state["messages"], config)]}

    async def aask(state: MessagesState, config: RunnableConfig) -> Any:
        return {"messages": [await model.ainvoke(state["messages"], config)]}

    built = StateGraph(MessagesState)
    built.add_node("ask", RunnableLambda(ask, aask))
    built.add_edge(START, "ask")
    return built.compile()


def agent(model: ChatSwitchwise) -> Any:
    return create_agent(model, [], middleware=[SwitchwiseMiddleware()])


def found(run: Any, name: str) -> list[Any]:
    return [*([run] if run.name == name else []), *(each for child in run.child_runs for each in found(child, name))]


HELLO = {"messages": [HumanMessage("hello")]}


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("make", [graph, agent])
async def test_a_traced_graph_shows_one_root_with_its_attempts_and_the_reason(make: Any, asynchronous: bool) -> None:
    tracer = RunCollectorCallbackHandler()
    config: RunnableConfig = {"callbacks": [tracer], "tags": ["mine"]}
    state = await make(llm()).ainvoke(HELLO, config) if asynchronous else make(llm()).invoke(HELLO, config)
    stamp = state["messages"][-1].response_metadata["switchwise"]
    (trace,) = tracer.traced_runs
    (root,) = found(trace, "switchwise")
    assert root.run_type == "chain"
    assert [(run.run_type, run.metadata["switchwise_target"]) for run in root.child_runs] == [("llm", "one"), ("llm", "two")]
    assert root.child_runs[0].error
    noted = {name: root.metadata[f"switchwise_{name}"] for name in ("decision", "target", "level", "policy", "because", "cost")}
    assert noted == {name: stamp[name] for name in noted}
    assert root.outputs["switchwise"] == stamp
    assert root.outputs["output"].content == state["messages"][-1].content
    assert {"mine", "switchwise:target:two", "switchwise:policy:Recovery", "switchwise:level:step"} <= set(root.tags)
    assert "switchwise:target:one" not in root.tags
    assert all("mine" in run.tags for run in root.child_runs)


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream", "batch", "generate"])
async def test_every_way_to_call_has_one(how: str) -> None:
    tracer = RunCollectorCallbackHandler()
    config: RunnableConfig = {"callbacks": [tracer]}
    model = llm()
    if how == "invoke":
        model.invoke("hello", config)
    elif how == "ainvoke":
        await model.ainvoke("hello", config)
    elif how == "stream":
        list(model.stream("hello", config))
    elif how == "astream":
        [chunk async for chunk in model.astream("hello", config)]
    elif how == "batch":
        model.batch(["hello"], config)
    else:
        model.generate([[HumanMessage("hello")]], callbacks=[tracer])
    (root,) = tracer.traced_runs
    assert (root.name, [run.run_type for run in root.child_runs]) == ("switchwise", ["llm", "llm"])


def test_the_id_of_a_run_is_the_logical_calls_and_its_name_that_of_both() -> None:
    tracer, run_id = RunCollectorCallbackHandler(), uuid4()
    llm().invoke("hello", {"callbacks": [tracer], "run_id": run_id, "run_name": "answer"})
    (root,) = tracer.traced_runs
    assert root.id == run_id
    assert [root.name, *(run.name for run in root.child_runs)] == ["answer"] * 3


def test_a_judge_is_beneath_too() -> None:
    tracer = RunCollectorCallbackHandler()
    pool = Pool([Target("one"), Target("two")], asked=[Target("judge")])
    model = ChatSwitchwise(
        {"one": Scripted(), "two": Scripted(), "judge": Scripted(script=["no score"])},
        router=Router(pool, verify=Judge("judge")),
    )
    model.invoke("hello", {"callbacks": [tracer]})
    (root,) = tracer.traced_runs
    assert len(root.child_runs) > 1
    assert {run.run_type for run in root.child_runs} == {"llm"}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_question_before_the_decision_is_beneath_and_the_reason_is_on_the_root(asynchronous: bool) -> None:
    tracer = RunCollectorCallbackHandler()
    policy = ByDecision("judge", "How hard is it?", {"easy": "two", "hard": "one"})
    router = Router(Pool([Target("one"), Target("two")], asked=[Target("judge")]), policy)
    model = ChatSwitchwise({"one": Scripted(), "two": Scripted(), "judge": Scripted(answer=easy)}, router=router)
    config: RunnableConfig = {"callbacks": [tracer]}
    answer = await model.ainvoke("hello", config) if asynchronous else model.invoke("hello", config)
    assert answer.response_metadata["switchwise"]["target"] == "two"
    (root,) = tracer.traced_runs
    assert [run.run_type for run in root.child_runs] == ["llm", "llm"]
    assert (root.metadata["switchwise_target"], root.metadata["switchwise_policy"]) == ("two", "ByDecision")


def test_a_call_that_fails_is_a_root_that_failed() -> None:
    tracer = RunCollectorCallbackHandler()
    with pytest.raises(AllTargetsFailed):
        llm(second=DOWN).invoke("hello", {"callbacks": [tracer]})
    (root,) = tracer.traced_runs
    assert "AllTargetsFailed" in root.error
    assert len(root.child_runs) == 2


def test_a_tracer_that_a_context_sets_is_enough() -> None:
    with collect_runs() as collected:
        llm().invoke("hello")
    assert [run.name for run in collected.traced_runs if run.parent_run_id is None] == ["switchwise"]


class Reads(BaseCallbackHandler):
    """Counts tokens and starts, as a meter of usage does: it keeps no runs."""

    def __init__(self) -> None:
        self.parents: list[Any] = []

    def on_chat_model_start(self, *_: Any, parent_run_id: Any = None, **__: Any) -> None:
        self.parents.append(parent_run_id)


def test_who_keeps_no_runs_sees_the_targets_run_as_if_it_had_been_called_directly() -> None:
    reader = Reads()
    llm().invoke("hello", {"callbacks": [reader]})
    assert reader.parents == [None, None]


async def test_words_are_shown_once_and_events_are_those_of_the_target() -> None:
    shown = [chunk async for chunk, _ in graph(llm("one two three")).astream(HELLO, stream_mode="messages")]
    assert "".join(str(chunk.content) for chunk in shown) == "one two three"
    tracer = RunCollectorCallbackHandler()
    traced = graph(llm("one two three")).astream(HELLO, {"callbacks": [tracer]}, stream_mode="messages")
    assert "".join([str(chunk.content) async for chunk, _ in traced]) == "one two three"
    kinds = [event["event"] async for event in llm().astream_events("hello")]
    assert not [kind for kind in kinds if "chain" in kind]
