"""Anthropic's thinking: when it is allowed, how blocks are signed, and which signed blocks may be sent back.

A signature holds the model, a digest of the prompt before the block, and one of its text, so that any server can check it.

| the block comes back ...                  | models that bind thinking (`BINDING`)  | other models                  |
|-------------------------------------------|------------------------------------------|-------------------------------|
| unchanged, to the model that made it      | accepted                                 | accepted                      |
| to another model                          | dropped                                  | 400, invalid signature        |
| from claude-haiku-5-5 to another model    | dropped                                  | accepted                      |
| with another text, or without signature   | 400                                      | 400                           |
| after an edit of an earlier part          | 400, unless `drop_block` is asked for  | accepted                      |

Source: preserved-thinking documentation; the texts of the errors of binding are ours, all others are recorded or reported.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..nouns.errors import invalid

BINDING = (
    "claude-fable-5-1",
    "claude-fable-5-2",
    "claude-mythos-5-1",
    "claude-mythos-5-2",
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
)
PORTABLE = ("claude-haiku-5-5",)
KINDS = ("thinking", "redacted_thinking")
_KEY = b"loopback"
_SNAPSHOT = re.compile(r"(-\d{8}|-latest)$")


def enabled(body: Mapping[str, Any]) -> bool:
    """Whether the request allows visible thinking."""
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive", "between_tools")


def block(body: Mapping[str, Any], text: str, redacted: bool = False) -> dict[str, Any]:
    """A signed `thinking` (or `redacted_thinking`) block for the answer to `body`."""
    seal = _seal(family(body["model"]), _digest(body, len(body["messages"])), text)
    if redacted:
        return {"type": "redacted_thinking", "data": seal}
    shown = "" if (body.get("thinking") or {}).get("display") == "omitted" else text
    return {"type": "thinking", "thinking": shown, "signature": seal}


def family(model: str) -> str:
    """The model without its snapshot date."""
    return _SNAPSHOT.sub("", model)


def check(body: Mapping[str, Any], trusted: Collection[str] = ()) -> None:
    """Raise `Reject` for thinking blocks that may not come back. `trusted` signatures are taken as genuine."""
    model, settings = family(body["model"]), body.get("thinking") or {}
    binds = model.startswith(BINDING)
    last = max((at for at, message in enumerate(body["messages"]) if message.get("role") == "assistant"), default=-1)
    for at, index, part in _blocks(body):
        seal = part.get("signature") if part["type"] == "thinking" else part.get("data")
        if seal in trusted:
            continue
        where = f"messages.{at}.content.{index}"
        opened = _open(seal if isinstance(seal, str) else "")
        if opened is None:
            raise invalid(
                f"{where}: Invalid `signature` in `thinking` block"
                if part["type"] == "thinking"
                else f"{where}: Invalid `data` in `redacted_thinking` block"
            )
        maker, before, text = opened
        if part["type"] == "thinking" and part.get("thinking") and _hash(part["thinking"]) != text:
            if at == last:
                raise invalid(
                    f"{where}: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. "
                    "These blocks must remain as they were in the original response."
                )
            raise invalid(f"{where}: Invalid `signature` in `thinking` block")
        if maker != model:
            if not binds and maker not in PORTABLE:
                raise invalid(f"{where}: Invalid `signature` in `thinking` block")
        elif binds and not _lenient(settings) and before != _digest(body, at):
            raise invalid(f"{where}: `thinking` block is bound to the prompt it was generated for, and that prompt has changed")
    if settings.get("type") == "enabled":
        _check_loop(body["messages"])


def dropped(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """Blocks hidden from the model, in the form of `input_transformations`. The body has passed `check`."""
    model = family(body["model"])
    if not model.startswith(BINDING):
        return []
    made: list[dict[str, str]] = []
    for at, index, part in _blocks(body):
        opened = _open(str(part.get("signature") or part.get("data") or ""))
        reason = None
        if opened is None or opened[0] != model:
            reason = "model_binding_mismatch"
        elif opened[1] != _digest(body, at):
            reason = "prefix_binding_mismatch"
        if reason:
            made.append({"type": "thinking_dropped", "path": f"messages.{at}.content.{index}", "reason": reason})
    return made


def shown(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """`body` without the dropped blocks."""
    paths = {entry["path"] for entry in dropped(body)}
    if not paths:
        return body
    messages = [
        {
            **message,
            "content": [part for index, part in enumerate(_parts(message)) if f"messages.{at}.content.{index}" not in paths],
        }
        for at, message in enumerate(body["messages"])
    ]
    return {**body, "messages": messages}


def _lenient(settings: Mapping[str, Any]) -> bool:
    return (settings.get("block_binding") or {}).get("prefix_mismatch_behavior") == "drop_block"


def _check_loop(messages: list[Mapping[str, Any]]) -> None:
    """In the middle of a tool loop, the assistant's turn must have started with thinking."""
    at = start = len(messages) - 1
    looping = False
    while messages[at]["role"] != "user" or "tool_result" in _kinds(messages[at]):  # the first message has none: `turns`
        if messages[at]["role"] == "assistant":
            start, looping = at, looping or "tool_use" in _kinds(messages[at])
        at -= 1
    if not looping or messages[-1]["role"] == "assistant":
        return
    first = next((part.get("type") for part in _parts(messages[start])), None)
    if first not in KINDS:
        raise invalid(
            f"messages.{start}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. "
            "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost "
            "set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. "
            "To avoid this requirement, disable `thinking`. Please consult our documentation at "
            "https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
        )


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
    for at, message in enumerate(body["messages"]):
        if message.get("role") == "assistant":
            for index, part in enumerate(_parts(message)):
                if part.get("type") in KINDS:
                    yield at, index, part


def _parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def _kinds(message: Mapping[str, Any]) -> list[Any]:
    return [part.get("type") for part in _parts(message)]


def _digest(body: Mapping[str, Any], until: int) -> str:
    """Digest of everything before message `until`, without cache markers."""
    system = body.get("system")
    flat: list[Any] = [body.get("tools") or [], _parts({"content": system}) if system else []]
    flat.extend([message.get("role"), part] for message in body["messages"][:until] for part in _parts(message))
    return _hash(json.dumps(_bare(flat), sort_keys=True))


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _bare(inner) for key, inner in value.items() if key != "cache_control"}
    return [_bare(inner) for inner in value] if isinstance(value, list | tuple) else value


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _seal(model: str, before: str, text: str) -> str:
    content = json.dumps([model, before, _hash(text)])
    mark = hmac.new(_KEY, content.encode(), "sha256").hexdigest()
    return base64.b64encode(json.dumps([content, mark]).encode()).decode()


def _open(seal: str) -> tuple[str, str, str] | None:
    """Model, prompt digest and text digest of a signature; None if it is not from this server."""
    try:
        content, mark = json.loads(base64.b64decode(seal, validate=True))
        if not hmac.compare_digest(mark, hmac.new(_KEY, content.encode(), "sha256").hexdigest()):
            return None
        model, before, text = json.loads(content)
    except (ValueError, TypeError, AttributeError):
        return None
    return model, before, text
