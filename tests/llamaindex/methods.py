"""Every method that an LLM has, each as one way to ask it something."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel


class City(BaseModel):
    """A city."""

    name: str
    population: int


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ADD = FunctionTool.from_defaults(fn=add)
CITY = PromptTemplate("Which city is {what}? It is 'Berlin' with 4 people.")


@dataclass(frozen=True)
class Method:
    """One of an LLM's methods.

    `ask(llm, text)` drains what it gives and returns (all that was shown, the last response).
    """

    name: str
    ask: Callable[[Any, str], Awaitable[tuple[str, Any]]]

    @property
    def streams(self) -> bool:
        return "stream" in self.name

    @property
    def structured(self) -> bool:
        return "structured" in self.name


async def _last(chunks: Any) -> tuple[str, Any]:
    shown, last = "", None
    if isinstance(chunks, AsyncIterator):
        async for last in chunks:
            shown += getattr(last, "delta", None) or ""
    else:
        for last in chunks:
            shown += getattr(last, "delta", None) or ""
    return shown, last


async def _settled(value: Any) -> Any:
    return await value if isinstance(value, Awaitable) else value


def _chat(name: str) -> Method:
    async def ask(llm: Any, text: str) -> tuple[str, Any]:
        given = await _settled(getattr(llm, name)([ChatMessage(role="user", content=text)]))
        return await _last(given) if "stream" in name else (given.message.content, given)

    return Method(name, ask)


def _complete(name: str) -> Method:
    async def ask(llm: Any, text: str) -> tuple[str, Any]:
        given = await _settled(getattr(llm, name)(text))
        return await _last(given) if "stream" in name else (given.text, given)

    return Method(name, ask)


def _tools(name: str) -> Method:
    async def ask(llm: Any, text: str) -> tuple[str, Any]:
        given = await _settled(getattr(llm, name)([ADD], user_msg=text))
        return await _last(given) if "stream" in name else (given.message.content, given)

    return Method(name, ask)


def _structured(name: str) -> Method:
    async def ask(llm: Any, text: str) -> tuple[str, Any]:
        given = await _settled(getattr(llm, name)(City, CITY, what=text))
        last = (await _last(given))[1] if "stream" in name else given
        return last.name, last

    return Method(name, ask)


METHODS = [
    *[_chat(name) for name in ("chat", "achat", "stream_chat", "astream_chat")],
    *[_complete(name) for name in ("complete", "acomplete", "stream_complete", "astream_complete")],
    *[_tools(f"{name}_with_tools") for name in ("chat", "achat", "stream_chat", "astream_chat")],
    *[_structured(f"{name}structured_predict") for name in ("", "a", "stream_", "astream_")],
]


def content_of(response: Any) -> Any:
    """What a response says, but for ids, which a provider makes anew for each."""
    if not hasattr(response, "message"):
        return getattr(response, "text", response)
    return [(b.tool_name, b.tool_kwargs) if isinstance(b, ToolCallBlock) else b for b in response.message.blocks]


def covering(cases: Any) -> list[tuple[Method, Any]]:
    """Pairs in which every method meets a case, and every case a whole answer, a stream, tools and a structured answer.

    What a failure is does not depend on the method, and what a method does with one not on which it is: no need for all pairs.
    """
    cases = list(cases)
    shapes = [
        method for method in METHODS if method.name in ("chat", "stream_chat", "astream_chat_with_tools", "structured_predict")
    ]
    pairs = {(method.name, str(case)): (method, case) for case in cases for method in shapes}
    for number, method in enumerate(METHODS):
        case = cases[number % len(cases)]
        pairs[method.name, str(case)] = (method, case)
    return list(pairs.values())


def named(pair: Any) -> str | None:
    """The id of a method, a fault or an error in a test."""
    return getattr(pair, "name", None) or type(pair).__name__
