"""Calls through the anthropic SDK, as Messages. Works with anthropic 0.75 and later, 1 and 2.

from switchwise.clients.anthropic import AnthropicClient
client = AnthropicClient()                                  # key and address from the environment
request = client.request(messages=[...], max_tokens=1000, stream=True)
for chunk in drive(router.start(view), request.perform): ...
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from switchwise.clients.accounts import Environment
from switchwise.clients.answers import Assembly, Headers, SdkMethod
from switchwise.clients.arguments import sdk_module
from switchwise.clients.sdk import Client
from switchwise.dialects import Dialect
from switchwise.dialects.answer_end import end_of
from switchwise.dialects.settings import valued
from switchwise.dialects.table import ANTHROPIC
from switchwise.dialects.thinking import OFF, must_be_off
from switchwise.nouns.call import Call
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.scope import Key, Level
from switchwise.nouns.target import Defaults, Target
from switchwise.nouns.usage import usage_of
from switchwise.prompt_cache.breakpoints import marked
from switchwise.protocols.anthropic_messages import loop_without_thinking, messages_params
from switchwise.protocols.prompt import Prompt, arguments_of
from switchwise.state.in_process import Memory

LONGEST = 8_192
"""Default limit of an answer in tokens, which the API requires; less if the model's maximum is less."""
_THINKS = frozenset({"thinking", "redacted_thinking"})
_KEY_HEADERS = frozenset({"authorization", "x-api-key"})
_THREADS = 2_000
"""Most threads per client whose last prompt length is remembered."""


