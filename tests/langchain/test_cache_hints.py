"""What is done so that prompt caches are found again, over the wire to a provider that keeps caches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from switchwise.prompt_cache import CacheHints
from switchwise.testing import Clock
from switchwise_loopback import Answer, LoopbackProvider, Request, ToolCall

from ..prompt_caches import HERE, LONG, marks
from .conftest import claude, gpt, pinned
from .fakes import look_up

MARK = {"type": "ephemeral"}


@tool
def write(what: str) -> str:
    """Write something down."""
    return f"{what}: written"


TOOLS = [write, look_up]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> Iterator[LoopbackProvider]:
    """Calls as many tools as the last user said."""

    def answer(request: Request) -> Answer:
        said = next(turn.text for turn in reversed(request.messages) if turn.role == "user")
        wanted = next((int(word) for word in said.split() if word.isdigit()), 1)
        if not request.tools:
            return Answer('{"city": "Paris"}' if request.response_schema else "So.")
        return Answer("So.", tuple(ToolCall("look_up", {"what": str(i)}) for i in range(wanted)))

    with LoopbackProvider(answer, clock=clock) as running:
        yield running


def routed(provider: LoopbackProvider, **options: Any) -> ChatSwitchwise:
    models = {
        "opus": claude(provider, model="claude-opus-5-5"),
        "chat": gpt(provider),
        "responses": gpt(provider, model="gpt-5", use_responses_api=True),
    }
    return ChatSwitchwise(models, **options)


class Thread:
    """A conversation that goes on: each answer calls tools, whose results are what is asked next."""

    def __init__(self, llm: ChatSwitchwise, clock: Clock, how: str = "invoke", **configurable: Any) -> None:
        self.llm, self.clock, self.how = llm.bind_tools(TOOLS), clock, how
        self.configurable = {"thread_id": "t1", **configurable}
        self.messages: list[BaseMessage] = [SystemMessage(LONG), HumanMessage("Begin with 1")]
        self.read: list[int] = []
        self.prompts: list[int] = []

    def step(self, target: str = "opus", **kwargs: Any) -> None:
        self.clock.advance(5)
        config = pinned(target, **self.configurable)
        reply: Any = None
        if self.how == "invoke":
            reply = self.llm.invoke(self.messages, config, **kwargs)
        else:
            for chunk in self.llm.stream(self.messages, config, **kwargs):
                reply = chunk if reply is None else reply + chunk
        usage = reply.usage_metadata
        self.read.append(usage["input_token_details"].get("cache_read", 0))
        self.prompts.append(usage["input_tokens"])
        self.messages.append(reply)
        self.messages += [ToolMessage("found", tool_call_id=call["id"], name=call["name"]) for call in reply.tool_calls]


def sent(provider: LoopbackProvider) -> dict[str, Any]:
    return dict(provider.requests[-1].body)


# -- Anthropic's marks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_without_marks_nothing_is_read_and_with_them_all_but_the_newest(
    provider: LoopbackProvider, clock: Clock, how: str
) -> None:
    plain, marked = (
        Thread(routed(provider), clock, how),
        Thread(routed(provider, cache_hints=CacheHints(breakpoints="5m")), clock, how),
    )
    for thread in (plain, marked):
        for _ in range(6):
            thread.step()
    assert plain.prompts == marked.prompts
    assert sum(plain.read) == 0
    assert sum(marked.read) > 0.8 * sum(marked.prompts)


def test_marks_stand_at_the_end_of_tools_system_and_prompt(provider: LoopbackProvider, clock: Clock) -> None:
    Thread(routed(provider, cache_hints=CacheHints(breakpoints="1h")), clock).step()
    assert marks(sent(provider)) == ["top", "tools.1", "system.0"]
    assert sent(provider)["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_what_was_asked_last_is_found_behind_a_turn_of_many_calls(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(routed(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    thread.messages[1] = HumanMessage("Begin with 25 things")
    for _ in range(3):
        thread.step()
    assert thread.read[1] >= thread.prompts[0] - 5
    assert thread.read[2] >= thread.prompts[1] - 5
    assert len(marks(sent(provider))) == 4


def test_and_behind_a_long_stretch_that_went_elsewhere(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(routed(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    for target in ["opus"] * 2 + ["chat"] * 20 + ["opus"]:
        thread.step(target)
    assert thread.read[-1] >= thread.prompts[1] - 5


def test_a_history_that_was_restored_is_found_as_far_as_marks_reach(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(routed(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    thread.messages[1] = HumanMessage("Begin with 12 things")
    thread.step()
    thread.step()
    again = Thread(routed(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    again.messages = [message.model_copy() for message in thread.messages]
    again.step()
    assert again.read[0] >= thread.prompts[1] - 5


@pytest.mark.parametrize("own", ["message", "setting", "tool"])
def test_who_marks_himself_is_left_alone(provider: LoopbackProvider, clock: Clock, own: str) -> None:
    thread = Thread(routed(provider, cache_hints=CacheHints(breakpoints="1h")), clock)
    if own == "message":
        thread.messages[1] = HumanMessage([{"type": "text", "text": "Begin with 1", "cache_control": MARK}])
        thread.step()
        assert marks(sent(provider)) == ["messages.0.0"]
        thread.step()
        assert marks(sent(provider)) == ["messages.0.0"]
    elif own == "setting":
        thread.step(cache_control=MARK)
        assert marks(sent(provider)) == ["top"]
        assert sent(provider)["cache_control"] == MARK
    else:
        marked = look_up.model_copy(update={"extras": {"cache_control": MARK}})
        thread.llm = routed(provider, cache_hints=CacheHints(breakpoints="1h")).bind_tools([write, marked])
        thread.step()
        assert marks(sent(provider)) == ["tools.1"]


def test_other_targets_get_no_marks(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(routed(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    for target in ("opus", "chat", "responses"):
        thread.step(target)
    assert "cache_control" not in json.dumps([dict(seen.body) for seen in provider.requests[1:]])


def test_structured_output_is_marked_too(provider: LoopbackProvider) -> None:
    class City(BaseModel):
        city: str

    llm = routed(provider, cache_hints=CacheHints(breakpoints="5m"))
    for include_raw in (False, True):
        asked = llm.with_structured_output(City, method="json_schema", include_raw=include_raw)
        asked.invoke([SystemMessage(LONG), HumanMessage("Where?")], pinned("opus"))
        assert marks(sent(provider)) == ["system.0", "messages.0.0"]


def test_generate_is_marked_too(provider: LoopbackProvider) -> None:
    llm = routed(provider, cache_hints=CacheHints(breakpoints="5m"))
    llm.generate([[SystemMessage(LONG), HumanMessage("Where?")]])
    assert marks(sent(provider)) == ["top", "system.0"]


def agent(provider: LoopbackProvider, llm: Any, *middleware: Any) -> None:
    def once(request: Request) -> Answer:
        last = request.messages[-1]
        return (
            Answer("So.", (ToolCall("look_up", {"what": "it"}),)) if last.role == "user" and request.tools else Answer("There.")
        )

    provider._responder = once
    made = create_agent(llm, TOOLS, system_prompt=LONG, middleware=[*middleware], checkpointer=InMemorySaver())
    for question in ("Where is it?", "And the other one?"):
        made.invoke({"messages": [("user", question)]}, {"configurable": {"thread_id": "t1"}})


@pytest.mark.parametrize("ttl", ["5m", "1h"])
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "around LangChain's own"])
def test_inside_an_agent_it_agrees_with_langchains_own_middleware(provider: LoopbackProvider, ttl: Any, inside: bool) -> None:
    """Of two that mark, the inner one counts; the provider refuses more than four marks, and a longer life after a shorter one."""
    llm = routed(provider, cache_hints=CacheHints(breakpoints="1h" if ttl == "5m" else "5m"))
    agent(provider, llm, SwitchwiseMiddleware(), *([AnthropicPromptCachingMiddleware(ttl=ttl)] if inside else []))
    assert {seen.status for seen in provider.requests} == {200}
    expected = ["top", "tools.1", "system.0"] if inside else ["top", "system.0"]
    assert [marks(seen.body) for seen in provider.requests] == [expected] * 4
    reads = [seen.usage.cache_read for seen in provider.requests if seen.usage]
    assert all(reads[1:])


def test_without_a_middleware_an_agent_is_marked_at_every_step(provider: LoopbackProvider) -> None:
    agent(provider, routed(provider, cache_hints=CacheHints(breakpoints="5m")))
    assert [marks(seen.body) for seen in provider.requests] == [["top", "tools.1", "system.0"]] * 4


# -- affinity ------------------------------------------------------------------------------------------------------


def key(provider: LoopbackProvider) -> Any:
    return sent(provider).get("prompt_cache_key")


def test_an_unknown_endpoint_gets_no_cache_hints(provider: LoopbackProvider, clock: Clock) -> None:
    for target in ("chat", "responses"):
        Thread(routed(provider), clock).step(target)
        assert key(provider) is None


@pytest.mark.parametrize("target", ["chat", "responses"])
@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_calls_of_one_thread_share_a_key(provider: LoopbackProvider, clock: Clock, target: str, how: str) -> None:
    llm = routed(provider, cache_hints=CacheHints(endpoints=HERE))
    thread = Thread(llm, clock, how)
    thread.step(target)
    first = key(provider)
    thread.step(target)
    assert first is not None
    assert key(provider) == first
    Thread(llm, clock, how, thread_id="t2").step(target)
    assert key(provider) != first
    assert "t1" not in first
    assert len(first) <= 64


def test_anthropic_is_sent_no_key(provider: LoopbackProvider, clock: Clock) -> None:
    Thread(routed(provider, cache_hints=CacheHints(endpoints=HERE)), clock).step("opus")
    assert key(provider) is None


def test_without_a_thread_id_there_is_no_key(provider: LoopbackProvider, clock: Clock) -> None:
    """Single questions with a common beginning find it in one cache: a key for each would part them."""
    Thread(routed(provider, cache_hints=CacheHints(endpoints=HERE)), clock, thread_id=None).step("chat")
    assert key(provider) is None


def test_a_key_of_ones_own_counts(provider: LoopbackProvider, clock: Clock) -> None:
    keep = CacheHints(endpoints=HERE)
    Thread(routed(provider, cache_hints=keep), clock).step("chat", prompt_cache_key="mine")
    assert key(provider) == "mine"
    own = ChatSwitchwise({"chat": gpt(provider, model_kwargs={"prompt_cache_key": "its own"})}, cache_hints=keep)
    Thread(own, clock).step("chat")
    assert key(provider) == "its own"


@pytest.mark.parametrize("target", ["chat", "responses"])
def test_where_a_header_is_wanted_a_header_is_sent(provider: LoopbackProvider, clock: Clock, target: str) -> None:
    llm = routed(provider, cache_hints=CacheHints(endpoints={"127.0.0.1": "openrouter"}))
    Thread(llm, clock).step(target, extra_headers={"x-mine": "1"})
    assert key(provider) is None
    assert provider.requests[-1].headers["x-session-id"].startswith("sw-")
    assert provider.requests[-1].headers["x-mine"] == "1"


def test_an_agent_has_one_key_and_its_sub_agent_another(provider: LoopbackProvider, clock: Clock) -> None:
    llm = ChatSwitchwise({"chat": gpt(provider)}, cache_hints=CacheHints(endpoints=HERE))
    agent(provider, llm, SwitchwiseMiddleware())
    keys = {seen.body["prompt_cache_key"] for seen in provider.requests}
    assert len(keys) == 1
    llm.invoke("hi", {"configurable": {"thread_id": "t1"}, "metadata": {"lc_agent_name": "helper"}})
    assert key(provider) not in keys


# -- what does not change from step to step ------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["opus", "chat", "responses"])
@pytest.mark.parametrize("keep", [CacheHints(), CacheHints(breakpoints="5m", endpoints=HERE)], ids=["plain", "kept warm"])
def test_each_request_begins_as_the_one_before(provider: LoopbackProvider, clock: Clock, target: str, keep: CacheHints) -> None:
    """Tools in their order, keys of JSON in theirs, settings as they were; but for marks, which are not compared."""
    llm = ChatSwitchwise(routed(provider).models, cache_hints=keep)  # type: ignore[arg-type]
    thread = Thread(llm, clock)
    for number in range(4):
        thread.step(target if number != 1 else ("chat" if target != "chat" else "opus"))
    mine = [request for request in provider.requests if request.body["model"] == thread_model(target)]
    bodies = [bare(dict(request.body)) for request in mine]
    assert len(bodies) == 3
    for before, after in pairwise(bodies):
        said, more = (body.pop("messages" if "messages" in body else "input") for body in (dict(before), dict(after)))
        assert json.dumps(said) == json.dumps(more[: len(said)])
        assert json.dumps({**before, "messages": 0, "input": 0}) == json.dumps({**after, "messages": 0, "input": 0})


def test_a_result_that_is_marked_is_otherwise_sent_as_before(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(routed(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    thread.messages[1] = HumanMessage("Begin with 25 things")
    for _ in range(3):
        thread.step()
    assert any("messages.2" in place for place in marks(sent(provider)))
    first, last = (bare(dict(request.body))["messages"] for request in provider.requests[-2:])
    assert json.dumps(first) == json.dumps(last[: len(first)])


def thread_model(target: str) -> str:
    return {"opus": "claude-opus-5-5", "chat": "gpt-4.1-mini", "responses": "gpt-5"}[target]


def bare(value: Any) -> Any:
    """Without marks, and with a marked text alone as the string that it was."""
    if isinstance(value, list):
        return [bare(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    found = {name: bare(inner) for name, inner in value.items() if name != "cache_control"}
    content = found.get("content")
    if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
        found["content"] = content[0]["text"]
    return found


def test_the_callers_messages_stay_as_they_were(provider: LoopbackProvider, clock: Clock) -> None:
    thread = Thread(routed(provider, cache_hints=CacheHints(breakpoints="5m")), clock)
    thread.messages[1] = HumanMessage("Begin with 25 things")
    thread.step()
    before = [message.model_dump() for message in thread.messages]
    count = len(before)
    thread.step()
    assert [message.model_dump() for message in thread.messages[:count]] == before
    assert isinstance(thread.messages[count], AIMessage)
