"""The decision as a step of a graph, and the calls that follow it."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, RetryPolicy, interrupt

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.doors.middleware import SwitchwiseMiddleware
from langchain_switchwise.doors.node import SwitchwiseNode, SwitchwiseState, follow
from switchwise import ConfigurationError, Pool, Price, Router, Target
from switchwise.policies import Rules
from switchwise.policies.follow_decision import Follows

from .conftest import Duo
from .fakes import Scripted


class State(MessagesState, SwitchwiseState):
    pass


class Flip:
    """Prefers the other target each time it is asked by the node."""

    name = "Flip"

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, view: Any, shortlist: Any) -> Any:
        if view.scope.task == "route":
            self.asked += 1
        return shortlist.prefer([("fast", "strong")[(self.asked + 1) % 2]], "flipped")


def flipping(strong: Any = "strong says", fast: Any = "fast says") -> ChatSwitchwise:
    scripts = {"strong": strong, "fast": fast}
    models = {name: Scripted(model_name=name, script=[script]) for name, script in scripts.items()}
    return ChatSwitchwise(models, router=Router(Pool([Target("strong"), Target("fast")]), Follows(), Flip()))


def graph(llm: ChatSwitchwise, per: str, work: Any = None, **options: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("route", SwitchwiseNode(llm, per=per))
    builder.add_node("work", work or (lambda state: {"messages": [llm.invoke(state["messages"], **follow(state))]}), **options)
    builder.add_edge(START, "route")
    builder.add_edge("route", "work")
    return builder.compile(checkpointer=InMemorySaver())


CONFIG: Any = {"configurable": {"thread_id": "t1"}}


def answered(state: dict[str, Any]) -> list[str]:
    return [m.response_metadata["switchwise"]["target"] for m in state["messages"] if m.type == "ai"]


@pytest.mark.parametrize(
    ("per", "targets"), [("step", ["fast", "strong", "fast"]), ("session", ["fast"] * 3), ("agent", ["fast"] * 3)]
)
def test_a_decision_stands_as_long_as_it_is_asked_to(per: str, targets: list[str]) -> None:
    app = graph(flipping(), per)
    for _ in range(3):
        state = app.invoke({"messages": [("user", "hi")]}, CONFIG)
    assert answered(state) == targets


def test_the_state_holds_the_decision_and_its_reason() -> None:
    state = graph(flipping(), "step").invoke({"messages": [("user", "hi")]}, CONFIG)
    assert state["switchwise_decision"] == {
        "target": "fast",
        "then": ["strong"],
        "level": "step",
        "policy": "Flip",
        "because": "flipped",
        "scope": state["switchwise_decision"]["scope"],
    }


def test_another_target_answers_where_the_decided_one_fails() -> None:
    state = graph(flipping(fast=ConnectionResetError()), "session").invoke({"messages": [("user", "hi")]}, CONFIG)
    assert answered(state) == ["strong"]


def test_a_decision_survives_an_interruption() -> None:
    llm = flipping()

    def work(state: State) -> dict[str, Any]:
        interrupt("may I?")
        return {"messages": [llm.invoke(state["messages"], **follow(state))]}

    app = graph(llm, "step", work)
    app.invoke({"messages": [("user", "hi")]}, CONFIG)
    assert answered(app.invoke(Command(resume=True), CONFIG)) == ["fast"]


def test_a_node_that_runs_again_after_an_error_does_not_follow() -> None:
    llm, tries = flipping(), []

    def work(state: State) -> dict[str, Any]:
        answer = llm.invoke(state["messages"], **follow({"switchwise_decision": {"target": "strong"}}))
        tries.append(answer.content)
        if len(tries) == 1:
            raise ConnectionError("after the call")
        return {"messages": [answer]}

    retry = RetryPolicy(initial_interval=0.001, jitter=False)
    graph(llm, "session", work, retry_policy=retry).invoke({"messages": [("user", "hi")]}, CONFIG)
    assert tries == ["strong says", "fast says"]


def test_an_agent_inside_the_graph_follows_too() -> None:
    llm = flipping()
    agent = create_agent(llm, [], middleware=[SwitchwiseMiddleware()])
    builder = StateGraph(State)
    builder.add_node("route", SwitchwiseNode(llm))
    builder.add_node("agent", agent)
    builder.add_edge(START, "route")
    builder.add_edge("route", "agent")
    state = builder.compile().invoke({"messages": [("user", "hi")]})
    assert state["messages"][-1].response_metadata["switchwise"]["policy"] == "Follows"


def test_agents_that_run_side_by_side_follow_one_decision() -> None:
    llm = flipping()
    builder = StateGraph(State)
    builder.add_node("route", SwitchwiseNode(llm))
    builder.add_edge(START, "route")
    for name in ("reader", "writer"):
        builder.add_node(name, create_agent(llm, [], middleware=[SwitchwiseMiddleware()], name=name))
        builder.add_edge("route", name)
    state = builder.compile().invoke({"messages": [("user", "hi")]})
    assert answered(state) == ["fast", "fast"]
    assert state["switchwise_decision"]["target"] == "fast"


def test_an_agent_that_is_resumed_goes_on_following() -> None:
    @tool
    def ask() -> str:
        """Ask a human."""
        return str(interrupt("may I?"))

    call = AIMessage("", tool_calls=[{"name": "ask", "args": {}, "id": "c1"}])
    saver = InMemorySaver()

    def process() -> Any:
        """What a process that has never seen the thread starts with."""
        reply = lambda messages: AIMessage("done") if messages[-1].type == "tool" else call  # noqa: E731
        models = {name: Scripted(model_name=name, answer=reply) for name in ("strong", "fast")}
        llm = ChatSwitchwise(models, router=Router(Pool([Target("strong"), Target("fast")]), Follows(), Flip()))
        builder = StateGraph(State)
        builder.add_node("route", SwitchwiseNode(llm))
        builder.add_node("agent", create_agent(llm, [ask], middleware=[SwitchwiseMiddleware()]))
        builder.add_edge(START, "route")
        builder.add_edge("route", "agent")
        return builder.compile(checkpointer=saver)

    assert "__interrupt__" in process().invoke({"messages": [("user", "hi")]}, CONFIG)
    state = process().invoke(Command(resume="you may"), CONFIG)
    assert answered(state) == ["fast", "fast"]


def test_a_router_that_would_not_follow_is_refused(duo: Duo) -> None:
    assert SwitchwiseNode(duo())
    pool = Pool([Target("strong"), Target("fast")])
    with pytest.raises(ConfigurationError, match=r"Follows\(\)"):
        SwitchwiseNode(duo_on(Router(pool)))


def duo_on(router: Router) -> ChatSwitchwise:
    return ChatSwitchwise({"strong": Scripted(), "fast": Scripted()}, router=router)


def test_what_is_followed_passes_a_strict_type_checker_as_settings_of_a_call() -> None:
    """`llm.invoke(messages, **follow(state))` and `graph.add_node("route", SwitchwiseNode(llm))`, under `mypy --strict`."""
    assert get_type_hints(follow)["return"] == dict[str, Any]
    assert get_type_hints(SwitchwiseNode.__call__)["state"] is Any


# -- asking the user before another target takes over


def asking(per: str = "session", ask: Any = True) -> Any:
    llm = ChatSwitchwise(
        {name: Scripted(model_name=name, script=[f"{name} says"] * 9) for name in ("strong", "fast")},
        router=Router(
            Pool([Target("strong", price=Price(5, 25)), Target("fast", price=Price(1, 5))]),
            Follows(),
            Rules().prefer("fast", when=lambda view: True, because="easy work"),
        ),
    )
    builder = StateGraph(State)
    builder.add_node("route", SwitchwiseNode(llm, per=per, ask=ask))
    builder.add_node("work", lambda state: {"messages": [llm.invoke(state["messages"], **follow(state))]})
    builder.add_edge(START, "route")
    builder.add_edge("route", "work")
    return builder.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize(
    ("answer", "target", "because"),
    [(True, "fast", "easy work"), (False, "strong", "the user declined fast"), ("strong", "strong", "the user prefers it")],
)
def test_the_user_is_asked_before_another_target_takes_over(answer: Any, target: str, because: str) -> None:
    app = asking()
    state = app.invoke({"messages": [("user", "hi")]}, CONFIG)
    (question,) = state["__interrupt__"]
    assert question.value["target"] == "fast"
    assert question.value["instead_of"] == "strong"
    assert question.value["because"] == "easy work"
    assert question.value["saves"] > 0
    state = app.invoke(Command(resume=answer), CONFIG)
    assert answered(state) == [target]
    assert state["switchwise_decision"]["because"] == because
    state = app.invoke({"messages": [("user", "go on")]}, CONFIG)  # it stands for the session: nobody is asked again
    assert answered(state) == [target] * 2


def test_nobody_is_asked_about_what_is_not_worth_it_or_changes_nothing() -> None:
    app = asking(ask=lambda found: (found.saves or 0) > 1)
    assert answered(app.invoke({"messages": [("user", "hi")]}, CONFIG)) == ["fast"]
    step = asking("step")
    step.invoke({"messages": [("user", "hi")]}, CONFIG)
    step.invoke(Command(resume=True), CONFIG)
    assert answered(step.invoke({"messages": [("user", "more")]}, CONFIG)) == ["fast", "fast"]


def test_an_answer_that_names_nobody_is_refused() -> None:
    app = asking()
    app.invoke({"messages": [("user", "hi")]}, CONFIG)
    with pytest.raises(ConfigurationError, match="give True, False, or one of fast, strong"):
        app.invoke(Command(resume="gpt"), CONFIG)
