"""An answer is given again byte for byte, whole and streamed, by every adapter; nothing is sent, and nothing is paid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from llama_index.core.llms import ChatMessage, TextBlock
from llama_index.llms.openai import OpenAI
from pydantic import BaseModel

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from llama_index.llms.switchwise import Switchwise
from switchwise import Pool, Price, Router, Target
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.observe import InMemory
from switchwise.response_cache import ResponseCache
from switchwise_loopback import Answer, LoopbackProvider, ToolCall

POOL = Pool(
    [Target("gpt", "openai", "gpt-4o-mini", Price(1, 2)), Target("claude", "anthropic", "claude-opus-4-5", Price(5, 25))]
)
HELLO = "Say héllo, please"


class Server:
    """A provider that never says the same twice, and how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.provider = LoopbackProvider(self.answer)

    def answer(self, request: Any) -> Answer:
        self.calls += 1
        if request.forced_tool or (request.tools and "look" in request.tools[0].name):
            return Answer(tool_calls=(ToolCall(request.tools[0].name, {"query": f"number {self.calls}"}),))
        if request.response_schema is not None:
            return Answer(json.dumps({"query": f"number {self.calls}"}))
        return Answer(f"Answer {self.calls}: “héllo” — with\nseveral words in it.")


@pytest.fixture
def server() -> Any:
    made = Server()
    with made.provider:
        yield made


@pytest.fixture
def journal() -> InMemory:
    return InMemory()


def router(journal: InMemory) -> Router:
    return Router(POOL, cache=ResponseCache(), observers=[journal])


@pytest.fixture
def clients(server: Server, journal: InMemory) -> Clients:
    provider = server.provider
    both = {
        "gpt": OpenAIClient(base_url=provider.openai_url, api_key="x"),
        "claude": AnthropicClient(base_url=provider.anthropic_url, api_key="x"),
    }
    return Clients(both, router(journal))


@pytest.fixture
def chat(server: Server, journal: InMemory) -> ChatSwitchwise:
    provider = server.provider
    models = {
        "gpt": ChatOpenAI(model="gpt-4o-mini", base_url=provider.openai_url, api_key="x", stream_usage=True),
        "claude": ChatAnthropic(model="claude-opus-4-5", base_url=provider.anthropic_url, api_key="x"),
    }
    return ChatSwitchwise(models, router=router(journal))


@pytest.fixture
def llm(server: Server, journal: InMemory) -> Switchwise:
    url, pool = server.provider.openai_url, Pool([POOL["gpt"], Target("other", "openai", "gpt-4o", Price(5, 25))])
    models = {
        "gpt": OpenAI(model="gpt-4o-mini", api_base=url, api_key="x"),
        "other": OpenAI(model="gpt-4o", api_base=url, api_key="x"),
    }
    return Switchwise(models, router=Router(pool, cache=ResponseCache(), observers=[journal]))


@pytest.mark.parametrize("target", ["gpt", "claude"])
@pytest.mark.parametrize("first", ["whole", "streamed"])
async def test_the_clients(clients: Clients, server: Server, journal: InMemory, target: str, first: str) -> None:
    messages = [{"role": "user", "content": HELLO}]
    if first == "whole":
        made, pieces = clients.complete(messages, target=target), None
    else:
        stream = clients.stream(messages, target=target)
        pieces = list(stream)
        made = stream.completion
        assert len(pieces) > 1
    again = clients.complete(messages, target=target)
    later = await clients.acomplete(messages, target=target)
    shown = clients.stream(messages, target=target)
    texts = list(shown)
    ashown = clients.astream(messages, target=target)
    atexts = [text async for text in ashown]
    for answer in (again, later, shown.completion, ashown.completion):
        assert answer.outcome.reply.raw == made.outcome.reply.raw
        assert answer.message == made.message
        assert answer.record["cache"]["kind"] == "exact"
        assert answer.outcome.cost == 0
        assert (answer.outcome.reply.usage.input_tokens, answer.outcome.reply.usage.output_tokens) == (0, 0)
    assert texts == atexts == (pieces or [made.text])
    assert server.calls == 1
    assert [record.cache for record in journal] == [None, *["exact"] * 4]
    assert "cache" not in made.record


async def test_an_answer_that_was_streamed_asynchronously_is_given_again_in_its_pieces(
    clients: Clients, server: Server
) -> None:
    asked = [{"role": "user", "content": HELLO}]
    first, again = [[piece async for piece in clients.astream(asked, temperature=0)] for _ in range(2)]
    assert first == again
    assert len(first) > 1
    assert server.calls == 1


def test_a_request_that_is_not_json_is_sent_each_time(clients: Clients, server: Server) -> None:
    asked = [{"role": "user", "content": HELLO}]
    for _ in range(2):
        clients.complete(asked, temperature=0, target="gpt", extra={"anthropic": {"metadata": object()}})
    assert server.calls == 2


