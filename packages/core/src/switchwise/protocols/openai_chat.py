"""Adapts neutral messages to Chat Completions, by the dialect of the called server.

Both use the same format, but histories hold what servers refuse:

| neutral | Chat Completions |
|---|---|
| `is_error`, cache marks on parts | omitted |
| the `native` part of an answer (reasoning, `extra_content` of calls) | sent back, if the answer calls tools, to the model that wrote it; omitted for others |
| an answer without text and tool calls | an empty text, or omitted where that is refused |
| no content, a list without parts | an empty text |
| a refusal | itself for OpenAI, a text for others |
| ids and names of calls; names of authors | as `switchwise.dialects.call_ids` adapts them |
| strings among parts, a bare image URL | a part |
| images and documents in a tool result | sent in a user message after the results |
| an order of turns that the server refuses | fixed by `switchwise.dialects.turn_order` |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from switchwise.dialects import Dialect, turn_order
from switchwise.dialects.call_ids import CallIds, author_name, tool_name
from switchwise.dialects.media import check
from switchwise.dialects.table import OPENAI_CHAT
from switchwise.dialects.turn_order import Act, TurnEdit
from switchwise.protocols.prompt import Message

REASONING = ("reasoning_content", "reasoning_details", "reasoning")
"""Fields in which servers return reasoning, and expect it back in a tool loop."""
_EXTRA = "extra_content"
_LEFT_OUT = frozenset({"native", "is_error", *REASONING})
_OF_A_CALL = ("id", "type", "function", "custom")
_KINDS = {"image_url": "image", "input_audio": "audio", "video_url": "video", "file": "file"}
_SAYS = ("content", "tool_calls", "refusal", "audio", "function_call")


def own_parts(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return what only the author model of an answer accepts back: its reasoning, and its extra fields of calls; empty if there is none.

    >>> own_parts({"content": "Yes.", "reasoning_content": "Hm.", "tool_calls": [{"id": "a", "index": 0}]})
    {'reasoning_content': 'Hm.'}
    """
    own = {name: message[name] for name in REASONING if message.get(name)}
    extra = {call["id"]: call[_EXTRA] for call in message.get("tool_calls") or () if call.get(_EXTRA) and call.get("id")}
    return {**own, _EXTRA: extra} if extra else own


def plain_calls(calls: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return tool calls as every server accepts them: without the stream's `index` and provider-specific fields."""
    return [{name: call[name] for name in _OF_A_CALL if name in call} for call in calls]


def chat_messages(
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] = (),
    dialect: Dialect = OPENAI_CHAT,
    model: str = "",
    ended_by: str = "",
) -> list[dict[str, Any]]:
    """Return the messages as the server accepts them.

    Parameters:
        messages: the conversation.
        tools: offered to the model; their names stay as they are.
        dialect: of the server.
        model: the called model; reasoning goes back only to the model that wrote it.
        ended_by: the model that wrote the last answer of the conversation; empty if unknown.

    Raises:
        TargetError: the server does not accept part of their content.
    """
    offered = {tool["function"]["name"] for tool in tools if "function" in tool}
    ids, place, turns = CallIds(dialect.ids), turn_order.START, _Turns()
    for number, message in enumerate(messages):
        new = _message(message, offered, dialect, ids, number, model)
        if new is None:
            continue
        role = {"developer": turn_order.SYSTEM, "function": turn_order.TOOL}.get(new["role"], new["role"])
        shown = _shown(new) if role == turn_order.TOOL and not dialect.media_in_results else []
        steps, place = turn_order.step(dialect, place, role, bool(shown))
        turns.take(steps, new)
        turns.shown += shown
    turns.take(turn_order.ending(dialect, place, ended_by not in ("", model)), {})
    return turns.messages


class _Turns:
    """Collects the messages to send."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.shown: list[Any] = []

    def take(self, steps: Iterable[TurnEdit], message: dict[str, Any]) -> None:
        for act, text in steps:
            if act is Act.SHOW:
                self.messages.append({"role": "user", "content": self.shown})
                self.shown = []
            elif act is Act.SAY_USER:
                self.messages.append({"role": "user", "content": text})
            elif act is Act.SAY_ANSWER:
                self.messages.append({"role": "assistant", "content": text})
            elif act is Act.AS_USER:
                self.messages.append({"role": "user", "content": turn_order.as_system(text_of(message.get("content")))})
            elif act is Act.JOIN:
                before = self.messages[-1]
                self.messages[-1] = {
                    **before,
                    "content": f"{text_of(before.get('content'))}\n\n{text_of(message.get('content'))}",
                }
            else:
                self.messages.append(message)


def text_of(content: Any) -> str:
    """Return the text of a message's content."""
    if isinstance(content, str):
        return content
    return "\n\n".join(part if isinstance(part, str) else str(part.get("text") or "") for part in content or ())


