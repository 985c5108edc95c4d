"""Calls of one thread tell OpenAI so, where its session was named: they then reach the machine that has their prompt cached."""

from __future__ import annotations

import pickle

import pytest
from llama_index.core.base.llms.types import ChatMessage

from llama_index.llms.switchwise import Switchwise, route_scope
from switchwise.prompt_cache import CacheHints

from .methods import METHODS

HERE = CacheHints(endpoints={"127.0.0.1": "openai"})
HELLO = [ChatMessage(role="user", content="hello")]
WITH_A_THREAD = [method for method in METHODS if "complete" not in method.name]


def keys(provider):
    return [seen.body.get("prompt_cache_key") for seen in provider.requests]


@pytest.fixture
def llm(openai, responses):
    return Switchwise({"chat": openai(), "responses": responses()}, cache_hints=HERE)


@pytest.mark.parametrize("target", ["chat", "responses"])
@pytest.mark.parametrize("method", WITH_A_THREAD, ids=lambda method: method.name)
async def test_a_thread_has_one_key(method, target, llm, provider):
    for session in ("s1", "s1", "s2"):
        with route_scope(session=session, target=target):
            await method.ask(llm, "What is it?")
    first, again, other = keys(provider)
    assert first == again != other
    assert None not in (first, other)


def test_sub_agents_have_keys_of_their_own(llm, provider):
    with route_scope(session="s1"):
        for agent in ("writer", "reviewer"):
            llm.bind(agent=agent).chat(HELLO)
    first, second = keys(provider)
    assert first != second


async def test_a_thread_that_nobody_named_has_no_key(method, llm, provider):
    await method.ask(llm, "What is it?")
    assert keys(provider) == [None]


def test_nor_has_a_completion(llm, provider):
    llm.complete("hello", route={"session": "s1"})
    assert keys(provider) == [None]


def test_an_endpoint_that_is_not_known_to_take_a_cache_key_gets_none(openai, provider):
    Switchwise({"only": openai()}).chat(HELLO, route={"session": "s1"})
    assert keys(provider) == [None]


def test_the_users_own_key_is_left_alone(openai, llm, provider):
    llm.chat(HELLO, prompt_cache_key="mine", route={"session": "s1"})
    set_before = openai(additional_kwargs={"prompt_cache_key": "mine"})
    Switchwise({"only": set_before}, cache_hints=HERE).chat(HELLO, route={"session": "s1"})
    assert keys(provider) == ["mine", "mine"]


def test_it_is_pickled_with_the_llm(openai, provider, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test")  # no pickle has a key
    llm = Switchwise({"only": openai(http_client=None, async_http_client=None)}, cache_hints=HERE)
    pickle.loads(pickle.dumps(llm)).chat(HELLO, route={"session": "s1"})
    assert keys(provider) != [None]
