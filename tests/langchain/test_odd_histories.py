"""Histories that drawn conversations found: each was refused, or lost something, before it was adapted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.models.native import Native, natives
from langchain_switchwise.porting.history import HistoryAdapter
from switchwise import AllTargetsFailed, FailureKind
from switchwise_loopback import LoopbackProvider

from .conftest import TARGETS, pinned
from .fakes import look_up
from .test_histories import MORE, PDF, PNG, Q, called, result, said

PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}


def broken(made: str, maker: str = "") -> AIMessage:
    """An answer whose call has arguments that are not JSON, as LangChain keeps it."""
    call = {"name": "look_up", "args": '{"what": "cut o', "id": made, "error": "not JSON", "type": "invalid_tool_call"}
    metadata = {"model_provider": maker, "model_name": "another-model"} if maker else {}
    return AIMessage("", invalid_tool_calls=[call], response_metadata=metadata)


def given(made: str, *content: Any, **more: Any) -> dict[str, Any]:
    """A result as Anthropic's users give it."""
    return {"type": "tool_result", "tool_use_id": made, "content": list(content), **more}


HISTORIES: dict[str, list[BaseMessage]] = {
    "broken arguments, answered": [Q, broken("x" * 50, "mistralai"), result("Not JSON: try again.", "x" * 50), MORE],
    "broken arguments by hand, answered": [Q, broken("a.b"), result("Not JSON: try again.", "a.b"), MORE],
    "broken arguments, not answered": [Q, broken("call_1", "mistralai"), MORE],
    "given results with media": [Q, called("c1", "c2"), HumanMessage([given("c1", PICTURE), given("c2", DOCUMENT)])],
    "given results for odd ids": [Q, called("a.b"), HumanMessage([given("a.b", {"type": "text", "text": "found"})]), MORE],
    "given results without content": [Q, called("c1"), HumanMessage([{"type": "tool_result", "tool_use_id": "c1"}]), MORE],
    "a result of no parts": [Q, called("call_1"), result([])],
    "a question of no parts": [HumanMessage([]), AIMessage("Yes?"), Q],
    "a result of Bedrock's JSON": [Q, called("call_1"), result([{"type": "json", "json": {"degrees": 20}}])],
    "more roles by name": [ChatMessage("Where?", role="human"), ChatMessage("There.", role="assistant"), MORE],
    "calls without ids, at the place of a given one": [
        Q,
        called("call_3"),
        result(made="call_3"),
        called("", "", ""),
        *[result(made="")] * 3,
    ],
    "an answer made of LangChain's standard blocks": [
        Q,
        AIMessage(
            content_blocks=[{"type": "text", "text": "So."}, {"type": "tool_call", "id": "c", "name": "look_up", "args": {}}]
        ),
        result(made="c"),
    ],
    "a system message and an empty one": [SystemMessage("Be brief."), SystemMessage(""), Q],
    "an empty system message in the middle": [
        Q,
        called("c1"),
        result(made="c1"),
        SystemMessage(""),
        called("c2"),
        result(made="c2"),
    ],
    "odd names and ids in the words of Responses": [
        Q,
        said(
            {"type": "function_call", "id": "fc_1", "call_id": "y" * 80, "name": "größe", "arguments": "{}"},
            tool_calls=called("y" * 80, name="größe").tool_calls,
        ),
        result(made="y" * 80),
    ],
}


@pytest.mark.parametrize("history", HISTORIES)
def test_every_target_goes_on_with_it(llm: ChatSwitchwise, shared: LoopbackProvider, history: str) -> None:
    messages = HISTORIES[history]
    before = [message.model_dump() for message in messages]
    for target in TARGETS:
        for model in (llm, llm.bind_tools([look_up])):
            model.invoke(messages, pinned(target))
            assert shared.requests[-1].status == 200
    assert [message.model_dump() for message in messages] == before, "what the caller gave stays as it was"


