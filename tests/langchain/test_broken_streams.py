"""An answer that breaks off after a reader was shown some of it is not begun again by another target: FIELD B5 and B6."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from switchwise import Continue, Interrupted, Verdict
from switchwise_loopback import Answer, LoopbackProvider

from .conftest import gpt
from .fakes import Scripted

BROKEN = ConnectionResetError("cut")


def broken(after: int) -> ChatSwitchwise:
    """The first target breaks off after some words, the second one answers."""
    return ChatSwitchwise(
        {"first": Scripted(model_name="first", script=[BROKEN], break_after=after), "second": Scripted(model_name="second")}
    )


def node(llm: ChatSwitchwise) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("say", lambda state: {"messages": [llm.invoke(state["messages"])]})
    builder.add_edge(START, "say")
    return builder.compile()


def agent(llm: ChatSwitchwise) -> Any:
    return create_agent(llm, [], middleware=[SwitchwiseMiddleware()])


@pytest.mark.parametrize("graph", [node, agent])
class TestInAGraph:
    def test_b5_words_that_were_shown_are_not_shown_twice(self, graph: Any) -> None:
        shown: list[str] = []

        def read() -> None:
            parts = graph(broken(2)).stream({"messages": "hello"}, stream_mode="messages")
            shown.extend(str(chunk.content) for chunk, _ in parts)

        with pytest.raises(Interrupted):
            read()
        assert "".join(shown) == "never finished"

    def test_b5_before_the_first_word_another_target_answers(self, graph: Any) -> None:
        parts = graph(broken(0)).stream({"messages": "hello"}, stream_mode="messages")
        assert "".join(str(chunk.content) for chunk, _ in parts) == "yes"

    def test_b5_where_nobody_reads_another_target_answers(self, graph: Any) -> None:
        assert graph(broken(2)).invoke({"messages": "hello"})["messages"][-1].content == "yes"

    async def test_b5_astream_events(self, graph: Any) -> None:
        shown: list[str] = []

        async def read() -> None:
            async for event in graph(broken(2)).astream_events({"messages": "hello"}, version="v2"):
                if event["event"] == "on_chat_model_stream":
                    shown.append(str(event["data"]["chunk"].content))  # noqa: PERF401  (what came before it broke counts)

        with pytest.raises(Interrupted):
            await read()
        assert "".join(shown) == "never finished"

    def test_b5_events_of_version_3(self, graph: Any) -> None:
        shown: list[str] = []

        def read() -> None:
            for message in graph(broken(2)).stream_events({"messages": "hello"}, version="v3").messages:
                shown.extend(message.text)

        with pytest.raises(Interrupted):
            read()
        assert "".join(shown) == "never finished"


def test_b5_a_handler_of_the_callers_own() -> None:
    class Prints(BaseCallbackHandler):
        def __init__(self) -> None:
            self.shown: list[str] = []

        def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            self.shown.append(token)

    prints = Prints()
    llm = broken(2)
    with pytest.raises(Interrupted):
        RunnableLambda(lambda text: llm.invoke(text, stream=True)).invoke("hello", {"callbacks": [prints]})
    assert "".join(prints.shown) == "never finished"


class City(BaseModel):
    """A city."""

    name: str


def test_b6_an_answer_that_does_not_parse_is_judged_before_its_parser_is_heard() -> None:
    def answer(request: Any) -> Answer:
        return Answer("no JSON" if request.model == "gpt-4.1" else '{"name": "Oslo"}')

    judged: list[str] = []

    def verify(view: Any, reply: Any) -> Verdict:
        judged.append(reply.text)
        return Verdict(reply.text.startswith("{"))

    with LoopbackProvider(answer) as provider:
        models = {"first": gpt(provider, model="gpt-4.1"), "second": gpt(provider, model="gpt-4.1-mini")}
        llm = ChatSwitchwise(models, verify=verify)
        assert llm.with_structured_output(City, method="json_mode").invoke("Where? Answer in JSON.") == City(name="Oslo")
    assert judged == ["no JSON"], "the last resort is not judged"


def test_b6_an_answer_that_is_accepted_and_does_not_parse_is_the_parsers_error() -> None:
    with LoopbackProvider(lambda _: Answer("no JSON")) as provider:
        llm = ChatSwitchwise(
            {"first": gpt(provider), "second": gpt(provider, model="gpt-4.1")}, verify=lambda *_: Verdict(True)
        )
        with pytest.raises(ValueError, match=r"(?i)json"):
            llm.with_structured_output(City, method="json_mode").invoke("Where? Answer in JSON.")
        assert len(provider.requests) == 1


def test_b5_what_was_shown_stands_before_the_blocks_of_the_target_that_goes_on() -> None:
    thought = {"type": "reasoning", "reasoning": "Hm."}
    for rest, whole in (
        ([thought, " words"], [thought, {"type": "text", "text": "never finished words"}]),
        ([thought], [thought, {"type": "text", "text": "never finished"}]),
    ):
        second = Scripted(model_name="second", script=[AIMessage(rest)], disable_streaming=True)
        first = Scripted(model_name="first", script=[BROKEN], break_after=2)
        llm = ChatSwitchwise({"first": first, "second": second}, on_broken=Continue("Go on."))
        states = [
            part for mode, part in node(llm).stream({"messages": "hi"}, stream_mode=["messages", "values"]) if mode == "values"
        ]
        assert states[-1]["messages"][-1].content == whole
