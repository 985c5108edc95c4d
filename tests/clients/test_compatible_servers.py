"""Servers that speak OpenAI's protocol in ways of their own."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from switchwise import AllTargetsFailed, EndReason, Interrupted, Pool, Router, Target
from switchwise.clients import Clients, OpenAIClient
from switchwise.nouns.errors import ConfigurationError
from switchwise.testing.server import ScriptedServer, chat_chunks, chat_completion

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def clients(server: ScriptedServer, **options: Any) -> Clients:
    names = ("one", "other")
    made = {name: OpenAIClient(model=name, base_url=server.url, api_key="x", **options) for name in names}
    return Clients(made, Router(Pool([Target(name, name, name) for name in names])))


def call(index: int | None, id_: str | None, arguments: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    place = {} if index is None else {"index": index}
    return {
        "tool_calls": [{**place, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}, **more}]
    }


class TestTheEndOfAStream:
    def test_B2_a_usage_record_is_an_end(self) -> None:
        with ScriptedServer(chat_chunks({"content": "He"}, {"content": "llo"}, finish=None)) as server:
            stream = clients(server).stream(HELLO)
            assert "".join(stream) == "Hello"
        assert stream.completion.outcome.reply.end is EndReason.UNKNOWN

    def test_B2_without_either_it_was_cut(self) -> None:
        with ScriptedServer(chat_chunks({"content": "He"}, finish=None, usage=False)) as server:
            with pytest.raises(Interrupted):
                list(clients(server).stream(HELLO))
            silent = chat_chunks({"role": "assistant"}, finish=None, usage=False)
            server.answers = [silent]
            with pytest.raises(AllTargetsFailed):
                list(clients(server).stream(HELLO))

    def test_pieces_without_a_number_add_up_and_a_blank_takes_nothing_back(self) -> None:
        deltas: list[dict[str, Any]] = [
            {"role": "assistant", "content": "He", "citations": ["https://example.com/a"]},
            {"role": "", "content": "llo", "citations": ["https://example.com/b"]},
        ]
        with ScriptedServer(chat_chunks(*deltas)) as server:
            stream = clients(server).stream(HELLO)
            assert "".join(stream) == "Hello"
        message = stream.completion.outcome.reply.raw["choices"][0]["message"]
        assert (message["role"], message["citations"]) == ("assistant", ["https://example.com/a", "https://example.com/b"])

    def test_B2_a_usage_that_runs_along_is_none(self) -> None:
        running = chat_chunks({"content": "He"}, finish=None, usage=False)
        running[0]["usage"] = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}  # type: ignore[index]
        with ScriptedServer(running) as server, pytest.raises(Interrupted):
            list(clients(server).stream(HELLO))

    def test_B2_a_server_without_any_marker_is_believed_where_it_is_said_to_have_none(self) -> None:
        with ScriptedServer(chat_chunks({"content": "Hello"}, finish=None, usage=False)) as server:
            assert "".join(clients(server, marks_end=False).stream(HELLO)) == "Hello"

    def test_B11_a_whole_answer_needs_no_marker(self) -> None:
        whole = chat_completion({"content": "Hello"}, finish=None, finish_details={"type": "stop"})
        with ScriptedServer(whole) as server:
            assert clients(server).complete(HELLO).text == "Hello"
            assert len(server.requests) == 1


@pytest.mark.parametrize("index", [0, None], ids=["all are number 0", "without a number"])
def test_B3_a_new_id_begins_a_new_call(index: int | None) -> None:
    pieces = [
        call(index, "a", '{"city":', "weather"),
        call(index, None if index is None else "a", '"Kyiv"}'),
        call(index, "b", '{"city":', "weather"),
        call(index, None, '"Lviv"}'),
    ]
    with ScriptedServer(chat_chunks(*pieces, finish="tool_calls")) as server:
        stream = clients(server).stream(HELLO, tools=[TOOL])
        list(stream)
    assert stream.completion.outcome.reply.tool_calls == (("weather", {"city": "Kyiv"}), ("weather", {"city": "Lviv"}))
    assert [each["id"] for each in stream.completion.tool_calls] == ["a", "b"]
    assert stream.completion.outcome.reply.end is EndReason.TOOL_CALLS


DETAILS = {"type": "reasoning.encrypted", "data": "abc", "index": 0}


class TestReasoning:
    PIECES = (
        {"reasoning_content": "Hm", "reasoning_details": [DETAILS]},
        {"reasoning_content": "."},
        call(0, "a", "{}", "weather", extra_content={"google": {"thought_signature": "s"}}),
    )

    def history(self, routed: Clients, streamed: bool) -> list[dict[str, Any]]:
        if streamed:
            stream = routed.stream(HELLO, tools=[TOOL], target="one")
            list(stream)
            message = stream.completion.message
        else:
            message = routed.complete(HELLO, tools=[TOOL], target="one").message
        return [*HELLO, message, {"role": "tool", "tool_call_id": "a", "content": "fine"}]

    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
    def test_B7_it_goes_back_to_the_same_model_in_a_tool_loop_and_to_nobody_else(self, streamed: bool) -> None:
        function = {"name": "weather", "arguments": "{}"}
        said = {
            "reasoning_content": "Hm.",
            "reasoning_details": [DETAILS],
            "tool_calls": [{**self.PIECES[2]["tool_calls"][0], "function": function}],
        }
        first = chat_chunks(*self.PIECES, finish="tool_calls") if streamed else chat_completion(said, "tool_calls")
        with ScriptedServer(first, chat_completion({"content": "Fine."})) as server:
            routed = clients(server)
            history = self.history(routed, streamed)
            routed.complete(history, tools=[TOOL], target="one")
            routed.complete(history, tools=[TOOL], target="other")
            home, foreign = (request["messages"][1] for request in server.requests[1:])
        assert home["reasoning_content"] == "Hm."
        assert home["reasoning_details"] == [DETAILS]
        (mine,) = home["tool_calls"]
        assert mine == {
            "id": "a",
            "type": "function",
            "function": function,
            "extra_content": {"google": {"thought_signature": "s"}},
        }
        assert foreign == {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": function}],
        }

    def test_B7_an_answer_that_calls_nothing_goes_back_without_it(self) -> None:
        """Some models refuse their reasoning of earlier turns."""
        with ScriptedServer(chat_completion({"content": "Yes.", "reasoning_content": "Hm."})) as server:
            routed = clients(server)
            answer = routed.complete(HELLO, target="one").message
            routed.complete([*HELLO, answer, *HELLO], target="one")
            assert server.requests[1]["messages"][1] == {"role": "assistant", "content": "Yes."}


def test_B9_stream_options_of_none_leave_them_out() -> None:
    with ScriptedServer(chat_chunks({"content": "Hello"}, usage=False)) as server:
        assert "".join(clients(server, defaults={"stream_options": None}).stream(HELLO)) == "Hello"
        assert "".join(clients(server).stream(HELLO, extra={"openai": {"stream_options": None}})) == "Hello"
        assert "".join(clients(server).stream(HELLO)) == "Hello"
    assert ["stream_options" in request for request in server.requests] == [False, False, True]


class TestTheDialectOfAnAddress:
    def test_it_is_that_of_whoever_is_found_there(self) -> None:
        for address, name in (
            ("https://api.mistral.ai/v1", "mistral"),
            ("https://api.groq.com/openai/v1", "groq"),
            ("https://api.openai.com/v1", "openai-chat"),
            ("http://127.0.0.1:8000/v1", "openai-chat"),
        ):
            assert OpenAIClient(base_url=address, api_key="x").dialect.name == name

    def test_one_of_your_own_is_named(self) -> None:
        assert OpenAIClient(base_url="http://127.0.0.1:8000/v1", dialect="mistral").dialect.name == "mistral"
        with pytest.raises(ConfigurationError, match="dialect='mystral'"):
            OpenAIClient(dialect="mystral")

    def test_it_determines_how_turns_ids_and_settings_are_adapted(self) -> None:
        calls = [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
        history: list[dict[str, Any]] = [
            {"role": "assistant", "content": "Hi."},
            *HELLO,
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "call_1", "content": "fine"},
            {"role": "user", "content": "Stop."},
        ]
        with ScriptedServer(chat_completion({"content": "Fine."})) as server:
            clients(server, dialect="mistral").complete(history, max_tokens=7)
            (sent,) = server.requests
        roles = [message["role"] for message in sent["messages"]]
        assert roles == ["user", "assistant", "user", "assistant", "tool", "assistant", "user"]
        assert sent["messages"][3]["tool_calls"][0]["id"] == sent["messages"][4]["tool_call_id"]
        assert len(sent["messages"][4]["tool_call_id"]) == 9
        assert sent["max_tokens"] == 7

    def test_a_refusal_and_a_blank_question_are_texts_for_others(self) -> None:
        history: list[dict[str, Any]] = [
            *HELLO,
            {"role": "assistant", "content": None, "refusal": "I will not."},
            {"role": "user", "content": [{"type": "text", "text": " "}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "Nor that."}]},
            {"role": "user", "content": "Why?"},
        ]
        with ScriptedServer(chat_completion({"content": "Fine."})) as server:
            clients(server, dialect="groq").complete(history)
            (sent,) = server.requests
        assert sent["messages"][1:4] == [
            {"role": "assistant", "content": "I will not."},
            {"role": "user", "content": "(no text)"},
            {"role": "assistant", "content": [{"type": "text", "text": "Nor that."}]},
        ]


def test_an_address_may_be_a_url_of_httpx_as_the_sdk_takes_it() -> None:
    for address in ("https://api.deepseek.com/v1", httpx.URL("https://api.deepseek.com/v1")):
        client = OpenAIClient(model="deepseek-chat", base_url=address, api_key="x")
        assert (client.served_by, client.account.partition("#")[0]) == ("deepseek", "api.deepseek.com")