@pytest.mark.parametrize("target", TARGETS)
def test_what_it_holds_arrives(llm: ChatSwitchwise, shared: LoopbackProvider, target: str) -> None:
    def sent(history: str) -> str:
        llm.invoke(HISTORIES[history], pinned(target))
        return json.dumps(shared.requests[-1].body)

    assert "cut o" in sent("broken arguments, answered")
    assert "Not JSON" in sent("broken arguments by hand, answered")
    assert PNG in (body := sent("given results with media"))
    assert PDF in body
    assert "degrees" in sent("a result of Bedrock's JSON")


@pytest.mark.parametrize("target", ["claude", "responses"])
def test_others_are_told_of_a_refusal(llm: ChatSwitchwise, shared: LoopbackProvider, target: str) -> None:
    for refusal in (
        said(additional_kwargs={"refusal": "I will not."}, maker="openai"),
        said({"type": "refusal", "refusal": "I will not.", "id": "msg_1"}, maker="openai"),
    ):
        llm.invoke([Q, refusal, MORE], pinned(target))
        assert "I will not." in json.dumps(shared.requests[-1].body)


def test_a_picture_that_openai_keeps(llm: ChatSwitchwise, shared: LoopbackProvider) -> None:
    kept: list[BaseMessage] = [HumanMessage([{"type": "image", "file_id": "file-1"}])]
    llm.invoke(kept, pinned("responses"))
    assert shared.requests[-1].body["input"][0]["content"] == [{"type": "input_image", "file_id": "file-1"}]
    for target in ("chat", "claude"):
        with pytest.raises(AllTargetsFailed) as caught:
            llm.invoke(kept, pinned(target))
        assert getattr(caught.value.exceptions[0], "kind", None) is FailureKind.UNSUPPORTED


def test_a_system_message_in_place_is_moved_when_no_answer_follows(provider: LoopbackProvider) -> None:
    """Anthropic's newest models take one between a user and an answer, so one that turns out to stand elsewhere is adapted again."""
    model = ChatAnthropic(model="claude-opus-5-5", base_url=provider.anthropic_url, api_key="test")
    native: Native = natives({"claude": model}, {})["claude"]
    adapter = HistoryAdapter()
    begun: list[BaseMessage] = [Q, SystemMessage("Be kind.")]
    assert adapter.adapted(("t",), native, begun, {})[1] == begun
    sent = adapter.adapted(("t",), native, [*begun, MORE], {})[1]
    leading: list[BaseMessage] = [SystemMessage("Be brief.")]
    adapter.adapted(("s",), native, leading, {})
    joined = adapter.adapted(("s",), native, [*leading, SystemMessage(""), Q, MORE], {})[1]
    assert [message.content for message in joined] == [[{"type": "text", "text": "Be brief."}], Q.content, MORE.content]
    assert [type(message) for message in sent] == [HumanMessage] * 3
    assert "Be kind." in sent[1].content


RESPONSES_FORM = {"type": "function", "name": "there", "parameters": {"type": "object", "properties": {}}}
ANTHROPICS_FORM = {"type": "custom", "name": "here", "input_schema": {"type": "object", "properties": {}}}


@pytest.mark.parametrize("target", ["chat", "responses", "newest", "claude"])
def test_tools_in_either_providers_form_go_to_both(llm: ChatSwitchwise, shared: LoopbackProvider, target: str) -> None:
    llm.bind_tools([RESPONSES_FORM, ANTHROPICS_FORM]).invoke([Q], pinned(target))
    tools = shared.requests[-1].body["tools"]
    assert [(tool.get("function") or tool)["name"] for tool in tools] == ["there", "here"]


def test_one_stop_sequence_is_one(llm: ChatSwitchwise, shared: LoopbackProvider) -> None:
    llm.invoke([Q], pinned("claude"), stop="END")  # type: ignore[arg-type]
    assert shared.requests[-1].body["stop_sequences"] == ["END"]
