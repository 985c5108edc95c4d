"""A neutral prompt in the words of Anthropic's Messages.

| neutral | Messages |
|---|---|
| leading `system` and `developer` messages | `system` |
| a later one | a user turn: it stays where it was said |
| `tool_calls` | `tool_use` blocks, arguments as objects, ids made unique |
| `tool` messages | `tool_result` blocks of one user turn, with the user's own words after them |
| `tool_choice` required / a name / none | `any` / `tool` / `none` |
| `parallel_tool_calls=False` | `disable_parallel_tool_use` |
| a schema | `output_config.format` |
| a `temperature` above 1 | 1, the highest here |
| neighbouring turns of one role | one turn: roles must alternate |
| no user's turn at the start, or an empty one | a few words in brackets: a user must speak first, and say something |
| the `native` part of an answer | sent back as it was to the model that it came from; left out for others |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.protocols.prompt import Message, Prompt, arguments_of

Block = dict[str, Any]
_SYSTEM = frozenset({"system", "developer"})
_DATA = re.compile(r"data:(?P<type>[\w.+/-]+);base64,(?P<data>.*)", re.DOTALL)
_BEGIN, _EMPTY = "(The conversation begins.)", "(no text)"
_STRANGE = re.compile(r"[^a-zA-Z0-9_-]")


def messages_params(prompt: Prompt, model: str) -> dict[str, Any]:
    """The parameters of `messages.create`.

    Parameters:
        prompt: what to ask.
        model: who is asked; tells whose thinking may go back.

    Raises:
        TargetError: it holds something that this API cannot take (sound).
    """
    messages = list(prompt.messages)
    lead = next((place for place, message in enumerate(messages) if message["role"] not in _SYSTEM), len(messages))
    params = {
        "system": "\n\n".join(_plain_text(message.get("content")) for message in messages[:lead]) or None,
        "messages": _turns(messages[lead:], model),
        "tools": [_tool(tool) for tool in prompt.tools] or None,
        "tool_choice": _choice(prompt),
        "output_config": {"format": {"type": "json_schema", "schema": prompt.schema}} if prompt.schema is not None else None,
        "max_tokens": prompt.max_tokens,
        "temperature": None if prompt.temperature is None else min(prompt.temperature, 1),
        "top_p": prompt.top_p,
        "stop_sequences": list(prompt.stop) or None,
        "stream": prompt.stream or None,
    }
    return {name: value for name, value in params.items() if value is not None}


class _Ids:
    """Ids of tool calls as Anthropic takes them: of plain characters, and each used once (OpenAI's histories repeat some)."""

    def __init__(self) -> None:
        self._latest: dict[str, str] = {}
        self._used: set[str] = set()

    def call(self, given: str) -> str:
        """The id of a new call."""
        plain = _STRANGE.sub("_", given) or "call"
        own, number = plain, 1
        while own in self._used:
            number += 1
            own = f"{plain}_{number}"
        self._used.add(own)
        self._latest[given] = own
        return own

    def result(self, given: str) -> str:
        """The id of the call that a result answers: the latest of that name."""
        return self._latest.get(given) or _STRANGE.sub("_", given) or "call"


def _turns(messages: Iterable[Message], model: str) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    ids = _Ids()
    for message in messages:
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = _blocks(message, model, ids)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"].extend(blocks)
        else:
            turns.append({"role": role, "content": blocks})
    if not turns or turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": _BEGIN}]})
    return turns


def _blocks(message: Message, model: str, ids: _Ids) -> list[Block]:
    native = message.get("native")
    if native and native.get("model") == model:  # it came from here, so its ids are good
        return [block | {"id": ids.call(block["id"])} if block["type"] == "tool_use" else block for block in native["content"]]
    content = message.get("content")
    if message["role"] == "tool":
        result: Block = {"type": "tool_result", "tool_use_id": ids.result(message.get("tool_call_id") or "")}
        if said := _content(content):
            result["content"] = said
        return [result | ({"is_error": True} if message.get("is_error") else {})]
    calls = message.get("tool_calls") or ()
    blocks = [*_content(content or message.get("refusal")), *(_tool_use(call, ids) for call in calls)]
    return blocks or ([{"type": "text", "text": _EMPTY}] if message["role"] == "user" else [])


def _content(content: Any) -> list[Block]:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []  # empty texts are refused
    return [block for part in content for block in _part(part)]


def _part(part: Any) -> list[Block]:
    if isinstance(part, str):
        return _content(part)
    match part.get("type"):
        case "text" | "refusal":
            cached = {"cache_control": part["cache_control"]} if "cache_control" in part else {}
            return [block | cached for block in _content(part.get("text") or part.get("refusal"))]
        case "image_url":
            address = part["image_url"]
            return [{"type": "image", "source": _source(address if isinstance(address, str) else address["url"])}]
        case "file" if "file_data" in part["file"]:
            return [{"type": "document", "source": _source(part["file"]["file_data"])}]
        case kind:
            raise TargetError(FailureKind.UNSUPPORTED, f"Anthropic's Messages take no {kind} content")


def _source(address: str) -> Block:
    if found := _DATA.match(address):
        return {"type": "base64", "media_type": found["type"], "data": found["data"]}
    return {"type": "url", "url": address}


def _tool_use(call: Mapping[str, Any], ids: _Ids) -> Block:
    if custom := call.get("custom"):  # its input is a text, where this API wants an object
        return {
            "type": "tool_use",
            "id": ids.call(call.get("id") or ""),
            "name": custom["name"],
            "input": {"input": custom["input"]},
        }
    function = call["function"]
    return {
        "type": "tool_use",
        "id": ids.call(call.get("id") or ""),
        "name": function["name"],
        "input": arguments_of(function.get("arguments")),
    }


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if "function" not in tool:  # a tool of the server, in Anthropic's own words
        return dict(tool)
    function = tool["function"]
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    told = {"description": function["description"]} if function.get("description") else {}
    return {"name": function["name"], **told, "input_schema": schema}


def _choice(prompt: Prompt) -> dict[str, Any] | None:
    words = {"auto": {"type": "auto"}, "required": {"type": "any"}, "none": {"type": "none"}}
    choice = prompt.choice
    told: dict[str, Any] | None = words.get(choice, {"type": "tool", "name": choice}) if choice else None
    if prompt.parallel_tool_calls is False and prompt.tools and choice != "none":
        return {**(told or {"type": "auto"}), "disable_parallel_tool_use": True}
    return told


def _plain_text(content: Any) -> str:
    return "".join(block.get("text", "") for block in _content(content))
