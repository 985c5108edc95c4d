"""The SDK clients, as the checks see them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from switchwise.clients import AnthropicClient, Client, Clients, Completion, OpenAIClient
from switchwise.prompt_cache.cache_hints import CacheHints
from switchwise.router import Router
from switchwise.testing.adapters.face import ModelEndpoint, NeutralRequest, Said


class ClientsFace:
    """`switchwise.clients`."""

    name = "clients"

    def speaks(self, dialect: str) -> str:
        return "the clients speak Chat Completions and Messages" if dialect == "openai-responses" else ""

    def build(self, endpoints: Mapping[str, ModelEndpoint], router: Router, hints: CacheHints | None = None) -> Clients:
        return Clients({name: _client(endpoint, hints) for name, endpoint in endpoints.items()}, router)

    def ask(self, adapter: Clients, request: NeutralRequest) -> Said:
        options = _options(request)
        if not request.streamed:
            return _observed(adapter.complete(request.messages, **options))
        stream = adapter.stream(request.messages, **options)
        pieces: list[str] = []
        chunks = iter(stream)
        for piece in chunks:
            pieces.append(piece)
            if request.leave_after == len(pieces):
                chunks.close()  # type: ignore[attr-defined]  # a generator
                return Said("".join(pieces), pieces=tuple(pieces))
        return _observed(stream.completion, pieces)

    async def aask(self, adapter: Clients, request: NeutralRequest) -> Said:
        options = _options(request)
        if not request.streamed:
            return _observed(await adapter.acomplete(request.messages, **options))
        stream = adapter.astream(request.messages, **options)
        pieces: list[str] = []
        chunks = aiter(stream)
        async for piece in chunks:
            pieces.append(piece)
            if request.leave_after == len(pieces):
                await chunks.aclose()  # type: ignore[attr-defined]  # a generator
                return Said("".join(pieces), pieces=tuple(pieces))
        return _observed(stream.completion, pieces)


def _client(endpoint: ModelEndpoint, hints: CacheHints | None) -> Client:
    defaults = dict(endpoint.options)
    more: dict[str, Any] = {
        "model": endpoint.model,
        "api_key": "test",
        "defaults": defaults,
        "cache_hints": hints,
        "timeout": 20.0,
    }
    if endpoint.dialect == "anthropic":
        if endpoint.thinking:
            defaults |= {"thinking": {"type": "enabled", "budget_tokens": endpoint.thinking}}
        return AnthropicClient(base_url=endpoint.url, **more)
    return OpenAIClient(base_url=endpoint.url, dialect=endpoint.dialect, **more)


def _options(request: NeutralRequest) -> dict[str, Any]:
    named = {"session": request.session, "target": request.target, "tools": list(request.tools)}
    return {name: value for name, value in named.items() if value} | dict(request.settings)


def _observed(completion: Completion, pieces: list[str] | None = None) -> Said:
    calls = tuple(
        (call["id"], call["function"]["name"], json.loads(call["function"].get("arguments") or "{}"))
        for call in completion.tool_calls
    )
    return Said(completion.text, calls, completion.message, tuple(pieces or ()), completion.record)
