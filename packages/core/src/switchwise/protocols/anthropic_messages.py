"""Translates a neutral prompt into Anthropic's Messages format.

| neutral | Messages |
|---|---|
| leading `system` and `developer` messages | `system` |
| a later one | a user turn, in the same place |
| `tool_calls` | `tool_use` blocks, arguments as objects, ids made unique |
| `tool` messages | `tool_result` blocks of one user turn, followed by the user's own text |
| `tool_choice` required / a name / none | `any` / `tool` / `none` |
| `parallel_tool_calls=False` | `disable_parallel_tool_use` |
| a schema | `output_config.format` |
| a `temperature` above 1 | 1, the highest accepted |
| consecutive turns of one role | one turn: roles must alternate |
| no user turn at the start, or an empty one | a short text in brackets: the first turn must be a user's and not empty |
| another model's answer at the end | followed by `Go on.`, for this call |
| a tool loop that began without thinking, for a model that thinks | thinking is off until the next turn |
| the `native` part of an answer | sent back unchanged to the model that wrote it; omitted for others |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from switchwise.dialects import turn_order
from switchwise.dialects.call_ids import CallIds, tool_name
from switchwise.dialects.media import check_file, unsupported
from switchwise.dialects.table import ANTHROPIC
from switchwise.dialects.thinking import began_without_thinking
from switchwise.dialects.tool_choice import in_messages_words, neutral
from switchwise.dialects.turn_order import Act
from switchwise.protocols.openai_chat import text_of
from switchwise.protocols.prompt import Message, Prompt, arguments_of

Block = dict[str, Any]
_ROLES = {"developer": turn_order.SYSTEM, "function": turn_order.TOOL}
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_DATA = re.compile(r"data:(?P<type>[\w.+/-]+);base64,(?P<data>.*)", re.DOTALL)


def messages_params(prompt: Prompt, model: str) -> dict[str, Any]:
    """Return the parameters of `messages.create`.

    Parameters:
        prompt: the request.
        model: the called model; thinking blocks go back only to the model that wrote them.

    Raises:
        TargetError: the prompt holds content that this API does not accept (audio).
    """
    system, messages = _turns(prompt, model)
    params = {
        "system": system,
        "messages": messages,
        "tools": [_tool(tool) for tool in prompt.tools] or None,
        "tool_choice": _choice(prompt) if prompt.tools or prompt.tool_choice else None,
        "output_config": {"format": {"type": "json_schema", "schema": prompt.strict_schema}}
        if prompt.schema is not None
        else None,
        "max_tokens": prompt.max_tokens,
        "temperature": None if prompt.temperature is None else min(prompt.temperature, ANTHROPIC.settings.hottest),
        "top_p": prompt.top_p,
        "stop_sequences": list(prompt.stop) or None,
        "stream": prompt.stream or None,
    }
    return {name: value for name, value in params.items() if value is not None}


def loop_without_thinking(messages: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether the messages end in a tool loop that began without thinking.

    Parameters:
        messages: in the form that `messages.create` accepts.
    """
    return began_without_thinking(
        (message["role"], _begins(message["content"], _THOUGHTS if message["role"] == "assistant" else {"tool_result"}))
        for message in reversed(list(messages))
    )


def _begins(content: Any, kinds: Iterable[str]) -> bool:
    return isinstance(content, list) and bool(content) and content[0].get("type") in kinds


def _turns(prompt: Prompt, model: str) -> tuple[str | None, list[dict[str, Any]]]:
    """Return the system prompt and the turns."""
    offered = {tool["function"]["name"] for tool in prompt.tools if "function" in tool}
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    ids, place = CallIds(ANTHROPIC.ids), turn_order.START
    for number, message in enumerate(prompt.messages):
        role = str(_ROLES.get(message["role"], message["role"]))
        blocks = _blocks(message, model, ids, number, offered)
        if not blocks and role == turn_order.ASSISTANT:
            continue
        steps, place = turn_order.step(ANTHROPIC, place, role)
        for act, text in steps:
            if act is Act.SAY_USER:
                _say(turns, "user", _content(text))
            elif act is Act.AS_USER:
                _say(turns, "user", _content(turn_order.as_system(text_of(message.get("content")))))
            elif role == turn_order.SYSTEM:
                system.append("".join(block.get("text", "") for block in blocks))
            else:
                _say(turns, "assistant" if role == turn_order.ASSISTANT else "user", blocks)
    for _, text in turn_order.ending(ANTHROPIC, place, prompt.ended_by not in ("", model)):
        _say(turns, "user", _content(text))
    return "\n\n".join(system) or None, turns


def _say(turns: list[dict[str, Any]], role: str, blocks: list[Block]) -> None:
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"].extend(blocks)
    else:
        turns.append({"role": role, "content": blocks})


def _blocks(message: Message, model: str, ids: CallIds, place: int, offered: set[str]) -> list[Block]:
    native = message.get("native")
    if native and native.get("model") == model and "content" in native:  # written by this model
        calls = iter(range(len(native["content"])))
        return [
            block | {"id": ids.called(block["id"], place, next(calls))} if block["type"] == "tool_use" else block
            for block in native["content"]
        ]
    content = message.get("content")
    if message["role"] == "tool":
        result: Block = {"type": "tool_result", "tool_use_id": ids.answered(message.get("tool_call_id"), place)}
        if parts := _content(content):
            result["content"] = parts
        return [result | ({"is_error": True} if message.get("is_error") else {})]
    blocks = _content(content or message.get("refusal"))
    for number, call in enumerate(message.get("tool_calls") or ()):
        blocks.append(_tool_use(call, ids.called(call.get("id"), place, number), offered))
    return blocks or ([{"type": "text", "text": turn_order.EMPTY}] if message["role"] == "user" else [])


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
        case "file" if "file_id" in part["file"]:
            check_file(ANTHROPIC, part["file"]["file_id"])
            return [{"type": "document", "source": {"type": "file", "file_id": part["file"]["file_id"]}}]
        case kind:
            raise unsupported(ANTHROPIC, f"{kind} content")


def _source(address: str) -> Block:
    if found := _DATA.match(address):
        return {"type": "base64", "media_type": found["type"], "data": found["data"]}
    return {"type": "url", "url": address}


def _tool_use(call: Mapping[str, Any], own: str, offered: set[str]) -> Block:
    if custom := call.get("custom"):  # its input is text; this API expects an object
        return {"type": "tool_use", "id": own, "name": custom["name"], "input": {"input": custom["input"]}}
    name = call["function"]["name"]
    return {
        "type": "tool_use",
        "id": own,
        "name": name if name in offered else tool_name(name, ANTHROPIC.tools),
        "input": arguments_of(call["function"].get("arguments")),
    }


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if "function" not in tool:  # a server-side tool, in Anthropic's own format
        return dict(tool)
    function = tool["function"]
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    described = {"description": function["description"]} if function.get("description") else {}
    return {"name": function["name"], **described, "input_schema": schema}


def _choice(prompt: Prompt) -> dict[str, Any] | None:
    choice, _ = neutral(prompt.choice)
    return in_messages_words(choice, prompt.parallel_tool_calls if prompt.tools else None)
