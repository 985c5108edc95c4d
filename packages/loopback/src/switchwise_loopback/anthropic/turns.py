"""Rules by which tool uses and results of Messages must match.

Rules:
1. Neighbouring messages of one role are one turn.
2. Every `tool_use` has exactly one `tool_result`, before anything else of the next turn; no result stands alone.
3. The result of a server tool follows its use in the same turn.

Source: recorded 400 responses and issues.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..nouns.errors import invalid

SERVER_ID = re.compile(r"srvtoolu_[a-zA-Z0-9_]+\Z")


def check(messages: list[Mapping[str, Any]]) -> None:
    """Raise `Reject` for uses without result and results without use."""
    _check_results(messages)
    _check_server_tools(messages)


def _turns(messages: list[Mapping[str, Any]]) -> list[tuple[int, str, list[tuple[str, Mapping[str, Any]]]]]:
    """Index of the first message, role and (place, block) of each turn; neighbours of one role are one turn."""
    made: list[tuple[int, str, list[tuple[str, Mapping[str, Any]]]]] = []
    for at, message in enumerate(messages):
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        placed = [(f"messages.{at}.content.{index}", part) for index, part in enumerate(blocks)]
        if message["role"] == "system":
            continue
        if made and made[-1][1] == message["role"]:
            made[-1][2].extend(placed)
        else:
            made.append((at, message["role"], placed))
    return made


def _check_results(messages: list[Mapping[str, Any]]) -> None:
    """Tool uses and tool results must match."""
    used: set[str] = set()
    waiting: list[str] = []
    place = 0
    for at, role, blocks in _turns(messages):
        results = [(where, part) for where, part in blocks if part["type"] == "tool_result"]
        leading: list[str] = []
        for _, part in blocks:
            if part["type"] != "tool_result":
                break
            leading.append(part["tool_use_id"])
        if role == "user":
            _match(results, leading, waiting, place)
        calls = [(where, part["id"]) for where, part in blocks if part["type"] == "tool_use"]
        for where, made in calls:
            if made in used:
                raise invalid(f"{where}: `tool_use` ids must be unique")
            used.add(made)
        waiting, place = [made for _, made in calls], at
    if waiting:
        _match([], [], waiting, place)


def _match(results: list[tuple[str, Mapping[str, Any]]], leading: Iterable[str], waiting: list[str], place: int) -> None:
    missing = [made for made in waiting if made not in set(leading)]
    if missing:
        raise invalid(
            f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. "
            "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
        )
    seen: set[str] = set()
    for where, part in results:
        made = part["tool_use_id"]
        if made not in waiting:
            raise invalid(
                f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {made}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if made in seen:
            text = f"{where}: each tool_use must have a single result. Found multiple `tool_result` blocks with id: {made}"
            raise invalid(text)
        seen.add(made)


def _check_server_tools(messages: list[Mapping[str, Any]]) -> None:
    """Results of server tools follow their use in the same turn; only the last turn may still lack one."""
    turns = _turns(messages)
    for number, (at, _, blocks) in enumerate(turns):
        waiting: dict[str | None, str] = {}
        for where, part in blocks:
            kind = part["type"]
            if kind == "server_tool_use":
                if not SERVER_ID.match(part["id"]):
                    raise invalid(f"{where}.server_tool_use.id: String should match pattern '^srvtoolu_[a-zA-Z0-9_]+$'")
                waiting[part["id"]] = part["name"]
            elif (
                kind.endswith("_tool_result")
                and kind != "mcp_tool_result"
                and waiting.pop(part.get("tool_use_id"), None) is None
            ):
                text = f"{where}: unexpected `tool_use_id` found in `{kind}` blocks: {part.get('tool_use_id')}. "
                raise invalid(f"{text}Each `{kind}` block must have a corresponding `server_tool_use` block before it.")
        if waiting and number < len(turns) - 2:
            made, name = next(iter(waiting.items()))
            text = f"messages.{at}: `{name}` tool use with id `{made}` was found without a corresponding"
            raise invalid(f"{text} `{name}_tool_result` block")
