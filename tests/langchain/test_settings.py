"""Settings of a call, in whosever words: each target gets those that it takes, and no client raises over another's."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from langchain_core.exceptions import ModelError

from langchain_switchwise import ChatSwitchwise
from switchwise import AllTargetsFailed, FailureKind
from switchwise_loopback import LoopbackProvider

from .conftest import TARGETS, claude, gpt, pinned
from .fakes import look_up

SETTINGS: list[dict[str, Any]] = [
    {"max_tokens": 100},
    {"max_completion_tokens": 100},
    {"max_output_tokens": 100},
    {"stop": ["END"]},
    {"stop_sequences": ["END"]},
    {"temperature": 0.2},
    {"temperature": 1.5},
    {"top_p": 0.9},
    {"top_k": 5},
    {"seed": 1},
    {"n": 1},
    {"logit_bias": {"1": 1}},
    {"logprobs": True},
    {"frequency_penalty": 0.1, "presence_penalty": 0.1},
    {"user": "u"},
    {"safety_identifier": "u"},
    {"verbosity": "low"},
    {"reasoning": {"effort": "low"}},
    {"reasoning_effort": "low"},
    {"effort": "low"},
    {"output_config": {"effort": "low"}},
    {"service_tier": "auto"},
    {"store": False},
    {"truncation": "auto"},
    {"include": ["reasoning.encrypted_content"]},
    {"context_management": [{"type": "compaction", "compact_threshold": 1000}]},
    {"modalities": ["text"]},
    {"prediction": {"type": "content", "content": "x"}},
    {"prompt_cache_key": "k"},
    {"prompt_cache_retention": "24h"},
    {"cache_control": {"type": "ephemeral"}},
    {"parallel_tool_calls": False},
    {"tool_choice": "auto"},
    {"tool_choice": "any"},
    {"tool_choice": "required"},
    {"tool_choice": "none"},
    {"tool_choice": "look_up"},
    {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
    {"tool_choice": {"type": "tool", "name": "look_up"}},
    {"tool_choice": {"type": "function", "function": {"name": "look_up"}}},
    {
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "look_up"}}]},
        }
    },
]
ONLY_ANTHROPICS: list[dict[str, Any]] = [
    {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    {"betas": ["some-beta"]},
    {"inference_geo": "us"},
    {"container": "c"},
    {"mcp_servers": []},
    {"speed": "fast"},
    {"fallbacks": []},
    {"diagnostics": {}},
    {"context_management": {"edits": []}},
]


def _id(settings: dict[str, Any]) -> str:
    return ",".join(f"{name}={str(value)[:30]}" for name, value in settings.items())


@pytest.mark.parametrize("settings", SETTINGS, ids=_id)
@pytest.mark.parametrize("how", ["with the call", "with the tools"])
def test_every_target_takes_the_settings_of_each(
    llm: ChatSwitchwise, shared: LoopbackProvider, settings: dict[str, Any], how: str
) -> None:
    for target in TARGETS:
        if how == "with the tools":
            llm.bind_tools([look_up], **settings).invoke("hi", pinned(target))
        else:
            llm.bind_tools([look_up]).invoke("hi", pinned(target), **settings)
            if not settings.keys() & {"tool_choice", "parallel_tool_calls"}:
                llm.invoke("hi", pinned(target), **settings)
        assert shared.requests[-1].status == 200


@pytest.mark.parametrize("settings", ONLY_ANTHROPICS, ids=_id)
@pytest.mark.parametrize("how", ["with the call", "with the tools"])
def test_what_only_anthropics_client_knows_is_kept_from_openais(
    llm: ChatSwitchwise, shared: LoopbackProvider, settings: dict[str, Any], how: str
) -> None:
    for target in ("chat", "responses", "newest"):
        if how == "with the tools":
            llm.bind_tools([look_up], **settings).invoke("hi", pinned(target))
        else:
            llm.invoke("hi", pinned(target), **settings)
        assert not settings.keys() & shared.requests[-1].body.keys()


def body(llm: ChatSwitchwise, shared: LoopbackProvider, target: str, **settings: Any) -> dict[str, Any]:
    llm.invoke("hi", pinned(target), **settings)
    return dict(shared.requests[-1].body)


def test_the_longest_answer_has_a_name_everywhere(llm: ChatSwitchwise, shared: LoopbackProvider) -> None:
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        assert body(llm, shared, "chat", **{name: 100})["max_completion_tokens"] == 100
        assert body(llm, shared, "responses", **{name: 100})["max_output_tokens"] == 100
        assert body(llm, shared, "claude", **{name: 100})["max_tokens"] == 100


def test_a_service_tier_is_sent_to_targets_that_have_it(llm: ChatSwitchwise, shared: LoopbackProvider) -> None:
    sent = {
        tier: [body(llm, shared, target, service_tier=tier).get("service_tier") for target in ("chat", "responses", "claude")]
        for tier in ("auto", "flex", "standard_only")
    }
    assert sent == {
        "auto": ["auto"] * 3,
        "flex": ["flex", "flex", None],
        "standard_only": [None, None, "standard_only"],
    }


def test_a_user_is_sent_to_anthropic_in_the_metadata(llm: ChatSwitchwise, shared: LoopbackProvider) -> None:
    for metadata, sent in (({"user_id": "u"}, {"user_id": "u"}), ({"topic": "x"}, None)):
        list(llm.stream("hi", pinned("claude"), metadata=metadata))
        assert shared.requests[-1].body.get("metadata") == sent


@pytest.mark.parametrize(
    ("settings", "home"),
    [
        ({"conversation": "conv_1"}, "responses"),
        ({"prompt": {"id": "pmpt_1"}}, "responses"),
        ({"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "tools"}], "betas": ["mcp"]}, "claude"),
    ],
    ids=["conversation", "prompt", "mcp_servers"],
)
def test_what_one_provider_keeps_or_calls_is_not_left_out_without_a_word(
    llm: ChatSwitchwise, shared: LoopbackProvider, settings: dict[str, Any], home: str
) -> None:
    foreign = "claude" if home == "responses" else "chat"
    with pytest.raises(AllTargetsFailed, match=r"unsupported: \w+= names what \w+ (stores|calls)"):
        ChatSwitchwise({foreign: llm.models[foreign]}).invoke("hi", **settings)
    models = {foreign: llm.models[foreign], home: llm.models[home]}
    with suppress(AllTargetsFailed, ModelError):  # the loopback provider keeps nothing of the kind
        ChatSwitchwise(models).invoke("hi", **settings)
    assert shared.requests[-1].provider == ("anthropic" if home == "claude" else "openai")


def test_a_conversation_that_openai_keeps_goes_on_there(shared: LoopbackProvider) -> None:
    llm = ChatSwitchwise({"claude": claude(shared), "kept": gpt(shared, use_responses_api=True)})
    first = llm.invoke("My name is Ann.", pinned("kept"))
    answer = llm.invoke("Who am I?", previous_response_id=first.response_metadata["id"])
    assert answer.response_metadata["switchwise"]["target"] == "kept"
    assert shared.requests[-1].body["previous_response_id"] == first.response_metadata["id"]


def test_thinking_is_not_counted_to_the_answer(llm: ChatSwitchwise, shared: LoopbackProvider) -> None:
    assert body(llm, shared, "thinking", max_tokens=100)["max_tokens"] == 1124
    assert body(llm, shared, "thinking", max_tokens=2000)["max_tokens"] == 2000


def test_effort_reaches_responses_next_to_the_models_own_reasoning(llm: ChatSwitchwise, shared: LoopbackProvider) -> None:
    assert body(llm, shared, "responses", reasoning_effort="low")["reasoning"] == {"summary": "auto", "effort": "low"}


def test_what_a_model_takes_it_gets(llm: ChatSwitchwise, shared: LoopbackProvider) -> None:
    assert body(llm, shared, "chat", temperature=0.2)["temperature"] == 0.2
    assert body(llm, shared, "chat", stop_sequences=["END"])["stop"] == ["END"]
    assert body(llm, shared, "claude", stop=["END"])["stop_sequences"] == ["END"]
    assert body(llm, shared, "claude", output_config={"effort": "low"})["output_config"] == {"effort": "low"}


def test_who_has_no_json_mode_is_not_asked_for_it(shared: LoopbackProvider) -> None:
    """Without it the answer might be anything: better another target than a setting left out."""
    both = ChatSwitchwise({"claude": claude(shared), "chat": gpt(shared)})
    reply = both.invoke("Say it in json.", response_format={"type": "json_object"})
    assert reply.response_metadata["switchwise"]["target"] == "chat"
    with pytest.raises(AllTargetsFailed) as caught:
        both.invoke("Say it in json.", pinned("claude"), response_format={"type": "json_object"})
    assert [getattr(error, "kind", None) for error in caught.value.exceptions] == [FailureKind.UNSUPPORTED]
