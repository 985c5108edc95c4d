"""A conversation that moves between providers: the strict loopback provider accepts every request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.models.native import Native, natives
from langchain_switchwise.porting.history import HistoryAdapter, adapt
from langchain_switchwise.porting.settings import settings
from langchain_switchwise.porting.turn_order import Turns
from switchwise.dialects import Dialect
from switchwise.dialects.table import DIALECTS
from switchwise_loopback import Answer, LoopbackProvider, Request, ToolCall

from .conftest import claude, gpt, pinned
from .fakes import Scripted, look_up

THINKING = {"type": "enabled", "budget_tokens": 1024}


def answer(request: Request) -> Answer:
    """Calls a tool once for each user turn, then says what it found; thinks aloud where that is asked for."""
    last = request.messages[-1]
    if last.role == "user" and request.tools:
        return Answer("Let me see.", (ToolCall("look_up", {"what": "it"}),), reasoning="I should look it up.")
    return Answer("There it is.", reasoning="It was found.")


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider(answer) as running:
        yield running


def targets(provider: LoopbackProvider) -> dict[str, Any]:
    return {
        "chat": gpt(provider),
        "responses": gpt(provider, model="gpt-5", use_responses_api=True, reasoning={"effort": "low", "summary": "auto"}),
        "stateless": gpt(
            provider, model="gpt-5-mini", use_responses_api=True, store=False, include=["reasoning.encrypted_content"]
        ),
        "claude": claude(provider),
        "thinking": claude(provider, model="claude-opus-4-5", thinking=THINKING, max_tokens=4096),
        "thinking2": claude(provider, model="claude-sonnet-4-6", thinking=THINKING, max_tokens=4096),
    }


def gemini(text: str, calls: bool) -> AIMessage:
    """An answer as ChatGoogleGenerativeAI gives it."""
    content: list[Any] = [{"type": "thinking", "thinking": "Hm.", "signature": "Zm9yZWlnbg=="}, {"type": "text", "text": text}]
    tool_calls = [{"name": "look_up", "args": {"what": "it"}, "id": "0d5e3c1a-call"}] if calls else []
    metadata = {"model_provider": "google_genai", "model_name": "gemini-2.5-pro", "finish_reason": "STOP"}
    return AIMessage(content, tool_calls=tool_calls, response_metadata=metadata)


def history(source: str, llm: ChatSwitchwise, loop: bool) -> list[BaseMessage]:
    """A conversation that `source` began: up to a finished turn, or (`loop`) up to a tool's result."""
    messages: list[BaseMessage] = [SystemMessage("Be brief."), HumanMessage("Where is it?")]
    bound = llm.bind_tools([look_up])

    def say(calls: bool) -> AIMessage:
        if source == "gemini":
            return gemini("Let me see." if calls else "There it is.", calls)
        return bound.invoke(messages, pinned(source))

    messages.append(say(True))
    (call,) = messages[-1].tool_calls
    messages.append(ToolMessage("it: found", tool_call_id=call["id"], name="look_up"))
    if not loop:
        messages += [say(False), HumanMessage("And the other one?")]
    return messages


SOURCES = ["chat", "responses", "stateless", "claude", "thinking", "gemini"]
TARGETS = ["chat", "responses", "stateless", "claude", "thinking", "thinking2"]


NEXT_TURN = list(zip(SOURCES, TARGETS[1:] + TARGETS[:1], [False] * len(SOURCES), strict=True))
IN_A_LOOP = [(source, target, True) for source in SOURCES for target in TARGETS]


@pytest.mark.parametrize(("source", "target", "loop"), NEXT_TURN + IN_A_LOOP)
def test_any_target_goes_on_with_any_history(provider: LoopbackProvider, source: str, target: str, loop: bool) -> None:
    llm = ChatSwitchwise(targets(provider))
    messages = history(source, llm, loop)
    before = [message.model_dump() for message in messages]
    reply = llm.bind_tools([look_up]).invoke(messages, pinned(target))
    assert reply.response_metadata["switchwise"]["target"] == target
    assert bool(reply.tool_calls) is not loop
    assert [message.model_dump() for message in messages] == before, "what the caller gave stays as it was"


