"""Histories as other models, frameworks and people leave them: the strict loopback provider accepts each at every target."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_switchwise import ChatSwitchwise
from switchwise import AllTargetsFailed, FailureKind
from switchwise_loopback import LoopbackProvider

from .conftest import TARGETS, claude, gpt, pinned
from .fakes import look_up

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQK"


def user(*blocks: Any) -> HumanMessage:
    return HumanMessage([{"type": "text", "text": "What is it?"}, *blocks])


def said(*blocks: Any, maker: str = "", model: str = "another-model", **more: Any) -> AIMessage:
    metadata = {"model_provider": maker, "model_name": model} if maker else {}
    return AIMessage(list(blocks), response_metadata=metadata, **more)


def called(*ids: str, text: str = "", name: str = "look_up", **more: Any) -> AIMessage:
    calls = [{"name": name, "args": {"what": "it"}, "id": made, "type": "tool_call"} for made in ids]
    return AIMessage(text, tool_calls=calls, **more)


def result(content: Any = "found", made: str = "call_1", **more: Any) -> ToolMessage:
    return ToolMessage(content, tool_call_id=made, name="look_up", **more)


TEXT = {"type": "text", "text": "There."}
Q, MORE = HumanMessage("Where is it?"), HumanMessage("And the other one?")
DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}

HISTORIES: dict[str, list[BaseMessage]] = {
    # -- what other models said
    "redacted thinking": [Q, said({"type": "redacted_thinking", "data": "abc"}, TEXT, maker="anthropic"), MORE],
    "redacted thinking without an origin": [Q, said({"type": "redacted_thinking", "data": "abc"}, TEXT), MORE],
    "thinking that nobody signed": [Q, said({"type": "thinking", "thinking": "Hm."}, TEXT), MORE],
    "reasoning as LangChain's standard block": [Q, said({"type": "reasoning", "reasoning": "Hm."}, TEXT), MORE],
    "a web search of Anthropic's, cited": [
        Q,
        said(
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {
                **TEXT,
                "citations": [
                    {
                        "type": "web_search_result_location",
                        "url": "https://a.b",
                        "title": "t",
                        "cited_text": "c",
                        "encrypted_index": "e",
                    }
                ],
            },
            maker="anthropic",
        ),
        MORE,
    ],
    "code that Anthropic ran": [
        Q,
        said(
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {"code": "1"}},
            {
                "type": "code_execution_tool_result",
                "tool_use_id": "srvtoolu_1",
                "content": {"type": "code_execution_result", "stdout": "", "stderr": "", "return_code": 0, "content": []},
            },
            TEXT,
            maker="anthropic",
        ),
        MORE,
    ],
    "a web search of OpenAI's, cited": [
        Q,
        said(
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
            {**TEXT, "annotations": [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}]},
            maker="openai",
        ),
        MORE,
    ],
    "a search in LangChain's standard blocks": [
        Q,
        said(
            {"type": "server_tool_call", "id": "srvtoolu_1", "name": "web_search", "args": {}},
            {"type": "server_tool_result", "tool_call_id": "srvtoolu_1", "status": "success", "output": []},
            TEXT,
        ),
        MORE,
    ],
    "citations without an origin": [
        Q,
        said({**TEXT, "annotations": [{"type": "citation", "url": "https://a.b"}]}),
        MORE,
    ],
    "a call of an MCP server": [
        Q,
        said(
            {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "x", "server_name": "s", "input": {}},
            {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": [{"type": "text", "text": "r"}]},
            TEXT,
            maker="anthropic",
        ),
        MORE,
    ],
    "a compaction": [Q, said({"type": "compaction", "content": "Before."}, TEXT, maker="anthropic"), MORE],
    "a fallback of Anthropic's": [
        Q,
        said({"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}, TEXT, maker="anthropic"),
        MORE,
    ],
    "Gemini's signature of a text": [Q, said({**TEXT, "extras": {"signature": "c2ln"}}, maker="google_genai"), MORE],
    "Gemini's signature of a call": [
        Q,
        called(
            "call_1",
            text="So.",
            additional_kwargs={
                "function_call": {"name": "look_up", "arguments": "{}"},
                "__gemini_function_call_thought_signatures__": {"call_1": "c2ln"},
            },
            response_metadata={"model_provider": "google_genai"},
        ),
        result(),
        MORE,
    ],
    "code that Gemini ran": [
        Q,
        said(
            {"type": "executable_code", "executable_code": "print(1)", "language": 1},
            {"type": "code_execution_result", "code_execution_result": "1", "outcome": 1},
            TEXT,
            maker="google_genai",
        ),
        MORE,
    ],
    "Bedrock's reasoning": [
        Q,
        said(
            {"type": "reasoning_content", "reasoning_content": {"text": "Hm.", "signature": "s"}},
            TEXT,
            maker="bedrock_converse",
        ),
        MORE,
    ],
    "DeepSeek's reasoning": [Q, AIMessage("There.", additional_kwargs={"reasoning_content": "Hm."}), MORE],
    "a refusal": [Q, AIMessage("", additional_kwargs={"refusal": "No."}, response_metadata={"model_provider": "openai"}), MORE],
    "a call of Responses, with its reasoning": [
        Q,
        said(
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look_up", "arguments": "{}"},
            maker="openai",
            id="resp_1",
            tool_calls=called("call_1").tool_calls,
        ),
        result(),
        MORE,
    ],
    "a call in blocks and beside them": [
        Q,
        said(
            TEXT,
            {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"what": "it"}},
            maker="anthropic",
            tool_calls=called("toolu_1").tool_calls,
        ),
        result(made="toolu_1"),
        MORE,
    ],
    # -- what is empty, and who speaks when
    "an empty answer": [Q, AIMessage(""), MORE],
    "an answer of no blocks": [Q, AIMessage([]), MORE],
    "a blank answer": [Q, AIMessage(" \n"), MORE],
    "a blank text beside a call": [Q, called("call_1", text="\n"), result(), MORE],
    "a blank block": [Q, said({"type": "text", "text": ""}, TEXT), MORE],
    "an empty question": [HumanMessage(""), AIMessage("Yes?"), Q],
    "an empty question at the end": [Q, AIMessage("There."), HumanMessage("")],
    "a question of blank blocks": [HumanMessage([{"type": "text", "text": ""}]), AIMessage("Yes?"), Q],
    "a blank text beside a question": [user({"type": "text", "text": ""}), AIMessage("Yes?"), Q],
    "an empty result": [Q, called("call_1"), result("")],
    "an empty system message": [SystemMessage(""), Q],
    "nothing but a system message": [SystemMessage("Be brief.")],
    "an assistant who speaks first": [SystemMessage("Be brief."), AIMessage("Hello, how can I help?"), Q],
    "neighbours of one role": [HumanMessage("a"), HumanMessage("b"), AIMessage("c"), AIMessage("d"), HumanMessage("e")],
    "an answer of another agent at the end": [Q, AIMessage("There.", response_metadata={"model_provider": "mistralai"})],
    "a system message amid the conversation": [SystemMessage("a"), Q, AIMessage("b"), SystemMessage("c"), MORE],
    "a system message after a result": [SystemMessage("a"), Q, called("call_1"), result(), SystemMessage("Now.")],
    "roles by name": [ChatMessage("Be brief.", role="developer"), ChatMessage("Where?", role="user")],
    "a function's result": [Q, FunctionMessage("found", name="look_up"), MORE],
    "names that Chat Completions refuses": [
        HumanMessage("a", name="Ann Smith"),
        AIMessage("b", name="re searcher/1"),
        HumanMessage("c", name="x<y>"),
    ],
    # -- calls and results
    "an id of 50 characters": [Q, called("x" * 50), result(made="x" * 50), MORE],
    "an id of 90 characters": [Q, called("x" * 90), result(made="x" * 90), MORE],
    "an id with other characters": [Q, called("call.1:2/3|fc_1"), result(made="call.1:2/3|fc_1"), MORE],
    "an empty id": [Q, called(""), result(made=""), MORE],
    "ids that are used again": [Q, called("call_1"), result(), called("call_1"), result("again"), called("call_1"), result()],
    "the name of a tool that was, too long": [Q, called("call_1", name="n" * 140), result(), MORE],
    "the name of a tool that was, with dots": [Q, called("call_1", name="mcp.server/tool:1"), result(), MORE],
    "results in another order": [Q, called("call_1", "call_2"), result("b", "call_2"), result("a", "call_1")],
    "a result that failed": [Q, called("call_1"), result("No such thing.", status="error")],
    "a result with a picture": [
        Q,
        called("call_1"),
        result([TEXT, {"type": "image", "base64": PNG, "mime_type": "image/png"}]),
    ],
    "a picture and a failure in parallel": [
        Q,
        called("c1", "c2"),
        result([{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}], "c1"),
        result("No.", "c2", status="error"),
        MORE,
    ],
    "a result with a document": [
        Q,
        called("call_1"),
        result([{"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "a.pdf"}]),
    ],
    "a result of strings": [Q, called("call_1"), result(["a", "b"])],
    "a result of a tool's own structure": [Q, called("call_1"), result([{"degrees": 20}])],
    "a result that can be cited": [
        Q,
        called("call_1"),
        result([{"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "c"}]}]),
    ],
    "results as Anthropic's users give them": [
        Q,
        called("call_1"),
        HumanMessage([{"type": "tool_result", "tool_use_id": "call_1", "content": "found"}, {"type": "text", "text": "So?"}]),
    ],
    # -- what users show
    "a picture by address": [user({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})],
    "a picture by address alone": [user({"type": "image_url", "image_url": "https://example.com/a.png"})],
    "a picture in OpenAI's words": [user({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}})],
    "a picture in standard words": [user({"type": "image", "base64": PNG, "mime_type": "image/png"})],
    "a picture in older standard words": [
        user({"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"})
    ],
    "a picture in Anthropic's words": [
        user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
    ],
    "a picture in the words of Responses": [
        HumanMessage(
            [
                {"type": "input_text", "text": "What is it?"},
                {"type": "input_image", "image_url": "https://example.com/a.png"},
            ]
        )
    ],
    "a picture in Gemini's words": [user({"type": "media", "mime_type": "image/png", "data": PNG})],
    "a document in standard words": [
        user({"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "a.pdf"})
    ],
    "a document in OpenAI's words": [
        user({"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}})
    ],
    "a document in the words of Responses": [
        user({"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"})
    ],
    "a document in Anthropic's words": [user(DOCUMENT)],
    "a text as Anthropic's document": [
        user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}, "title": "t"})
    ],
    "a text as standard block": [user({"type": "text-plain", "text": "hello", "mime_type": "text/plain"})],
    "something to cite": [
        user({"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "c"}]})
    ],
    "strings among blocks": [HumanMessage(["a", "b"])],
    "marks on all kinds of blocks": [
        SystemMessage([{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]),
        user(
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}, "cache_control": {"type": "ephemeral"}}
        ),
        called("call_1"),
        result([{**TEXT, "cache_control": {"type": "ephemeral"}}]),
    ],
    "Bedrock's cache points": [SystemMessage([{"type": "text", "text": "Be brief."}, {"cachePoint": {"type": "default"}}]), Q],
}


@pytest.mark.parametrize("history", HISTORIES)
def test_every_target_goes_on_with_it(llm: ChatSwitchwise, shared: LoopbackProvider, history: str) -> None:
    messages = HISTORIES[history]
    before = [message.model_dump() for message in messages]
    for target in TARGETS:
        for model in (llm, llm.bind_tools([look_up])):
            assert model.invoke(messages, pinned(target)).response_metadata["switchwise"]["target"] == target
            assert shared.requests[-1].status == 200
    assert [message.model_dump() for message in messages] == before, "what the caller gave stays as it was"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("history", ["a document in Anthropic's words", "a result with a document", "a text as standard block"])
def test_nothing_is_lost_without_a_word(llm: ChatSwitchwise, shared: LoopbackProvider, history: str, target: str) -> None:
    llm.invoke(HISTORIES[history], pinned(target))
    assert ("hello" if "text" in history else PDF) in json.dumps(dict(shared.requests[-1].body))


UNTELLABLE = {
    "a document by address": (user({"type": "document", "source": {"type": "url", "url": "https://a.b/c.pdf"}}), ["chat"]),
    "a file by address": (user({"type": "file", "url": "https://a.b/c.pdf"}), ["chat"]),
    "a file that OpenAI keeps": (user({"type": "file", "file": {"file_id": "file-1"}}), ["claude", "thinking"]),
    "a file that Anthropic keeps": (
        user({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
        ["chat", "responses"],
    ),
    "a picture that OpenAI keeps": (user({"type": "input_image", "file_id": "file-1"}), ["chat", "claude"]),
    "a picture that Gemini keeps": (
        user({"type": "media", "mime_type": "image/png", "file_uri": "https://a.b/c"}),
        ["chat", "responses", "claude"],
    ),
    "a sound": (user({"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}), ["claude"]),
}


@pytest.mark.parametrize("what", UNTELLABLE)
def test_what_a_target_does_not_support_is_not_sent(llm: ChatSwitchwise, shared: LoopbackProvider, what: str) -> None:
    message, targets = UNTELLABLE[what]
    for target in targets:
        count = len(shared.requests)
        with pytest.raises(AllTargetsFailed) as caught:
            llm.invoke([message], pinned(target))
        (failure,) = caught.value.exceptions
        assert getattr(failure, "kind", None) is FailureKind.UNSUPPORTED
        assert len(shared.requests) == count


def test_and_another_target_is_asked(shared: LoopbackProvider) -> None:
    both = ChatSwitchwise({"chat": gpt(shared), "claude": claude(shared)})
    reply = both.invoke([UNTELLABLE["a document by address"][0]])
    assert reply.response_metadata["switchwise"]["target"] == "claude"


def test_ids_stay_the_same_as_the_conversation_grows(llm: ChatSwitchwise, shared: LoopbackProvider) -> None:
    """They are part of the prefix that a provider has cached, also where an id is used again, and for whoever reads it afresh."""
    whole = [*HISTORIES["ids that are used again"], *HISTORIES["an id of 90 characters"]]
    seen: list[list[Any]] = []
    for length in (3, 5, 7, len(whole)):
        llm.invoke(whole[:length], pinned("claude", thread_id="grows"))
        seen.append(shared.requests[-1].body["messages"])
    for before, after in pairwise(seen):
        *earlier, last = before
        assert earlier == after[: len(earlier)]
        assert last["content"] == after[len(earlier)]["content"][: len(last["content"])]
    llm.invoke([message.model_copy() for message in whole], pinned("claude", thread_id="afresh"))
    assert shared.requests[-1].body["messages"] == seen[-1]


@pytest.mark.parametrize("target", ["chat", "claude"])
def test_two_branches_of_one_thread_do_not_disturb_each_other(
    llm: ChatSwitchwise, shared: LoopbackProvider, target: str
) -> None:
    begun = [Q, called("call_1"), result()]
    for said_last in ("a", "b", "a"):
        llm.invoke([*begun, called("call_2"), result(said_last, "call_2")], pinned(target, thread_id="branches"))
    first, _, third = [seen.body["messages"] for seen in shared.requests[-3:]]
    assert first == third
