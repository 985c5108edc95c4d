"""Translating a history changes nothing of the caller's, gives the same for the same, and is done once per message."""

from __future__ import annotations

import copy
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms import MockLLM
from llama_index.llms.openai.utils import to_openai_message_dicts
from openai.types.chat.chat_completion_message_tool_call import ChatCompletionMessageToolCall

from llama_index.llms.switchwise.models.dialect import dialect_of, provider_of
from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.porting import history as history_module
from llama_index.llms.switchwise.porting.history import Histories, loop_without_thinking
from switchwise import FailureKind, TargetError
from switchwise.dialects.table import ANTHROPIC, BEDROCK, GEMINI, GROQ, MISTRAL, OLLAMA, OPENAI_CHAT, OPENAI_RESPONSES, OTHER

NATIVES = [
    Native(dialect.name, MockLLM(), dialect, integration)
    for dialect, integration in (
        (OPENAI_CHAT, "openai"),
        (OPENAI_RESPONSES, "openai"),
        (GROQ, "openai"),
        (MISTRAL, "openai"),
        (ANTHROPIC, "anthropic"),
        (GEMINI, "google_genai"),
        (BEDROCK, "bedrock_converse"),
        (MISTRAL, "mistralai"),
        (OLLAMA, "ollama"),
        (OTHER, ""),
    )
]
BY_NAME = {(native.name, native.integration): native for native in NATIVES}
ASK = ChatMessage(role="user", content="?")
CHAT, CLAUDE = BY_NAME["openai-chat", "openai"], BY_NAME["anthropic", "anthropic"]


def adapt(history, native):
    """The history as the target gets it, from nothing."""
    return Histories().adapted(("s", "a"), history, native)


ID = re.compile(r"[A-Za-z0-9_-]+")  # Anthropic asks for these letters and sets no length

texts = st.text(max_size=5)
ids = st.one_of(st.none(), st.sampled_from(["call_1", "toolu_2", "odd id!", "x" * 47]))
blocks = st.one_of(
    st.builds(TextBlock, text=texts),
    st.builds(ThinkingBlock, content=texts, additional_information=st.sampled_from([{}, {"signature": "s"}, {"id": "rs_1"}])),
    st.just(CachePoint(cache_control=CacheControl(type="ephemeral"))),
    st.just(CitableBlock(title="t", source="s", content=[TextBlock(text="cited")])),
    st.just(CitationBlock(cited_content=TextBlock(text="c"), source="s", title="t", additional_location_info={})),
    st.builds(
        ToolCallBlock,
        tool_call_id=ids,
        tool_name=st.just("add"),
        tool_kwargs=st.sampled_from([{"a": 1}, '{"a": 1}', '{"a":', "", "[1]"]),
    ),
)
messages = st.builds(
    ChatMessage,
    role=st.sampled_from(
        [MessageRole.USER, MessageRole.ASSISTANT, MessageRole.SYSTEM, MessageRole.DEVELOPER, MessageRole.MODEL]
    ),
    blocks=st.lists(blocks, max_size=4),
    additional_kwargs=st.sampled_from([{}, {"usage": {"input_tokens": 3}}]),
) | st.builds(
    ChatMessage,
    role=st.sampled_from([MessageRole.TOOL, MessageRole.FUNCTION]),
    blocks=st.builds(lambda text: [TextBlock(text=text)], texts),
    additional_kwargs=st.builds(lambda name: {"tool_call_id": name} if name else {}, ids),
)
conversations = st.lists(messages, max_size=6)


@given(conversations, st.sampled_from(NATIVES))
def test_the_callers_messages_are_never_changed_and_the_same_gives_the_same(history, native):
    before = copy.deepcopy(history)
    first, second = adapt(history, native), adapt(history, native)
    assert history == before
    assert first == second


@given(conversations, st.sampled_from(NATIVES))
def test_what_was_adapted_needs_no_more_adapting(history, native):
    once = adapt(history, native)
    assert adapt(once, native) == once


@given(conversations)
def test_anthropic_gets_objects_for_arguments_signed_thinking_only_and_never_an_empty_turn(history):
    for message in adapt(history, CLAUDE):
        assert message.role not in (MessageRole.DEVELOPER, MessageRole.MODEL, MessageRole.FUNCTION)
        for block in message.blocks:
            if isinstance(block, ToolCallBlock):
                assert isinstance(block.tool_kwargs, dict)
                assert ID.fullmatch(block.tool_call_id)
            assert not isinstance(block, ThinkingBlock) or block.additional_information["signature"]
        if message.role in (MessageRole.USER, MessageRole.ASSISTANT):
            said = [b for b in message.blocks if not isinstance(b, (CachePoint, CitationBlock, ThinkingBlock))]
            assert any(not isinstance(b, TextBlock) or b.text for b in said)