class AnthropicClient(Client):
    """Perform calls as Messages; see `Client` for the parameters."""

    provider = "anthropic"
    environment = Environment("https://api.anthropic.com", "ANTHROPIC_BASE_URL", ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"))

    def __init__(self, client: Any = None, async_client: Any = None, **more: Any) -> None:
        super().__init__(client, async_client, **more)
        self._seen: Memory[Key, int] = Memory(_THREADS)

    @property
    def dialect(self) -> Dialect:
        return ANTHROPIC

    def build(self, asynchronous: bool, **options: Any) -> Any:
        anthropic = sdk_module("anthropic")
        sdk = anthropic.AsyncAnthropic(**options) if asynchronous else anthropic.Anthropic(**options)
        if not _authenticates(sdk):  # the SDK raises at each call, a TypeError that does not name the variable
            raise ConfigurationError(
                f"{self!r} has no key: set {' or '.join(self.environment.keys_in)}, or give api_key= or auth_token="
            )
        return sdk

    def create(self, sdk: Any) -> Callable[..., Any]:
        create: Callable[..., Any] = sdk.messages.create
        return create

    def assembly(self) -> Assembly:
        return MessageAssembly()

    @property
    def sends(self) -> Defaults:
        """Default settings; the API requires a limit of the answer."""
        found = super().sends
        return found if found.max_output is not None else replace(found, max_output=LONGEST)

    def complete_params(self, method: SdkMethod, call: Call, params: dict[str, Any], named: bool) -> dict[str, Any]:  # noqa: ARG002
        if params.get("max_tokens") is None:
            params["max_tokens"] = min(LONGEST, call.target.can.max_output or LONGEST)
        if params.get("thinking"):
            forced = (params.get("tool_choice") or {}).get("type") in ("any", "tool")
            if must_be_off(params["thinking"], loop_without_thinking(params["messages"]), forced):
                params["thinking"] = OFF
            params = valued(ANTHROPIC, params)
        if not params.get("stream"):  # without a timeout, the SDK refuses unstreamed requests for long answers
            params.setdefault("timeout", method.sdk.timeout)
        return self._marked(call, params) if self.cache_hints.breakpoints and call.ask is None else params

    def _marked(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters with marks for the prompt cache."""
        thread = (params["model"], *call.view.scope.key(Level.AGENT))
        new = marked(params, self.cache_hints.breakpoints, self._seen.get(thread) or 0)
        self._seen.put(thread, len(params["messages"]))
        return dict(new)

    def render(self, prompt: Prompt, target: Target) -> dict[str, Any]:
        return messages_params(prompt, self.asked(target)) | dict(prompt.extra.get("anthropic", {}))

    def text_of(self, chunk: Any) -> str:
        text = getattr(getattr(chunk, "delta", None), "text", None) if chunk.type == "content_block_delta" else None
        return text or ""

    def reply_of(self, raw: dict[str, Any], headers: Headers | None = None, first_chunk: float | None = None) -> Reply:
        blocks = raw.get("content") or []
        calls = tuple([(block["name"], block.get("input") or {}) for block in blocks if block["type"] == "tool_use"])
        return Reply(
            text="".join([block.get("text", "") for block in blocks if block["type"] == "text"]),
            tool_calls=calls,
            usage=usage_of(raw.get("usage")),
            raw=raw,
            model=raw.get("model") or "",
            first_chunk=first_chunk,
            end=end_of(ANTHROPIC, raw if isinstance(raw.get("content"), list) else {}, calls=bool(calls)),
            headers=headers,
        )

    def refused(self, raw: Mapping[str, Any]) -> bool:
        return raw.get("stop_reason") == "refusal"

    def message_of(self, reply: Reply, model: str) -> dict[str, Any]:
        """Thinking must be sent back unchanged, and only to the same model: it is kept in `native`."""
        blocks = reply.raw.get("content") or []
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
        if calls := [block for block in blocks if block["type"] == "tool_use"]:
            message["tool_calls"] = [
                {
                    "id": block["id"],
                    "type": "function",
                    "function": {"name": block["name"], "arguments": json.dumps(block["input"], ensure_ascii=False)},
                }
                for block in calls
            ]
        if any(block["type"] in _THINKS for block in blocks):
            message["native"] = {"model": model, "content": blocks}
        return message


def _authenticates(sdk: Any) -> bool:
    """Return whether an SDK's client has a key, a token, or credentials that give one."""
    if any(getattr(sdk, name, None) for name in ("api_key", "auth_token", "credentials")):
        return True
    return any(name.lower() in _KEY_HEADERS for name in sdk.default_headers)


class MessageAssembly(Assembly):
    """Assemble a message from the events of its stream. It is complete after `message_stop`."""

    def __init__(self) -> None:
        super().__init__()
        self._stopped = False
        self._inputs: dict[int, str] = {}

    def take(self, chunk: dict[str, Any]) -> None:
        match chunk.get("type"):
            case "message_start":
                self.raw = chunk["message"]
                self.raw["content"] = list(self.raw.get("content") or ())
            case "content_block_start":
                self.raw.setdefault("content", []).append(dict(chunk["content_block"]))
            case "content_block_delta":
                self._grow(chunk.get("index", 0), chunk["delta"])
            case "message_delta":
                self.raw.update({name: value for name, value in chunk.get("delta", {}).items() if value is not None})
                usage = {name: value for name, value in (chunk.get("usage") or {}).items() if value is not None}
                self.raw["usage"] = {**(self.raw.get("usage") or {}), **usage}
            case "message_stop":
                self._stopped = True

    @staticmethod
    def has_tokens(chunk: Mapping[str, Any]) -> bool:
        return chunk.get("type") == "content_block_delta"

    def _grow(self, index: int, delta: Mapping[str, Any]) -> None:
        block = self.raw["content"][index]
        match delta.get("type"):
            case "text_delta":
                block["text"] = block.get("text", "") + delta["text"]
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
            case "input_json_delta":
                self._inputs[index] = self._inputs.get(index, "") + delta["partial_json"]
            case _:  # a newer kind of block (such as a compaction): its texts grow
                for name in delta.keys() - {"type"}:
                    before, part = block.get(name), delta[name]
                    block[name] = before + part if isinstance(before, str) and isinstance(part, str) else part

    @property
    def complete(self) -> bool:
        return self._stopped

    def finished(self) -> dict[str, Any]:
        for index, text in self._inputs.items():
            self.raw["content"][index]["input"] = arguments_of(text)
        return self.raw
