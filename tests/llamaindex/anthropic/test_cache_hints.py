"""Anthropic keeps of a prompt what is marked: `CacheHints(breakpoints=...)` sets the marks, over the wire to a provider with caches."""

from __future__ import annotations

import itertools
import json

import pytest
from llama_index.core.base.llms.types import CacheControl, CachePoint, ChatMessage, TextBlock, ToolCallBlock

from llama_index.llms.switchwise import Switchwise
from switchwise import Pool, Router, Target
from switchwise.prompt_cache import CacheHints
from switchwise_loopback import Answer, LoopbackProvider, ToolCall

from ..methods import ADD

SYSTEM = ChatMessage(role="system", content="The rules of the ship are these. " * 400)


@pytest.fixture
def provider():
    """Calls as many tools as the last user said."""

    def answer(request):
        wanted = next(int(word) for word in request.last_user_text.split() if word.isdigit())
        return Answer("So.", tuple(ToolCall("add", {"a": i, "b": i}) for i in range(wanted if request.tools else 0)))

    with LoopbackProvider(answer) as running:
        yield running


@pytest.fixture
def make(anthropic, openai, journal):
    def made(**options):
        router = Router(Pool([Target("claude", "anthropic"), Target("gpt", "openai")]), observers=[journal])
        return Switchwise({"claude": anthropic(), "gpt": openai()}, router=router, **options)

    return made


class Thread:
    """A conversation that goes on: each answer calls tools, whose results are what is asked next."""

    def __init__(self, llm, journal, first="Begin with 1", streamed=False):
        self.llm, self.journal, self.streamed = llm, journal, streamed
        self.messages = [SYSTEM, ChatMessage(role="user", content=first)]

    def step(self, target="claude"):
        ask = self.llm.stream_chat_with_tools if self.streamed else self.llm.chat_with_tools
        said = {"route": {"target": target, "session": "s1"}, "allow_parallel_tool_calls": True}
        given = ask([ADD], chat_history=self.messages, **said)
        turn = list(given)[-1].message if self.streamed else given.message
        calls = [block.tool_call_id for block in turn.blocks if isinstance(block, ToolCallBlock)]
        self.messages += [turn, *[ChatMessage(role="tool", content="3", additional_kwargs={"tool_call_id": c}) for c in calls]]
        return self.journal[-1].reply.usage


def marks(body):
    return json.dumps(body).count("cache_control")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_without_marks_nothing_is_read_and_with_them_all_but_the_newest(make, journal, streamed):
    plain = Thread(make(), journal, streamed=streamed)
    assert [plain.step().cache_read_tokens or 0 for _ in range(4)] == [0] * 4
    marked = Thread(make(cache_hints=CacheHints(breakpoints="5m")), journal, streamed=streamed)
    steps = [marked.step() for _ in range(4)]
    for before, after in itertools.pairwise(steps):
        assert after.cache_read_tokens >= before.input_tokens - 5


def test_the_callers_messages_carry_no_marks(make, journal):
    thread = Thread(make(cache_hints=CacheHints(breakpoints="5m")), journal)
    thread.step()
    thread.step()
    assert not any(isinstance(block, CachePoint) for message in thread.messages for block in message.blocks)


def test_the_lifetime_is_what_was_asked_for(make, journal, provider):
    Thread(make(cache_hints=CacheHints(breakpoints="1h")), journal).step()
    assert provider.requests[-1].body["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_what_was_asked_last_is_found_behind_a_turn_of_many_calls(make, journal, provider):
    thread = Thread(make(cache_hints=CacheHints(breakpoints="5m")), journal, first="Begin with 25 things")
    steps = [thread.step() for _ in range(3)]
    assert [after.cache_read_tokens >= before.input_tokens - 5 for before, after in itertools.pairwise(steps)] == [True] * 2
    assert marks(provider.requests[-1].body) <= 4


def test_and_behind_a_long_stretch_that_went_elsewhere(make, journal):
    thread = Thread(make(cache_hints=CacheHints(breakpoints="5m")), journal)
    before = [thread.step(target) for target in ["claude"] * 2 + ["gpt"] * 12][1]
    assert thread.step("claude").cache_read_tokens >= before.input_tokens - 5


@pytest.mark.parametrize("own", ["message", "llm"])
def test_who_marks_himself_is_left_alone(make, anthropic, provider, own):
    keep = CacheHints(breakpoints="1h")
    point = [CachePoint(cache_control=CacheControl(type="ephemeral"))] if own == "message" else []
    history = [
        SYSTEM,
        ChatMessage(role="user", blocks=[TextBlock(text="Say 1"), *point]),
        ChatMessage(role="user", content="1"),
    ]
    llm = make(cache_hints=keep) if own == "message" else Switchwise([anthropic(cache_idx=1)], cache_hints=keep)
    llm.chat(history)
    assert "1h" not in json.dumps(provider.requests[-1].body)
    assert marks(provider.requests[-1].body) == 1


def test_openai_gets_no_marks(make, provider):
    llm = make(cache_hints=CacheHints(breakpoints="5m"))
    llm.chat([SYSTEM, ChatMessage(role="user", content="Say 1")], route={"target": "gpt"})
    assert marks(provider.requests[-1].body) == 0
