"""Requests that Chat Completions refuses.

Rules:
1. Unknown parameters are refused, at the top and inside messages, parts and tools.
2. An assistant message with `tool_calls` is followed by one tool message per id, and nothing else comes between.
3. Reasoning models (`REASONING`) take neither `max_tokens`, `stop` nor another temperature than 1.

Source: recorded 400 responses; the texts of rule 2 from issues.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..nouns.errors import Reject, invalid
from . import effort
from .tools import (
    check_choice,
    check_function,
    check_name,
    check_schema,
    known,
    needed,
    not_empty,
    not_offered,
    one_of,
    too_long,
    typed,
)

PARAMETERS = frozenset(
    """audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages metadata
    modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store stream stream_options
    temperature tool_choice tools top_logprobs top_p user verbosity web_search_options""".split()
)
ROLES = ("system", "assistant", "user", "function", "tool", "developer")
FIELDS: Mapping[str, frozenset[str]] = {
    "system": frozenset(("role", "content", "name")),
    "developer": frozenset(("role", "content", "name")),
    "user": frozenset(("role", "content", "name")),
    "tool": frozenset(("role", "content", "tool_call_id", "name")),
    "function": frozenset(("role", "content", "name")),
    "assistant": frozenset(("role", "content", "name", "refusal", "audio", "tool_calls", "function_call", "annotations")),
}
PARTS: Mapping[str, tuple[str, ...]] = {
    # role: types of parts that it may have
    "system": ("text",),
    "developer": ("text",),
    "tool": ("text",),
    "function": ("text",),
    "assistant": ("text", "refusal"),
    "user": ("text", "image_url", "input_audio", "file"),
}
ALL_PARTS = ("text", "image_url", "input_audio", "refusal", "audio", "file")
RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
LONGEST_CALL_ID = 40
NO_AUDIO = ("gpt-3", "gpt-4", "gpt-5", "gpt-6", "o1", "o3", "o4")
"""Models that accept audio only if their name contains `audio`."""
REASONING = re.compile(r"(o1|o3|o4)\b|gpt-5(-mini|-nano|-pro)?(-20\d\d-\d\d-\d\d)?\Z")
_USER_NAME = re.compile(r"[^\s<|\\/>]+\Z")


def check(body: Mapping[str, Any]) -> None:
    """Raise `Reject` for what the real API refuses."""
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Reject(400, "you must provide a model parameter", "invalid_request_error")
    unknown = [key for key in body if key not in PARAMETERS]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise invalid(f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}")
    if body.get("messages") is None:
        raise invalid("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    not_empty(body["messages"], "messages")
    _check_settings(body)
    _check_tools(body)
    _check_format(body)
    for at, message in enumerate(body["messages"]):
        _check_message(message, body["model"], f"messages[{at}]")
    _check_results(body["messages"])


def _check_settings(body: Mapping[str, Any]) -> None:
    for key, (low, high) in RANGES.items():
        value = body.get(key)
        if value is None:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise invalid(f"Invalid type for '{key}': expected a decimal, but got a string instead.", key, "invalid_type")
        if value < low or value > high:
            side, word, sign = ("below", "minimum", ">=") if value < low else ("above", "maximum", "<=")
            text = f"Invalid '{key}': decimal {side} {word} value. Expected a value {sign} {low if value < low else high}, "
            raise invalid(f"{text}but got {value} instead.", key, f"decimal_{side}_{word[:3]}_value")
    for key in ("max_tokens", "max_completion_tokens", "n"):
        value = body.get(key)
        if value is not None:
            typed(value, int, key)
            if value < 1:
                text = f"Invalid '{key}': integer below minimum value. Expected a value >= 1, but got {value} instead."
                raise invalid(text, key, "integer_below_min_value")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    stop = body.get("stop")
    if stop is not None and not isinstance(stop, str):
        typed(stop, list, "stop")
        for at, one in enumerate(stop):
            typed(one, str, f"stop[{at}]")
    if isinstance(stop, list) and len(stop) > 4:
        text = (
            f"Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length {len(stop)}"
        )
        raise invalid(f"{text} instead.", "stop", "array_above_max_length")
    if body.get("web_search_options") is not None and body["model"].startswith("gpt-") and "search" not in body["model"]:
        raise invalid("Web search options not supported with this model.", "web_search_options")
    effort.check(body["model"], body.get("reasoning_effort"), "reasoning_effort")
    if REASONING.match(body["model"]):
        _check_reasoning(body)


def _check_reasoning(body: Mapping[str, Any]) -> None:
    if body.get("max_tokens") is not None:
        text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        raise invalid(text, "max_tokens", "unsupported_parameter")
    if body.get("stop"):
        raise invalid("Unsupported parameter: 'stop' is not supported with this model.", "stop", "unsupported_parameter")
    for key in ("temperature", "top_p"):
        if body.get(key) not in (None, 1):
            text = f"Unsupported value: '{key}' does not support {body[key]} with this model. "
            raise invalid(f"{text}Only the default (1) value is supported.", key, "unsupported_value")


def _check_tools(body: Mapping[str, Any]) -> None:
    tools, names = body.get("tools"), []
    if tools is not None:
        not_empty(tools, "tools")
    for at, tool in enumerate(tools or ()):
        where = f"tools[{at}]"
        typed(tool, dict, where)
        needed(tool, ["type"], where)
        one_of(tool["type"], ("function", "custom"), f"{where}.type")
        known(tool, ("type", tool["type"]), where)
        needed(tool, [tool["type"]], where)
        inner = tool[tool["type"]]
        typed(inner, dict, f"{where}.{tool['type']}")
        if tool["type"] == "function":
            known(inner, ("name", "description", "parameters", "strict"), f"{where}.function")
            check_function(inner, f"{where}.function")
        names.append(inner.get("name"))
    choice = body.get("tool_choice")
    check_choice(choice, names)
    if isinstance(choice, Mapping):
        one_of(choice.get("type"), ("function", "custom", "allowed_tools"), "tool_choice.type")
        if choice["type"] != "allowed_tools":
            needed(choice, [choice["type"]], "tool_choice")
            typed(choice[choice["type"]], dict, f"tool_choice.{choice['type']}")
            not_offered(choice[choice["type"]].get("name"), names)
    if body.get("parallel_tool_calls") is not None and not names:
        text = "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified."
        raise invalid(text, "parallel_tool_calls")


def _check_format(body: Mapping[str, Any]) -> None:
    form = body.get("response_format")
    if form is None:
        return
    typed(form, dict, "response_format")
    one_of(form.get("type"), ("json_object", "json_schema", "text"), "response_format.type")
    if form["type"] == "json_object" and "json" not in json.dumps(body["messages"], ensure_ascii=False).lower():
        text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise invalid(text, "messages")
    if form["type"] == "json_schema":
        needed(form, ["json_schema"], "response_format")
        inner = form["json_schema"]
        typed(inner, dict, "response_format.json_schema")
        needed(inner, ["name"], "response_format.json_schema")
        check_name(inner["name"], "response_format.json_schema.name")
        known(inner, ("name", "description", "schema", "strict"), "response_format.json_schema")
        check_schema(inner["name"], inner.get("schema"), bool(inner.get("strict")), "response_format")


def _check_message(message: Any, model: str, where: str) -> None:
    typed(message, dict, where)
    needed(message, ["role"], where)
    role = message["role"]
    one_of(role, ROLES, f"{where}.role")
    if role in ("developer", "system") and model.startswith(("o1-mini", "o1-preview")):
        text = f"Unsupported value: '{where}.role' does not support '{role}' with this model."
        raise invalid(text, f"{where}.role", "unsupported_value")
    known({key: value for key, value in message.items() if value is not None}, FIELDS[role], where)
    name = message.get("name")
    if name is not None and role != "tool" and not (isinstance(name, str) and _USER_NAME.match(name)):
        text = f"Invalid '{where}.name': string does not match pattern. Expected a string that matches the pattern"
        raise invalid(f"{text} '^[^\\s<|\\\\/>]+$'.", f"{where}.name", "invalid_value")
    content = message.get("content")
    if content is None and not (
        role == "assistant" and any(message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio"))
    ):
        raise invalid("Invalid value for 'content': expected a string, got null.", f"{where}.content")
    if content is not None and not isinstance(content, str):
        _check_parts(content, role, model, where)
    if message.get("tool_calls") is not None:
        typed(message["tool_calls"], list, f"{where}.tool_calls")
    for at, call in enumerate(message.get("tool_calls") or ()):
        _check_call(call, f"{where}.tool_calls[{at}]")
    if message.get("tool_calls") == []:
        not_empty([], f"{where}.tool_calls")
    if role == "tool":
        needed(message, ["tool_call_id"], where)
        typed(message["tool_call_id"], str, f"{where}.tool_call_id")


def _check_parts(content: Any, role: str, model: str, where: str) -> None:
    not_empty(content, f"{where}.content")
    for at, part in enumerate(content):
        here = f"{where}.content[{at}]"
        typed(part, dict, here)
        needed(part, ["type"], here)
        kind = part["type"]
        one_of(kind, ALL_PARTS, f"{here}.type")
        deaf = kind == "input_audio" and model.startswith(NO_AUDIO) and "audio" not in model
        if kind not in PARTS[role] or deaf:
            listed = "either text or image_url" if role == "user" else " or ".join(PARTS[role])
            raise invalid(f"Invalid '{where}'. Content blocks are expected to be {listed} type.", where, "invalid_value")
        known(part, ("type", kind, "prompt_cache_breakpoint"), here)
        needed(part, [kind], here)
        if kind == "text":
            typed(part["text"], str, f"{here}.text")
        elif kind != "refusal":
            typed(part[kind], dict, f"{here}.{kind}")
            _check_media(kind, part[kind], f"{here}.{kind}")


def _check_media(kind: str, value: Mapping[str, Any], where: str) -> None:
    if kind == "image_url":
        known(value, ("url", "detail"), where)
        needed(value, ["url"], where)
        if not str(value["url"]).startswith(("http://", "https://", "data:image/")):
            raise invalid(
                f"Invalid '{where}.url'. Expected a valid URL, but got a value with an invalid format.",
                f"{where}.url",
                "invalid_value",
            )
    elif kind == "input_audio":
        known(value, ("data", "format"), where)
        needed(value, ["data", "format"], where)
        one_of(value["format"], ("wav", "mp3"), f"{where}.format")
    else:
        known(value, ("file_data", "file_id", "filename"), where)
        if value.get("file_id") is None:
            needed(value, ["file_data"], where)
            if not str(value["file_data"]).startswith("data:"):
                text = f"Invalid file data: '{where}.file_data'. Expected a base64-encoded data URL with a valid file MIME type"
                raise invalid(f"{text} (e.g. 'data:application/pdf;base64,...').", f"{where}.file_data", "invalid_value")


def _check_call(call: Any, where: str) -> None:
    typed(call, dict, where)
    needed(call, ["id", "type"], where)
    one_of(call["type"], ("function", "custom"), f"{where}.type")
    known(call, ("id", "type", call["type"]), where)
    needed(call, [call["type"]], where)
    inner, text = call[call["type"]], "arguments" if call["type"] == "function" else "input"
    typed(inner, dict, f"{where}.{call['type']}")
    known(inner, ("name", text), f"{where}.{call['type']}")
    needed(inner, ["name", text], f"{where}.{call['type']}")
    typed(inner[text], str, f"{where}.{call['type']}.{text}")
    check_name(inner["name"], f"{where}.{call['type']}.name")
    too_long(call["id"], LONGEST_CALL_ID, f"{where}.id")


def _check_results(messages: list[Mapping[str, Any]]) -> None:
    """Tool calls and tool messages must match."""
    open_ids: list[str] = []
    answered: dict[str, int] = {}
    for at, message in enumerate(messages):
        if message["role"] == "tool":
            made = message["tool_call_id"]
            if made in answered:
                text = f"Invalid parameter: Duplicate value for 'tool_call_id' of '{made}', in messages"
                raise invalid(f"{text}[{answered[made]}] and messages[{at}].", f"messages.[{at}].tool_call_id")
            if made not in open_ids:
                text = (
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                )
                raise invalid(text, f"messages.[{at}].role")
            answered[made] = at
            continue
        _complain(open_ids, answered, at)
        open_ids, answered = [call["id"] for call in message.get("tool_calls") or ()], {}
    _complain(open_ids, answered, len(messages))


def _complain(open_ids: list[str], answered: Mapping[str, int], at: int) -> None:
    missing = [made for made in open_ids if made not in answered]
    if missing:
        text = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
            f"The following tool_call_ids did not have response messages: {', '.join(missing)}"
        )
        raise invalid(text, f"messages.[{at}].role")
