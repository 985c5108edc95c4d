"""Places Anthropic's cache breakpoints in a prompt: pure, on copies.

It sets at most four marks, the fewest that allow every prefix to be found:

1. the end of the tools, which agents with other instructions may share;
2. the end of the system prompt, which all threads of an agent share;
3. the end of the prompt, which the next call of the thread looks up first;
4. the end of this model's previous prompt, if it is out of reach: a mark finds an entry at most 20 blocks before it, and a turn with many
   tool calls, or a run of calls to another model, is longer.

Rules:
1. A request with any mark is left unchanged: the caller manages its cache.
2. All marks have the same lifetime: a longer one after a shorter one is refused.
3. Never on thinking, empty text, tools with deferred loading, or blocks of code execution: the API refuses all of these.
4. Marks are not part of the compared prefix: they may move from call to call.

Source: prompt-caching documentation of Anthropic, as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Block = Mapping[str, Any]
MOST = 4
LOOKBACK = 20
"""Blocks before a mark among which an entry is found, the marked one included."""
_UNMARKABLE = frozenset({"thinking", "redacted_thinking"})


def control(lifetime: str) -> dict[str, str]:
    """Return the mark. Five minutes are the default and left out, so that servers without other lifetimes accept it.

    >>> control("5m"), control("1h")
    ({'type': 'ephemeral'}, {'type': 'ephemeral', 'ttl': '1h'})
    """
    return {"type": "ephemeral"} if lifetime == "5m" else {"type": "ephemeral", "ttl": lifetime}


def marked(body: Mapping[str, Any], lifetime: str, seen: int = 0) -> Mapping[str, Any]:
    """Return the body of a Messages request with marks of that lifetime (`5m`, `1h`); the same object if it has marks.

    Parameters:
        seen: number of messages in this model's previous prompt of the thread; 0: unknown.
    """
    if is_marked(body):
        return body
    mark, left = control(lifetime), MOST
    new = dict(body)
    if (tools := marked_tools(body.get("tools") or (), mark)) is not None:
        new["tools"], left = tools, left - 1
    system = body.get("system")
    if isinstance(system, str) and system.strip():
        system = [{"type": "text", "text": system}]
    if isinstance(system, Sequence) and not isinstance(system, str) and (place := last_block(system)) is not None:
        new["system"], left = _at(system, place, mark), left - 1
    messages = list(body["messages"])
    coded = _coded(messages)
    contents = [_parts(message.get("content")) for message in messages]
    for number in _ends(messages, [len(content) for content in contents], seen, left):
        if (place := last_block(contents[number], coded)) is not None:
            messages[number] = {**messages[number], "content": _at(contents[number], place, mark)}
    new["messages"] = messages
    return new


def is_marked(body: Mapping[str, Any]) -> bool:
    """Return whether a request holds any mark."""
    parts: Iterator[Any] = (part for each in _holders(body) if isinstance(each, Sequence) for part in each)
    return bool(body.get("cache_control")) or any(_has_mark(part) for part in parts)


def marked_tools(tools: Sequence[Block], mark: Mapping[str, str]) -> list[Block] | None:
    """Return the tools with a mark on the last one that may have it; None if none may."""
    place = next((i for i in range(len(tools) - 1, -1, -1) if not tools[i].get("defer_loading")), None)
    return None if place is None else _at(tools, place, mark)


def last_block(content: Sequence[Any], coded: frozenset[str] = frozenset()) -> int | None:
    """The last block of a message, or of the system prompt, that may be marked; None if none may. `coded`: ids of code's own calls."""
    for place in range(len(content) - 1, -1, -1):
        block = content[place]
        if isinstance(block, Mapping) and block.get("type") not in _UNMARKABLE:
            if block.get("type") == "text" and not str(block.get("text", "")).strip():
                continue
            if not coded or (block.get("id") not in coded and block.get("tool_use_id") not in coded):
                return place
    return None


def out_of_reach(sizes: Sequence[int], ends: Sequence[int], most: int) -> list[int]:
    """Messages that need a mark at their end, because no later mark reaches them; the last ones first.

    Parameters:
        sizes: blocks of each message.
        ends: numbers of the messages at which a prompt may have ended, ascending; the last is that of this prompt.
        most: most marks to set.

    >>> out_of_reach([1, 30, 1, 2, 1], [0, 2, 4], most=3)
    [4, 0]
    """
    marks: list[int] = []
    for end in reversed(ends):
        if len(marks) >= most:
            break
        if not marks or sum(sizes[end + 1 : marks[-1] + 1]) >= LOOKBACK:
            marks.append(end)
    return marks


def _ends(messages: Sequence[Mapping[str, Any]], sizes: Sequence[int], seen: int, most: int) -> list[int]:
    last = len(messages) - 1
    if 0 < seen <= last:
        return out_of_reach(sizes, [seen - 1, last], most)
    turns = [i for i, message in enumerate(messages[:-1]) if message.get("role") != "assistant"]
    return out_of_reach(sizes, [*turns, last], most)


def _holders(body: Mapping[str, Any]) -> Iterator[Any]:
    yield body.get("tools")
    yield body.get("system")
    for message in body.get("messages") or ():
        yield message.get("content")


def _has_mark(part: Any) -> bool:
    if not isinstance(part, Mapping):
        return False
    inner = part.get("content")
    return bool(part.get("cache_control")) or (isinstance(inner, list) and any(_has_mark(each) for each in inner))


def _coded(messages: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    blocks = [block for message in messages for block in _parts(message.get("content")) if isinstance(block, Mapping)]
    called = [block for block in blocks if isinstance(block.get("caller"), Mapping) and "id" in block]
    return frozenset(block["id"] for block in called if str(block["caller"].get("type", "")).startswith("code_execution"))


def _parts(content: Any) -> Sequence[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content or ()


def _at(blocks: Sequence[Any], place: int, mark: Mapping[str, str]) -> list[Any]:
    return [*blocks[:place], {**blocks[place], "cache_control": dict(mark)}, *blocks[place + 1 :]]