@given(conversations)
def test_openai_takes_whatever_comes_out(history):
    ported = adapt(history, CHAT)
    for message in to_openai_message_dicts(ported, model="gpt-4.1"):
        json.dumps(message)
        for call in message.get("tool_calls") or ():
            assert call["id"]
            assert len(call["id"]) <= 40
        assert (message["role"] == "tool") == ("tool_call_id" in message)


@given(st.data())
def test_what_is_remembered_is_what_translating_afresh_would_give(data):
    """Over conversations that grow, are cut, edited and replaced."""
    kept, native = Histories(size=3), data.draw(st.sampled_from(NATIVES))
    history = []
    for _ in range(data.draw(st.integers(1, 6))):
        change = data.draw(st.sampled_from(["grow", "cut", "edit", "rewrite", "replace"]))
        if change == "grow" or not history:
            history = [*history, *data.draw(st.lists(messages, min_size=1, max_size=3))]
        elif change == "cut":
            history = history[: data.draw(st.integers(0, len(history)))]
        elif change == "edit":
            history = [*history[:-1], data.draw(messages)]
        elif change == "rewrite":
            history[-1].blocks = [TextBlock(text="rewritten")]
        else:
            history = data.draw(conversations)
        assert kept.adapted(("s", "a"), history, native) == adapt(history, native)


def test_a_message_is_translated_once(monkeypatch):
    calls, real = [], history_module.adapt_message
    monkeypatch.setattr(history_module, "adapt_message", lambda *args: calls.append(args[1]) or real(*args))
    kept, native = Histories(), CLAUDE
    history = [ChatMessage(role="user", content=str(number)) for number in range(5)]
    for end in range(1, 6):
        kept.adapted(("s", "a"), history[:end], native)
    assert calls == [0, 1, 2, 3, 4]


def test_the_list_that_a_target_gets_is_its_own():
    kept, native = Histories(), CHAT
    history = [ChatMessage(role="user", content="one")]
    for _ in range(2):
        got = kept.adapted(("s", "a"), history, native)
        got.append("an integration appends to it")
    assert len(history) == 1
    assert len(kept.adapted(("s", "a"), history, native)) == 1


def test_calls_and_results_without_ids_find_each_other_by_their_place():
    call = ToolCallBlock(tool_name="add", tool_kwargs={})
    history = [
        ChatMessage(role="assistant", blocks=[call, call]),
        ChatMessage(role="tool", content="1"),
        ChatMessage(role="tool", content="2"),
    ]
    ported = adapt(history, CHAT)
    made = [block.tool_call_id for block in ported[0].blocks]
    assert len(set(made)) == 2
    assert [message.additional_kwargs["tool_call_id"] for message in ported[1:]] == made


def test_a_result_of_a_tool_that_was_called_in_words_is_a_users_message():
    """A ReAct agent may give its observations the role of a tool, which no provider takes without a call."""
    history = [ChatMessage(role="assistant", content="Action: add"), ChatMessage(role="tool", content="Observation: 3")]
    for native in (CLAUDE, CHAT):
        ported = adapt([ChatMessage(role="user", content="?"), *history], native)[2]
        assert (ported.role, ported.content, ported.additional_kwargs) == (MessageRole.USER, "Observation: 3", {})


