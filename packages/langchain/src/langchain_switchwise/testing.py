"""`ChatSwitchwise`, as the checks of `switchwise.testing.adapters` see it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.utils import convert_to_messages
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI

from langchain_switchwise.doors.chat_model import ChatSwitchwise
from switchwise import Router
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.testing.adapters import ModelEndpoint, NeutralRequest, Said

_KINDS = {
    # what models of each row call themselves, that are reached by Chat Completions here
    "anthropic": "anthropic-chat",
    "azure": "azure-openai-chat",
    "bedrock-converse": "amazon_bedrock_converse_chat",
    "chat-completions": "litellm-chat",
    "cohere": "cohere-chat",
    "fireworks": "fireworks-chat",
    "gemini": "chat-google-generative-ai",
    "groq": "groq-chat",
    "mistral": "mistralai-chat",
    "nvidia": "chat-nvidia-ai-playground",
    "ollama": "chat-ollama",
    "openrouter": "openrouter-chat",
}

_ADDRESSES = ("endpoint", "fireworks_api_base", "openrouter_api_base")
_OWN_WORDS = ("k", "max_output_tokens", "options", "p", "random_seed")


class LangChainFace:
    """`langchain_switchwise`. Models of rows other than OpenAI's and Anthropic's are made of `ChatOpenAI`: what they are sent is what is checked."""

    name = "LangChain"

    def speaks(self, dialect: str) -> str:
        if dialect == "anthropic":
            try:
                import langchain_anthropic  # noqa: F401
            except ImportError:
                return "needs langchain-anthropic"
        known = (*_KINDS, "openai-chat", "openai-responses", "deepseek", "xai", "together", "cerebras")
        return "" if dialect in known else f"no model of {dialect} is known"

    def build(self, endpoints: Mapping[str, ModelEndpoint], router: Router, hints: CacheHints | None = None) -> ChatSwitchwise:
        models = {name: _model(endpoint) for name, endpoint in endpoints.items()}
        return ChatSwitchwise(models, router=router, cache_hints=hints)

    def ask(self, adapter: Any, request: NeutralRequest) -> Said:
        model, messages, config = _asked(adapter, request)
        settings = _settings(request)
        if not request.streamed:
            return _observed(model.invoke(messages, config, **settings))
        chunks, pieces = [], []
        stream = model.stream(messages, config, **settings)
        for chunk in stream:
            chunks.append(chunk)
            pieces += [chunk.text] if chunk.text else []
            if request.leave_after == len(pieces) > 0:
                stream.close()
                return Said("".join(pieces), pieces=tuple(pieces))
        return _observed(_added(chunks), tuple(pieces))

    async def aask(self, adapter: Any, request: NeutralRequest) -> Said:
        model, messages, config = _asked(adapter, request)
        settings = _settings(request)
        if not request.streamed:
            return _observed(await model.ainvoke(messages, config, **settings))
        chunks, pieces = [], []
        stream = model.astream(messages, config, **settings)
        async for chunk in stream:
            chunks.append(chunk)
            pieces += [chunk.text] if chunk.text else []
            if request.leave_after == len(pieces) > 0:
                await stream.aclose()
                return Said("".join(pieces), pieces=tuple(pieces))
        return _observed(_added(chunks), tuple(pieces))


def _model(endpoint: ModelEndpoint) -> Any:
    options: dict[str, Any] = {
        "model": endpoint.model,
        "base_url": endpoint.url,
        "api_key": "test",
        "max_retries": 0,
        "timeout": 20,
    }
    if endpoint.dialect == "anthropic":
        from langchain_anthropic import ChatAnthropic

        thinking = {"type": "enabled", "budget_tokens": endpoint.thinking}
        if endpoint.thinking:
            options |= {"thinking": thinking, "max_tokens": endpoint.thinking + 1024}
        return ChatAnthropic(**options)
    options["stream_usage"] = endpoint.options.get("stream_options", endpoint) is not None
    if endpoint.dialect == "openai-chat":
        return ChatOpenAI(**options)
    if endpoint.dialect == "openai-responses":
        return ChatOpenAI(**options, use_responses_api=True)
    kind = _KINDS.get(
        endpoint.dialect, f"chat-{endpoint.dialect}" if endpoint.dialect == "deepseek" else f"{endpoint.dialect}-chat"
    )
    base = BaseChatOpenAI if endpoint.dialect in ("deepseek", "xai", "together", "cerebras") else ChatOpenAI
    addresses: dict[str, Any] = {name: property(lambda _: endpoint.url) for name in _ADDRESSES}
    made: Any = type("Elsewhere", (_Elsewhere, base), {"_llm_type": property(lambda _: kind), **addresses})
    return made(**options)


class _Elsewhere:
    """Sends on what OpenAI's SDK does not know."""

    def _get_request_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(*args, **kwargs)  # type: ignore[misc]
        own = {name: payload.pop(name) for name in _OWN_WORDS if name in payload}
        return {**payload, "extra_body": own} if own else payload


def _asked(adapter: ChatSwitchwise, request: NeutralRequest) -> tuple[Any, list[BaseMessage], Any]:
    choice = request.settings.get("tool_choice")
    model: Any = adapter.bind_tools([dict(tool) for tool in request.tools], tool_choice=choice) if request.tools else adapter
    configurable = {"thread_id": request.session, "switchwise_target": request.target}
    messages = convert_to_messages([_message(each) for each in request.messages])
    return model, messages, {"configurable": {name: value for name, value in configurable.items() if value}}


def _message(given: Any) -> Any:
    if isinstance(given, BaseMessage):
        return given
    message = dict(given)
    if message.get("tool_calls"):  # LangChain's own words: it drops calls without an id, and broken arguments
        calls = [
            {"id": call["id"], "name": call["function"]["name"], "args": json.loads(call["function"]["arguments"])}
            for call in message["tool_calls"]
        ]
        return AIMessage(message["content"] or "", tool_calls=calls)
    return message


def _settings(request: NeutralRequest) -> dict[str, Any]:
    return {name: value for name, value in request.settings.items() if name != "tool_choice"}


def _added(chunks: list[AIMessageChunk]) -> AIMessage:
    first, *rest = chunks
    for chunk in rest:
        first += chunk
    return first


def _observed(message: AIMessage, pieces: tuple[str, ...] = ()) -> Said:
    calls = tuple((call["id"] or "", call["name"], call["args"]) for call in message.tool_calls)
    return Said(str(message.text), calls, message, pieces, message.response_metadata["switchwise"])
