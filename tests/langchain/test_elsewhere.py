"""Models of providers other than OpenAI and Anthropic: recognised, and sent what their integrations and APIs take.

Gemini's integration is installed, so its own request is looked at. For the others the shapes that theirs take were written down: the same
histories were sent through the real packages to a loopback server (docs/reference/providers.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI

from langchain_switchwise.models.dialect import dialect_of
from langchain_switchwise.models.native import Native, natives
from langchain_switchwise.porting.history import HistoryAdapter, adapt
from switchwise import FailureKind, TargetError
from switchwise.dialects import Dialect, table

from .fakes import Scripted
from .test_histories import HISTORIES, MORE, PDF, PNG, UNTELLABLE, Q, called, result, said, user

KINDS = {
    "gemini": "chat-google-generative-ai",
    "converse": "amazon_bedrock_converse_chat",
    "mistral": "mistralai-chat",
    "groq": "groq-chat",
    "ollama": "chat-ollama",
    "cohere": "cohere-chat",
}
PROVIDERS = {"gemini": "google_genai", "converse": "amazon_bedrock"}
TAKEN: dict[str, set[str | None]] = {
    # kinds of blocks that each integration takes from users, tools and the system
    "gemini": {"text", "image_url", "file", "audio", "video", "media", "search_result", None},  # None: a tool's own structure
    "converse": {"text", "image", "video", "file", "search_result", None},
    "mistral": {"text", "image_url", "input_audio", "document_url"},
    "groq": {"text", "image_url", "file", "input_audio"},
    "ollama": {"text", "image_url"},
    "cohere": {"text", "image_url"},
}
ORDERLY = ("gemini", "converse", "mistral", "cohere")


class Elsewhere(Scripted):
    """A model that says it is of some provider."""

    kind: str = "other"
    provider: str = ""
    additional_model_request_fields: dict[str, Any] | None = None

    @property
    def _llm_type(self) -> str:
        return self.kind

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": self.provider, "ls_model_name": self.model_name}


def native(name: str, **options: Any) -> Native:
    model = Elsewhere(model_name=f"{name}-model", kind=KINDS[name], provider=PROVIDERS.get(name, name), **options)
    return natives({name: model}, {})[name]


def ported(target: Native, messages: Sequence[BaseMessage], adapter: HistoryAdapter | None = None) -> list[BaseMessage]:
    return (adapter or HistoryAdapter()).adapted(("t",), target, list(messages), {})[1]


def ported_or_refused(target: str, history: str) -> list[BaseMessage]:
    """What is sent to the target; nothing if it does not support a part of it, so that another one is called."""
    try:
        return ported(native(target), HISTORIES[history])
    except TargetError as error:
        if error.kind is FailureKind.UNSUPPORTED:
            return []
        raise


def blocks(message: BaseMessage) -> list[dict[str, Any]]:
    content = message.content
    return [] if isinstance(content, str) else [block for block in content if isinstance(block, dict)]


@pytest.mark.parametrize("target", KINDS)
def test_each_gets_what_it_supports_or_another_is_called(target: str) -> None:
    for history in HISTORIES:
        for message in ported_or_refused(target, history):
            if isinstance(message, AIMessage):
                assert isinstance(message.content, str)
            else:
                assert {block.get("type") for block in blocks(message)} <= TAKEN[target]
            assert "cache_control" not in str(message.content)
            if target in ("mistral", "groq", "ollama", "cohere") and isinstance(message, ToolMessage):
                assert {block["type"] for block in blocks(message)} <= {"text"}


@pytest.mark.parametrize("target", ORDERLY)
def test_who_speaks_when_is_as_the_provider_wants_it(target: str) -> None:
    for history in HISTORIES:
        if not (messages_sent := ported_or_refused(target, history)):
            continue
        spoken = [message for message in messages_sent if not isinstance(message, SystemMessage)]
        assert isinstance(spoken[0], HumanMessage)
        assert messages_sent[-len(spoken) :] == spoken, "systems stand at the start"
        if target == "mistral":
            assert not any(isinstance(a, ToolMessage) and isinstance(b, HumanMessage) for a, b in pairwise(spoken))


@pytest.mark.parametrize("target", KINDS)
def test_what_was_sent_stays_as_it_was_while_the_conversation_grows(target: str) -> None:
    for history in HISTORIES:
        whole, adapter = [*HISTORIES[history], AIMessage("So."), HumanMessage("And then?")], HistoryAdapter()
        try:
            afresh = adapt(whole, native(target))
        except TargetError:
            continue
        first = next((at for at, message in enumerate(whole, 1) if message.type not in ("system", "chat")), 1)
        lengths = [at for at, message in enumerate(whole, 1) if at >= first and not isinstance(message, ToolMessage)]
        for length in lengths:
            grown = ported(native(target), whole[:length], adapter)
        assert [(type(m), m.content) for m in grown] == [(type(m), m.content) for m in afresh]


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("what", UNTELLABLE)
def test_a_file_that_another_provider_keeps_is_not_sent(what: str, target: str) -> None:
    if "keeps" not in what or (target == "gemini" and "Gemini" in what):
        return
    with pytest.raises(TargetError):
        ported(native(target), [UNTELLABLE[what][0]])


PICTURES = [
    name for name in HISTORIES if name.startswith("a picture in") and "Responses" not in name and "parallel" not in name
]


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_is_seen_in_whosever_words_it_was_shown(picture: str, target: str) -> None:
    assert PNG in str(ported(native(target), HISTORIES[picture])[-1].content)


@pytest.mark.parametrize("target", ["gemini", "converse", "groq"])
@pytest.mark.parametrize("document", [name for name in HISTORIES if name.startswith("a document in")])
def test_a_document_is_read_in_whosever_words_it_was_given(document: str, target: str) -> None:
    (block,) = [block for block in blocks(ported(native(target), HISTORIES[document])[-1]) if block["type"] == "file"]
    assert PDF in str(block)
    if target == "converse":
        assert re.fullmatch(r"[a-zA-Z0-9() \[\]-]+", block["name"]), "it takes no dots"


@pytest.mark.parametrize("target", ["mistral", "ollama", "cohere", "groq"])
def test_what_a_tool_shows_is_shown_by_the_user(target: str) -> None:
    messages_sent = ported(native(target), HISTORIES["a result with a picture"])
    assert PNG in str(messages_sent[-1].content)
    assert isinstance(messages_sent[-1], HumanMessage)


class TestConverse:
    def test_calls_have_ids_of_its_characters_each_used_once(self) -> None:
        history = [
            Q,
            called("call.1:2/3|x"),
            result(made="call.1:2/3|x"),
            called("c"),
            result(made="c"),
            called("c"),
            result(made="c"),
        ]
        messages_sent = ported(native("converse"), history)
        made = [call["id"] for message in messages_sent if isinstance(message, AIMessage) for call in message.tool_calls]
        assert made == [message.tool_call_id for message in messages_sent if isinstance(message, ToolMessage)]
        assert len({*made}) == 3
        assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", one) for one in made)

    def test_its_own_blocks_and_cache_points_stay(self) -> None:
        own: list[Any] = [
            {"text": "Be brief."},
            {"cachePoint": {"type": "default"}},
            {"type": "image", "image": {"format": "png", "source": {"bytes": b"x"}}},
        ]
        (system, human) = ported(native("converse"), [SystemMessage(own[:2]), HumanMessage(own)])
        assert (system.content, human.content) == (own[:2], own)

    def test_its_own_answers_are_known_without_our_record(self) -> None:
        thought = {"type": "reasoning_content", "reasoning_content": {"text": "Hm.", "signature": "s"}}
        for maker in ("bedrock_converse", "bedrock"):
            mine = said(thought, {"type": "text", "text": "Yes."}, maker=maker, model="converse-model")
            assert ported(native("converse"), [Q, mine, MORE])[1] is mine
        other = said(thought, {"type": "text", "text": "Yes."}, maker="bedrock_converse", model="another")
        assert ported(native("converse"), [Q, other, MORE])[1].content == "Yes."

    def test_a_loop_that_began_without_thinking_goes_on_without(self) -> None:
        fields = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "anthropic_beta": ["x"]}
        thinking = native("converse", additional_model_request_fields=fields)
        history: list[BaseMessage] = [Q, called("c"), result(made="c")]
        called_model = HistoryAdapter().adapted(("t",), thinking, history, {})[0].model
        assert getattr(called_model, "additional_model_request_fields") == {"anthropic_beta": ["x"]}  # noqa: B009  # the fake's own
        began = [Q, HumanMessage("hi")]
        assert HistoryAdapter().adapted(("t",), thinking, began, {})[0] is thinking


class TestGemini:
    """By the request that its own integration makes."""

    @pytest.fixture(params=["gemini-2.5-pro", "gemini-3-pro-preview"])
    def gemini(self, request: pytest.FixtureRequest) -> Native:
        model = ChatGoogleGenerativeAI(model=request.param, api_key="test")
        return natives({"gemini": model}, {})["gemini"]

    def contents(self, gemini: Native, messages: Sequence[BaseMessage]) -> list[Any]:
        made: list[Any] = gemini.model._prepare_request(ported(gemini, messages))["contents"]  # type: ignore[attr-defined]
        return made

    @pytest.mark.parametrize("history", [name for name in HISTORIES if "address" not in name and "Responses" not in name])
    def test_every_history_becomes_a_request_that_it_takes(self, gemini: Native, history: str) -> None:
        contents = self.contents(gemini, HISTORIES[history])
        assert contents[0].role == "user"
        assert contents[-1].role == "user"
        for before, content in zip([None, *contents], contents, strict=False):
            assert content.parts
            assert not any(part.text == "" for part in content.parts)
            answers = [part for part in content.parts if part.function_response]
            calls = [part.function_call.name for part in (before.parts if before else ()) if part.function_call]
            assert sorted(part.function_response.name for part in answers) == sorted(calls)

    def test_ids_that_are_used_again_get_their_own_results(self, gemini: Native) -> None:
        contents = self.contents(gemini, [Q, called("call_1"), result("first"), called("call_1"), result("second")])
        results = [
            part.function_response.response["output"]
            for content in contents
            for part in content.parts
            if part.function_response
        ]
        assert results == ["first", "second"]

    def test_a_system_message_amid_the_conversation_is_not_lost(self, gemini: Native) -> None:
        contents = self.contents(gemini, [Q, AIMessage("There."), SystemMessage("Be brief."), MORE])
        assert "Be brief." in contents[2].parts[0].text

    def test_its_own_thoughts_come_back_signed(self, gemini: Native) -> None:
        mine = AIMessage(
            [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, {"type": "text", "text": "Yes."}],
            response_metadata={"model_provider": "google_genai", "model_name": gemini.model_name},
        )
        other = mine.model_copy(update={"response_metadata": {"model_provider": "google_genai", "model_name": "gemini-9"}})
        assert self.contents(gemini, [Q, mine, MORE])[1].parts[0].thought_signature == b"sig"
        assert [part.text for part in self.contents(gemini, [Q, other, MORE])[1].parts] == ["Yes."]


def test_mistral_hears_the_assistant_between_a_result_and_a_user() -> None:
    messages_sent = ported(
        native("mistral"), [Q, called("c"), result(made="c"), HumanMessage("Stop."), AIMessage("Yes."), MORE]
    )
    assert [message.type for message in messages_sent] == ["human", "ai", "tool", "ai", "human", "ai", "human"]


def test_chatnvidia_gets_calls_where_it_looks_for_them() -> None:
    model = Elsewhere(model_name="m", kind="chat-nvidia-ai-playground", provider="NVIDIA")
    messages_sent = ported(natives({"n": model}, {})["n"], [Q, called("x" * 50), result(made="x" * 50), MORE])
    assert isinstance(messages_sent[2], ToolMessage)
    (call,) = messages_sent[1].additional_kwargs["tool_calls"]
    assert call == {
        "id": messages_sent[2].tool_call_id,
        "type": "function",
        "function": {"name": "look_up", "arguments": '{"what": "it"}'},
    }


@pytest.mark.parametrize(
    ("kind", "options", "dialect"),
    [
        ("anthropic-bedrock-chat", {}, table.ANTHROPIC),
        ("anthropic-chat-vertexai", {}, table.ANTHROPIC),
        ("openrouter-chat", {}, table.OPENROUTER),
        ("amazon_bedrock_chat", {"model_id": "us.anthropic.claude-opus-5-5-v1:0"}, table.ANTHROPIC),
        ("amazon_bedrock_chat", {"model_id": "x", "beta_use_converse_api": True}, table.BEDROCK),
        ("amazon_bedrock_chat", {"model_id": "meta.llama"}, table.OTHER),
        ("scripted", {}, table.OTHER),
    ],
)
def test_a_dialect_is_derived_from_the_models_own_attributes(kind: str, options: dict[str, Any], dialect: Dialect) -> None:
    model = Elsewhere(kind=kind)
    for name, value in options.items():
        object.__setattr__(model, name, value)
    assert dialect_of(model) is dialect


def test_a_model_that_is_made_of_openais_speaks_as_it_does_and_one_of_its_base_as_others_do() -> None:
    for made, dialect in ((ChatOpenAI, table.OPENAI_CHAT), (BaseChatOpenAI, table.CHAT)):
        kind = type("Mine", (made,), {"_llm_type": property(lambda self: "mine")})
        assert dialect_of(kind(model="m", api_key="test")) is dialect


def test_a_picture_in_a_message_of_standard_words_needs_no_type() -> None:
    messages_sent = ported(native("converse"), [user({"type": "image", "base64": PNG})])
    assert blocks(messages_sent[0])[1]["mime_type"] == "image/png"
