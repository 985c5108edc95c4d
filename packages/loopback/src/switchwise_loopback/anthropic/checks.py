"""Requests that Messages refuses. For thinking blocks see `thinking`.

Rules:
1. Unknown parameters and unknown fields of blocks are refused: `Extra inputs are not permitted`.
2. The first message is the user's.
3. Tool uses and results match: see `turns`.
4. At most 4 cache breakpoints, those of one hour before those of five minutes.
5. `MODELS` holds the parameters that only some models accept.

Source: recorded 400 responses, issues, and the types of anthropic 2.10.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..nouns.errors import invalid
from . import turns
from .blocks import check_block, dig, extra, field, tag

PARAMETERS = frozenset(
    """billing_policy cache_control compaction container context_management diagnostics fallback_credit_token fallbacks
    inference_geo max_tokens mcp_servers messages metadata model output_config output_format service_tier speed stop_sequences
    stream system temperature thinking thread tool_choice tools top_k top_p user_profile_id workspace_id""".split()
)
NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")
SERVER_TOOLS = re.compile(
    r"(advisor|bash|browser|code_execution|computer|mcp|memory|text_editor|tool_search_tool|web_fetch|web_search)_\w+\Z"
)
TOOL_FIELDS = frozenset(
    """allowed_callers cache_control defer_loading description eager_input_streaming input_examples input_schema name strict
    type""".split()
)
EXPECTED_TOOLS = "'bash_20250124', 'custom', 'text_editor_20250728', 'web_search_20250305'"

_NEW = (
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-haiku-5",
    "claude-fable",
    "claude-mythos",
)
MODELS: Mapping[str, tuple[str, ...]] = {
    # what: beginnings of the models that ...
    "refuse prefill": ("claude-opus-4-6", "claude-sonnet-4-6", *_NEW),
    "refuse sampling": _NEW,
    "refuse budgets": ("claude-opus-4-7", "claude-opus-4-8"),
    "take system messages": _NEW[1:],
    "change effort in place": ("claude-fable-5-1", "claude-mythos-5-1", "claude-opus-5", "claude-sonnet-5-5"),
    "refuse xhigh": ("claude-opus-4-5", "claude-opus-4-6", "claude-sonnet-4-6"),
}


def is_(model: str, what: str) -> bool:
    """Return whether `MODELS` lists the model under this ability."""
    return model.startswith(MODELS[what])


_TYPES: tuple[tuple[str, type, str], ...] = (
    ("model", str, "string"),
    ("max_tokens", int, "integer"),
    ("messages", list, "list"),
    ("stop_sequences", list, "list"),
    ("tools", list, "list"),
    ("output_config", dict, "dictionary or object to extract fields from"),
)


def check(body: Mapping[str, Any]) -> None:
    """Raise `Reject` for what the real API refuses."""
    for key in ("model", "max_tokens", "messages"):
        if body.get(key) is None:
            raise invalid(f"{key}: Field required")
    extra(body, PARAMETERS, "")
    for key, kind, name in _TYPES:
        if body.get(key) is not None and (not isinstance(body[key], kind) or isinstance(body[key], bool)):
            raise invalid(f"{key}: Input should be a valid {name}")
    _check_max_tokens(body)
    _check_sampling(body)
    _check_tools(body)
    _check_output(body)
    _check_system(body)
    _check_messages(body)
    turns.check(body["messages"])
    _check_breakpoints(body)
    _check_thinking(body)


def _check_max_tokens(body: Mapping[str, Any]) -> None:
    """0 only warms the cache: it is refused together with anything that needs an answer."""
    most = body["max_tokens"]
    answers = (
        body.get("stream"),
        _kind(body.get("thinking")) == "enabled",
        "format" in (body.get("output_config") or {}),
        _kind(body.get("tool_choice")) in ("any", "tool"),
    )
    if most < (1 if any(answers) else 0):
        raise invalid("max_tokens: Input should be greater than or equal to 1")


def _kind(value: Any) -> Any:
    return value.get("type") if isinstance(value, Mapping) else None


def _check_sampling(body: Mapping[str, Any]) -> None:
    for at, stop in enumerate(body.get("stop_sequences") or ()):
        if not isinstance(stop, str):
            raise invalid(f"stop_sequences.{at}: Input should be a valid string")
        if not stop.strip():
            raise invalid(f"stop_sequences.{at}: each stop sequence must contain non-whitespace")
    for key, top in (("temperature", 1), ("top_p", 1), ("top_k", None)):
        value = body.get(key)
        if value is None:
            continue
        if not isinstance(value, int | float):
            raise invalid(f"{key}: Input should be a valid number")
        if top is not None and not 0 <= value <= top:
            raise invalid(f"{key}: range: 0..{top}")
        if is_(body["model"], "refuse sampling") and (key == "top_k" or value != 1):
            raise invalid(f"`{key}` is deprecated for this model.")


def _check_thinking(body: Mapping[str, Any]) -> None:
    settings = body.get("thinking")
    if settings is None:
        return
    tag(settings, ("adaptive", "between_tools", "disabled", "enabled"), "thinking")
    if settings["type"] == "disabled":
        return
    if settings["type"] == "enabled":
        if is_(body["model"], "refuse budgets"):
            raise invalid(
                '"thinking.type.enabled" is not supported for this model. '
                'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
            )
        budget = field(settings, "budget_tokens", "thinking.enabled")
        if not isinstance(budget, int) or budget < 1024:
            raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= body["max_tokens"]:
            raise invalid(
                "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at "
                "https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size"
            )
    consult = "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
    if body.get("temperature") not in (None, 1):
        raise invalid(f"`temperature` may only be set to 1 when thinking is enabled. {consult}")
    if body.get("top_k") is not None:
        raise invalid(f"`top_k` must be unset when thinking is enabled. {consult}")
    if body.get("top_p") is not None and body["top_p"] < 0.95:
        raise invalid(f"`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled. {consult}")
    if _kind(body.get("tool_choice")) in ("any", "tool"):
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")


def _check_tools(body: Mapping[str, Any]) -> None:
    names: list[str] = []
    for at, tool in enumerate(body.get("tools") or ()):
        if not isinstance(tool, Mapping):
            raise invalid(f"tools.{at}: Input should be a valid dictionary or object to extract fields from")
        kind = tool.get("type") or "custom"
        if kind != "custom":
            if not isinstance(kind, str) or not SERVER_TOOLS.match(kind):
                text = f"tools.{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags: "
                raise invalid(text + EXPECTED_TOOLS)
        else:
            _check_custom(tool, f"tools.{at}.custom")
        names.append(tool.get("name", kind))
    if len(set(names)) < len(names):
        raise invalid("tools: Tool names must be unique.")
    _check_choice(body, names)


def _check_custom(tool: Mapping[str, Any], where: str) -> None:
    extra(tool, TOOL_FIELDS, where)
    name = field(tool, "name", where)
    if not isinstance(name, str) or not NAME.match(name):
        raise invalid(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    schema = field(tool, "input_schema", where)
    if not isinstance(schema, Mapping):
        raise invalid(f"{where}.input_schema: Input should be a valid dictionary")
    if schema.get("type") != "object":
        found = "Field required" if "type" not in schema else "Input should be 'object'"
        raise invalid(f"{where}.input_schema.type: {found}")
    if any(key in schema for key in ("oneOf", "allOf", "anyOf")):
        raise invalid(f"{where}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level")


def _check_choice(body: Mapping[str, Any], names: list[str]) -> None:
    choice = body.get("tool_choice")
    if choice is None:
        return
    tag(choice, ("any", "auto", "none", "tool"), "tool_choice")
    kind = choice["type"]
    extra(
        choice,
        ("type", *(("name",) if kind == "tool" else ()), *(("disable_parallel_tool_use",) if kind != "none" else ())),
        f"tool_choice.{kind}",
    )
    if not names and kind != "none":
        raise invalid("tool_choice may only be specified while providing tools")
    if kind == "tool" and field(choice, "name", "tool_choice.tool") not in names:
        raise invalid(f"Tool '{choice['name']}' not found in provided tools")


def _check_output(body: Mapping[str, Any]) -> None:
    config = body.get("output_config") or {}
    extra(config, ("effort", "format", "task_budget"), "output_config")
    _check_effort(config.get("effort"), body["model"], "output_config")
    for where, form in (("output_config.format", config.get("format")), ("output_format", body.get("output_format"))):
        if form is None:
            continue
        tag(form, ("json_schema",), where)
        problem = _open_object(field(form, "schema", where))
        if problem:
            raise invalid(f"{where}.schema: {problem}")


def _check_effort(level: Any, model: str, where: str) -> None:
    if level not in (None, "low", "medium", "high", "xhigh", "max"):
        raise invalid(f"{where}.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    if level == "xhigh" and is_(model, "refuse xhigh"):
        raise invalid("This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.")


def _check_effort_marker(message: Mapping[str, Any], model: str, where: str) -> None:
    """A system message without content changes the effort from the next turn with new input. Its beta header is not required here."""
    extra(message, ("role", "content", *(("output_config",) if is_(model, "change effort in place") else ())), where)
    config = message["output_config"]
    if not isinstance(config, Mapping):
        raise invalid(f"{where}.output_config: Input should be a valid dictionary or object to extract fields from")
    extra(config, ("effort",), f"{where}.output_config")
    if message["content"]:
        raise invalid(f"{where}: a system message with output_config must have empty content")
    _check_effort(field(config, "effort", f"{where}.output_config"), model, f"{where}.output_config")


def _open_object(schema: Any) -> str | None:
    """Structured outputs accept only closed objects."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            return "For 'object' type, 'additionalProperties' must be explicitly set to false"
        return next(filter(None, map(_open_object, schema.values())), None)
    return next(filter(None, map(_open_object, schema)), None) if isinstance(schema, list) else None


