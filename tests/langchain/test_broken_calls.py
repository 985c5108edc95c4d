"""A stream that breaks inside a tool call has shown nobody anything: another target answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_openai import ChatOpenAI

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from switchwise.testing.server import ScriptedServer, chat_completion
from switchwise_loopback import Answer, Fault, LoopbackProvider, Request, ToolCall

from .conftest import CLAUDE, claude, gpt
from .fakes import Scripted, look_up

CALL = Answer("", tool_calls=(ToolCall("look_up", {"city": "Kyiv", "more": "a long text " * 20}),))


@pytest.mark.parametrize("fault", [Fault.STREAM_ERROR_MID, Fault.RESET_MID_STREAM, Fault.STREAM_CUT])
async def test_B4_half_a_tool_call_falls_back(fault: Fault) -> None:
    with LoopbackProvider(answer=lambda _: CALL) as provider:
        llm = ChatSwitchwise({"strong": claude(provider), "fast": gpt(provider)}).bind_tools([look_up])
        for streamed in ("stream", "astream", "events"):
            provider.inject(fault, model=CLAUDE, after=3)
            if streamed == "stream":
                chunks = list(llm.stream("hi"))
            elif streamed == "astream":
                chunks = [chunk async for chunk in llm.astream("hi")]
            else:
                message = llm.stream_events("hi", version="v3").output
                assert message.tool_calls[0]["args"]["city"] == "Kyiv"
                continue
            whole = chunks[0]
            for chunk in chunks[1:]:
                whole += chunk
            assert [call["args"]["city"] for call in whole.tool_calls] == ["Kyiv"]
            assert whole.response_metadata["switchwise"]["target"] == "fast"


@pytest.mark.parametrize("streamed", ["sync", "async"])
@pytest.mark.parametrize("fault", [Fault.STREAM_CUT, Fault.RESET_MID_STREAM, Fault.EMPTY_OBJECT, Fault.EMPTY_BODY])
async def test_B5_what_shows_nobody_anything_falls_back_inside_an_agent_that_is_read(fault: Fault, streamed: str) -> None:
    """Half a tool call in blocks, and streams without content, where LangGraph shows tokens of an `invoke`."""

    def answer(request: Request) -> Answer:
        return Answer("It is sunny.") if any(turn.results for turn in request.messages) else CALL

    with LoopbackProvider(answer=answer) as provider:
        llm = ChatSwitchwise({"strong": claude(provider), "fast": gpt(provider)})
        agent = create_agent(llm, [look_up], middleware=[SwitchwiseMiddleware()])
        provider.inject(fault, model=CLAUDE, after=1)
        asked = {"messages": [("user", "hi")]}
        if streamed == "sync":
            parts = list(agent.stream(asked, stream_mode="messages"))
        else:
            parts = [part async for part in agent.astream(asked, stream_mode="messages")]
        shown = "".join(str(chunk.text) for chunk, data in parts if data["langgraph_node"] == "model")
        assert shown == "It is sunny."


class Silent(Scripted):
    """A model whose own `stream` has no chunks."""

    def stream(self, *_: Any, **__: Any) -> Iterator[AIMessageChunk]:
        yield from ()


async def test_a_stream_without_chunks_and_an_answer_without_choices_fall_back() -> None:
    llm = ChatSwitchwise({"strong": Silent(), "fast": Scripted(script=["fast says"])})
    assert "".join(str(chunk.content) for chunk in llm.stream("hi")) == "fast says"
    with ScriptedServer({**chat_completion({"content": "x"}), "choices": []}) as server:
        empty = ChatOpenAI(model="gpt-4.1", base_url=server.url, api_key="x", max_retries=0, stream_usage=True)
        for way in ("generate", "agenerate", "invoke"):
            llm = ChatSwitchwise({"strong": empty, "fast": Scripted(script=["fast says"])})
            if way == "invoke":
                assert llm.invoke("hi").content == "fast says"
                continue
            asked: Any = [[HumanMessage("hi")]]
            result = llm.generate(asked) if way == "generate" else await llm.agenerate(asked)
            assert result.generations[0][0].text == "fast says"


async def test_what_is_no_message_of_a_model_is_an_error_and_no_outage() -> None:
    llm = ChatSwitchwise({"strong": Scripted(answer=lambda _: HumanMessage("no")), "fast": Scripted()})
    with pytest.raises(TypeError, match="must give an AIMessage, not HumanMessage"):
        llm.invoke("hi")
    with pytest.raises(TypeError, match="must give an AIMessage"):
        llm.generate([[HumanMessage("hi")]])


def test_calls_that_are_streamed_without_numbers_stay_apart() -> None:
    calls = [{"name": "look_up", "args": {"what": what}, "id": f"call_{what}"} for what in ("a", "b")]
    llm = ChatSwitchwise({"only": Scripted(script=[AIMessage("", tool_calls=calls)])})
    whole: Any = None
    for chunk in llm.stream("hi"):
        whole = chunk if whole is None else whole + chunk
    assert [(call["id"], call["args"]) for call in whole.tool_calls] == [("call_a", {"what": "a"}), ("call_b", {"what": "b"})]
