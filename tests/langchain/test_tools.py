"""Tools are bound to the target that was chosen, in its own words."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableBinding
from langchain_core.tools import tool
from langgraph.prebuilt import create_react_agent

from fairlead import NoTarget
from fairlead.testing.loopback import LoopbackProvider
from langchain_fairlead import ChatFairlead
from langchain_fairlead.tools import Tools, normalised, server_side

from .conftest import Duo, claude, pinned


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


NAMED = {"type": "function", "function": {"name": "get_weather"}}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (None, None),
        (False, None),
        (True, "any"),
        ("required", "any"),
        ("auto", "auto"),
        ("none", "none"),
        ("get_weather", "get_weather"),
        (NAMED, "get_weather"),
        ({"type": "function", "name": "get_weather"}, "get_weather"),
        ({"type": "tool", "name": "get_weather"}, "get_weather"),
        ({"type": "any"}, "any"),
        ({"type": "allowed_tools", "tools": []}, {"type": "allowed_tools", "tools": []}),
    ],
)
def test_a_tool_choice_means_the_same_in_every_providers_words(given: Any, word: Any) -> None:
    assert normalised(given)[0] == word


@pytest.mark.parametrize(
    ("choice", "openai", "anthropic"),
    [
        ("required", "required", {"type": "any"}),
        ("any", "required", {"type": "any"}),
        (True, "required", {"type": "any"}),
        ("auto", "auto", {"type": "auto"}),
        ("none", "none", {"type": "none"}),
        ("get_weather", NAMED, {"type": "tool", "name": "get_weather"}),
        (NAMED, NAMED, {"type": "tool", "name": "get_weather"}),
    ],
)
def test_each_provider_is_told_the_choice_in_its_own_words(
    real: ChatFairlead, provider: LoopbackProvider, choice: Any, openai: Any, anthropic: Any
) -> None:
    bound = real.bind_tools([get_weather], tool_choice=choice)
    bound.invoke("hello", pinned("fast"))
    bound.invoke("hello", pinned("strong"))
    assert [seen.body["tool_choice"] for seen in provider.requests] == [openai, anthropic]


def test_a_choice_made_at_the_call_counts(real: ChatFairlead, provider: LoopbackProvider) -> None:
    real.bind_tools([get_weather]).invoke("hello", pinned("strong"), tool_choice="required")
    assert provider.requests[-1].body["tool_choice"] == {"type": "any"}


def test_one_call_at_a_time_can_be_asked_of_each(real: ChatFairlead, provider: LoopbackProvider) -> None:
    bound = real.bind_tools([get_weather], parallel_tool_calls=False)
    bound.invoke("hello", pinned("fast"))
    bound.invoke("hello", pinned("strong"))
    assert provider.requests[0].body["parallel_tool_calls"] is False
    assert provider.requests[1].body["tool_choice"]["disable_parallel_tool_use"] is True


def test_tools_given_with_the_call_are_translated_too(real: ChatFairlead, provider: LoopbackProvider) -> None:
    schema = {
        "type": "function",
        "function": {"name": "get_weather", "description": "d", "parameters": {"type": "object", "properties": {}}},
    }
    real.invoke("hello", pinned("strong"), tools=[schema])
    assert provider.requests[-1].body["tools"][0]["name"] == "get_weather"
    assert "input_schema" in provider.requests[-1].body["tools"][0]


def test_the_binding_looks_like_a_native_one(duo: Duo) -> None:
    bound = duo().bind_tools([get_weather])
    assert isinstance(bound, RunnableBinding)
    (shown,) = bound.kwargs["tools"]
    assert (shown["type"], shown["function"]["name"]) == ("function", "get_weather")
    assert create_react_agent(bound, [get_weather]).invoke({"messages": "hello"})["messages"]


def test_a_binding_is_built_once_for_each_target(duo: Duo) -> None:
    llm = duo()
    bound = llm.bind_tools([get_weather])
    tools = bound.kwargs["tools"]
    native = llm.dispatch.natives["strong"]
    assert tools.bound_to("strong", native.model, native.dialect) is tools.bound_to("strong", native.model, native.dialect)


class TestServerTools:
    def test_only_the_provider_that_runs_a_tool_may_answer(self, real: ChatFairlead, provider: LoopbackProvider) -> None:
        search = {"type": "web_search_20250305", "name": "web_search"}
        bound = real.bind_tools([search, get_weather])
        assert bound.invoke("hello").response_metadata["fairlead"]["target"] == "strong"
        with pytest.raises(NoTarget, match="fast"):
            bound.invoke("hello", pinned("fast"))

    def test_tools_of_two_providers_at_once_leave_nobody(self) -> None:
        both: list[Any] = [{"type": "web_search_20250305", "name": "web_search"}, {"type": "file_search"}]
        (homes,) = server_side(both)
        assert "anthropic" in homes
        assert "openai" in homes

    @pytest.mark.parametrize(
        ("given", "homes"),
        [
            (get_weather, set()),
            ({"name": "own", "input_schema": {}}, set()),
            ({"type": "custom", "name": "grammar"}, {"openai", "azure"}),
            ({"type": "web_search_preview"}, {"openai", "azure"}),
            ({"type": "memory_20250818", "name": "memory"}, {"anthropic"}),
            ({"google_search": {}}, {"google_genai", "google_vertexai"}),
        ],
    )
    def test_the_home_of_a_tool(self, given: Any, homes: set[str]) -> None:
        assert server_side([given]) == homes


def test_thinking_forbids_to_force_a_tool_and_says_so(provider: LoopbackProvider) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    llm = ChatFairlead({"thinker": claude(provider, thinking=thinking, max_tokens=4096)})
    with pytest.warns(UserWarning, match="tool_choice is forced"):
        llm.bind_tools([get_weather], tool_choice="any").invoke("hello")


def test_the_container_is_a_sequence() -> None:
    tools = Tools([get_weather])
    assert len(tools) == 1
    assert tools[0] == next(iter(tools))
    assert tools[0:1] == [tools[0]]
