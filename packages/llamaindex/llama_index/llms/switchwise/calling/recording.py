"""A request of LlamaIndex as a response cache sees it, and its answers given again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from pydantic import BaseModel

from llama_index.llms.switchwise.answering.replies import reply_of
from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.models.request import ChatRequest
from switchwise import FailureKind, Pool, Reply, TargetError, Usage
from switchwise.nouns.exchange.recording import Stored
from switchwise.response_cache.canonical import canonical

_RESPONSES: Mapping[str, Any] = {"ChatResponse": ChatResponse, "CompletionResponse": CompletionResponse}
_SECRET = ("key", "token", "secret", "password", "credential")


class RequestRecording:
    """One request; see `switchwise.nouns.exchange.recording.Recording`.

    Parameters:
        request: what the caller asks for.
        natives: target name -> native LLM.
        pool: the targets.
    """

    def __init__(self, request: ChatRequest, natives: Mapping[str, Native], pool: Pool) -> None:
        self._asked, self._natives, self._pool = request, natives, pool
        self._request = _request(request)  # now: an integration may change what it is given

    @property
    def tools(self) -> Sequence[str]:
        """Names of the tools."""
        own = self._asked.kwargs.get("tools") or ()
        return [str(tool.metadata.name) for tool in self._asked.tools or ()] + [_name(tool) for tool in own]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the call."""
        return self._asked.kwargs

    def parts(self, target: str) -> tuple[str, str] | None:
        """As `Recording.parts`."""
        own = self._own.get(target)
        return None if own is None or self._request is None else (own + self._request[0], self._request[1])

    @cached_property
    def _own(self) -> Mapping[str, str | None]:
        return {name: _settings(native, self._pool) for name, native in self._natives.items()}

    def keep(self, reply: Reply) -> str | None:
        """As `Recording.keep`."""
        kind = type(reply.raw).__name__
        if kind not in _RESPONSES:
            output = getattr(self._asked, "output_cls", None)
            return (
                canonical("", reply.raw.model_dump(mode="json"), None)
                if output is not None and type(reply.raw) is output
                else None
            )
        return canonical(kind, dumped(reply.raw), None if reply.pieces is None else list(reply.pieces))


def given_again(stored: Stored, native: Native, request: ChatRequest) -> tuple[Reply, list[Any]]:
    """The answer that was kept, which cost nothing, and the chunks of its stream.

    Raises:
        TargetError: it cannot be read.
    """
    try:
        kind, raw, pieces = json.loads(stored.answer)
        made = _RESPONSES[kind] if kind else request.output_cls  # type: ignore[attr-defined]  # of a structured request
        answer = made.model_validate(raw)
        chunks = [made.model_validate(piece) for piece in pieces] if pieces else [_chunk(answer)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TargetError(FailureKind.UNSUPPORTED, "the stored answer cannot be read") from error
    return reply_of(answer, Usage(0, 0), native), chunks


def _chunk(answer: Any) -> Any:
    """A whole answer as the only chunk of a stream."""
    if isinstance(answer, ChatResponse):
        return answer.model_copy(update={"delta": answer.message.content or ""})
    return answer.model_copy(update={"delta": answer.text}) if isinstance(answer, CompletionResponse) else answer


def _request(request: ChatRequest) -> tuple[str, str] | None:
    try:
        messages = [message.model_dump(mode="json") for message in request.messages]
        tools = [tool.metadata.to_openai_tool() for tool in request.tools or ()]
    except (AttributeError, TypeError, ValueError):
        return None
    words = ""
    if messages and isinstance(request.messages[-1], ChatMessage) and request.messages[-1].role == "user":
        blocks = messages[-1]["blocks"]
        if len(blocks) == 1 and isinstance(blocks[0].get("text"), str):
            words = blocks[0]["text"]
            messages[-1] = {**messages[-1], "blocks": [{**blocks[0], "text": None}]}
    output = getattr(request, "output_cls", None)
    wanted = None if output is None else [output.__qualname__, output.model_json_schema()]
    method = request.method.removeprefix("a").replace("stream_", "")
    rest = canonical(messages, tools, wanted, method, getattr(request, "formatted", None), request.kwargs)
    return None if rest is None else (rest, words)


def _settings(native: Native, pool: Pool) -> str | None:
    """What the LLM is set to, without its keys."""
    whom, llm = pool[native.name], native.llm
    fields = getattr(type(llm), "model_fields", {})
    own = {}
    for name in fields:
        value = getattr(llm, name, None)
        if not any(word in name for word in _SECRET) or "max" in name:
            own[name] = value.model_dump() if isinstance(value, BaseModel) else value
    plain = {name: value for name, value in own.items() if name not in ("callback_manager",) and not callable(value)}
    return canonical(type(llm).__qualname__, whom.provider, whom.model, plain)


def dumped(response: Any) -> dict[str, Any]:
    """A response as JSON, with what its SDK gave."""
    found: dict[str, Any] = response.model_dump(mode="json", exclude={"raw"}, warnings=False)
    raw = response.raw
    dump = getattr(raw, "model_dump", None)
    found["raw"] = dump(mode="json", warnings=False) if dump is not None else raw
    return found


def _name(tool: Any) -> str:
    function = (tool.get("function") or tool) if isinstance(tool, Mapping) else {}
    return str(function.get("name") or function.get("type") or "?")
