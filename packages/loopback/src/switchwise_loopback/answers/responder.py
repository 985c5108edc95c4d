"""Default answers without a script: deterministic, and sufficient to drive an agent to its end.

| the request                                   | the answer                                                            |
|-----------------------------------------------|-----------------------------------------------------------------------|
| names a tool that it forces                   | a call of it, arguments made from its schema                          |
| requires some tool                            | the asked-for tool, else the first that was not called in this turn   |
| has a response schema                         | an instance of the schema, as JSON                                    |
| asks for a JSON object                        | an object with the keys that the prompt quotes                        |
| ends with tool results                        | a text that repeats them                                              |
| offers tools, and the last user turn asks for | a call of each asked-for tool (one if parallel calls are off)         |
| anything else                                 | a short text that names the last user turn                            |

A tool is asked for if its name stands in the text, if all telling words of its name do ("get_weather": "weather"), or if
the text says "use the tool" and it is the only one. Arguments take numbers, quoted strings and place names from the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ..nouns.types import Answer, Request, Tool, ToolCall
from .schema import Hints, instance

VAGUE = frozenset(
    [
        "a",
        "add",
        "call",
        "convert",
        "create",
        "delete",
        "do",
        "fetch",
        "find",
        "function",
        "get",
        "list",
        "lookup",
        "make",
        "my",
        "query",
        "read",
        "run",
        "search",
        "set",
        "the",
        "tool",
        "update",
    ]
)
_WORDS = re.compile(r"[a-z0-9]+")
_KEYS = re.compile(r"['\"`]([A-Za-z_][A-Za-z0-9_]*)['\"`]")


class DefaultResponder:
    """Answers any request. `seed` only varies the wording of free text."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def __call__(self, request: Request) -> Answer:
        tools = [tool for tool in request.tools if tool.server is None]
        if request.forced_tool is not None:
            named = [tool for tool in tools if tool.name == request.forced_tool]
            return _calls(request, named[:1]) if named else Answer(text=self._text(request))
        if request.tool_choice == "required" and tools:
            return _calls(request, [_pick(request, tools)])
        ends_with_results = bool(request.messages) and request.messages[-1].role == "tool"
        if tools and request.tool_choice == "auto" and not ends_with_results:
            asked = _asked_for(request.last_user_text, tools)
            if asked:
                return _calls(request, asked if request.parallel_tool_calls else asked[:1])
        if request.response_schema is not None:
            return Answer(text=_json(instance(request.response_schema, Hints(request.last_user_text))))
        if request.json_mode:
            keys = list(dict.fromkeys(_KEYS.findall(request.last_user_text))) or ["answer"]
            return Answer(text=_json({key: f"sample {key}" for key in keys}))
        reasoning = f"The last turn asks: {request.last_user_text[:80]}" if request.thinking else ""
        searches = tuple(
            request.last_user_text[:100]
            for tool in request.tools
            if _is_search(tool) and "search" in request.last_user_text.lower()
        )
        if ends_with_results:
            results = "; ".join(result.text[:200] for result in request.messages[-1].results)
            return Answer(text=f"The tools returned: {results}", reasoning=reasoning)
        return Answer(text=self._text(request), reasoning=reasoning, searches=searches[:1])

    def _text(self, request: Request) -> str:
        opening = ("You said", "I read", "Noted", "About")[self.seed % 4]
        return f"{opening}: {request.last_user_text[:120] or 'nothing'} ({len(request.messages)} turns, {request.model})."


def _calls(request: Request, tools: Sequence[Tool]) -> Answer:
    hints = Hints(request.last_user_text)
    reasoning = f"I need {', '.join(tool.name for tool in tools)}." if request.thinking else ""
    made = tuple(ToolCall(tool.name, instance(tool.parameters or {"type": "object"}, hints)) for tool in tools)
    return Answer(tool_calls=made, reasoning=reasoning)


def _pick(request: Request, tools: Sequence[Tool]) -> Tool:
    """The tool of a required call: one that was not called since the last user turn, so that an agent's loop can end."""
    called: set[str] = set()
    for turn in reversed(request.messages):
        if turn.role == "user":
            break
        called.update(call.name for call in turn.tool_calls)
    fresh = [tool for tool in tools if tool.name not in called] or list(tools[-1:])
    return (_asked_for(request.last_user_text, fresh) or fresh)[0]


def _asked_for(text: str, tools: Sequence[Tool]) -> list[Tool]:
    low = text.lower()
    words = set(_WORDS.findall(low))
    asked = [tool for tool in tools if re.search(rf"(?<![\w-]){re.escape(tool.name.lower())}(?![\w-])", low)]
    if asked:
        return asked
    for tool in tools:
        spelled = _WORDS.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", tool.name).lower())
        telling = [word for word in spelled if word not in VAGUE] or spelled
        if telling and all(word in words or f"{word}s" in words for word in telling):
            asked.append(tool)
    if not asked and len(tools) == 1 and re.search(r"\b(us(e|ing)|call) (the|a|your) tool", low):
        return list(tools)
    return asked


def _is_search(tool: Tool) -> bool:
    return tool.server is not None and tool.server.startswith("web_search")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