def test_tool_calls_of_older_integrations_are_made_blocks():
    kept = ChatCompletionMessageToolCall.model_validate(
        {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    )
    for call in (kept, {"id": "call_1", "name": "add", "input": {"a": 1}}):
        old = ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": [call], "stray": 1})
        ported = adapt([ChatMessage(role="user", content="?"), old], CLAUDE)[1]
        assert [b.tool_kwargs for b in ported.blocks if isinstance(b, ToolCallBlock)] == [{"a": 1}]
        assert "tool_calls" not in ported.additional_kwargs


@pytest.mark.parametrize(
    ("block", "native"),
    [
        (AudioBlock(audio=b"x", format="wav"), CLAUDE),
        (AudioBlock(audio=b"x", format="wav"), BY_NAME["openai-responses", "openai"]),
        (VideoBlock(video=b"x"), CHAT),
        (VideoBlock(video=b"x"), CLAUDE),
        (DocumentBlock(url="http://127.0.0.1/a.pdf"), CHAT),
    ],
)
def test_what_a_target_has_no_words_for_is_unsupported_there(block, native):
    with pytest.raises(TargetError) as caught:
        adapt([ChatMessage(role="user", blocks=[block])], native)
    assert caught.value.kind is FailureKind.UNSUPPORTED


PICTURE = ImageBlock(image=b"\x89PNG\r\n\x1a\n....")
PAPER = DocumentBlock(data=b"%PDF-1.4", document_mimetype="application/pdf")


@pytest.mark.parametrize("native", [CLAUDE, BY_NAME["openai-responses", "openai"]], ids=lambda native: native.name)
def test_a_picture_that_a_model_made_is_not_sent_as_its_answer(native):
    """As by OpenAI's image generation: no provider but Gemini takes one in an answer."""
    told = adapt([ASK, ChatMessage(role="assistant", blocks=[TextBlock(text="Here."), PICTURE]), ASK], native)
    assert told[1].blocks == [TextBlock(text="Here.")]


def test_what_may_be_cited_is_more_than_text():
    cited = ChatMessage(role="user", blocks=[CitableBlock(title="t", source="s", content=[TextBlock(text="see"), PAPER])])
    assert adapt([cited], CLAUDE)[0].blocks == [TextBlock(text="see"), PAPER], "its integration raises for all but text"
    with pytest.raises(TargetError):
        adapt([cited], BY_NAME["ollama", "ollama"])


def test_arguments_that_are_not_json_are_kept_for_anthropic():
    call = ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs='{"a": 1')
    (told,) = adapt([ASK, ChatMessage(role="assistant", blocks=[call])], CLAUDE)[1].blocks
    assert told.tool_kwargs == {"_raw": '{"a": 1'}


def test_images_are_sent_as_they_are():
    message = ChatMessage(role="user", blocks=[TextBlock(text="see"), ImageBlock(url="http://127.0.0.1/a.png")])
    assert adapt([message], CHAT)[0] is message


def test_thinking_is_off_only_where_a_tool_result_answers_a_turn_without_signed_thinking():
    call = ToolCallBlock(tool_call_id="c", tool_name="add", tool_kwargs={})
    signed = ThinkingBlock(content="hm", additional_information={"signature": "s"})
    result = ChatMessage(role="tool", content="3", additional_kwargs={"tool_call_id": "c"})
    assert loop_without_thinking([ChatMessage(role="assistant", blocks=[call]), result])
    assert loop_without_thinking([ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm"), call]), result])
    begun = [ChatMessage(role="assistant", blocks=[signed, call]), result]
    assert not loop_without_thinking(begun)
    assert not loop_without_thinking([*begun, ChatMessage(role="assistant", blocks=[call]), result]), (
        "many think once for a turn"
    )
    assert loop_without_thinking([ChatMessage(role="assistant", blocks=[call]), result, ChatMessage(role="user", content="?")])
    assert not loop_without_thinking([])


ELSEWHERE = [native for native in NATIVES if native.integration in ("google_genai", "bedrock_converse", "mistralai", "ollama")]
elsewhere = pytest.mark.parametrize("native", ELSEWHERE, ids=lambda native: native.name)


@elsewhere
def test_calls_that_openai_made_have_objects_for_arguments_elsewhere(native) -> None:
    """Those of Gemini and Ollama raise over the text that OpenAI's integration keeps."""
    older = ChatCompletionMessageToolCall(id="call_1", type="function", function={"name": "add", "arguments": '{"a": 1}'})
    for blocks, kwargs in (
        ([ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs='{"a": 1}')], {}),
        ([], {"tool_calls": [older]}),
    ):
        sent = adapt([ASK, ChatMessage(role="assistant", blocks=blocks, additional_kwargs=kwargs)], native)[1]
        (call,) = sent.blocks
        assert (call.tool_kwargs, sent.additional_kwargs) == ({"a": 1}, {})


@pytest.mark.parametrize("integration", ["mistralai", "openai"])
def test_mistral_gets_ids_of_nine_letters_that_fit_each_other_and_an_answer_before_a_user(integration) -> None:
    history = [
        ASK,
        ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs={})]),
        ChatMessage(role="tool", content="1", additional_kwargs={"tool_call_id": "call_1"}),
        ChatMessage(role="user", content="Stop."),
    ]
    sent = adapt(history, BY_NAME["mistral", integration])
    assert [message.role.value for message in sent] == ["user", "assistant", "tool", "assistant", "user"]
    called = sent[1].blocks[0].tool_call_id
    assert re.fullmatch("[A-Za-z0-9]{9}", called)
    assert sent[2].additional_kwargs["tool_call_id"] == called


@elsewhere
def test_elsewhere_only_its_own_thoughts_are_sent(native) -> None:
    notes = {"claude": {"signature": "s"}, "gemini": {"thought": True}, "openai": {"id": "rs_1"}, "nobody": {}}
    own = {"gemini": {"gemini"}, "bedrock-converse": {"claude"}}.get(native.name, {"nobody"})
    for maker, beside in notes.items():
        blocks = [ThinkingBlock(content="Hm.", additional_information=beside), TextBlock(text="Yes.")]
        sent = adapt([ASK, ChatMessage(role="assistant", blocks=blocks)], native)[1]
        assert len(sent.blocks) == (2 if maker in own else 1)


