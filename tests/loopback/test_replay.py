"""A recorded agent run is re-enacted over either protocol."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest

from switchwise_loopback import Answer, Replay, Request, Turn

from .conftest import claude, gpt


def call(made: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"id": made, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def asks(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


RUN: list[dict[str, Any]] = [
    {"role": "system", "content": "You book flights."},
    {"role": "user", "content": "Book me to Oslo."},
    {"role": "assistant", "content": "Who are you?"},
    {"role": "user", "content": "I am  ada_1."},
    asks(call("call_a", "get_user", user_id="ada_1"), call("call_b", "find", to="Oslo")),
    {"role": "tool", "tool_call_id": "call_a", "name": "get_user", "content": '{"name": "Ada", "miles": 3}'},
    {"role": "tool", "tool_call_id": "call_b", "name": "find", "content": "HAT001"},
    asks(call("call_a", "book", flight="HAT001")),
    {"role": "tool", "tool_call_id": "call_a", "name": "book", "content": "Error: no seat"},
    {"role": "assistant", "content": "There is no seat."},
]
TOOLS: Any = [{"type": "function", "function": {"name": name}} for name in ("get_user", "find", "book")]
CLAUDE_TOOLS: Any = [{"name": name, "input_schema": {"type": "object"}} for name in ("get_user", "find", "book")]


def agent_on_chat(provider: Any, replay: Replay, says: list[str]) -> list[str]:
    """What a tool-calling agent over Chat Completions says to its user."""
    client, messages, heard = gpt(provider), [{"role": "system", "content": "Other instructions."}], []
    for said in says:
        messages.append({"role": "user", "content": said})
        while True:
            message = client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS).choices[0].message  # type: ignore[arg-type]
            messages.append(message.model_dump(exclude_none=True, exclude={"annotations"}))
            if not message.tool_calls:
                heard.append(message.content or "")
                break
            for made in message.tool_calls:
                result = replay.results(made.function.name, made.function.arguments)[0]
                messages.append({"role": "tool", "tool_call_id": made.id, "content": result})
    return heard


def agent_on_messages(provider: Any, replay: Replay, says: list[str]) -> list[str]:
    client, messages, heard = claude(provider), [], []
    for said in says:
        messages.append({"role": "user", "content": said})
        while True:
            with client.messages.stream(
                model="claude-haiku-4-5", max_tokens=500, messages=messages, tools=CLAUDE_TOOLS
            ) as stream:  # type: ignore[arg-type]
                reply = stream.get_final_message()
            messages.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in reply.content]})
            for block in messages[-1]["content"]:
                block.pop("parsed_output", None)
            calls = [block for block in reply.content if block.type == "tool_use"]
            if not calls:
                heard.append("".join(block.text for block in reply.content if block.type == "text"))
                break
            results = [
                {"type": "tool_result", "tool_use_id": one.id, "content": replay.results(one.name, one.input)[0]}  # type: ignore[arg-type]
                for one in calls
            ]
            messages.append({"role": "user", "content": results})
    return heard


@pytest.mark.parametrize("agent", [agent_on_chat, agent_on_messages])
def test_an_agent_run_is_re_enacted(serve, agent):
    replay = Replay([RUN])
    provider = serve(replay)
    assert agent(provider, replay, ["Book me to Oslo.", "I am ada_1."]) == ["Who are you?", "There is no seat."]
    answers = [seen.answer for seen in provider.requests if seen.answer]
    assert [[one.name for one in answer.tool_calls] for answer in answers] == [[], ["get_user", "find"], ["book"], []]


def test_a_request_that_no_recording_continues_is_refused_and_not_retried(serve):
    provider = serve(Replay([RUN]))
    with pytest.raises(openai.BadRequestError, match="no recording continues") as raised:
        gpt(provider, max_retries=2).chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert raised.value.code == "loopback_replay_miss"
    with pytest.raises(anthropic.BadRequestError, match="no recording continues"):
        claude(provider, max_retries=2).messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
    assert len(provider.requests) == 2


def test_a_miss_may_be_answered_otherwise(serve):
    provider = serve(Replay([RUN], otherwise=lambda request: Answer("something else")))
    reply = gpt(provider).chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert reply.choices[0].message.content == "something else"


def test_a_prefilled_answer_is_no_turn_and_a_call_without_result_has_none():
    asked = {"role": "user", "content": "Book me to Oslo."}
    replay = Replay([[asked, asks(call("call_a", "find", to="Oslo"))]])
    history = (Turn("user", "Book me to Oslo."), Turn("assistant", "I will"))
    assert [made.name for made in replay(Request("anthropic", "messages", "m", history)).tool_calls] == ["find"]
    assert replay.results("find", {"to": "Oslo"}) == ()


def test_of_two_recordings_the_one_that_agrees_with_the_history_is_taken():
    def run(first: str, second: str) -> list[dict[str, Any]]:
        turns = [("user", "a"), ("assistant", first), ("user", "b"), ("assistant", second)]
        return [{"role": role, "content": text} for role, text in turns]

    replay = Replay([run("one", "first"), run("two", "second")])
    history = (Turn("user", "a"), Turn("assistant", "two"), Turn("user", "b"))
    assert replay(Request("openai", "chat", "m", history)).text == "second"
    edited = (Turn("user", "a"), Turn("assistant", "reworded"), Turn("user", "b"))
    assert replay(Request("openai", "chat", "m", edited)).text == "first"
