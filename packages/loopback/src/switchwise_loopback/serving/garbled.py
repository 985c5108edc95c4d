"""Status 200 without an answer: what proxies, gateways and compatible servers send instead.

Each fault has a body for requests that are not streamed and one for those that are. `wire` is the API in question (`chat/completions`,
`responses`, `messages`); `whole` and `events` are the intact answer.

Source: public issues of clients and gateways; the kinds are real, the bodies are not recorded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from .disturbed import Event
from .faults import Fault

Sent = tuple[str, bytes]
"""Content type and body."""
GARBLED = frozenset(
    {
        Fault.ERROR_BODY,
        Fault.EMPTY_OBJECT,
        Fault.NO_CHOICES,
        Fault.NULL_CHOICES,
        Fault.TRUNCATED,
        Fault.EMPTY_BODY,
        Fault.BAD_UTF8,
        Fault.HTML_PAGE,
        Fault.LONE_STOP,
        Fault.OTHER_PROTOCOL,
        Fault.FINISH_ERROR,
    }
)
_JSON, _EVENTS, _HTML = "application/json", "text/event-stream; charset=utf-8", "text/html; charset=utf-8"
_PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body><h1>Checking your browser</h1></body></html>"
_LISTS = {"messages": "content", "responses": "output"}
_STOPS = {
    "messages": b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    "responses": b"data: [DONE]\n\n",
}
_CHAT_CHUNK = b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":null}]}\n\n'
_OTHER = {
    "messages": (
        b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[]}',
        _CHAT_CHUNK + b"data: [DONE]\n\n",
    ),
    "": (
        b'{"id":"x","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn"}',
        b'event: ping\ndata: {"type":"ping"}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
    ),
}


def garbled(fault: Fault, wire: str, streamed: bool, whole: bytes, events: Sequence[Event]) -> Sent:
    """Return what is sent in place of the answer."""
    if fault is Fault.HTML_PAGE:
        return _HTML, _PAGE
    kind = _EVENTS if streamed else _JSON
    if fault is Fault.EMPTY_BODY:
        return kind, b""
    if fault is Fault.TRUNCATED:
        return kind, _cut(events) if streamed else whole[: len(whole) // 2]
    if fault is Fault.BAD_UTF8:
        return kind, b'data: {"id":"\xff\xfe\xc3(","choices":[\xf0\x28]}\n\n' if streamed else whole[
            :-1
        ] + b',"x":"\xff\xfe\xc3("\xf0\x28}'
    if fault is Fault.ERROR_BODY:  # also to a request that is streamed
        error = {"message": "Provider returned error", "type": "server_error", "code": 502}
        return _JSON, json.dumps({"type": "error", "error": error}).encode()
    if fault is Fault.OTHER_PROTOCOL:
        return kind, _OTHER.get(wire, _OTHER[""])[streamed]
    if fault is Fault.LONE_STOP and streamed:
        return kind, _STOPS.get(wire, b"data: [DONE]\n\n")
    body = {} if fault in (Fault.EMPTY_OBJECT, Fault.LONE_STOP) else _hollow(fault, wire, whole)
    text = json.dumps(body).encode()
    return kind, b"data: " + text + b"\n\ndata: [DONE]\n\n" if streamed else text


def _hollow(fault: Fault, wire: str, whole: bytes) -> dict[str, object]:
    """The intact answer without its content."""
    body: dict[str, object] = json.loads(whole)
    name = _LISTS.get(wire, "choices")
    if fault is Fault.FINISH_ERROR:
        body["usage"] = None
        if name == "choices":
            body[name] = [{"index": 0, "message": {"role": "assistant", "content": ""}, "delta": {}, "finish_reason": "error"}]
        else:
            body.update(
                {name: [], "status": "failed", "stop_reason": "error", "error": {"code": "server_error", "message": "upstream"}}
            )
        return body
    body[name] = None if fault is Fault.NULL_CHOICES or name == "content" else []
    body.update({end: None for end in ("status", "stop_reason") if end in body})  # a choice would hold its own end
    return body


def _cut(events: Sequence[Event]) -> bytes:
    """The beginning of a stream, up to the middle of the first event that has content; of one without content, the first half."""
    sent = b""
    for event in events:
        if event.content:
            return sent + event.data[: len(event.data) // 2]
        sent += event.data
    return sent[: len(sent) // 2]
