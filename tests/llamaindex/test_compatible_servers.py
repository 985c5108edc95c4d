"""Servers that speak OpenAI's protocol in ways of their own."""

from __future__ import annotations

import pytest
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.llms.openai import OpenAI

from llama_index.llms.switchwise import Switchwise
from switchwise import Capabilities, EndReason, Interrupted, Pool, Router, Target
from switchwise.testing.server import ScriptedServer, chat_chunks, chat_completion

from .methods import ADD

HELLO = [ChatMessage(role="user", content="hello")]


def llm(server, observers=(), can=None, **options):
    names = ("one", "other")
    made = {
        name: OpenAI(model="gpt-4.1", api_base=server.url, api_key="x", max_retries=0, timeout=20, **options) for name in names
    }
    targets = [Target(name, name, "gpt-4.1", can=can or Capabilities()) for name in names]
    return Switchwise(made, router=Router(Pool(targets), observers=list(observers)))


def call(id_, arguments, name=None, index=0, **more):
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": id_, "type": "function", "function": function, **more}]}


class TestTheEndOfAStream:
    def test_B2_a_usage_record_is_an_end(self, journal):
        with ScriptedServer(chat_chunks({"content": "He"}, {"content": "llo"}, finish=None)) as server:
            chunks = list(llm(server, [journal]).stream_chat(HELLO))
        assert chunks[-1].message.content == "Hello"
        assert journal[0].reply.end is EndReason.UNKNOWN

    def test_B2_without_either_it_was_cut_unless_its_server_says_nothing_at_its_ends(self):
        with ScriptedServer(chat_chunks({"content": "Hello"}, finish=None, usage=False)) as server:
            with pytest.raises(Interrupted):
                list(llm(server).stream_chat(HELLO))
            chunks = list(llm(server, can=Capabilities(marks_end=False)).stream_chat(HELLO))
            assert chunks[-1].message.content == "Hello"

    def test_B11_a_whole_answer_needs_no_marker(self):
        whole = chat_completion({"content": "Hello"}, finish=None, finish_details={"type": "stop"})
        with ScriptedServer(whole) as server:
            assert llm(server).chat(HELLO).message.content == "Hello"
            assert len(server.requests) == 1

    @pytest.mark.parametrize(("finish", "end"), [("stop", EndReason.STOP), ("length", EndReason.LENGTH)])
    def test_why_an_answer_ended(self, journal, finish, end):
        answers = (chat_completion({"content": "Hello"}, finish), chat_chunks({"content": "Hello"}, finish=finish))
        with ScriptedServer(*answers) as server:
            routed = llm(server, [journal])
            routed.chat(HELLO)
            list(routed.stream_chat(HELLO))
        assert [attempt.reply.end for attempt in journal] == [end, end]


async def test_B3_a_new_id_begins_a_new_call(journal):
    pieces = [
        call("a", '{"a":', "add"),
        call(None, "1}"),
        call("b", '{"a":', "add"),
        call(None, "2}"),
    ]
    with ScriptedServer(chat_chunks(*pieces, finish="tool_calls")) as server:
        routed = llm(server, [journal])
        for chunks in (
            list(routed.stream_chat_with_tools([ADD], chat_history=HELLO)),
            [chunk async for chunk in await routed.astream_chat_with_tools([ADD], chat_history=HELLO)],
        ):
            blocks = [block for block in chunks[-1].message.blocks if isinstance(block, ToolCallBlock)]
            assert [(block.tool_call_id, block.tool_kwargs) for block in blocks] == [("a", '{"a":1}'), ("b", '{"a":2}')]
            called = routed.get_tool_calls_from_response(chunks[-1])
            assert [(each.tool_id, each.tool_kwargs) for each in called] == [("a", {"a": 1}), ("b", {"a": 2})]
    assert [attempt.reply.tool_calls for attempt in journal] == [(("add", {"a": 1}), ("add", {"a": 2}))] * 2
    assert journal[0].reply.end is EndReason.TOOL_CALLS


def test_several_calls_in_one_piece_are_all_kept():
    """OpenAI's integration keeps the first."""
    both = {"tool_calls": [*call("a", "{}", "add")["tool_calls"], *call("b", "{}", "add", index=1)["tool_calls"]]}
    with ScriptedServer(chat_chunks(both, finish="tool_calls")) as server:
        last = list(llm(server).stream_chat_with_tools([ADD], chat_history=HELLO))[-1]
    assert [block.tool_call_id for block in last.message.blocks if isinstance(block, ToolCallBlock)] == ["a", "b"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_B7_reasoning_goes_back_to_the_same_model_in_a_tool_loop_and_to_nobody_else(streamed):
    details = {"type": "reasoning.encrypted", "data": "abc", "index": 0}
    own = {"reasoning_content": "Hm.", "reasoning_details": [details]}
    made = call("a", '{"a": 1}', "add", extra_content={"google": {"thought_signature": "s"}})
    first = chat_chunks(own, made, finish="tool_calls") if streamed else chat_completion({**own, **made}, "tool_calls")
    with ScriptedServer(first, chat_completion({"content": "Fine."})) as server:
        routed = llm(server)
        if streamed:
            *_, answer = routed.stream_chat_with_tools([ADD], chat_history=HELLO, route={"target": "one"})
        else:
            answer = routed.chat_with_tools([ADD], chat_history=HELLO, route={"target": "one"})
        result = ChatMessage(role="tool", content="1", additional_kwargs={"tool_call_id": "a"})
        history = [*HELLO, answer.message, result]
        before = [message.model_dump() for message in history]
        for target in ("one", "other"):
            routed.chat_with_tools([ADD], chat_history=history, route={"target": target})
        assert [message.model_dump() for message in history] == before
        home, foreign = (request["messages"][1] for request in server.requests[1:])
    assert (home["reasoning_content"], home["reasoning_details"]) == ("Hm.", [details])
    plain = {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    assert home["tool_calls"] == [{**plain, "extra_content": {"google": {"thought_signature": "s"}}}]
    assert foreign["tool_calls"] == [plain]
    assert not {"reasoning_content", "reasoning_details"} & foreign.keys()


def test_B9_stream_options_of_none_leave_them_out():
    with ScriptedServer(chat_chunks({"content": "Hello"}, usage=False)) as server:
        list(llm(server, additional_kwargs={"stream_options": None}).stream_chat(HELLO))
        list(llm(server).stream_chat(HELLO, stream_options=None))
        list(llm(server).stream_chat(HELLO))
    assert ["stream_options" in request for request in server.requests] == [False, False, True]


def test_a_conversation_that_ends_with_another_models_answer_goes_on():
    with ScriptedServer(chat_completion({"content": "Fine."})) as server:
        routed = llm(server)
        answer = routed.chat(HELLO, route={"target": "one"}).message
        claude = routed.runner._histories.adapted(("s",), [*HELLO, answer], _native("anthropic", "one"))
        assert len(claude) == 2, "its own is a beginning that it may go on from"
        claude = routed.runner._histories.adapted(("s",), [*HELLO, answer], _native("anthropic", "other"))
        assert [message.content for message in claude] == ["hello", "Fine.", "Go on."]


def _native(dialect, name):
    from llama_index.llms.switchwise.models.native import Native
    from switchwise.dialects import by_name

    return Native(name, None, by_name(dialect), dialect)