@pytest.mark.parametrize("target", ["chat", "responses", "claude"])
@pytest.mark.parametrize("source", SOURCES)
def test_and_streams_its_answer(provider: LoopbackProvider, source: str, target: str) -> None:
    llm = ChatSwitchwise(targets(provider))
    bound = llm.bind_tools([look_up])
    whole: Any = None
    for chunk in bound.stream(history(source, llm, loop=True), pinned(target)):
        whole = chunk if whole is None else whole + chunk
    assert whole.response_metadata["switchwise"]["target"] == target
    assert not whole.tool_calls


@pytest.mark.parametrize("target", TARGETS)
def test_a_streamed_history_moves_too(provider: LoopbackProvider, target: str) -> None:
    llm = ChatSwitchwise(targets(provider))
    bound = llm.bind_tools([look_up])
    messages: list[BaseMessage] = [HumanMessage("Where is it?")]
    for source in ("thinking", "responses", "claude", "chat"):
        whole: Any = None
        for chunk in bound.stream(messages, pinned(source)):
            whole = chunk if whole is None else whole + chunk
        messages += [whole, ToolMessage("it: found", tool_call_id=whole.tool_calls[0]["id"]), HumanMessage("And then?")]
    assert bound.invoke(messages, pinned(target)).tool_calls


def test_an_agent_can_change_its_provider_at_every_step(provider: LoopbackProvider) -> None:
    turns = iter(["chat", "thinking", "responses", "claude"] * 2)

    def rotate(view: Any, shortlist: Any) -> Any:
        return shortlist.prefer([next(turns)], "its turn")

    from langchain_switchwise.models.native import pool_of
    from switchwise import Router

    models = targets(provider)
    router = Router(pool_of(natives(models, {}).values()), rotate)
    agent = create_agent(ChatSwitchwise(models, router=router), [look_up])
    messages: list[Any] = [("user", "Where is it?")]
    for question in ("And the second?", "And the third?"):
        messages = [*agent.invoke({"messages": messages})["messages"], ("user", question)]
    used = [message.response_metadata["switchwise"]["target"] for message in messages if isinstance(message, AIMessage)]
    assert used == ["chat", "thinking", "responses", "claude"]


class TestThePrefixThatATargetSees:
    def native(self, provider: LoopbackProvider, name: str) -> Native:
        return natives(targets(provider), {})[name]

    def test_its_own_answers_come_back_as_they_were(self, provider: LoopbackProvider) -> None:
        llm = ChatSwitchwise(targets(provider))
        messages = history("thinking", llm, loop=False)
        assert all(a is b for a, b in zip(adapt(messages, self.native(provider, "thinking")), messages, strict=True))

    def test_it_does_not_change_as_the_conversation_grows(self, provider: LoopbackProvider) -> None:
        llm = ChatSwitchwise(targets(provider))
        messages = history("thinking", llm, loop=False)
        native, adapter = self.native(provider, "chat"), HistoryAdapter()
        first = adapter.adapted(("t",), native, messages, {})[1]
        longer = [*messages, AIMessage("Yes."), HumanMessage("Good.")]
        second = adapter.adapted(("t",), native, longer, {})[1]
        assert all(a is b for a, b in zip(first, second, strict=False))
        afresh = HistoryAdapter().adapted(("t",), native, longer, {})[1]
        assert [message.content for message in second] == [message.content for message in afresh]

    def test_an_edited_history_is_adapted_afresh(self, provider: LoopbackProvider) -> None:
        native, adapter = self.native(provider, "chat"), HistoryAdapter()
        messages: list[BaseMessage] = [HumanMessage("a"), gemini("first", False), HumanMessage("b")]
        adapter.adapted(("t",), native, messages, {})
        edited = [messages[0], gemini("second", False), HumanMessage("c")]
        assert adapter.adapted(("t",), native, edited, {})[1][1].content == "second"

    def test_where_nothing_needs_to_change_the_callers_messages_are_passed_on(self, provider: LoopbackProvider) -> None:
        messages: list[BaseMessage] = [HumanMessage("a"), AIMessage("b"), HumanMessage("c")]
        assert HistoryAdapter().adapted(("t",), self.native(provider, "chat"), messages, {})[1] is messages

    @pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
    def test_an_opening_that_is_passed_on_unread_is_what_reading_it_gives(self, dialect: Dialect) -> None:
        native = Native("any", Scripted(), dialect)
        opening: list[BaseMessage] = [SystemMessage("Be brief."), HumanMessage("a")]
        for messages in (opening, opening[1:]):
            turns = Turns(native)
            for message in messages:
                turns.add(message)
            assert HistoryAdapter().adapted(("t",), native, messages, {})[1] is messages
            assert adapt(messages, native) == messages == [*turns.messages, *turns.end(False)]
        longer = [*opening, gemini("b", False), HumanMessage("c")]
        adapter = HistoryAdapter()
        adapter.adapted(("t",), native, opening, {})
        assert adapter.adapted(("t",), native, longer, {})[1] == adapt(longer, native)

    @pytest.mark.parametrize("question", [HumanMessage(""), HumanMessage("a", name="Ada Lovelace"), HumanMessage([])])
    def test_an_opening_with_more_than_words_is_read(self, provider: LoopbackProvider, question: BaseMessage) -> None:
        for name in ("chat", "claude"):
            native = self.native(provider, name)
            assert HistoryAdapter().adapted(("t",), native, [question], {})[1] == adapt([question], native)

    def test_who_changes_what_a_target_is_sent_does_not_change_what_is_kept(self, provider: LoopbackProvider) -> None:
        native, adapter = self.native(provider, "chat"), HistoryAdapter()
        messages: list[BaseMessage] = [HumanMessage("a"), gemini("first", False), HumanMessage("b")]
        sent = adapter.adapted(("t",), native, messages, {})[1]
        sent.clear()
        assert len(adapter.adapted(("t",), native, messages, {})[1]) == len(messages)


