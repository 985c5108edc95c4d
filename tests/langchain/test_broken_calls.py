"""A stream that breaks inside a tool call has shown nobody anything: another target answers."""

from __future__ import annotations

import pytest

from langchain_switchwise import ChatSwitchwise
from switchwise_loopback import Answer, Fault, LoopbackProvider, ToolCall

from .conftest import CLAUDE, claude, gpt
from .fakes import look_up

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
