"""Tools are bound to the target that was chosen, in its own words."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableBinding
from langchain_core.tools import StructuredTool, tool
from langgraph.prebuilt import create_react_agent

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.porting.tools import Tools, measured, server_side, tool_identity
from switchwise import NoTarget
from switchwise.dialects.tool_choice import neutral
from switchwise.reading.token_estimate import Lengths
from switchwise_loopback import LoopbackProvider

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
    assert neutral(given)[0] == word


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
def test_each_provider_gets_the_tool_choice_in_its_own_format(
    real: ChatSwitchwise, provider: LoopbackProvider, choice: Any, openai: Any, anthropic: Any
) -> None:
    bound = real.bind_tools([get_weather], tool_choice=choice)
    bound.invoke("hello", pinned("fast"))
    bound.invoke("hello", pinned("strong"))
    assert [seen.body["tool_choice"] for seen in provider.requests] == [openai, anthropic]


def test_a_choice_made_at_the_call_counts(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
    real.bind_tools([get_weather]).invoke("hello", pinned("strong"), tool_choice="required")
    assert provider.requests[-1].body["tool_choice"] == {"type": "any"}


def test_one_call_at_a_time_can_be_asked_of_each(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
    bound = real.bind_tools([get_weather], parallel_tool_calls=False)
    bound.invoke("hello", pinned("fast"))
    bound.invoke("hello", pinned("strong"))
    assert provider.requests[0].body["parallel_tool_calls"] is False
    assert provider.requests[1].body["tool_choice"]["disable_parallel_tool_use"] is True


def test_tools_given_with_the_call_are_translated_too(real: ChatSwitchwise, provider: LoopbackProvider) -> None:
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
    assert tools.bound_to(native) is tools.bound_to(native)


class TestServerTools:
    def test_only_the_provider_that_runs_a_tool_may_answer(self, real: ChatSwitchwise, provider: LoopbackProvider) -> None:
        search = {"type": "web_search_20250305", "name": "web_search"}
        bound = real.bind_tools([search, get_weather])
        assert bound.invoke("hello").response_metadata["switchwise"]["target"] == "strong"
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
    llm = ChatSwitchwise({"thinker": claude(provider, thinking=thinking, max_tokens=4096)})
    with pytest.warns(UserWarning, match="tool_choice is forced"):
        llm.bind_tools([get_weather], tool_choice="any").invoke("hello")


def test_the_container_is_a_sequence() -> None:
    tools = Tools([get_weather])
    assert len(tools) == 1
    assert tools[0] == next(iter(tools))
    assert tools[0:1] == [tools[0]]


class TestSizes:
    def test_a_tool_counts_as_its_definition_is_long(self, duo: Duo) -> None:
        @tool
        def verbose(city: str) -> str:
            """x"""
            return city

        verbose.description = "Tells all about the weather of a city, in every detail that anybody may want to know. " * 20
        bare, small, large = (
            (llm := duo()).dispatch.view(llm.dispatch.request("hello", None, {"tools": tools} if tools else {})).tokens
            for tools in ([], [get_weather], [get_weather, verbose])
        )
        assert small - bare == measured(get_weather)
        assert 30 < small - bare < 80
        assert 350 < large - small < 550

    def test_it_is_about_what_the_provider_counts(self, provider: LoopbackProvider) -> None:
        """Measured on the tools of a deep agent: a flat 120 for each of them was less than half of it."""
        from deepagents.middleware.filesystem import FilesystemMiddleware

        tools = list(FilesystemMiddleware().tools)
        model = claude(provider)
        model.invoke("hello")
        model.bind_tools(tools).invoke("hello")
        without, together = (seen.usage.input_tokens for seen in provider.requests if seen.usage)
        assert Lengths(measured, tool_identity).of(tools) == pytest.approx(together - without, rel=0.2)
        assert 120 * len(tools) < 0.5 * (together - without)

    @pytest.mark.parametrize("given", ["the same list", "the same tools in a new list", "the same tools made anew"])
    def test_it_is_measured_once(self, given: str) -> None:
        schemas: list[int] = []

        class Counted(StructuredTool):
            @property
            def tool_call_schema(self) -> Any:
                schemas.append(1)
                return super().tool_call_schema

        def make() -> list[Any]:
            return [Counted.from_function(get_weather.func, name=f"tool{i}", description="d") for i in range(3)]

        tools = make()
        sizes = Lengths(measured, tool_identity)
        first = sizes.of(tools)
        measured_once = len(schemas)
        assert measured_once > 0
        again = {"the same list": tools, "the same tools in a new list": list(tools)}.get(given) or make()
        assert sizes.of(Tools(again).raw) == first
        assert len(schemas) == measured_once

    def test_what_only_its_own_target_can_read_counts_flat(self) -> None:
        def unreadable(x):  # type: ignore[no-untyped-def]
            return x

        assert (
            Lengths(measured, tool_identity).of([unreadable, {"type": "web_search_20250305", "name": "web_search"}, object()])
            > 120
        )  # type: ignore[list-item]

    def test_its_memory_is_bounded(self) -> None:
        sizes = Lengths(measured, tool_identity, size=4)
        for i in range(100):
            sizes.of([{"name": f"tool{i}", "description": "d", "input_schema": {"type": "object"}}])
        assert (len(sizes._lists), len(sizes._each)) == (4, 32)
