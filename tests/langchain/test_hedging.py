"""Hedged calls where readers are shown tokens past the caller: nobody sees a word of the call that loses, even where it speaks later."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.graph import START, MessagesState, StateGraph

from langchain_switchwise import ChatSwitchwise
from switchwise import Pool, Router, Target
from switchwise.policies import Hedge
from switchwise_loopback import Answer, LoopbackProvider, Request

from .conftest import gpt


class Late:
    """One model says nothing until it is let go; then it answers like the other."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, request: Request) -> Answer:
        if request.model == "gpt-4.1":
            self.go.wait(30)
        return Answer(f"{request.model} speaks in a few words")


class Reader(BaseCallbackHandler):
    """Shows tokens as they come."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.read.append(token)


@pytest.fixture
def late() -> Iterator[Late]:
    answers = Late()
    yield answers
    answers.go.set()


@pytest.fixture
def llm(late: Late) -> Iterator[ChatSwitchwise]:
    with LoopbackProvider(answer=late) as provider:
        hedge = Hedge(after=0.05, at_most=1.0)
        hedge.load({"times": [], "calls": 10.0})
        router = Router(Pool([Target("late"), Target("quick")]), hedge)
        models = {
            name: gpt(provider, model=model, streaming=True) for name, model in (("late", "gpt-4.1"), ("quick", "gpt-4o"))
        }
        try:
            yield ChatSwitchwise(models, router=router)
        finally:
            late.go.set()


def let_go(late: Late) -> None:
    """Let the loser speak, and wait until it is over."""
    late.go.set()
    for thread in threading.enumerate():
        if thread.name == "switchwise-late":
            thread.join(30)


def test_a_reader_of_an_answer_that_the_caller_wants_whole_sees_one_target_only(llm: ChatSwitchwise, late: Late) -> None:
    reader = Reader()
    answer = llm.invoke("hello", {"callbacks": [reader]})
    let_go(late)
    assert "".join(reader.read) == answer.content == "gpt-4o speaks in a few words"
    assert answer.response_metadata["switchwise"]["policy"] == "Hedge"
    again = Reader()
    answer = asyncio.run(llm.ainvoke("hello", {"callbacks": [again]}))
    assert "".join(again.read) == answer.content


def test_two_that_speak_at_once_are_not_mixed(llm: ChatSwitchwise, late: Late) -> None:
    late.go.set()
    hedge: Any = llm.router.policies[0]
    hedge.after = 0.0
    for _ in range(5):
        hedge.load({"times": [], "calls": 10.0})
        reader = Reader()
        answer = llm.invoke("hello", {"callbacks": [reader]})
        let_go(late)
        assert "".join(reader.read) == answer.content


def graph(llm: ChatSwitchwise) -> Any:
    async def asay(state: MessagesState) -> Any:
        return {"messages": [await llm.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("say", lambda state: {"messages": [llm.invoke(state["messages"])]})
    builder.add_node("asay", asay)
    builder.add_conditional_edges(START, lambda state: str(state["messages"][-1].content), ["say", "asay"])
    return builder.compile()


def test_a_graph_that_streams_tokens_shows_one_target_only(llm: ChatSwitchwise, late: Late) -> None:
    shown = [chunk.content for chunk, _ in graph(llm).stream({"messages": "say"}, stream_mode="messages")]
    assert "".join(shown) == "gpt-4o speaks in a few words"
    assert len([token for token in shown if token]) > 1, "it is still a stream"

    async def main() -> list[Any]:
        return [chunk.content async for chunk, _ in graph(llm).astream({"messages": "asay"}, stream_mode="messages")]

    assert "".join(asyncio.run(main())) == "gpt-4o speaks in a few words"


def test_the_time_to_the_first_token_is_learned_where_a_reader_is_shown_tokens(llm: ChatSwitchwise, late: Late) -> None:
    late.go.set()
    seen = list[Any]()
    router = Router(llm.router.pool, *llm.router.policies, observers=[seen.append])
    llm = ChatSwitchwise(dict(llm.models), router=router)
    llm.invoke("hello", {"callbacks": [Reader()]})
    assert seen[-1].call.view.streamed
    assert 0 < seen[-1].reply.first_chunk <= seen[-1].latency
    llm.invoke("hello")
    assert not seen[-1].call.view.streamed
