"""Settings, choices of tools and hints for providers other than OpenAI and Anthropic, in the words of their clients."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from langchain_switchwise.answering.replies import complete
from langchain_switchwise.models.native import natives, pool_of
from langchain_switchwise.porting.cache_hints import HintWriter
from langchain_switchwise.porting.settings import settings
from langchain_switchwise.porting.tools import Tools
from switchwise import FailureKind, TargetError
from switchwise.failures import IncompleteStream
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.prompt_cache.rules import CacheRules

from .test_elsewhere import Elsewhere, native
from .test_settings import SETTINGS


@tool
def look_up(what: str) -> str:
    """Look something up."""
    return what


@tool
def write_down(what: str) -> str:
    """Write something down."""
    return what


# What each client takes, of all settings that tests/langchain/test_settings.py knows; it raises over any other, or its provider does.
TAKEN = {
    "gemini": """max_output_tokens stop temperature top_p top_k seed frequency_penalty presence_penalty logprobs
    reasoning_effort""",
    "converse": "max_tokens stop temperature top_p reasoning_effort",
    "mistral": """max_tokens stop temperature top_p random_seed n frequency_penalty presence_penalty reasoning_effort prompt_cache_key
    parallel_tool_calls tool_choice""",
    "groq": """max_tokens stop temperature top_p seed n logit_bias logprobs frequency_penalty presence_penalty user reasoning_effort
    parallel_tool_calls tool_choice""",
    "ollama": "options stop logprobs",
    "cohere": "max_tokens stop temperature p k seed logprobs frequency_penalty presence_penalty",
}


@pytest.mark.parametrize("target", TAKEN)
@pytest.mark.parametrize("given", SETTINGS, ids=str)
def test_no_client_is_given_what_it_does_not_take(given: dict[str, Any], target: str) -> None:
    sent = settings(native(target), {name: value for name, value in given.items() if name != "tool_choice"})
    assert sent.keys() <= {*TAKEN[target].split(), "response_format"}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_the_longest_answer_has_a_name_everywhere(name: str) -> None:
    sent = {target: settings(native(target), {name: 100}) for target in TAKEN}
    assert sent.pop("gemini") == {"max_output_tokens": 100}
    assert sent.pop("ollama") == {"options": {"num_predict": 100}}
    assert all(each == {"max_tokens": 100} for each in sent.values())


def test_what_a_target_alone_knows_reaches_it_and_nobody_else() -> None:
    own = {
        "gemini": {"safety_settings": {}, "thinking_budget": 100},
        "converse": {"guardrailConfig": {"guardrailIdentifier": "a"}},
        "mistral": {"safe_prompt": True},
        "ollama": {"keep_alive": "5m"},
    }
    for home, sent in own.items():
        for target in TAKEN:
            assert settings(native(target), sent) == (sent if target == home else {})
    assert settings(native("groq"), {"a_new_one": 1}) == {"a_new_one": 1}, "nothing is known of it"


def test_ollamas_options_keep_what_the_model_has() -> None:
    """Those of a call replace all of the model's."""
    target = native("ollama")
    object.__setattr__(target.model, "num_ctx", 8192)
    sent = settings(target, {"temperature": 0.2, "stop": ["END"]})
    assert sent == {"stop": ["END"], "options": {"num_ctx": 8192, "stop": ["END"], "temperature": 0.2}}


def test_a_client_that_is_built_on_openais_can_be_asked_for_the_tokens_of_a_stream() -> None:
    target = native("groq")
    assert settings(target, {"stream_usage": True}) == {}
    object.__setattr__(target.model, "stream_usage", None)
    assert settings(target, {"stream_usage": True}) == {"stream_usage": True}
    with pytest.warns(UserWarning, match="reports no tokens when it streams"):
        natives({"m": target.model}, {})


def test_converse_has_no_json_mode() -> None:
    with pytest.raises(TargetError) as refused:
        settings(native("converse"), {"response_format": {"type": "json_object"}})
    assert refused.value.kind is FailureKind.UNSUPPORTED


class TestChoices:
    def test_cohere_can_require_a_tool_but_not_name_it(self) -> None:
        both, one = [look_up, write_down], [look_up]
        words = {choice: Tools(both, choice).choice_for(native("cohere")) for choice in ("auto", "any", "required", "none")}
        assert words == {"auto": None, "any": "REQUIRED", "required": "REQUIRED", "none": "NONE"}
        assert Tools(one, "look_up").choice_for(native("cohere")) == "REQUIRED"
        with pytest.raises(TargetError):
            Tools(both, "look_up").choice_for(native("cohere"))

    def test_converse_cannot_forbid_tool_calls(self) -> None:
        with pytest.raises(TargetError):
            Tools([look_up], "none").choice_for(native("converse"))

    def test_a_bedrock_model_without_tool_choice_is_ruled_out(self) -> None:
        target = native("converse")
        object.__setattr__(target.model, "supports_tool_choice_values", ("auto", "any"))
        assert Tools([look_up], "any").choice_for(target) == "any"
        with pytest.raises(TargetError):
            Tools([look_up], "look_up").choice_for(target)

    @pytest.mark.parametrize("target", ["gemini", "converse", "ollama", "cohere"])
    def test_who_cannot_be_asked_for_calls_one_by_one_is_not(self, target: str) -> None:
        assert "parallel_tool_calls" not in Tools([look_up], None, parallel=False)._bind_options(native(target))

    def test_a_tool_that_google_runs_is_googles(self) -> None:
        assert "google_genai" in Tools([{"google_search": {}}]).providers


