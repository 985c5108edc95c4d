"""A request as a server was sent it, in the same words for all protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SentTurn:
    """One turn of a request.

    Parameters:
        role: `system`, `user`, `assistant` or `tool`.
        text: what it says.
        calls: ids of the tools that it calls.
        names: of those tools.
        answers: the id of the call that it answers.
        shows: kinds of what is not text: `image`, `file`, ...
        marked: it says what an API must not be sent: reasoning, signatures, cache marks, extra fields of calls.
    """

    role: str
    text: str = ""
    calls: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    answers: str = ""
    shows: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()


_MARKS = (
    "thinking",
    "redacted_thinking",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "cache_control",
    "extra_content",
)
_TEXTS = ("text", "input_text", "output_text")
_SHOWN = {"image_url": "image", "input_image": "image", "document": "file", "input_file": "file", "input_audio": "audio"}


def turns_of(body: Mapping[str, Any]) -> list[SentTurn]:
    """The turns of a request to Chat Completions, Responses or Messages, in order.

    >>> [turn.role for turn in turns_of({"system": "Be brief.", "messages": [{"role": "user", "content": "hi"}]})]
    ['system', 'user']
    """
    if "input" in body:
        input_items = body["input"]
        first = [SentTurn("system", body["instructions"])] if body.get("instructions") else []
        items = [{"role": "user", "content": input_items}] if isinstance(input_items, str) else input_items
        return [*first, *_joined([_item(item) for item in items])]
    system = [SentTurn("system", _text(body["system"]), marked=_marks(body["system"]))] if body.get("system") else []
    return [*system, *[turn for message in body["messages"] for turn in _turns(message)]]


def _item(item: Mapping[str, Any]) -> SentTurn:
    match item.get("type"):
        case "function_call":
            return SentTurn("assistant", calls=(item["call_id"],), names=(item["name"],))
        case "function_call_output":
            return SentTurn("tool", _text(item["output"]), answers=item["call_id"], shows=_shows(item["output"]))
        case "reasoning":
            return SentTurn("assistant", marked=("reasoning",))
    return _turns(item)[0]


def _joined(turns: list[SentTurn]) -> list[SentTurn]:
    """Items of one answer as one turn."""
    joined: list[SentTurn] = []
    for turn in turns:
        if joined and turn.role == joined[-1].role == "assistant":
            last = joined[-1]
            turn = SentTurn(
                "assistant",
                last.text + turn.text,
                last.calls + turn.calls,
                last.names + turn.names,
                marked=last.marked + turn.marked,
            )
            joined[-1] = turn
        else:
            joined.append(turn)
    return joined


def _turns(message: Mapping[str, Any]) -> list[SentTurn]:
    content, role = message.get("content"), str(message["role"]).replace("developer", "system")
    blocks = [block for block in content if isinstance(block, Mapping)] if isinstance(content, list) else []
    results = [block for block in blocks if block.get("type") == "tool_result"]
    found = [
        SentTurn("tool", _text(block.get("content")), answers=block["tool_use_id"], shows=_shows(block.get("content")))
        for block in results
    ]
    rest = [block for block in blocks if block.get("type") != "tool_result"]
    if found and not rest:
        return found
    uses = [block for block in blocks if block.get("type") == "tool_use"]
    calls = message.get("tool_calls") or ()
    marks = [name for name in _MARKS if message.get(name)] + [name for call in calls for name in _MARKS if name in call]
    turn = SentTurn(
        role,
        _text(content),
        (*[call["id"] for call in calls], *[block["id"] for block in uses]),
        (*[call["function"]["name"] for call in calls], *[block["name"] for block in uses]),
        str(message.get("tool_call_id") or ""),
        _shows(rest if found else content),
        (*marks, *_marks(content)),
    )
    return [*found, turn]


def _text(content: Any) -> str:
    if not isinstance(content, list):
        return str(content or "")
    return "".join(part if isinstance(part, str) else str(part.get("text") or "") for part in content if _is_text(part))


def _is_text(part: Any) -> bool:
    return isinstance(part, str) or part.get("type") in _TEXTS


def _shows(content: Any) -> tuple[str, ...]:
    if not isinstance(content, list):
        return ()
    kinds = [str(part.get("type")) for part in content if isinstance(part, Mapping)]
    return tuple([_SHOWN.get(kind, kind) for kind in kinds if _SHOWN.get(kind, kind) in ("image", "file", "audio", "video")])


def _marks(content: Any) -> tuple[str, ...]:
    if not isinstance(content, list):
        return ()
    found = [str(part.get("type")) for part in content if isinstance(part, Mapping) and part.get("type") in _MARKS]
    return (*found, *["cache_control" for part in content if isinstance(part, Mapping) and "cache_control" in part])