@pytest.mark.parametrize("target", ["gpt", "claude"])
@pytest.mark.parametrize("first", ["whole", "streamed"])
async def test_langchain(chat: ChatSwitchwise, server: Server, journal: InMemory, target: str, first: str) -> None:
    config: Any = {"configurable": {"switchwise_target": target}}
    if first == "whole":
        made, pieces = chat.invoke(HELLO, config), None
    else:
        pieces = list(chat.stream(HELLO, config))
        made = pieces[0]
        for piece in pieces[1:]:
            made = made + piece
        assert len(pieces) > 2
    again, later = chat.invoke(HELLO, config), await chat.ainvoke(HELLO, config)
    shown = list(chat.stream(HELLO, config))
    ashown = [chunk async for chunk in chat.astream(HELLO, config)]
    result = chat.generate([chat._convert_input(HELLO).to_messages()], model=target).generations[0][0].message
    for answer in (again, later, result):
        assert (answer.content, answer.id, answer.tool_calls) == (made.content, made.id, made.tool_calls)
        assert answer.additional_kwargs == made.additional_kwargs
        assert answer.response_metadata["switchwise"]["cache"]["kind"] == "exact"
        assert answer.response_metadata["switchwise"]["cost"] == 0
        metadata = {name: value for name, value in answer.response_metadata.items() if name != "switchwise"}
        assert metadata == {name: value for name, value in made.response_metadata.items() if name != "switchwise"}
        assert answer.usage_metadata["total_cost"] == 0
    for chunks in (shown, ashown):
        assert [chunk.content for chunk in chunks if chunk.content] == [
            chunk.content for chunk in pieces or [made] if chunk.content
        ]
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole = whole + chunk
        assert (whole.content, whole.id) == (made.content, made.id)
        assert whole.response_metadata["switchwise"]["cache"]["kind"] == "exact"
    assert server.calls == 1
    assert [record.cache for record in journal] == [None, *["exact"] * 5]


class Found(BaseModel):
    query: str


@tool
def look_up(query: str) -> str:
    """Look something up."""
    return query


@tool
def book_flight(query: str) -> str:
    """Book."""
    return query


def test_langchain_tools_and_schemas_are_parts_of_the_request(chat: ChatSwitchwise, server: Server) -> None:
    looking, structured = chat.bind_tools([look_up]), chat.with_structured_output(Found)
    first = looking.invoke(HELLO)
    assert looking.invoke(HELLO).tool_calls == first.tool_calls
    assert structured.invoke(HELLO) == structured.invoke(HELLO) == Found(query="number 2")
    raw = chat.with_structured_output(Found, include_raw=True).invoke(HELLO)
    assert raw["parsed"] == Found(query="number 2")
    assert server.calls == 2
    chat.invoke(HELLO)
    assert server.calls == 3
    booking = chat.bind_tools([book_flight])
    booking.invoke(HELLO)
    booking.invoke(HELLO)
    assert server.calls == 5, "a tool with effects is never answered for"


@pytest.mark.parametrize("first", ["whole", "streamed"])
async def test_llama_index(llm: Switchwise, server: Server, journal: InMemory, first: str) -> None:
    messages = [ChatMessage(HELLO)]
    if first == "whole":
        made, pieces = llm.chat(messages), None
    else:
        pieces = list(llm.stream_chat(messages))
        made = pieces[-1]
        assert len(pieces) > 2
    again, later = llm.chat(messages), await llm.achat(messages)
    shown = list(llm.stream_chat(messages))
    ashown = [chunk async for chunk in await llm.astream_chat(messages)]
    for answer in (again, later, shown[-1], ashown[-1]):
        assert answer.message.model_dump() == made.message.model_dump()
        assert answer.additional_kwargs["switchwise"]["cache"]["kind"] == "exact"
        assert answer.additional_kwargs["switchwise"]["cost"] == 0
    for chunks in (shown, ashown):
        assert [chunk.delta for chunk in chunks] == ([chunk.delta for chunk in pieces] if pieces else [made.message.content])
    assert server.calls == 1
    assert [record.cache for record in journal] == [None, *["exact"] * 4]
    llm.complete(HELLO)
    assert llm.complete(HELLO).additional_kwargs["switchwise"]["cache"]["kind"] == "exact"
    assert llm.as_structured_llm(Found).chat(messages).raw == llm.as_structured_llm(Found).chat(messages).raw
    assert server.calls == 3


async def test_langchain_events_and_blocks_are_given_again_and_what_an_agent_binds_later_is_not(
    chat: ChatSwitchwise, server: Server
) -> None:
    asked: Any = [HumanMessage([{"type": "text", "text": HELLO}])]
    made = chat.invoke(asked).text
    assert chat.stream_events(asked, version="v3").output.text == made
    stream = await chat.astream_events(asked, version="v3")
    assert str((await stream).text) == made
    assert server.calls == 1
    agent = create_agent(chat, [], middleware=[SwitchwiseMiddleware()], response_format=ProviderStrategy(Found))
    found = [agent.invoke({"messages": asked})["structured_response"] for _ in range(2)]
    assert found == [Found(query="number 2"), Found(query="number 3")]


def test_llama_index_conversations_in_any_form_are_parts_of_the_request(llm: Switchwise, server: Server) -> None:
    blocks = ChatMessage(blocks=[TextBlock(text=HELLO), TextBlock(text="and more")])
    answered = [ChatMessage(HELLO), ChatMessage(role="assistant", content="Well,")]
    for calls, messages in enumerate(([blocks], answered, [*answered, blocks]), 1):
        assert llm.chat(messages).message.content == llm.chat(messages).message.content
        assert server.calls == calls
