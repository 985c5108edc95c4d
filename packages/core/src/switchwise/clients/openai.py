"""Calls through the openai SDK, as chat completions.

    from switchwise.clients.openai import OpenAIClient
    client = OpenAIClient()                                     # key and address from the environment
    request = client.request(messages=[...], stream=True)
    for chunk in drive(router.start(view), request.perform): ...

Whoever speaks the same protocol (vLLM, Ollama, DeepSeek, OpenRouter) is reached with `base_url=`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from switchwise.clients.sdk import Assembly, Client
from switchwise.nouns.call import Call, Reply
from switchwise.nouns.scope import Level
from switchwise.nouns.target import Target
from switchwise.nouns.usage import usage_of
from switchwise.prompt_cache.affinity import key_of, with_hint
from switchwise.protocols.openai_chat import chat_messages
from switchwise.protocols.prompt import Message, Prompt, arguments_of

_GROWS = frozenset({"content", "arguments", "input", "refusal", "reasoning", "reasoning_content", "data", "transcript", "text"})


class OpenAIClient(Client):
    """Performs calls as chat completions; see `Client` for the parameters.

    Parameters:
        longest: what the API calls the longest answer; older servers want `max_tokens`.
    """

    provider = "openai"

    def __init__(
        self, client: Any = None, async_client: Any = None, *, longest: str = "max_completion_tokens", **more: Any
    ) -> None:
        super().__init__(client, async_client, **more)
        self._longest = longest

    def build(self, asynchronous: bool, **options: Any) -> Any:
        import openai

        return openai.AsyncOpenAI(**options) if asynchronous else openai.OpenAI(**options)

    def create(self, sdk: Any) -> Callable[..., Any]:
        create: Callable[..., Any] = sdk.chat.completions.create
        return create

    def assembly(self) -> Assembly:
        return Chat()

    def complete_params(self, sdk: Any, target: Target, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        if params.get("stream"):  # without it a stream says nothing of what it cost
            params["stream_options"] = {"include_usage": True, **(params.get("stream_options") or {})}
        return params

    def warmed(self, sdk: Any, call: Call, params: dict[str, Any], named: bool) -> dict[str, Any]:
        hint = self.keep_warm.hint(str(sdk.base_url)) if named else None
        if hint is None:
            return params
        return with_hint(params, hint, key_of(call.view.scope.key(Level.AGENT)), sdk.default_headers if hint.header else ())

    def render(self, prompt: Prompt, target: Target) -> dict[str, Any]:  # noqa: ARG002
        choice = prompt.choice
        named = {"type": "function", "function": {"name": choice}}
        schema = {"name": "answer", "schema": prompt.schema, "strict": True}
        params = {
            "messages": chat_messages(prompt.messages, prompt.tools),
            "tools": list(prompt.tools) or None,
            "tool_choice": choice if choice in ("auto", "required", "none") else named if choice else None,
            "parallel_tool_calls": prompt.parallel_tool_calls,
            "response_format": {"type": "json_schema", "json_schema": schema} if prompt.schema is not None else None,
            self._longest: prompt.max_tokens,
            "temperature": prompt.temperature,
            "top_p": prompt.top_p,
            "stop": list(prompt.stop) or None,
            "stream": prompt.stream or None,
        }
        return {name: value for name, value in params.items() if value is not None} | dict(prompt.extra.get("openai", {}))

    def text_of(self, chunk: Any) -> str:
        return next((choice.delta.content or "" for choice in chunk.choices or () if choice.index == 0 and choice.delta), "")

    def message_of(self, raw: Mapping[str, Any], model: str) -> dict[str, Any]:  # noqa: ARG002
        said = _message(raw)
        kept = {name: said[name] for name in ("content", "refusal", "tool_calls") if said.get(name)}
        return {"role": "assistant", "content": None, **kept}


class Chat(Assembly):
    """Puts a chat completion together. Complete when every choice has its `finish_reason`."""

    def take(self, chunk: dict[str, Any]) -> None:
        choices = chunk.pop("choices", None) or []
        self.raw.update({name: value for name, value in chunk.items() if value is not None})
        self.raw["object"] = "chat.completion"
        for part in choices:
            choice = _at(self.raw.setdefault("choices", []), part.get("index", 0))
            delta = part.pop("delta", None) or {}
            choice.update({name: value for name, value in part.items() if value is not None})
            _grow(choice.setdefault("message", {"role": "assistant", "content": None}), delta)

    @property
    def complete(self) -> bool:
        choices = self.raw.get("choices") or []
        return bool(choices) and all(choice.get("finish_reason") for choice in choices)

    @property
    def refused(self) -> bool:
        ended = next((choice.get("finish_reason") for choice in self.raw.get("choices") or ()), None)
        return ended == "content_filter" or bool(_message(self.raw).get("refusal"))

    def reply(self, first_chunk: float | None) -> Reply:
        said = _message(self.raw)
        return Reply(
            text=said.get("content") or said.get("refusal") or "",
            tool_calls=tuple(_call(call) for call in said.get("tool_calls") or _legacy(said)),
            usage=usage_of(self.raw),
            raw=self.raw,
            model=self.raw.get("model") or "",
            first_chunk=first_chunk,
        )


def _message(raw: Mapping[str, Any]) -> Message:
    message: Message = next((choice.get("message") or {} for choice in raw.get("choices") or ()), {})
    return message


def _call(call: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if custom := call.get("custom"):
        return custom["name"], {"input": custom.get("input", "")}
    function = call.get("function") or {}
    return function.get("name", ""), arguments_of(function.get("arguments"))


def _legacy(said: Message) -> list[dict[str, Any]]:
    call = said.get("function_call")
    return [{"function": call}] if call else []


def _at(items: list[dict[str, Any]], index: int) -> dict[str, Any]:
    """The item that carries this index, which may arrive in any order."""
    found = next((item for item in items if item.get("index") == index), None)
    if found is None:
        found = {"index": index}
        items.append(found)
        items.sort(key=lambda item: item["index"])
    return found


def _grow(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add a delta: texts grow, lists grow by index, all else is replaced (servers differ in what they repeat)."""
    for name, part in delta.items():
        if part is None:
            continue
        before = message.get(name)
        if isinstance(part, str) and isinstance(before, str) and name in _GROWS:
            message[name] = before + part
        elif isinstance(part, dict):
            _grow(before if isinstance(before, dict) else _fresh(message, name, {}), part)
        elif isinstance(part, list):
            items = before if isinstance(before, list) else _fresh(message, name, [])
            for piece in part:
                if isinstance(piece, dict):
                    _grow(_at(items, piece.get("index", len(items))), piece)
                else:
                    items.append(piece)
        elif part != "" or before is None:
            message[name] = part


def _fresh(message: dict[str, Any], name: str, empty: Any) -> Any:
    message[name] = empty
    return empty