class TestWhatOthersRefuse:
    def on(self, provider: LoopbackProvider, target: str, messages: list[BaseMessage], **kwargs: Any) -> dict[str, Any]:
        ChatSwitchwise(targets(provider)).invoke(messages, pinned(target), **kwargs)
        return dict(provider.requests[-1].body)

    def test_cache_marks_stay_with_anthropic(self, provider: LoopbackProvider) -> None:
        marked: list[Any] = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
        messages = [SystemMessage(marked), HumanMessage("hi")]
        assert "cache_control" not in str(self.on(provider, "chat", messages))
        assert "cache_control" in str(self.on(provider, "claude", messages))

    def test_a_system_message_in_mid_conversation_is_said_where_it_stands(self, provider: LoopbackProvider) -> None:
        messages = [
            SystemMessage("Be brief."),
            HumanMessage("hi"),
            AIMessage("hello"),
            SystemMessage("Be kind."),
            HumanMessage("so?"),
        ]
        body = self.on(provider, "claude", messages)
        assert body["system"] == "Be brief."
        assert "Be kind." in str(body["messages"][-1])

    def test_several_system_messages_at_the_start_become_one(self, provider: LoopbackProvider) -> None:
        body = self.on(provider, "claude", [SystemMessage("Be brief."), SystemMessage("Be kind."), HumanMessage("hi")])
        assert [block["text"] for block in body["system"]] == ["Be brief.", "Be kind."]

    def test_settings_of_another_provider_are_left_out(self, provider: LoopbackProvider) -> None:
        both = {"cache_control": {"type": "ephemeral"}, "prompt_cache_key": "k"}
        assert "cache_control" not in self.on(provider, "chat", [HumanMessage("hi")], **both)
        assert "prompt_cache_key" not in self.on(provider, "claude", [HumanMessage("hi")], **both)
        fake = natives([Scripted()], {})["scripted"]
        assert settings(fake, both) == {"prompt_cache_key": "k"}

    def test_server_tool_blocks_are_dropped_and_their_answer_kept(self, provider: LoopbackProvider) -> None:
        searched = AIMessage(
            [
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                {"type": "text", "text": "It is there."},
            ]
        )
        body = self.on(provider, "chat", [HumanMessage("where?"), searched, HumanMessage("sure?")])
        assert body["messages"][1] == {"role": "assistant", "content": "It is there."}

    def test_an_answer_of_nothing_but_thought_is_left_out(self, provider: LoopbackProvider) -> None:
        thought = AIMessage([{"type": "thinking", "thinking": "Hm.", "signature": "eA=="}])
        body = self.on(provider, "chat", [HumanMessage("where?"), thought, HumanMessage("well?")])
        assert [message["role"] for message in body["messages"]] == ["user", "user"]
