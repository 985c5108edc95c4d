"""A budget that is used up ends a run: no retry of LangChain or LangGraph tries again."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core.language_models import FakeListChatModel
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from switchwise import BudgetExceeded, Pool, Router, Target
from switchwise.policies import Budget


class Counted(Budget):
    """Counts how often it is asked."""

    asked = 0

    def __call__(self, view: Any, shortlist: Any) -> Any:
        self.asked += 1
        return super().__call__(view, shortlist)


@pytest.fixture
def budget() -> Counted:
    return Counted(tokens=1, per="all")


@pytest.fixture
def llm(budget: Counted) -> ChatSwitchwise:
    return ChatSwitchwise({"one": FakeListChatModel(responses=["hello"])}, router=Router(Pool([Target("one")]), budget))


@pytest.mark.parametrize("middleware", [[], [SwitchwiseMiddleware()]])
def test_the_retry_middleware_leaves_it_alone(llm: ChatSwitchwise, budget: Counted, middleware: list[Any]) -> None:
    retry: Any = ModelRetryMiddleware(max_retries=3, initial_delay=0.0, on_failure="error")
    agent = create_agent(llm, [], middleware=[retry, *middleware])
    with pytest.raises(BudgetExceeded, match="all calls together have spent 0 of 1 tokens"):
        agent.invoke({"messages": [("user", "hello")]})
    assert budget.asked == 1


def test_with_retry_leaves_it_alone(llm: ChatSwitchwise, budget: Counted) -> None:
    with pytest.raises(BudgetExceeded):
        llm.with_retry(stop_after_attempt=3, wait_exponential_jitter=False).invoke("hello")
    assert budget.asked == 1


def test_a_node_that_retries_leaves_it_alone(llm: ChatSwitchwise, budget: Counted) -> None:
    class State(TypedDict):
        text: str

    def call(state: State) -> State:
        return {"text": str(llm.invoke(state["text"]).content)}

    graph: Any = StateGraph(State)
    graph.add_node("call", call, retry_policy=RetryPolicy(max_attempts=3, initial_interval=0.0))
    graph.add_edge(START, "call")
    with pytest.raises(BudgetExceeded):
        graph.compile().invoke({"text": "hello"})
    assert budget.asked == 1