@elsewhere
def test_elsewhere_roles_and_blocks_are_those_that_the_integration_knows(native) -> None:
    cited = CitableBlock(title="t", source="s", content=[TextBlock(text="cited")])
    point = CachePoint(cache_control=CacheControl(type="ephemeral"))
    sent = adapt([ChatMessage(role="developer", blocks=[cited, point])], native)[0]
    assert sent.role is MessageRole.SYSTEM
    assert [type(block) for block in sent.blocks] == [TextBlock, *([CachePoint] if native.name == "bedrock-converse" else [])]
    with pytest.raises(TargetError) as refused:
        adapt([ChatMessage(role="user", blocks=[AudioBlock(audio=b"RIFF", format="wav")])], native)
    assert refused.value.kind is FailureKind.UNSUPPORTED


class TestTheOrderOfTurns:
    """The rows that only LangChain's adapter had."""

    def roles(self, history, native):
        return [message.role.value for message in adapt(history, native)]

    def test_a_system_message_amid_the_conversation_is_said_in_place_by_the_user(self) -> None:
        history = [ASK, ChatMessage(role="assistant", content="Hm."), ChatMessage(role="system", content="Be brief."), ASK]
        assert self.roles(history, CHAT) == ["user", "assistant", "system", "user"]
        sent = adapt(history, CLAUDE)
        assert [message.role.value for message in sent] == ["user", "assistant", "user", "user"]
        assert sent[2].content == "<system>\nBe brief.\n</system>"

    def test_several_at_the_start_are_one_and_a_user_speaks_first(self) -> None:
        systems = [ChatMessage(role="system", content=word) for word in ("one", "two")]
        sent = adapt([*systems, ChatMessage(role="assistant", content="Hello.")], CLAUDE)
        assert [message.role.value for message in sent] == ["system", "user", "assistant"]
        assert [block.text for block in sent[0].blocks] == ["one", "two"]
        assert self.roles(systems, CLAUDE) == ["system", "user"], "nobody but the system is no conversation"
        kept = Histories()
        for history in (systems, [*systems, ASK], systems[:1], [systems[0], ASK]):
            assert kept.adapted(("s", "a"), history, CLAUDE) == adapt(history, CLAUDE)

    def test_what_a_tool_shows_is_shown_by_the_user_after_all_results(self) -> None:
        picture = ImageBlock(image=b"iVBORw0KGgo=", image_mimetype="image/png")
        calls = [ToolCallBlock(tool_call_id=name, tool_name="look", tool_kwargs={}) for name in ("a", "b")]
        results = [
            ChatMessage(role="tool", blocks=[picture], additional_kwargs={"tool_call_id": "a"}),
            ChatMessage(role="tool", content="nothing", additional_kwargs={"tool_call_id": "b"}),
        ]
        history = [ASK, ChatMessage(role="assistant", blocks=calls), *results]
        sent = adapt(history, CHAT)
        assert [message.role.value for message in sent] == ["user", "assistant", "tool", "tool", "user"]
        assert sent[-1].blocks[1] is picture
        longer = [*history, ChatMessage(role="assistant", content="I see.")]
        assert [message.role.value for message in adapt(longer, CHAT)][-2:] == ["user", "assistant"]
        assert adapt(history, CLAUDE)[2].blocks == [picture], "Anthropic takes it where it is"

    def test_an_empty_word_is_said_and_an_empty_answer_left_out(self) -> None:
        history = [ChatMessage(role="user", content=" "), ChatMessage(role="assistant", content=""), ASK]
        assert [message.content for message in adapt(history, CLAUDE)] == ["(no text)", "?"]
        assert self.roles(history, CHAT) == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    ("package", "dialect"),
    [("google_genai", "gemini"), ("bedrock_converse", "bedrock-converse"), ("mistralai", "mistral"), ("ollama", "ollama")],
)
def test_the_dialect_is_that_of_the_package(package: str, dialect: str) -> None:
    made = type("Some", (MockLLM,), {"__module__": f"llama_index.llms.{package}.base"})
    assert dialect_of(made()).name == dialect


def test_the_provider_of_openais_client_is_whom_it_calls() -> None:
    made = type("OpenAILike", (), {"__module__": "llama_index.llms.openai_like.base", "api_base": ""})()
    assert provider_of(made) == "openai_like"
    made.api_base = "https://api.deepseek.com/v1"
    assert provider_of(made) == "deepseek"
