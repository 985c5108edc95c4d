"""LangChain requests for the response cache, and the replay of stored answers.

A stored answer is returned by a copy of its model, of a class that answers from the store: so methods, parsers, callbacks and traces are
those of the model itself. LangChain's own caches keep working.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from copy import copy
from functools import cache, cached_property
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_switchwise.models.native import Native
from langchain_switchwise.reading.inputs import Request
from switchwise import FailureKind, Pool, Reply, TargetError
from switchwise.nouns.exchange.recording import Stored
from switchwise.response_cache.canonical import canonical

_VARIES = frozenset(["id", "response_metadata", "usage_metadata", "chunk_position"])
"""Fields of a message that differ between calls and are not sent to providers."""


class RequestRecording:
    """One request; see `switchwise.nouns.exchange.recording.Recording`.

    Parameters:
        request: the parsed request.
        natives: the models by target name.
        pool: the targets.
    """

    def __init__(self, request: Request, natives: Mapping[str, Native], pool: Pool) -> None:
        self._asked, self._natives, self._pool = request, natives, pool

    @property
    def tools(self) -> Sequence[str]:
        """Names of the tools; for one without a name (a provider's own), its type."""
        tools = self._asked.tools
        return [] if tools is None else [_name(tool) for tool in tools]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the call."""
        return self._asked.settings

    def parts(self, target: str) -> tuple[str, str] | None:
        """As `Recording.parts`. The temperature of the model itself is a part of the model."""
        request = self._request
        if request is None:
            return None
        native, whom = self._natives[target], self._pool[target]
        own = canonical(type(native.model).__qualname__, whom.provider, whom.model, native.model._get_llm_string())
        return None if own is None else (own + request[0], request[1])

    @cached_property
    def _request(self) -> tuple[str, str] | None:
        request = self._asked
        known = request.settings if request.tools is None else {**request.tools.options, **request.settings}
        if request.formatted and "response_format" not in known:
            return None  # an agent binds its format itself, later
        messages = [_plain(message) for message in request.messages]
        words = messages[-1]["content"] if messages and messages[-1]["type"] == "human" else None
        if isinstance(words, str):
            messages[-1] = {**messages[-1], "content": None}
        tools, schema = request.tools, request.schema
        bound = [list(tools), tools.choice, tools.parallel, tools.options] if tools is not None else None
        wanted = [_schema(schema.schema), schema.options] if schema is not None else None
        rest = canonical(messages, bound, wanted, request.settings, request.formatted)
        return None if rest is None else (rest, words if isinstance(words, str) else "")

    def keep(self, reply: Reply) -> str | None:
        """As `Recording.keep`."""
        message = reply.raw if isinstance(reply.raw, AIMessage) else getattr(reply.raw, "result", [None])[0]
        if not isinstance(message, AIMessage):
            return None
        chunks = reply.pieces if reply.pieces and all(isinstance(chunk, AIMessageChunk) for chunk in reply.pieces) else None
        return canonical(_dumped(message), None if chunks is None else [_dumped(cast("AIMessage", chunk)) for chunk in chunks])


def answering(native: Native, stored: Stored) -> BaseChatModel:
    """Return a model that gives the stored answer like the target's own model.

    Raises:
        TargetError: the answer cannot be read.
    """
    try:
        whole, chunks = json.loads(stored.answer)
        message = AIMessage(**whole)
        pieces = [AIMessageChunk(**chunk) for chunk in chunks] if chunks else [_chunk(message)]
    except (TypeError, ValueError) as error:
        raise TargetError(FailureKind.UNSUPPORTED, "the stored answer cannot be read") from error
    made = copy(native.model)
    made.__dict__.update(cache=False, rate_limiter=None)
    object.__setattr__(made, "__class__", _answering(type(native.model)))
    object.__setattr__(made, "__pydantic_private__", {**(made.__pydantic_private__ or {}), "_kept": (message, pieces)})
    return made


@cache
def _answering(cls: Any) -> Any:
    """A subclass of the model's class that returns stored answers."""

    class Answering(cls):  # type: ignore[misc]
        def _generate(self, *_: Any, **__: Any) -> ChatResult:
            return _result(self)

        async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
            return _result(self)

        def _stream(self, *_: Any, run_manager: Any = None, **__: Any) -> Iterator[ChatGenerationChunk]:
            for chunk in _chunks(self):
                if run_manager is not None:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

        async def _astream(self, *_: Any, run_manager: Any = None, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
            for chunk in _chunks(self):
                if run_manager is not None:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    Answering.__name__, Answering.__qualname__, Answering.__module__ = cls.__name__, cls.__qualname__, cls.__module__
    return Answering


def _result(model: Any) -> ChatResult:
    message, _ = model.__pydantic_private__["_kept"]
    return ChatResult(generations=[ChatGeneration(message=_free(message))])


def _chunks(model: Any) -> list[ChatGenerationChunk]:
    _, pieces = model.__pydantic_private__["_kept"]
    return [ChatGenerationChunk(message=cast("AIMessageChunk", _free(piece))) for piece in pieces]


def _free(message: AIMessage) -> AIMessage:
    """Return a copy whose usage shows zero cost, as in LangChain's own caches."""
    copied = message.model_copy(deep=True)
    if copied.usage_metadata or not isinstance(copied, AIMessageChunk) or copied.chunk_position == "last":
        usage = copied.usage_metadata or {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        copied.usage_metadata = cast("Any", {**usage, "total_cost": 0})
    return copied


def _chunk(message: AIMessage) -> AIMessageChunk:
    """A whole answer as the only chunk of a stream."""
    given = message.model_dump(exclude={"type", "tool_calls", "invalid_tool_calls"})
    calls = [
        {"name": call["name"], "args": json.dumps(call["args"]), "id": call["id"], "index": i, "type": "tool_call_chunk"}
        for i, call in enumerate(message.tool_calls)
    ]
    return AIMessageChunk(**given, tool_call_chunks=cast("Any", calls), chunk_position="last")


def _dumped(message: AIMessage) -> dict[str, Any]:
    found = message.model_dump(mode="json")
    found.pop("type", None)
    return found


def _plain(message: BaseMessage) -> dict[str, Any]:
    return message.model_dump(exclude=set(_VARIES))


def _name(tool: Mapping[str, Any]) -> str:
    function = tool.get("function") or tool
    return str(function.get("name") or function.get("type") or "?")


def _schema(schema: Any) -> Any:
    return schema if isinstance(schema, dict) else [schema.__qualname__, convert_to_openai_tool(schema)]
