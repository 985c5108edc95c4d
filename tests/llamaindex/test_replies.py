"""What a native LLM gave back is read right: tokens in one meaning, unknown as unknown, the end of a stream, hidden failures."""

from __future__ import annotations

import pickle
from types import SimpleNamespace as Raw

import pytest
from llama_index.core.base.llms.types import (
    CacheControl,
    CachePoint,
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms.mock import MockLLM, MockLLMWithNonyieldingChatStream
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import Response, ResponseError, ResponseFailedEvent

from llama_index.llms.switchwise import Switchwise
from llama_index.llms.switchwise.answering.replies import continued, reply_of, tool_calls_in
from llama_index.llms.switchwise.answering.stream import EmptyStream, StreamReader, check, says_nothing
from llama_index.llms.switchwise.answering.usage import usage_of
from llama_index.llms.switchwise.models.native import Native
from switchwise import AllTargetsFailed, Ask, ConfigurationError, FailureKind, Pool, Router, Target, TargetError, Usage, Verdict
from switchwise.dialects.table import ANTHROPIC, OPENAI_CHAT
from switchwise.failures import IncompleteStream
from switchwise_loopback import Answer, LoopbackProvider

from .methods import ADD

NATIVE = Native("n", None, OPENAI_CHAT, "openai")


def response(raw=None, message=None, **kwargs):
    return ChatResponse(message=message or ChatMessage(role="assistant", content="hi"), raw=raw, **kwargs)


class TestUsage:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (
                response(Raw(usage=Raw(prompt_tokens=10, completion_tokens=2, prompt_tokens_details=Raw(cached_tokens=4)))),
                Usage(10, 2, 4),
            ),
            (
                response(
                    Raw(
                        usage=Raw(
                            input_tokens=10,
                            output_tokens=5,
                            input_tokens_details=Raw(cached_tokens=3),
                            output_tokens_details=Raw(reasoning_tokens=2),
                        )
                    )
                ),
                Usage(10, 5, 3, None, None, 2),
            ),
            (
                response(
                    {
                        "usage": Raw(
                            input_tokens=10,
                            output_tokens=2,
                            cache_read_input_tokens=100,
                            cache_creation_input_tokens=30,
                            cache_creation=Raw(ephemeral_1h_input_tokens=10, ephemeral_5m_input_tokens=20),
                        )
                    }
                ),
                Usage(140, 2, 100, 20, 10),
            ),
            (
                response(
                    message=ChatMessage(role="assistant", additional_kwargs={"usage": {"input_tokens": 7, "output_tokens": 1}})
                ),
                Usage(7, 1),
            ),
            (response(additional_kwargs={"prompt_tokens": 5, "completion_tokens": 1}), Usage(5, 1)),
            (CompletionResponse(text="x", additional_kwargs={"prompt_tokens": 5, "completion_tokens": 1}), Usage(5, 1)),
            (response(), None),
            (response(Raw(usage=None)), None),
            (response(Raw(usage=Raw(prompt_tokens=0, completion_tokens=0))), None),
        ],
        ids=[
            "chat",
            "responses",
            "messages",
            "messages-stream",
            "totals",
            "completion",
            "none",
            "null",
            "zeros-after-an-error",
        ],
    )
    def test_means_the_same_for_all_providers_and_unknown_is_not_zero(self, given, expected):
        assert usage_of(given) == expected