def _message(
    message: Message, offered: set[str], dialect: Dialect, ids: CallIds, place: int, model: str
) -> dict[str, Any] | None:
    new = {name: part for name, part in message.items() if name not in _LEFT_OUT}
    if isinstance(new.get("content"), list):
        new["content"] = [_part(part, dialect) for part in new["content"]]
    if not new.get("content") and (new["role"] != "assistant" or new.get("content") == []):
        new["content"] = ""  # neither nothing nor a list without parts is accepted
    if dialect.protocol != OPENAI_CHAT.protocol and (refused := new.pop("refusal", None)):
        new["content"] = new.get("content") or refused
    if isinstance(new.get("name"), str) and new["role"] != "tool":
        new["name"] = author_name(new["name"])
    if new["role"] == "tool":
        new["tool_call_id"] = ids.answered(new.get("tool_call_id"), place)
    if new.get("tool_calls"):
        home = _own(message, model)
        new["tool_calls"] = [
            _call(call, offered, dialect, ids.called(call.get("id"), place, number), home)
            for number, call in enumerate(new["tool_calls"])
        ]
        new |= {name: home[name] for name in REASONING if name in home}
    if new["role"] == "assistant" and not any(new.get(name) for name in _SAYS):
        if not dialect.blank_answer:
            return None
        new["content"] = ""
    if new["role"] == "user" and not dialect.blank_user and _is_blank(new["content"]):
        new["content"] = turn_order.EMPTY
    return new


def _own(message: Message, model: str) -> Mapping[str, Any]:
    """Return the parts of an answer that go back only to the model that wrote it; empty for any other."""
    native = message.get("native")
    if not isinstance(native, Mapping) or native.get("model") != model:
        return {}
    own: Mapping[str, Any] = native.get("message") or {}
    return own


def _part(part: Any, dialect: Dialect) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.get("type") == "refusal" and dialect.protocol != OPENAI_CHAT.protocol:
        return {"type": "text", "text": part.get("refusal") or ""}
    if kind := _KINDS.get(str(part.get("type"))):
        data, address = _held(part)
        check(dialect, kind, data=data, address=address)
    if part.get("type") == "image_url" and isinstance(part.get("image_url"), str):
        part = {**part, "image_url": {"url": part["image_url"]}}
    return {name: value for name, value in part.items() if name != "cache_control"} if "cache_control" in part else part


def _is_blank(content: Any) -> bool:
    if isinstance(content, str):
        return not content.strip()
    return all(part.get("type") == "text" and not str(part.get("text") or "").strip() for part in content)


def _held(part: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether the content is inside the request, and whether it has a URL."""
    inner = part.get(str(part.get("type")))
    held: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {"url": inner}
    url = str(held.get("url") or "")
    kept = held.get("file_id")  # the server may store it
    return bool(held.get("data") or held.get("file_data") or kept or url.startswith("data:")), bool(url)


def _call(call: Mapping[str, Any], offered: set[str], dialect: Dialect, own: str, home: Mapping[str, Any]) -> dict[str, Any]:
    (new,) = plain_calls([call])
    new["id"] = own
    if "function" in call:
        name = call["function"].get("name", "")
        new["function"] = {**call["function"], "name": name if name in offered else tool_name(name, dialect.tools)}
    extra = (home.get(_EXTRA) or {}).get(call.get("id"))
    return {**new, _EXTRA: extra} if extra else new


def _shown(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Remove the media from a tool result, and return them."""
    content = result.get("content")
    if not isinstance(content, list):
        return []
    shown = [part for part in content if part.get("type") != "text"]
    if not shown:
        return []
    result["content"] = [part for part in content if part.get("type") == "text"] or turn_order.SHOWN
    return [{"type": "text", "text": turn_order.shown_from(result.get("name") or result["tool_call_id"])}, *shown]
