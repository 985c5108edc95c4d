"""What is an answer: FIELD B1. Status 200 with no answer in it is a failure like any other, whole and streamed, in every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.openai import OpenAI, OpenAIResponses

from langchain_switchwise import ChatSwitchwise
from llama_index.llms.switchwise import Switchwise
from switchwise import FailureKind, Pool, Router, Target
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.failures import target_error
from switchwise.observe.journal import InMemory
from switchwise.testing.server import ScriptedServer, chat_chunks
from switchwise_loopback import Answer, Fault, LoopbackProvider
from switchwise_loopback.serving.garbled import GARBLED

TEXT = "One two three four five six."
GPT, CLAUDE = "gpt-4.1-mini", "claude-sonnet-5"
LOOP = asyncio.new_event_loop()
"""One for all: integrations keep their asynchronous connections for the whole process."""
WAYS = ["whole", "stream", "awhole", "astream"]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LoopbackProvider, LoopbackProvider]]:
    with LoopbackProvider(lambda request: Answer(TEXT)) as bad, LoopbackProvider(lambda request: Answer(TEXT)) as good:
        yield bad, good
    LOOP.run_until_complete(asyncio.sleep(0))
    LOOP.close()


def lc(model: Callable[[LoopbackProvider], Any]) -> Any:
    def made(bad: LoopbackProvider, good: LoopbackProvider, router: Router) -> Callable[[str], Any]:
        second = ChatOpenAI(model=GPT, base_url=good.openai_url, api_key="key", max_retries=0, stream_usage=True)
        llm = ChatSwitchwise({"a": model(bad), "b": second}, router=router)

        async def astream() -> str:
            return "".join([chunk.text async for chunk in llm.astream("hi")])

        async def ainvoke() -> str:
            return str((await llm.ainvoke("hi")).text)

        return {
            "whole": lambda: llm.invoke("hi").text,
            "stream": lambda: "".join(chunk.text for chunk in llm.stream("hi")),
            "awhole": lambda: LOOP.run_until_complete(ainvoke()),
            "astream": lambda: LOOP.run_until_complete(astream()),
        }.__getitem__

    return made


def li(model: Callable[[LoopbackProvider], Any]) -> Any:
    def made(bad: LoopbackProvider, good: LoopbackProvider, router: Router) -> Callable[[str], Any]:
        second = OpenAI(model=GPT, api_base=good.openai_url, api_key="key", max_retries=0)
        llm, hi = Switchwise({"a": model(bad), "b": second}, router=router), [ChatMessage(role="user", content="hi")]

        async def astream() -> str:
            return "".join([chunk.delta or "" async for chunk in await llm.astream_chat(hi)])

        async def achat() -> str:
            return str((await llm.achat(hi)).message.content)

        return {
            "whole": lambda: llm.chat(hi).message.content,
            "stream": lambda: "".join(chunk.delta or "" for chunk in llm.stream_chat(hi)),
            "awhole": lambda: LOOP.run_until_complete(achat()),
            "astream": lambda: LOOP.run_until_complete(astream()),
        }.__getitem__

    return made


def cl(client: Callable[[LoopbackProvider], Any]) -> Any:
    def made(bad: LoopbackProvider, good: LoopbackProvider, router: Router) -> Callable[[str], Any]:
        second = OpenAIClient(model=GPT, base_url=good.openai_url, api_key="key")
        clients, hi = Clients({"a": client(bad), "b": second}, router), [{"role": "user", "content": "hi"}]

        async def astream() -> str:
            return "".join([text async for text in clients.astream(hi)])

        async def acomplete() -> str:
            return (await clients.acomplete(hi)).text

        return {
            "whole": lambda: clients.complete(hi).text,
            "stream": lambda: "".join(clients.stream(hi)),
            "awhole": lambda: LOOP.run_until_complete(acomplete()),
            "astream": lambda: LOOP.run_until_complete(astream()),
        }.__getitem__

    return made


SETTINGS: dict[str, Any] = {"api_key": "key", "max_retries": 0}
DOORS = {
    "clients, chat": cl(lambda at: OpenAIClient(model=GPT, base_url=at.openai_url, api_key="key")),
    "clients, messages": cl(lambda at: AnthropicClient(model=CLAUDE, base_url=at.anthropic_url, api_key="key")),
    "LangChain, chat": lc(lambda at: ChatOpenAI(model=GPT, base_url=at.openai_url, stream_usage=True, **SETTINGS)),
    "LangChain, responses": lc(lambda at: ChatOpenAI(model=GPT, base_url=at.openai_url, use_responses_api=True, **SETTINGS)),
    "LangChain, messages": lc(lambda at: ChatAnthropic(model_name=CLAUDE, base_url=at.anthropic_url, **SETTINGS)),
    "LlamaIndex, chat": li(lambda at: OpenAI(model=GPT, api_base=at.openai_url, **SETTINGS)),
    "LlamaIndex, responses": li(lambda at: OpenAIResponses(model=GPT, api_base=at.openai_url, **SETTINGS)),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("fault", sorted(GARBLED, key=lambda fault: fault.value), ids=lambda fault: fault.value)
def test_b1_what_is_no_answer_is_a_failure_and_another_target_answers(
    servers: tuple[LoopbackProvider, LoopbackProvider], fault: Fault, door: str
) -> None:
    bad, good = servers
    for way in WAYS:
        bad.clear()
        bad.inject(fault)
        journal = InMemory()
        router = Router(Pool([Target("a", "first"), Target("b", "second")]), observers=[journal])
        assert DOORS[door](bad, good, router)(way)() == TEXT, way
        failed, answered = journal
        assert (failed.target, answered.target) == ("a", "b"), way
        assert failed.failure in ("server_error", "connection", "unsupported"), way


CHAT = b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":null,"finish_reason":"stop"}]}'
WORKING = b"""{"id":"r","object":"response","created_at":1,"model":"m","status":"in_progress","output":[],
"parallel_tool_calls":true,"tool_choice":"auto","tools":[]}"""
MESSAGE = b'{"id":"x","type":"message","role":"assistant","model":"m","content":null,"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}'


@pytest.mark.parametrize(
    ("door", "body"),
    [
        *[(door, b"null") for door in DOORS],
        ("clients, chat", CHAT),
        ("LangChain, responses", WORKING),
        ("LlamaIndex, responses", WORKING),
        ("clients, messages", MESSAGE),
    ],
)
def test_b1_an_end_without_a_message_is_no_answer(
    servers: tuple[LoopbackProvider, LoopbackProvider], door: str, body: bytes
) -> None:
    _, good = servers
    with Raw(200, body) as raw:
        for way in ("whole", "awhole"):
            router = Router(Pool([Target("a", "first"), Target("b", "second")]))
            assert DOORS[door](raw, good, router)(way)() == TEXT, way


def test_b1_a_stream_whose_deltas_are_null_is_no_answer() -> None:
    null = chat_chunks({}, usage=False)
    for chunk in null[:2]:
        chunk["choices"][0]["delta"] = None  # type: ignore[index, call-overload]
    with ScriptedServer(null, chat_chunks({"content": TEXT})) as server:
        named = {name: OpenAIClient(model=GPT, base_url=server.url, api_key="key") for name in ("a", "b")}
        stream = Clients(named, Router(Pool([Target("a", "first"), Target("b", "second")]))).stream(
            [{"role": "user", "content": "hi"}]
        )
        assert "".join(stream) == TEXT


class Buggy(BaseCallbackHandler):
    raise_error = True

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        raise KeyError("a bug of the caller's")


def test_b1_a_bug_of_the_callers_stays_a_bug(servers: tuple[LoopbackProvider, LoopbackProvider]) -> None:
    bad, good = servers
    bad.clear()
    good.forget()
    chat = ChatSwitchwise(
        {
            "a": ChatOpenAI(model=GPT, base_url=bad.openai_url, stream_usage=True, **SETTINGS),
            "b": ChatOpenAI(model=GPT, base_url=good.openai_url, stream_usage=True, **SETTINGS),
        }
    )
    with pytest.raises(KeyError, match="a bug"):
        chat.invoke("hi", {"callbacks": [Buggy()]})
    with pytest.raises(TypeError):
        chat.invoke("hi", metadata={"not": object()})
    assert good.requests == ()

    class Own(GenericFakeChatModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            response: dict[str, Any] = {}
            return response["choices"]

    own = ChatSwitchwise(
        {"a": Own(messages=iter([AIMessage("x")])), "b": ChatOpenAI(model=GPT, base_url=good.openai_url, **SETTINGS)}
    )
    with pytest.raises(KeyError, match="choices"):
        own.invoke("hi")


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("y"), RecursionError("z"), IndexError("w")], ids=repr)
def test_b1_an_exception_of_our_own_making_is_no_answer_s_fault(error: Exception) -> None:
    def broken(response: object) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        broken("an answer")
    assert target_error(caught.value) is None


def test_f6_an_answer_that_nests_too_deep_is_a_failure_like_any_other(
    servers: tuple[LoopbackProvider, LoopbackProvider],
) -> None:
    deep = b'{"error":' * 5_000 + b"1" + b"}" * 5_000
    for status in (200, 400, 500):
        with Raw(status, deep) as raw:
            _, good = servers
            for door in (
                cl(lambda at: OpenAIClient(model=GPT, base_url=at.openai_url, api_key="key")),
                lc(lambda at: ChatOpenAI(model=GPT, base_url=at.openai_url, stream_usage=True, **SETTINGS)),
                li(lambda at: OpenAI(model=GPT, api_base=at.openai_url, **SETTINGS)),
            ):
                journal = InMemory()
                router = Router(Pool([Target("a", "first"), Target("b", "second")]), observers=[journal])
                assert door(raw, good, router)("whole")() == TEXT
                assert next(iter(journal)).failure in (
                    FailureKind.SERVER_ERROR,
                    FailureKind.NOT_ACCEPTED,
                    FailureKind.CONNECTION,
                )


class Raw:
    """A server that sends the same bytes to everybody."""

    def __init__(self, status: int, body: bytes) -> None:
        self._provider = LoopbackProvider()
        self._sent = status, body

    def __enter__(self) -> LoopbackProvider:
        status, body = self._sent
        provider = self._provider.__enter__()
        respond = provider.respond

        def raw(*args: Any) -> Any:
            return type(respond(*args))(status, {"content-type": "application/json"}, body)

        provider.respond = raw  # type: ignore[method-assign]
        return provider

    def __exit__(self, *args: object) -> None:
        self._provider.__exit__(None, None, None)
