"""A trace shows the decision on the run: the same record as on the answer, in the journal and in the clients."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

from langchain_switchwise import ChatSwitchwise
from switchwise import ConfigurationError, FailureKind, Pool, Router, Target, TargetError
from switchwise.observe.journal import InMemory
from switchwise.policies import Follows, Rules
from tests.langchain.fakes import Scripted

NAMES = ("decision", "target", "level", "policy", "because")


class Runs(BaseCallbackHandler):
    def __init__(self) -> None:
        self.metadata: list[dict[str, Any]] = []

    def on_chat_model_start(self, *_: Any, metadata: dict[str, Any] | None = None, **__: Any) -> None:
        self.metadata.append(metadata or {})


def test_the_run_the_answer_and_the_journal_carry_one_record() -> None:
    journal, runs = InMemory(), Runs()
    pool = Pool([Target("one"), Target("two")])
    llm = ChatSwitchwise(
        {"one": Scripted(), "two": Scripted()},
        router=Router(pool, Rules().prefer("two", because="it is short"), observers=[journal]),
    )
    answer = llm.invoke("hello", {"callbacks": [runs]})
    (metadata,), (record,) = runs.metadata, journal
    stamp = answer.response_metadata["switchwise"]
    assert (stamp["policy"], stamp["because"], stamp["level"], stamp["target"]) == ("Rules", "it is short", "step", "two")
    assert {name: metadata[f"switchwise_{name}"] for name in NAMES} == {name: stamp[name] for name in NAMES}
    assert {name: getattr(record, name) for name in NAMES} == {name: stamp[name] for name in NAMES}
    assert metadata["switchwise_attempt"] == record.attempt == 1


def test_each_attempt_has_a_run_of_its_own_with_the_reason_of_its_own() -> None:
    runs = Runs()

    def overloaded(_: Any) -> Any:
        raise TargetError(FailureKind.TOO_LARGE)

    llm = ChatSwitchwise(
        {"one": Scripted(answer=overloaded), "two": Scripted()}, router=Router(Pool([Target("one"), Target("two")]))
    )
    stamp = llm.invoke("hello", {"callbacks": [runs]}).response_metadata["switchwise"]
    noted = [(each["switchwise_target"], each["switchwise_attempt"], each["switchwise_policy"]) for each in runs.metadata]
    assert noted == [("one", 1, "pool"), ("two", 2, "Recovery")]
    assert len({each["switchwise_decision"] for each in runs.metadata} | {stamp["decision"]}) == 1
    assert stamp["attempts"] == [{"target": "one", "result": "request_too_large"}, {"target": "two", "result": "accepted"}]


class TestAPinThatMeansNothingHere:
    def graph(self, llm: ChatSwitchwise) -> Any:
        graph = StateGraph(MessagesState)
        graph.add_node("ask", lambda state: {"messages": [llm.invoke(state["messages"])]})
        graph.add_edge(START, "ask")
        return graph.compile()

    def test_d3_it_is_left_out_where_the_run_around_has_it(self) -> None:
        llm = ChatSwitchwise({"inner": Scripted()}, router=Router(Pool([Target("inner")])))
        config = {"configurable": {"switchwise_target": "outer"}}
        answer = self.graph(llm).invoke({"messages": [HumanMessage("hello")]}, config)["messages"][-1]
        assert answer.response_metadata["switchwise"]["target"] == "inner"

    def test_with_a_remark(self) -> None:
        journal = InMemory()
        llm = ChatSwitchwise({"inner": Scripted()}, router=Router(Pool([Target("inner")]), observers=[journal]))
        self.graph(llm).invoke({"messages": [HumanMessage("hello")]}, {"configurable": {"switchwise_target": "outer"}})
        (record,) = journal
        assert [note["because"] for note in record.notes] == [
            "the run around this call is pinned to 'outer', which is not in this pool"
        ]

    def test_still_holds_where_it_means_something(self) -> None:
        llm = ChatSwitchwise({"one": Scripted(), "two": Scripted()}, router=Router(Pool([Target("one"), Target("two")])))
        config = {"configurable": {"switchwise_target": "two"}}
        answer = self.graph(llm).invoke({"messages": [HumanMessage("hello")]}, config)["messages"][-1]
        assert answer.response_metadata["switchwise"]["target"] == "two"

    @pytest.mark.parametrize("how", [{"model": "outer"}, {"config": {"configurable": {"switchwise_target": "outer"}}}])
    def test_d3_it_is_an_error_where_the_call_itself_names_it(self, how: dict[str, Any]) -> None:
        llm = ChatSwitchwise({"inner": Scripted()}, router=Router(Pool([Target("inner")])))
        with pytest.raises(ConfigurationError, match="outer"):
            llm.invoke("hello", **how)


def test_d2_a_decision_in_a_state_for_a_target_that_is_gone_is_a_remark() -> None:
    journal = InMemory()
    llm = ChatSwitchwise({"one": Scripted()}, router=Router(Pool([Target("one")]), Follows(), observers=[journal]))
    llm.invoke("hello", switchwise_follow="gpt-4")
    (record,) = journal
    assert [note["because"] for note in record.notes] == [
        "the decision that was made before is for gpt-4, which is not in the pool"
    ]
