"""Calls through the openai SDK, as chat completions.

    from switchwise.clients.openai import OpenAIClient
    client = OpenAIClient()                                     # key and address from the environment
    request = client.request(messages=[...], stream=True)
    for chunk in drive(router.start(view), request.perform): ...

Servers with the same protocol (vLLM, Ollama, DeepSeek, OpenRouter) are called with `base_url=`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from switchwise.clients.accounts import Environment
from switchwise.clients.answers import Assembly, Headers, SdkMethod
from switchwise.clients.arguments import sdk_module
from switchwise.clients.sdk import Client
from switchwise.dialects import Dialect, by_name, dialect_at
from switchwise.dialects.answer_end import end_of
from switchwise.dialects.table import OPENAI_CHAT
from switchwise.dialects.tool_choice import fitting, in_chat_words, neutral
from switchwise.nouns.call import Call
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.exchange.reply import Reply
from switchwise.nouns.scope import Level
from switchwise.nouns.target import Target
from switchwise.nouns.usage import usage_of
from switchwise.prompt_cache.cache_hints import key_of, with_hint
from switchwise.protocols.chat_stream import at, grow
from switchwise.protocols.openai_chat import chat_messages, own_parts, plain_calls
from switchwise.protocols.prompt import Message, Prompt, arguments_of


class OpenAIClient(Client):
    """Perform calls as chat completions; see `Client` for further parameters.

    Parameters:
        longest: the API's name of the limit of the answer's length; empty: the dialect's.
        dialect: name of the server's row of `switchwise.dialects`, for your own gateway; empty: derived from its address, else OpenAI's.

    Raises:
        ConfigurationError: the dialect is unknown.
    """

    provider = "openai"
    environment = Environment("https://api.openai.com/v1", "OPENAI_BASE_URL", ("OPENAI_API_KEY",))

    def __init__(
        self, client: Any = None, async_client: Any = None, *, longest: str = "", dialect: str = "", **more: Any
    ) -> None:
        super().__init__(client, async_client, **more)
        try:
            self._named = by_name(dialect) if dialect else None
        except KeyError as error:
            raise ConfigurationError(f"dialect={dialect!r}: see switchwise.dialects.DIALECTS for the names") from error
        self._longest = longest

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    @cached_property
    def _dialect(self) -> Dialect:
        if self._named is not None:
            return self._named
        return dialect_at(self.served_by)

    def build(self, asynchronous: bool, **options: Any) -> Any:
        openai = sdk_module("openai")
        return openai.AsyncOpenAI(**options) if asynchronous else openai.OpenAI(**options)

    def create(self, sdk: Any) -> Callable[..., Any]:
        create: Callable[..., Any] = sdk.chat.completions.create
        return create

    def assembly(self) -> Assembly:
        return ChatAssembly(self.dialect)

    def complete_params(self, method: SdkMethod, call: Call, params: dict[str, Any], named: bool) -> dict[str, Any]:
        if params.get("stream_options", params) is None:  # the server refuses it
            params = {name: value for name, value in params.items() if name != "stream_options"}
        elif params.get("stream"):  # without it a stream has no usage
            params["stream_options"] = {"include_usage": True, **(params.get("stream_options") or {})}
        hint = method.hint
        if hint is None or not named or call.ask is not None:
            return params
        given = method.sdk.default_headers if hint.header else ()
        return with_hint(params, hint, key_of(call.view.scope.key(Level.AGENT)), given)

    def render(self, prompt: Prompt, target: Target) -> dict[str, Any]:
        choice = fitting(neutral(prompt.choice)[0], self.dialect, len(prompt.tools))
        schema = {"name": "answer", "schema": prompt.strict_schema, "strict": True}
        messages = chat_messages(prompt.messages, prompt.tools, self.dialect, self.asked(target), prompt.ended_by)
        params = {
            "messages": messages,
            "tools": list(prompt.tools) or None,
            "tool_choice": in_chat_words(choice),
            "parallel_tool_calls": prompt.parallel_tool_calls if self.dialect.tools.one_by_one else None,
            "response_format": {"type": "json_schema", "json_schema": schema} if prompt.schema is not None else None,
            self._longest or self.dialect.settings.longest: prompt.max_tokens,
            "temperature": prompt.temperature,
            self.dialect.settings.words.get("top_p", "top_p"): prompt.top_p,
            "stop": list(prompt.stop) or None,
            "stream": prompt.stream or None,
        }
        return {name: value for name, value in params.items() if value is not None} | dict(prompt.extra.get("openai", {}))

    def text_of(self, chunk: Any) -> str:
        return next((choice.delta.content or "" for choice in chunk.choices or () if choice.index == 0 and choice.delta), "")

    def reply_of(self, raw: dict[str, Any], headers: Headers | None = None, first_chunk: float | None = None) -> Reply:
        reported = _message(raw)
        calls = tuple([_call(call) for call in reported.get("tool_calls") or _legacy(reported)])
        choice: Mapping[str, Any] = next(iter(raw.get("choices") or ()), {})
        if not isinstance(choice.get("message"), Mapping):  # an end without a message ends nothing
            choice = {}
        return Reply(
            text=reported.get("content") or reported.get("refusal") or "",
            tool_calls=calls,
            usage=usage_of(raw),
            raw=raw,
            model=raw.get("model") or "",
            first_chunk=first_chunk,
            end=end_of(self.dialect, choice, calls=bool(calls), refused=bool(reported.get("refusal"))),
            headers=headers,
        )

    def refused(self, raw: Mapping[str, Any]) -> bool:
        ended = next((choice.get("finish_reason") for choice in raw.get("choices") or ()), None)
        return ended == "content_filter" or bool(_message(raw).get("refusal"))

    def message_of(self, reply: Reply, model: str) -> dict[str, Any]:
        """Reasoning and extra fields of tool calls may be sent back only to the same model: they are kept in `native`."""
        reported = _message(reply.raw)
        kept = {name: reported[name] for name in ("content", "refusal") if reported.get(name)}
        if reported.get("tool_calls"):
            kept["tool_calls"] = plain_calls(reported["tool_calls"])
        own = own_parts(reported)
        return {"role": "assistant", "content": None, **kept, **({"native": {"model": model, "message": own}} if own else {})}


class ChatAssembly(Assembly):
    """Assemble a chat completion. It is complete when every choice has a `finish_reason`, or after the usage, which is sent last.

    Parameters:
        dialect: dialect of the server.
    """

    def __init__(self, dialect: Dialect = OPENAI_CHAT) -> None:
        super().__init__()
        self._dialect = dialect
        self._closed = False

    def take(self, chunk: dict[str, Any]) -> None:
        choices = chunk.pop("choices", None) or []
        self._closed = not choices and usage_of(chunk) is not None
        self.raw.update({name: value for name, value in chunk.items() if value is not None})
        self.raw["object"] = "chat.completion"
        for part in choices:
            choice = at(self.raw.setdefault("choices", []), part.get("index", 0))
            delta = part.pop("delta", None)
            choice.update({name: value for name, value in part.items() if value is not None})
            if delta is not None:
                grow(choice.setdefault("message", {"role": "assistant", "content": None}), delta)

    @staticmethod
    def has_tokens(chunk: Mapping[str, Any]) -> bool:
        deltas = [part.get("delta") or {} for part in chunk.get("choices") or ()]
        return any(value for delta in deltas for name, value in delta.items() if name != "role")

    @property
    def complete(self) -> bool:
        choices = self.raw.get("choices") or []
        if not choices:
            return False
        ended = all(choice.get("finish_reason") for choice in choices)
        return ended or (self._closed and self._dialect.ends.usage_ends)


def _message(raw: Mapping[str, Any]) -> Message:
    message: Message = next((choice.get("message") or {} for choice in raw.get("choices") or ()), {})
    return message


def _call(call: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if custom := call.get("custom"):
        return custom["name"], {"input": custom.get("input", "")}
    function = call.get("function") or {}
    return function.get("name", ""), arguments_of(function.get("arguments"))


def _legacy(reported: Message) -> list[dict[str, Any]]:
    call = reported.get("function_call")
    return [{"function": call}] if call else []