class TestTheEndOfAStream:
    def test_is_complete_with_its_marker_only(self):
        reader = StreamReader(NATIVE, lambda: 0.0)
        assert reader.hear(response(_chunk(None), delta="a")) != []
        with pytest.raises(IncompleteStream):
            reader.rest()
        reader.hear(response(_chunk("stop"), delta=""))
        assert reader.rest() == []

    def test_is_not_asked_of_a_protocol_that_nobody_knows(self):
        reader = StreamReader(NATIVE, lambda: 0.0)
        reader.hear(response(delta="a"))
        assert reader.rest() == []

    def test_of_anthropic_is_told_by_its_own_event(self):
        reader = StreamReader(Native("n", None, ANTHROPIC, "anthropic"), lambda: 0.0)
        reader.hear(response({"type": "content_block_delta", "index": 0, "delta": Raw(text="a")}, delta="a"))
        with pytest.raises(IncompleteStream):
            reader.rest()
        reader.hear(response({"type": "message_delta", "delta": Raw(stop_reason="end_turn")}, delta=""))
        assert reader.rest() == []

    def test_chunks_that_say_nothing_wait_for_one_that_does(self):
        reader = StreamReader(NATIVE, iter([0.0, 1.5]).__next__)
        assert reader.hear(response(_chunk(None), message=ChatMessage(role="assistant", content=""), delta="")) == []
        assert len(reader.hear(response(_chunk(None), delta="a"))) == 2
        assert reader.first_chunk == 1.5

    def test_a_stream_without_chunks_is_one_of_its_own_kind(self):
        with pytest.raises(EmptyStream):
            StreamReader(NATIVE, lambda: 0.0).rest()

    @pytest.mark.parametrize(
        "message",
        [
            ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm")]),
            ChatMessage(role="assistant", content="all of it"),
            ChatMessage(role="assistant", content="", additional_kwargs={"thinking_delta": "hm"}),
        ],
    )
    def test_thinking_and_whole_messages_say_something(self, message):
        assert not says_nothing(response(message=message, delta=""))

    def test_B4_a_piece_of_a_tool_call_shows_nothing(self):
        piece = ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_name="add", tool_kwargs={})])
        assert says_nothing(response(message=piece, delta=""))


class TestHiddenFailures:
    def test_a_failed_event_of_a_responses_stream_is_a_failure(self):
        event = ResponseFailedEvent.model_construct(
            type="response.failed", response=_failed("rate_limit_exceeded", "slow down")
        )
        with pytest.raises(TargetError, match="slow down") as caught:
            StreamReader(NATIVE, lambda: 0.0).hear(response(event, delta=""))
        assert caught.value.kind is FailureKind.RATE_LIMIT

    def test_so_is_a_whole_response_of_status_failed(self):
        with pytest.raises(TargetError) as caught:
            check(response(_failed("server_error", "it broke")).raw)
        assert caught.value.kind is FailureKind.SERVER_ERROR

    def test_a_completed_one_is_none(self):
        check(response(Response.model_construct(object="response", status="completed", error=None)).raw)


class TestReplies:
    def test_text_and_tool_calls_are_there_for_verifiers(self):
        block = ToolCallBlock(tool_name="add", tool_kwargs='{"a": 1}')
        reply = reply_of(response(message=ChatMessage(role="assistant", blocks=[block])), None, NATIVE)
        assert reply.tool_calls == (("add", {"a": 1}),)

    async def test_a_judge_is_asked_through_the_same_llms_by_every_method(self, openai, journal, method):
        def judge(view, reply):

            asked = yield Ask.text("Is it good?", to="two")
            return Verdict("no" not in asked.text, "the judge says no")

        pool = Pool([Target("one"), Target("two")])
        router = Router(pool, verify=judge, observers=[journal])
        answers = LoopbackProvider(
            answer=lambda r: Answer("no" if "good?" in r.last_user_text else '{"name": "B", "population": 1}')
        )
        with answers as provider:
            models = {"one": openai(api_base=provider.openai_url), "two": openai("gpt-4o", api_base=provider.openai_url)}
            _, last = await method.ask(Switchwise(models, router=router), "hello")
        assert [(a.target.name, a.call.ask is not None) for a in journal] == [("two", True), ("one", False), ("two", False)]
        if not method.structured:
            assert last.additional_kwargs["switchwise"]["target"] == "two"