def _check_system(body: Mapping[str, Any]) -> None:
    system = body.get("system")
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise invalid("system: Input should be a valid list")
    for at, part in enumerate(system):
        check_block(part, ("text",), f"system.{at}")


def _check_messages(body: Mapping[str, Any]) -> None:
    messages = body["messages"]
    if not messages:
        raise invalid("messages: at least one message is required")
    for at, message in enumerate(messages):
        where = f"messages.{at}"
        if not isinstance(message, Mapping):
            raise invalid(f"{where}: Input should be a valid dictionary or object to extract fields from")
        role, content = field(message, "role", where), field(message, "content", where)
        _check_role(role, body["model"], where)
        if role == "system" and "output_config" in message:
            _check_effort_marker(message, body["model"], where)
            continue
        extra(message, ("role", "content"), where)
        last = at == len(messages) - 1
        if isinstance(content, str):
            _check_text(content, role, where, last)
            continue
        if not isinstance(content, list):
            raise invalid(f"{where}.content: Input should be a valid list")
        if not content and not (last and role == "assistant"):
            raise invalid(f"{where}: all messages must have non-empty content except for the optional final assistant message")
        for index, part in enumerate(content):
            check_block(part, dig(role), f"{where}.content.{index}")
    _check_order(messages, body["model"])


