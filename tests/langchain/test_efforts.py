"""`efforts` in LangChain: each target sets its provider's own parameter, whatever the caller asks for besides."""

from __future__ import annotations

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage

from langchain_switchwise import ChatSwitchwise
from switchwise import ConfigurationError, efforts

from .conftest import claude, gpt


def at(name):
    return {"configurable": {"switchwise_target": name}}


def weather(city: str) -> str:
    """The weather in a city."""
    return city


def test_each_target_asks_for_its_level_on_every_api(provider):
    llm = ChatSwitchwise(
        [
            *efforts(gpt(provider, model="gpt-5"), "low", "high"),
            *efforts(gpt(provider, model="gpt-6-sol", use_responses_api=True), "max"),
            *efforts(claude(provider, model="claude-opus-5"), "high", "low"),
        ]
    )
    names = [target.name for target in llm.dispatch.router.pool]
    assert names == ["gpt-5@low", "gpt-5@high", "gpt-6-sol@max", "claude-opus-5@high", "claude-opus-5@low"]
    for name in names:
        llm.invoke("Hello", config=at(name), temperature=1)
    said = [
        body.get("reasoning_effort") or (body.get("reasoning") or body.get("output_config"))["effort"]
        for body in (seen.body for seen in provider.requests)
    ]
    assert said == ["low", "high", "max", "high", "low"]


def test_a_model_that_uses_responses_once_tools_are_bound_gets_its_effort_there(provider):
    llm = ChatSwitchwise([*efforts(gpt(provider, model="gpt-6-luna"), "low")]).bind_tools([weather])
    llm.invoke("Hello")
    (seen,) = provider.requests
    assert seen.api == "responses"
    assert seen.body["reasoning"]["effort"] == "low"


def test_the_target_outranks_what_the_model_and_the_caller_say(provider):
    llm = ChatSwitchwise([*efforts(gpt(provider, model="gpt-5", reasoning_effort="high"), "low")])
    llm.invoke("Hello", reasoning_effort="medium")
    assert provider.requests[-1].body["reasoning_effort"] == "low"


def test_a_stream_asks_for_it_too(provider):
    llm = ChatSwitchwise([*efforts(claude(provider, model="claude-opus-5"), "low")])
    list(llm.stream("Hello"))
    assert provider.requests[-1].body["output_config"] == {"effort": "low"}


def test_an_unknown_level_is_said_once_and_another_target_answers(provider):
    model = gpt(provider, model="gpt-5.6-sol")
    llm = ChatSwitchwise([*efforts(model, "minimal", "low")])
    for _ in range(2):
        answer = llm.invoke("Hello")
        assert answer.response_metadata["switchwise"]["target"] == "gpt-5.6-sol@low"
    assert [seen.body["reasoning"]["effort"] for seen in provider.requests] == ["minimal", "low", "low"]


def test_a_model_without_a_known_effort_setting_is_refused():
    with pytest.raises(ConfigurationError, match="no setting for it that is known here"):
        ChatSwitchwise([*efforts(FakeListChatModel(responses=["x"]), "low")])


def test_a_change_in_place_reaches_responses_with_its_cache_and_no_other_api(provider):
    update = {"type": "configuration_update", "reasoning": {"effort": "low"}}
    llm = ChatSwitchwise([gpt(provider, model="gpt-6-sol", use_responses_api=True), claude(provider, model="claude-opus-5-5")])
    first, more = HumanMessage("word " * 4000), HumanMessage([update, {"type": "text", "text": "And now?"}])
    llm.invoke([first], config=at("gpt-6-sol"))
    answer = llm.invoke([first, AIMessage("Yes."), more], config=at("gpt-6-sol"))
    assert update in provider.requests[-1].body["input"]
    assert answer.usage_metadata["input_token_details"]["cache_read"] > 3900
    llm.invoke([first, AIMessage("Yes."), more], config=at("claude-opus-5-5"))
    assert provider.requests[-1].body["messages"][-1]["content"] == [{"type": "text", "text": "And now?"}]
