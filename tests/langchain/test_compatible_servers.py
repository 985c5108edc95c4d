"""Servers that speak OpenAI's protocol in ways of their own."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from langchain_switchwise.answering.replies import complete
from switchwise import Attempt, Capabilities, EndReason, Interrupted, Pool, Router, Target
from switchwise.testing.server import ScriptedServer, chat_chunks, chat_completion

from .conftest import pinned
from .fakes import look_up


def routed(
    server: ScriptedServer, journal: list[Attempt] | None = None, can: Capabilities | None = None, **options: Any
) -> Any:
    names = ("one", "other")
    settings = {"model": "gpt-4.1", "base_url": server.url, "api_key": "x", "max_retries": 0, "stream_usage": True}
    models = {name: ChatOpenAI(**{**settings, **options}) for name in names}
    targets = [Target(name, name, "gpt-4.1", can=can or Capabilities()) for name in names]
    return ChatSwitchwise(models, router=Router(Pool(targets), observers=[] if journal is None else [journal.append]))


def added(chunks: Any) -> AIMessageChunk:
    first, *rest = list(chunks)
    for chunk in rest:
        first = first + chunk
    assert isinstance(first, AIMessageChunk)
    return first


def call(id_: str | None, arguments: str, name: str | None = None) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}]}


class TestTheEndOfAStream:
    def test_B2_a_usage_record_is_an_end(self) -> None:
        journal: list[Attempt] = []
        with ScriptedServer(chat_chunks({"content": "He"}, {"content": "llo"}, finish=None)) as server:
            assert added(routed(server, journal).stream("hello")).text == "Hello"
        assert journal[0].reply is not None
        assert journal[0].reply.end is EndReason.UNKNOWN

    async def test_B2_also_asynchronously_and_inside_invoke(self) -> None:
        with ScriptedServer(chat_chunks({"content": "He"}, {"content": "llo"}, finish=None)) as server:
            assert added([chunk async for chunk in routed(server).astream("hello")]).text == "Hello"
            assert routed(server, streaming=True).invoke("hello").text == "Hello"

    def test_B2_without_either_it_was_cut_unless_its_server_says_nothing_at_its_ends(self) -> None:
        with ScriptedServer(chat_chunks({"content": "Hello"}, finish=None, usage=False)) as server:
            with pytest.raises(Interrupted):
                added(routed(server).stream("hello"))
            unmarked = Capabilities(marks_end=False)
            assert added(routed(server, can=unmarked).stream("hello")).text == "Hello"
            agent = create_agent(routed(server, can=unmarked, streaming=True), middleware=[SwitchwiseMiddleware()])
            assert agent.invoke({"messages": [("user", "hello")]})["messages"][-1].text == "Hello"

    def test_B2_a_usage_that_runs_along_is_none(self) -> None:
        running = chat_chunks({"content": "He"}, {"content": "l"}, finish=None, usage=False)
        for chunk in running[:-1]:
            chunk["usage"] = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}  # type: ignore[index]
        with ScriptedServer(running) as server, pytest.raises(Interrupted):
            added(routed(server).stream("hello"))

    def test_B11_a_whole_answer_needs_no_marker(self) -> None:
        whole = chat_completion({"content": "Hello"}, finish=None, finish_details={"type": "stop"})
        with ScriptedServer(whole) as server:
            assert routed(server).invoke("hello").text == "Hello"
            assert len(server.requests) == 1
            agent = create_agent(routed(server), middleware=[SwitchwiseMiddleware()])
            assert agent.invoke({"messages": [("user", "hello")]})["messages"][-1].text == "Hello"
            assert len(server.requests) == 2

    @pytest.mark.parametrize(("finish", "end"), [("stop", EndReason.STOP), ("length", EndReason.LENGTH)])
    def test_why_an_answer_ended(self, finish: str, end: EndReason) -> None:
        journal: list[Attempt] = []
        answers = (chat_completion({"content": "Hello"}, finish), chat_chunks({"content": "Hello"}, finish=finish))
        with ScriptedServer(*answers) as server:
            llm = routed(server, journal)
            llm.invoke("hello")
            added(llm.stream("hello"))
        assert [attempt.reply.end for attempt in journal if attempt.reply] == [end, end]


def test_why_an_answer_ended_is_read_in_any_words() -> None:
    for metadata, end in (
        ({"model_provider": "google_genai", "finish_reason": "MAX_TOKENS"}, EndReason.LENGTH),
        ({"model_provider": "bedrock_converse", "stopReason": "tool_use"}, EndReason.TOOL_CALLS),
        ({"finish_reason": "COMPLETE"}, EndReason.STOP),
        (
            {"model_provider": "openai", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            EndReason.LENGTH,
        ),
        ({}, EndReason.UNKNOWN),
    ):
        assert complete(AIMessage("Hello", response_metadata=metadata)) is end
    refused = AIMessage(
        "", additional_kwargs={"refusal": "No."}, response_metadata={"model_provider": "openai", "finish_reason": "stop"}
    )
    assert complete(refused) is EndReason.REFUSAL


async def test_B3_a_new_id_begins_a_new_call() -> None:
    pieces = [
        call("a", '{"what":', "look_up"),
        call(None, '"Kyiv"}'),
        call("b", '{"what":', "look_up"),
        call(None, '"Lviv"}'),
    ]
    journal: list[Attempt] = []
    with ScriptedServer(chat_chunks(*pieces, finish="tool_calls")) as server:
        llm = routed(server, journal).bind_tools([look_up])
        for message in (added(llm.stream("hello")), added([chunk async for chunk in llm.astream("hello")])):
            assert [(each["id"], each["args"]) for each in message.tool_calls] == [
                ("a", {"what": "Kyiv"}),
                ("b", {"what": "Lviv"}),
            ]
    for attempt in journal:
        assert attempt.reply is not None
        assert attempt.reply.tool_calls == (("look_up", {"what": "Kyiv"}), ("look_up", {"what": "Lviv"}))
        assert attempt.reply.end is EndReason.TOOL_CALLS


def test_B7_what_a_server_notes_with_its_answers_goes_to_nobody_else() -> None:
    """ChatOpenAI reads no reasoning; what the integrations of others keep of it stays with its maker."""
    said = AIMessage(
        "",
        tool_calls=[{"name": "look_up", "args": {}, "id": "a"}],
        additional_kwargs={"reasoning_content": "Hm.", "reasoning_details": [{"data": "abc", "index": 0}]},
        response_metadata={"model_provider": "deepseek", "model_name": "deepseek-reasoner"},
    )
    with ScriptedServer(chat_completion({"content": "Fine."})) as server:
        history = [HumanMessage("hello"), said, ToolMessage("found", tool_call_id="a")]
        routed(server).bind_tools([look_up]).invoke(history, pinned("one"))
        (sent,) = server.requests
    assert sent["messages"][1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}],
    }


def test_B9_stream_options_of_none_leave_them_out() -> None:
    with ScriptedServer(chat_chunks({"content": "Hello"}, usage=False)) as server:
        llm = routed(server)
        added(llm.stream("hello", stream_options=None))
        added(llm.bind_tools([look_up]).stream("hello", stream_options=None))
        added(llm.stream("hello"))
        added(llm.bind_tools([look_up]).stream("hello"))
    assert ["stream_options" in request for request in server.requests] == [False, False, True, True]
