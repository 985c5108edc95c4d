"""What a user sees of a graph that streams its model's tokens."""

from __future__ import annotations

from typing import Any

from langgraph.graph import START, MessagesState, StateGraph

from langchain_switchwise import ChatSwitchwise
from switchwise import Verdict

from .conftest import Duo


def graph(llm: ChatSwitchwise) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("say", lambda state: {"messages": [llm.invoke(state["messages"])]})
    builder.add_edge(START, "say")
    return builder.compile()


def seen(llm: ChatSwitchwise) -> tuple[list[str], list[dict[str, Any]]]:
    """The tokens that the graph shows, and what it says of each."""
    parts = list(graph(llm).stream({"messages": "hello"}, stream_mode="messages"))
    return [str(chunk.content) for chunk, _ in parts if chunk.content], [metadata for _, metadata in parts]


def test_each_token_is_shown_once_with_its_target(duo: Duo) -> None:
    tokens, metadatas = seen(duo(strong="one two three"))
    assert tokens == ["one", " two", " three"]
    assert {metadata["switchwise_target"] for metadata in metadatas} == {"strong"}


def test_only_the_target_that_answers_is_seen(duo: Duo) -> None:
    tokens, metadatas = seen(duo(strong=ConnectionResetError(), fast="four five"))
    assert tokens == ["four", " five"]
    assert {metadata["switchwise_attempt"] for metadata in metadatas} == {2}


def test_no_word_of_a_rejected_answer_is_shown(duo: Duo) -> None:
    tokens, _ = seen(duo(strong="wrong words", fast="right words", verify=lambda view, reply: Verdict("right" in reply.text)))
    assert "".join(tokens) == "right words"


def test_an_accepted_answer_that_had_to_wait_is_shown_whole(duo: Duo) -> None:
    tokens, _ = seen(duo(strong="right words", verify=lambda view, reply: Verdict(True)))
    assert tokens == ["right words"]


def test_the_message_in_the_state_carries_the_decision(duo: Duo) -> None:
    for mode in ("values", "messages"):
        state: Any = None
        for name, part in graph(duo()).stream({"messages": "hello"}, stream_mode=[mode, "values"]):
            state = part if name == "values" else state
        assert state["messages"][-1].response_metadata["switchwise"]["target"] == "strong"


def test_the_v3_stream_of_a_graph_shows_one_message(duo: Duo) -> None:
    stream = graph(duo(strong="one two")).stream_events({"messages": "hello"}, version="v3")
    assert ["".join(message.text) for message in stream.messages] == ["one two"]