def _chunk(reason):
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": reason}
    return ChatCompletionChunk.model_validate(
        {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
    )


def _failed(code, message):
    return Response.model_construct(
        object="response", status="failed", error=ResponseError.model_construct(code=code, message=message), output=[]
    )


@pytest.mark.parametrize("given", ["null", "5", "[1]", '"a"', "", "{"])
def test_arguments_that_are_no_object_are_none(given: str) -> None:
    """As servers write them for a tool without parameters."""
    call = ToolCallBlock(tool_call_id="c1", tool_name="now", tool_kwargs=given)
    (found,) = tool_calls_in(response(message=ChatMessage(role="assistant", blocks=[call])), True)
    assert (found.tool_name, found.tool_kwargs) == ("now", {})


def test_arguments_may_be_an_object_already() -> None:
    call = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1})
    message = ChatMessage(role="assistant", blocks=[call])
    (found,) = tool_calls_in(response(message=message), True)
    assert found.tool_kwargs == {"a": 1}
    assert reply_of(response(message=message), None, NATIVE).tool_calls == (("add", {"a": 1}),)


def test_what_was_shown_before_stands_in_the_first_text_or_before_all_else() -> None:
    thinking, call = ThinkingBlock(content="Hm."), ToolCallBlock(tool_name="add", tool_kwargs={})
    for blocks, expected in (
        ([thinking, TextBlock(text="end")], [thinking, TextBlock(text="begin end")]),
        ([call], [TextBlock(text="begin "), call]),
    ):
        assert continued(response(message=ChatMessage(role="assistant", blocks=blocks)), "begin ").message.blocks == expected


class Chunks:
    """A stream of one chunk, as an object that cannot be closed."""

    def __init__(self):
        self.left = [response(message=ChatMessage(role="assistant", content="yes"), delta="yes")]

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        return self.left.pop()

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


class Own(MockLLM):
    """An LLM of one's own: without tools, with streams of its own."""

    def stream_chat(self, messages, **kwargs):
        return Chunks()

    async def astream_chat(self, messages, **kwargs):
        return Chunks()


async def test_an_llm_of_ones_own_needs_no_close_no_tools_and_no_key(journal):
    llm, asked = Switchwise({"own": Own()}, observers=[journal]), ChatMessage(role="user", content="hello")
    assert [chunk.delta for chunk in llm.stream_chat([asked])] == ["yes"]
    assert [chunk.delta async for chunk in await llm.astream_chat([asked])] == ["yes"]
    assert "hello" in llm.chat_with_tools([], user_msg=asked, tool_choice="auto").message.content
    with pytest.raises(AllTargetsFailed, match="Own has no chat_with_tools"):
        llm.chat_with_tools([ADD], user_msg=asked)
    assert journal.results == [*[("own", "ok")] * 3, ("own", "unsupported")]
    assert pickle.loads(pickle.dumps(Switchwise({"own": MockLLM()}))).complete("hello").text == "hello"


async def test_where_every_stream_is_empty_the_result_is_as_of_the_llm_itself():
    llm, asked = Switchwise({"own": MockLLMWithNonyieldingChatStream()}), [ChatMessage(role="user", content="hello")]
    assert list(llm.stream_chat(asked)) == []
    assert [chunk async for chunk in await llm.astream_chat(asked)] == []


def test_marks_for_a_cache_and_no_callbacks_at_all_are_no_hindrance(two, provider):
    mark = CachePoint(cache_control=CacheControl(type="ephemeral"))
    two.callback_manager = None
    two.chat([ChatMessage(role="user", blocks=[TextBlock(text="hello"), mark])])
    assert "hello" in str(provider.requests[-1].body["messages"])


def test_responses_that_keep_the_last_one_on_the_llm_are_refused(responses):
    with pytest.raises(ConfigurationError, match="track_previous_responses=True: it keeps the last response"):
        Switchwise({"one": responses(track_previous_responses=True)})
