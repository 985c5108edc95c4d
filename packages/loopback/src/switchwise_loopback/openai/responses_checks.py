"""Requests that the Responses API refuses on their own. For checks against earlier requests see `responses_store`.

Source: recorded 400 responses, issues, and the types of openai 2.54.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..nouns.errors import Reject, invalid
from . import effort
from .checks import RANGES, REASONING
from .tools import (
    check_choice,
    check_function,
    check_name,
    check_schema,
    known,
    needed,
    not_offered,
    one_of,
    too_long,
    typed,
)

PARAMETERS = frozenset(
    """background context_management conversation include input instructions max_output_tokens max_tool_calls metadata model
    moderation parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention
    reasoning safety_identifier service_tier store stream stream_options temperature text tool_choice tools top_logprobs top_p
    truncation user""".split()
)
TOOLS = (
    "function",
    "custom",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "file_search",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "image_generation",
    "local_shell",
    "shell",
    "apply_patch",
    "mcp",
    "namespace",
    "tool_search",
    "programmatic_tool_calling",
)
ITEMS = (
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "item_reference",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "computer_call",
    "computer_call_output",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "compaction",
    "compaction_trigger",
    "configuration_update",
    "program",
    "program_output",
)
PARTS = (
    "input_text",
    "input_image",
    "output_text",
    "refusal",
    "input_file",
    "computer_screenshot",
    "summary_text",
    "reasoning_text",
)
ASSISTANT_PARTS = ("output_text", "refusal")
PART_FIELDS: Mapping[str, tuple[str, ...]] = {
    "input_text": ("type", "text", "prompt_cache_breakpoint"),
    "input_image": ("type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"),
    "input_file": ("type", "file_data", "file_id", "file_url", "filename", "detail", "prompt_cache_breakpoint"),
    "output_text": ("type", "text", "annotations", "logprobs"),
    "refusal": ("type", "refusal"),
}
UPDATES = re.compile(r"gpt-([6-9]|\d\d)")
PREFIXES: Mapping[str, str] = {"message": "msg", "function_call": "fc", "reasoning": "rs", "web_search_call": "ws"}


def reasons(model: str) -> bool:
    """Return whether the model reasons."""
    return bool(REASONING.match(model)) or (model.startswith(("gpt-5", "gpt-6", "gpt-7")) and "chat" not in model)


def check(body: Mapping[str, Any]) -> None:
    """Raise `Reject` for what the real API refuses."""
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Reject(400, "you must provide a model parameter", "invalid_request_error")
    for key in body:
        if key not in PARAMETERS:
            raise invalid(f"Unknown parameter: '{key}'.", key, "unknown_parameter")
    if all(body.get(key) is None for key in ("input", "previous_response_id", "prompt", "conversation")):
        text = "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided."
        raise invalid(text, "input", "missing_required_parameter")
    _check_settings(body)
    _check_tools(body)
    _check_text(body)
    given = body.get("input")
    if given is not None and not isinstance(given, str):
        typed(given, list, "input")
        for at, item in enumerate(given):
            _check_item(item, f"input[{at}]")
            if item.get("type") == "configuration_update":
                _check_update(item, body["model"], f"input[{at}]")


def _check_update(item: Mapping[str, Any], model: str, where: str) -> None:
    """An item that changes effort or format from here; the part before it stays cached. From GPT-6."""
    if not UPDATES.match(model):
        raise invalid(f"'configuration_update' items are not supported with the '{model}' model.", where, "unsupported_value")
    known(item, ("type", "id", "reasoning", "text"), where)
    if not item.get("reasoning") and not item.get("text"):
        needed(item, ["reasoning"], where)
    if item.get("reasoning"):
        typed(item["reasoning"], dict, f"{where}.reasoning")
        known(item["reasoning"], ("effort",), f"{where}.reasoning")
        effort.check(model, item["reasoning"].get("effort"), f"{where}.reasoning.effort")


def _check_settings(body: Mapping[str, Any]) -> None:
    for key in ("temperature", "top_p"):
        value = body.get(key)
        if value is None:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise invalid(f"Invalid type for '{key}': expected a decimal, but got a string instead.", key, "invalid_type")
        low, high = RANGES[key]
        if not low <= value <= high:
            side, word, sign, bound = ("below", "minimum", ">=", low) if value < low else ("above", "maximum", "<=", high)
            text = f"Invalid '{key}': decimal {side} {word} value. Expected a value {sign} {bound}, but got {value} instead."
            raise invalid(text, key, f"decimal_{side}_{word[:3]}_value")
        if REASONING.match(body["model"]) and value != 1:
            raise invalid(f"Unsupported parameter: '{key}' is not supported with this model.", key, "unsupported_parameter")
    most = body.get("max_output_tokens")
    if most is not None:
        typed(most, int, "max_output_tokens")
    if most is not None and most < 16:
        text = f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got {most} instead."
        raise invalid(text, "max_output_tokens", "integer_below_min_value")
    if isinstance(body.get("reasoning"), Mapping):
        effort.check(body["model"], body["reasoning"].get("effort"), "reasoning.effort")
    if reasons(body["model"]) or not body["model"].startswith(("gpt-3", "gpt-4")):
        return
    for key in ("effort", "summary"):
        if (body.get("reasoning") or {}).get(key) is not None:
            text = f"Unsupported parameter: 'reasoning.{key}' is not supported with this model."
            raise invalid(text, f"reasoning.{key}", "unsupported_parameter")
    if "reasoning.encrypted_content" in (body.get("include") or ()):
        raise invalid("Encrypted content is not supported with this model.", "include")


def _check_tools(body: Mapping[str, Any]) -> None:
    names: list[str] = []
    if body.get("tools") is not None:
        typed(body["tools"], list, "tools")
    for at, tool in enumerate(body.get("tools") or ()):
        where = f"tools[{at}]"
        typed(tool, dict, where)
        needed(tool, ["type"], where)
        one_of(tool["type"], TOOLS, f"{where}.type")
        if tool["type"] == "function":
            needed(tool, ["name"], where)
            known(
                tool,
                ("type", "name", "description", "parameters", "strict", "defer_loading", "allowed_callers", "output_schema"),
                where,
            )
            check_function(tool, where)
        names.append(tool.get("name") or tool["type"])
    choice = body.get("tool_choice")
    check_choice(choice, names)
    if isinstance(choice, Mapping):
        one_of(choice.get("type"), ("function", "allowed_tools", *TOOLS[1:]), "tool_choice.type")
        if choice["type"] == "function":
            needed(choice, ["name"], "tool_choice")
            not_offered(choice["name"], names)


def _check_text(body: Mapping[str, Any]) -> None:
    if body.get("text") is not None:
        typed(body["text"], dict, "text")
    form = (body.get("text") or {}).get("format")
    if form is None:
        return
    typed(form, dict, "text.format")
    one_of(form.get("type"), ("json_object", "json_schema", "text"), "text.format.type")
    if form["type"] == "json_schema":
        known(form, ("type", "name", "description", "schema", "strict"), "text.format")
        needed(form, ["name", "schema"], "text.format")
        check_name(form["name"], "text.format.name")
        check_schema(form["name"], form["schema"], bool(form.get("strict")), "text.format.schema")
    if form["type"] == "json_object" and "json" not in json.dumps(body.get("input"), ensure_ascii=False).lower():
        text = "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'."
        raise invalid(text, "input")


def _check_item(item: Any, where: str) -> None:
    typed(item, dict, where)
    kind = item.get("type", "message")
    one_of(kind, ITEMS, f"{where}.type" if "type" in item else where)
    prefix, made = PREFIXES.get(kind), item.get("id")
    if prefix and made is not None and not str(made).startswith(prefix):
        text = f"Invalid '{where}.id': '{made}'. Expected an ID that begins with '{prefix}'."
        raise invalid(text, f"{where}.id", "invalid_value")
    if kind == "message":
        _check_message(item, where)
    elif kind == "function_call":
        known(item, ("type", "id", "call_id", "name", "arguments", "status", "namespace", "caller"), where)
        needed(item, ["call_id", "name", "arguments"], where)
        typed(item["arguments"], str, f"{where}.arguments")
        check_name(item["name"], f"{where}.name")
        too_long(item["call_id"], 64, f"{where}.call_id")
    elif kind == "function_call_output":
        known(item, ("type", "id", "call_id", "output", "status", "caller"), where)
        needed(item, ["call_id", "output"], where)
        too_long(item["call_id"], 64, f"{where}.call_id")
        if not isinstance(item["output"], str):
            typed(item["output"], list, f"{where}.output")
            _check_parts(item["output"], PART_FIELDS, f"{where}.output")
    elif kind == "reasoning":
        known(item, ("type", "id", "summary", "content", "encrypted_content", "status"), where)
        if "summary" not in item:
            needed(item, ["summary"], where)


def _check_message(item: Mapping[str, Any], where: str) -> None:
    known(item, ("type", "id", "role", "content", "status", "phase"), where)
    needed(item, ["role", "content"], where)
    one_of(item["role"], ("assistant", "system", "developer", "user"), f"{where}.role")
    content = item["content"]
    if isinstance(content, str):
        return
    typed(content, list, f"{where}.content")
    allowed: Sequence[str] = ASSISTANT_PARTS if item["role"] == "assistant" else PARTS
    _check_parts(content, allowed, f"{where}.content")


def _check_parts(content: Any, allowed: Any, where: str) -> None:
    for at, part in enumerate(content):
        here = f"{where}[{at}]"
        typed(part, dict, here)
        needed(part, ["type"], here)
        one_of(part["type"], allowed, f"{here}.type")
        if part["type"] in PART_FIELDS:
            known(part, PART_FIELDS[part["type"]], here)
        if (
            part["type"] == "input_file"
            and part.get("file_data") is not None
            and not str(part["file_data"]).startswith("data:")
        ):
            text = f"Invalid file data: '{here}.file_data'. Expected a base64-encoded data URL with a valid file MIME type"
            raise invalid(f"{text} (e.g. 'data:application/pdf;base64,...').", f"{here}.file_data", "invalid_value")
        if part["type"] == "input_file" and str(part.get("file_data", "")).startswith(("data:audio", "data:video")):
            mime = part["file_data"][5:].split(";")[0]
            text = (
                f"Invalid file data: '{here}.file_data'. Expected a base64-encoded data URL with a valid file MIME type (e.g. "
                f"'data:text/plain;base64,SGVsbG8sIFdvcmxkIQ=='), but got unsupported MIME type '{mime}'."
            )
            raise invalid(text, f"{here}.file_data", "invalid_value")


def check_calls(items: Sequence[Mapping[str, Any]]) -> None:
    """Function calls and outputs of the whole conversation must match."""
    waiting: list[str] = []
    for item in items:
        if item.get("type") == "function_call":
            waiting.append(item["call_id"])
        elif item.get("type") == "function_call_output":
            if item["call_id"] not in waiting:
                raise invalid(f"No tool call found for function call output with call_id {item['call_id']}.", "input")
            waiting.remove(item["call_id"])
    if waiting:
        raise invalid(f"No tool output found for function call {waiting[0]}.", "input")