class TestRecognition:
    @pytest.mark.parametrize(
        ("address", "provider"),
        [
            ("https://openrouter.ai/api/v1", "openrouter"),
            ("https://api.deepseek.com", "deepseek"),
            ("https://generativelanguage.googleapis.com/v1beta/openai/", "google_genai"),
            ("http://127.0.0.1:8000/v1", "openai"),
        ],
    )
    def test_openais_client_is_of_the_provider_that_it_calls(self, address: str, provider: str) -> None:
        model = ChatOpenAI(model="m", base_url=address, api_key="test", stream_usage=True)
        assert natives({"m": model}, {})["m"].provider == provider

    def test_answers_that_it_gave_are_known_by_what_langchain_calls_their_maker(self) -> None:
        model = ChatOpenAI(model="m", base_url="https://openrouter.ai/api/v1", api_key="test", stream_usage=True)
        assert natives({"m": model}, {})["m"].makers == {"openrouter", "openai"}
        assert "mistralai" in native("mistral").makers
        assert native("converse").makers == {"amazon_bedrock", "bedrock", "bedrock_converse"}

    @pytest.mark.parametrize(
        ("provider", "model"),
        [
            ("amazon_bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("anthropic-bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("anthropicvertex", "claude-sonnet-4-5@20250929"),
        ],
    )
    def test_claude_is_known_wherever_it_runs(self, provider: str, model: str) -> None:
        (target,) = pool_of(natives({"m": Elsewhere(model_name=model, provider=provider)}, {}).values())
        rule = CacheRules().of(provider, model)
        assert (target.price is not None, target.can.window) == (True, 200_000)
        assert (rule.mode, rule.minimum) == ("marked", 1024)

    @pytest.mark.parametrize(
        ("provider", "model", "mode"),
        [
            ("google_genai", "gemini-2.5-pro", "automatic"),
            ("google_vertexai", "gemini-2.5-flash", "automatic"),
            ("azure", "gpt-4.1", "automatic"),
            ("mistralai", "mistral-large", "automatic"),
            ("groq", "openai/gpt-oss-120b", "automatic"),
            ("groq", "llama-3.3-70b-versatile", "none"),
            ("openrouter", "x-ai/grok-4.5", "automatic"),
            ("openrouter", "anthropic/claude-sonnet-4.5", "marked"),
        ],
    )
    def test_the_rule_of_a_cache_is_found_by_the_name_that_frameworks_have(self, provider: str, model: str, mode: str) -> None:
        rule = CacheRules().of(provider, model)
        assert (rule.mode, rule.known) == (mode, True)

    def test_a_provider_s_own_spelling_is_not_in_the_way(self) -> None:
        assert CacheRules().of("openrouter", "anthropic/claude-sonnet-4.5").minimum == 1024


@pytest.mark.parametrize(
    ("kind", "attribute", "sent"),
    [
        ("fireworks-chat", "fireworks_api_base", "extra_headers"),
        ("mistralai-chat", "endpoint", "prompt_cache_key"),
        ("openrouter-chat", "openrouter_api_base", "session_id"),
    ],
)
def test_clients_that_are_not_built_on_openais_get_the_session_id(kind: str, attribute: str, sent: str) -> None:
    def given(address: str | None) -> dict[str, Any]:
        model = Elsewhere(kind=kind, provider="p")
        object.__setattr__(model, attribute, address)
        target = natives({"m": model}, {})["m"]
        return HintWriter(CacheHints(), {"m": target}).settings(target, ("s1", "main"), True, {})

    assert sent in given(None)
    assert given("http://127.0.0.1:8000/v1") == {}, "nobody knows who that is"


@pytest.mark.parametrize(
    ("maker", "end"),
    [
        ("bedrock_converse", "stopReason"),
        ("deepseek", "finish_reason"),
        ("fireworks", "finish_reason"),
        ("google_genai", "finish_reason"),
        ("groq", "finish_reason"),
        ("mistralai", "finish_reason"),
        ("ollama", "done_reason"),
        ("openrouter", "finish_reason"),
        ("xai", "finish_reason"),
    ],
)
def test_a_stream_that_was_cut_is_noticed(maker: str, end: str) -> None:
    complete(AIMessageChunk("Yes.", response_metadata={"model_provider": maker, end: "stop"}))
    with pytest.raises(IncompleteStream):
        complete(AIMessageChunk("Yes", response_metadata={"model_provider": maker}))
    complete(AIMessage("Yes.", response_metadata={}))
    with pytest.raises(IncompleteStream):  # nothing said, and no end
        complete(AIMessage("", response_metadata={}))
