"""The harness profiles that deepagents has for a model count where that model is called through switchwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from deepagents import HarnessProfile, create_deep_agent, register_harness_profile
from deepagents.profiles.harness import harness_profiles
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import SystemMessage

from langchain_switchwise import ChatSwitchwise, SwitchwiseMiddleware
from langchain_switchwise.doors.deepagents import TargetProfile, harness_from, profile_of, register
from switchwise import ConfigurationError
from switchwise_loopback import Answer, LoopbackProvider, Request, ToolCall

from .conftest import claude, gpt, pinned

HAIKU, MINI = "claude-haiku-4-5", "gpt-4o-mini"
BE_BRIEF = "Be brief, for you are the haiku of this test."


class Marker(AgentMiddleware[Any, Any, Any]):
    """Shows that it is there."""

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return handler(request.override(model_settings={**request.model_settings, "temperature": 0.5}))


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """What a test registers is gone after it."""
    register()
    before = dict(harness_profiles._HARNESS_PROFILES)
    yield
    harness_profiles._HARNESS_PROFILES.clear()
    harness_profiles._HARNESS_PROFILES.update(before)


def system_of(seen: Any) -> str:
    if seen.provider == "anthropic":
        system = seen.body["system"]
        return system if isinstance(system, str) else "".join(block["text"] for block in system)
    return "".join(str(message["content"]) for message in seen.body["messages"] if message["role"] == "system")


def tools_of(seen: Any) -> dict[str, str]:
    tools = [tool.get("function", tool) for tool in seen.body["tools"]]
    return {tool["name"]: tool["description"] for tool in tools}


def duo(provider: LoopbackProvider) -> ChatSwitchwise:
    return ChatSwitchwise({"haiku": claude(provider, model=HAIKU), "mini": gpt(provider, model=MINI)})


def says(agent: Any, target: str, text: str = "Hello") -> Any:
    return agent.invoke({"messages": [("user", text)]}, pinned(target))


def test_each_target_is_called_by_its_own_profile(provider: LoopbackProvider) -> None:
    register_harness_profile(
        f"anthropic:{HAIKU}",
        HarnessProfile(
            system_prompt_suffix=BE_BRIEF,
            excluded_tools=frozenset({"glob"}),
            tool_description_overrides={"ls": "Lists what is there."},
        ),
    )
    agent = create_deep_agent(model=duo(provider), system_prompt="You plan.")
    says(agent, "haiku")
    says(agent, "mini")
    by_haiku, by_mini = provider.requests
    assert system_of(by_haiku).count(BE_BRIEF) == 1
    assert BE_BRIEF not in system_of(by_mini)
    assert "glob" not in tools_of(by_haiku)
    assert "glob" in tools_of(by_mini)
    assert tools_of(by_haiku)["ls"] == "Lists what is there." != tools_of(by_mini)["ls"]


async def test_asynchronously_too(provider: LoopbackProvider) -> None:
    register_harness_profile("openai", HarnessProfile(system_prompt_suffix=BE_BRIEF))
    agent = create_deep_agent(model=duo(provider))
    await agent.ainvoke({"messages": [("user", "Hello")]}, pinned("mini"))
    assert BE_BRIEF in system_of(provider.requests[0])


def test_sub_agents_too(provider: LoopbackProvider) -> None:
    def answer(request: Request) -> Answer:
        tools = {tool.name for tool in request.tools}
        if "task" in tools and request.messages[-1].role == "user":
            return Answer("", (ToolCall("task", {"description": "look", "subagent_type": "general-purpose"}),))
        return Answer("done")

    register_harness_profile(f"anthropic:{HAIKU}", HarnessProfile(system_prompt_suffix=BE_BRIEF))
    with LoopbackProvider(answer) as loopback:
        says(create_deep_agent(model=duo(loopback), system_prompt="You plan."), "haiku")
        main, sub, last = loopback.requests
    assert [system_of(seen).count(BE_BRIEF) for seen in (main, sub, last)] == [1, 1, 1]
    assert "You plan." not in system_of(sub)


def test_with_one_target_the_model_gets_what_it_gets_without_switchwise() -> None:
    """deepagents ships a profile for this model: it must not get lost, nor what its prompt cache holds."""
    requests_sent = []
    for routed in (False, True):
        with LoopbackProvider() as provider:
            model = claude(provider, model=HAIKU)
            agent = create_deep_agent(
                model=ChatSwitchwise({"haiku": model}) if routed else model, system_prompt="You plan. " * 900
            )
            messages: list[Any] = []
            for question in ("Where to?", "And then?", "And back?"):
                messages = agent.invoke({"messages": [*messages, ("user", question)]})["messages"]
            seen = provider.requests
            words = sorted(system_of(seen[0]).split())
            requests_sent.append(
                (words, tools_of(seen[0]), [(one.usage.cache_read, one.usage.cache_write) for one in seen if one.usage])
            )
    bare, through = requests_sent
    assert "use_parallel_tool_calls" in " ".join(bare[0])
    assert through[:2] == bare[:2]
    assert sum(read for read, _ in bare[2]) > 0
    for (read, write), (read_through, write_through) in zip(bare[2], through[2], strict=True):
        assert read_through == pytest.approx(read, abs=3)  # the suffix stands elsewhere in the same prompt
        assert write_through == pytest.approx(write, abs=3)


def test_the_whole_profile_of_one_model_can_be_taken(provider: LoopbackProvider) -> None:
    mine = HarnessProfile(base_system_prompt="You are the base.", system_prompt_suffix=BE_BRIEF, extra_middleware=[Marker()])
    register_harness_profile(f"anthropic:{HAIKU}", mine)
    harness_from(f"anthropic:{HAIKU}")
    agent = create_deep_agent(model=duo(provider))
    says(agent, "haiku")
    says(agent, "mini")
    by_haiku, by_mini = provider.requests
    for seen in (by_haiku, by_mini):
        assert "You are the base." in system_of(seen)
        assert system_of(seen).count(BE_BRIEF) == 1
        assert seen.body["temperature"] == 0.5
    assert "cache_control" in str(by_haiku.body)  # routing and prompt caching are still there


def test_or_of_a_model_object(provider: LoopbackProvider) -> None:
    harness_from(claude(provider, model=HAIKU))
    says(create_deep_agent(model=duo(provider)), "mini")
    assert "use_parallel_tool_calls" in system_of(provider.requests[0])


def test_a_profile_of_ones_own_for_all_targets_adds_to_ours(provider: LoopbackProvider) -> None:
    register_harness_profile("switchwise", HarnessProfile(base_system_prompt="You are the base."))
    says(create_deep_agent(model=duo(provider)), "haiku")
    assert "You are the base." in system_of(provider.requests[0])
    assert "cache_control" in str(provider.requests[0].body)


def test_a_profile_counts_without_a_prompt_in_blocks_and_for_tools_as_json(provider: LoopbackProvider) -> None:
    profile = HarnessProfile(
        system_prompt_suffix=BE_BRIEF,
        excluded_tools=frozenset({"hide"}),
        tool_description_overrides={"look": "Looks it up."},
    )
    register_harness_profile(f"openai:{MINI}", profile)
    tools: list[Any] = [
        {"name": name, "description": name, "parameters": {"type": "object"}} for name in ("look", "hide", "other")
    ]
    blocks = SystemMessage([{"type": "text", "text": "You plan."}])
    for prompt in (None, blocks, "You plan."):
        middleware: list[Any] = [SwitchwiseMiddleware(), TargetProfile()]
        says(create_agent(duo(provider), tools, system_prompt=prompt, middleware=middleware), "mini")
        seen = provider.requests[-1]
        assert BE_BRIEF in system_of(seen)
        assert ("You plan." in system_of(seen)) is (prompt is not None)
        assert tools_of(seen) == {"look": "Looks it up.", "other": "other"}


def test_a_model_without_a_profile_is_refused(provider: LoopbackProvider) -> None:
    for model in ("nobody:nothing", gpt(provider, model="gpt-4o")):
        with pytest.raises(ConfigurationError, match="no harness profile"):
            harness_from(model)


def test_deepagents_still_reports_profiles(provider: LoopbackProvider) -> None:
    """The canary: looking a profile up is private to deepagents, and gone one day."""
    for model in (f"anthropic:{HAIKU}", claude(provider, model=HAIKU)):
        profile = profile_of(model)
        assert profile is not None
        assert profile.system_prompt_suffix


def test_where_it_no_longer_reports_them_agents_are_routed_all_the_same(
    provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    says_all = duo(provider)
    agent = create_deep_agent(model=says_all)
    monkeypatch.delattr(harness_profiles, "_harness_profile_for_model")
    says(agent, "haiku")
    assert "use_parallel_tool_calls" not in system_of(provider.requests[0])
