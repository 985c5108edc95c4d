"""Behaviour with formats of particular servers, by a scripted server."""

from __future__ import annotations

from typing import Any

from switchwise.nouns.errors import Interrupted
from switchwise.nouns.target import Capabilities
from switchwise.testing.adapters.common import asked, raised, two
from switchwise.testing.adapters.face import HELLO, TOOL, Face, NeutralRequest, NotHere
from switchwise.testing.server import ScriptedServer, chat_chunks, chat_completion


def _call(id_: str | None, arguments: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "tool_calls": [{"index": 0, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}, **more}]
    }


def ends_with_usage(face: Face) -> None:
    """A usage record ends a stream; without it and without a marker it was cut, unless its server is said to mark no ends."""
    with ScriptedServer(chat_chunks({"content": "He"}, {"content": "llo"}, finish=None)) as server:
        assert asked(face, two(face, server.url), NeutralRequest(streamed=True)).text == "Hello"
    with ScriptedServer(chat_chunks({"content": "Hello"}, finish=None, usage=False)) as server:
        cut = raised(lambda: asked(face, two(face, server.url), NeutralRequest(streamed=True)))
        assert isinstance(cut, Interrupted), "a stream that was cut was taken for a whole one"
        unmarked = Capabilities(marks_end=False)
        assert asked(face, two(face, server.url, can=unmarked), NeutralRequest(streamed=True)).text == "Hello"


def takes_whole_answers(face: Face) -> None:
    """A whole answer needs no marker of its end."""
    with ScriptedServer(chat_completion({"content": "Hello"}, finish=None)) as server:
        for asynchronous in (False, True):
            assert asked(face, two(face, server.url), NeutralRequest(), asynchronous).text == "Hello"
        assert len(server.requests) == 2


def separates_calls(face: Face) -> None:
    """A new id begins a new call, whatever its number."""
    pieces = [
        _call("a", '{"what":', "look_up"),
        _call(None, '"Kyiv"}'),
        _call("b", '{"what":', "look_up"),
        _call(None, '"Lviv"}'),
    ]
    with ScriptedServer(chat_chunks(*pieces, finish="tool_calls")) as server:
        for asynchronous in (False, True):
            given = asked(face, two(face, server.url), NeutralRequest(tools=[TOOL], streamed=True), asynchronous)
            assert given.calls == (("a", "look_up", {"what": "Kyiv"}), ("b", "look_up", {"what": "Lviv"})), given.calls


def keeps_reasoning(face: Face) -> None:
    """Reasoning and notes of calls go to no other model; where the framework reads them, back to their own in a tool loop."""
    given = {"reasoning_content": "Hm.", **_call("a", "{}", "look_up", extra_content={"signature": "s"})}
    own = {}
    with ScriptedServer(chat_completion(given, "tool_calls"), chat_completion({"content": "Fine."})) as server:
        adapter = two(face, server.url)
        answer = asked(face, adapter, NeutralRequest(tools=[TOOL], target="one")).message
        result = {"role": "tool", "tool_call_id": "a", "content": "found"}
        for target in ("one", "two"):
            asked(face, adapter, NeutralRequest([*HELLO, answer, result], tools=[TOOL], target=target))
        own, foreign = (request["messages"][1] for request in server.requests[1:])
    assert "reasoning_content" not in foreign, "another model was sent it"
    assert "extra_content" not in str(foreign)
    assert "index" not in str(foreign)
    if "reasoning_content" not in own:
        raise NotHere("its OpenAI integration does not read it; nobody else is sent it")
    assert own["tool_calls"][0]["extra_content"] == {"signature": "s"}


def leaves_out_usage_options(face: Face) -> None:
    """A server that refuses `stream_options` is not sent it, where that is said."""
    with ScriptedServer(chat_chunks({"content": "Hello"}, usage=False)) as server:
        asked(face, two(face, server.url, stream_options=None), NeutralRequest(streamed=True))
        asked(face, two(face, server.url), NeutralRequest(streamed=True))
    assert ["stream_options" in request for request in server.requests] == [False, True]
