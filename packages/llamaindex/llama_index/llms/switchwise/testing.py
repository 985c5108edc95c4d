"""`Switchwise`, as the checks of `switchwise.testing.adapters` see it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from llama_index.core.base.llms.types import AudioBlock, ChatMessage, ChatResponse, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI, OpenAIResponses

from llama_index.llms.switchwise.doors.llm import Switchwise
from llama_index.llms.switchwise.reading.scope import route_scope
from switchwise import Router
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.testing.adapters import ModelEndpoint, NeutralRequest, Said

_PACKAGES = {
    # whose package each row's LLMs are of; they are reached by Chat Completions here
    "anthropic": "anthropic",
    "azure": "azure_openai",
    "bedrock-converse": "bedrock_converse",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google_genai",
    "groq": "groq",
    "mistral": "mistralai",
    "nvidia": "nvidia",
    "ollama": "ollama",
    "openrouter": "openrouter",
    "together": "together",
}

_OWN_WORDS = ("k", "max_output_tokens", "options", "p", "random_seed")


class LlamaIndexFace:
    """`llama_index.llms.switchwise`. LLMs of rows other than OpenAI's and Anthropic's are made of `OpenAI`: what they are sent is what is checked."""

    name = "LlamaIndex"

    def speaks(self, dialect: str) -> str:
        if dialect == "anthropic" and find_spec("llama_index.llms.anthropic") is None:
            return "needs llama-index-llms-anthropic, and an environment of its own: make test-llamaindex"
        known = dialect in (*_PACKAGES, "openai-chat", "openai-responses")
        return "" if known else f"no LLM of {dialect} is known"

    def build(self, endpoints: Mapping[str, ModelEndpoint], router: Router, hints: CacheHints | None = None) -> Switchwise:
        return Switchwise({name: _llm(endpoint) for name, endpoint in endpoints.items()}, router=router, cache_hints=hints)

    def ask(self, adapter: Switchwise, request: NeutralRequest) -> Said:
        with route_scope(**({"session": request.session} if request.session else {})):
            method, arguments = _asked("stream_chat" if request.streamed else "chat", request)
            given = getattr(adapter, method)(**arguments)
            if not request.streamed:
                return _observed(given)
            last: Any = None
            pieces: list[str] = []
            for last in given:
                pieces += [last.delta] if last.delta else []
                if request.leave_after == len(pieces) > 0:
                    given.close()
                    return Said("".join(pieces), pieces=tuple(pieces))
            return _observed(last, tuple(pieces))

    async def aask(self, adapter: Switchwise, request: NeutralRequest) -> Said:
        with route_scope(**({"session": request.session} if request.session else {})):
            method, arguments = _asked("astream_chat" if request.streamed else "achat", request)
            given = await getattr(adapter, method)(**arguments)
            if not request.streamed:
                return _observed(given)
            last: Any = None
            pieces: list[str] = []
            async for last in given:
                pieces += [last.delta] if last.delta else []
                if request.leave_after == len(pieces) > 0:
                    await given.aclose()
                    return Said("".join(pieces), pieces=tuple(pieces))
            return _observed(last, tuple(pieces))


def _llm(endpoint: ModelEndpoint) -> Any:
    if endpoint.dialect == "anthropic":
        anthropic: Any = import_module("llama_index.llms.anthropic")
        thinking = {
            "thinking_dict": {"type": "enabled", "budget_tokens": endpoint.thinking},
            "max_tokens": endpoint.thinking + 1024,
        }
        more = thinking if endpoint.thinking else {}
        return anthropic.Anthropic(model=endpoint.model, base_url=endpoint.url, api_key="test", max_retries=0, **more)
    options: dict[str, Any] = {
        "model": "gpt-4.1",
        "api_base": endpoint.url,
        "api_key": "test",
        "max_retries": 0,
        "timeout": 20.0,
    }
    options |= {"model": endpoint.model} if endpoint.model != "m" else {}
    if "stream_options" in endpoint.options:
        options["additional_kwargs"] = {"stream_options": endpoint.options["stream_options"]}
    if endpoint.dialect == "openai-responses":
        return OpenAIResponses(**options)
    package = _PACKAGES.get(endpoint.dialect, "")
    module = {"__module__": f"llama_index.llms.{package}.base", "_get_model_kwargs": _with_own_words}
    made: Any = type("Elsewhere", (OpenAI,), module) if package else OpenAI
    return made(**options)


def _with_own_words(llm: OpenAI, **kwargs: Any) -> dict[str, Any]:
    """What OpenAI's SDK does not know is sent on."""
    own = {name: kwargs.pop(name) for name in _OWN_WORDS if name in kwargs}
    settings = OpenAI._get_model_kwargs(llm, **kwargs)
    return {**settings, "extra_body": own} if own else settings


def _asked(method: str, request: NeutralRequest) -> tuple[str, dict[str, Any]]:
    messages = [_message(each) for each in request.messages]
    arguments = {**request.settings, **({"route": {"target": request.target}} if request.target else {})}
    if not request.tools:
        return method, {"messages": messages, **arguments}
    tools = [_tool(each["function"]) for each in request.tools]
    return f"{method}_with_tools", {"tools": tools, "chat_history": messages, **arguments}


def _tool(function: Mapping[str, Any]) -> FunctionTool:
    def call(what: str) -> str:
        return what

    return FunctionTool.from_defaults(fn=call, name=function["name"], description=function.get("description") or "Call it.")


def _message(given: Any) -> ChatMessage:
    if isinstance(given, ChatMessage):
        return given
    content = given["content"]
    blocks: list[Any] = [TextBlock(text=content)] if isinstance(content, str) else [_block(part) for part in content or ()]
    for call in given.get("tool_calls") or ():
        function = call["function"]
        blocks.append(
            ToolCallBlock(
                tool_call_id=call["id"] or None, tool_name=function["name"], tool_kwargs=json.loads(function["arguments"])
            )
        )
    kwargs = {"tool_call_id": given["tool_call_id"]} if given.get("tool_call_id") else {}
    return ChatMessage(role=given["role"], blocks=blocks, additional_kwargs=kwargs)


def _block(part: Mapping[str, Any]) -> Any:
    if part["type"] == "image_url":
        return ImageBlock(image=base64.b64decode(part["image_url"]["url"].partition(",")[2]), image_mimetype="image/png")
    if part["type"] == "input_audio":
        return AudioBlock(audio=base64.b64decode(part["input_audio"]["data"]), format=part["input_audio"]["format"])
    return TextBlock(text=part["text"])


def _observed(response: ChatResponse, pieces: tuple[str, ...] = ()) -> Said:
    blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    calls = tuple(
        (
            block.tool_call_id or "",
            block.tool_name,
            json.loads(block.tool_kwargs or "{}") if isinstance(block.tool_kwargs, str) else block.tool_kwargs,
        )
        for block in blocks
    )
    return Said(response.message.content or "", calls, response.message, pieces, response.additional_kwargs["switchwise"])