def _check_role(role: Any, model: str, where: str) -> None:
    if role == "system" and not is_(model, "take system messages"):
        raise invalid(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
            'not "system" as an input message role.'
        )
    if role not in ("user", "assistant", "system"):
        raise invalid(f'messages: Unexpected role "{role}". Allowed roles are "user" or "assistant"')
    if role == "system" and where == "messages.0":
        raise invalid('messages: first message must use the "user" role')


def _check_text(text: str, role: str, where: str, last: bool) -> None:
    if not text and not (last and role == "assistant"):
        raise invalid(f"{where}: all messages must have non-empty content except for the optional final assistant message")
    if text and not text.strip():
        raise invalid("messages: text content blocks must contain non-whitespace text")


def _check_order(messages: list[Mapping[str, Any]], model: str) -> None:
    if messages[0]["role"] != "user":
        raise invalid('messages: first message must use the "user" role')
    final = messages[-1]
    if final["role"] != "assistant":
        return
    if is_(model, "refuse prefill"):
        raise invalid("This model does not support assistant message prefill. The conversation must end with a user message.")
    content = final["content"]
    text = content if isinstance(content, str) else (content[-1].get("text") or "") if content else ""
    if text != text.rstrip():
        raise invalid("messages: final assistant content cannot end with trailing whitespace")


def _check_breakpoints(body: Mapping[str, Any]) -> None:
    marks = list(_marks(body))
    if body.get("cache_control"):
        marks.append(("cache_control", body["cache_control"]))
    if len(marks) > 4:
        raise invalid(f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}.")
    short = False
    for where, mark in marks:
        tag(mark, ("ephemeral",), where)
        extra(mark, ("type", "ttl", "scope"), where)
        if mark.get("ttl", "5m") not in ("5m", "1h"):
            raise invalid(f"{where}.ephemeral.ttl: Input should be '5m' or '1h'")
        if mark.get("ttl") == "1h" and short:
            raise invalid(
                f"{where}.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. "
                "Note that blocks are processed in the following order: `tools`, `system`, `messages`."
            )
        short = short or mark.get("ttl", "5m") == "5m"


def _marks(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    system = body.get("system")
    places = [(f"tools.{at}", tool) for at, tool in enumerate(body.get("tools") or ())]
    places += [(f"system.{at}", part) for at, part in enumerate(system if isinstance(system, list) else ())]
    for at, message in enumerate(body["messages"]):
        content = message["content"]
        places += [
            (f"messages.{at}.content.{index}", part) for index, part in enumerate(content if isinstance(content, list) else ())
        ]
    for where, part in places:
        if part.get("cache_control") is not None:
            yield f"{where}.cache_control", part["cache_control"]
