"""Structured output, by the strategy and parser of the chosen target."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

from langchain_core.language_models.base import LanguageModelInput
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.utils.pydantic import TypeBaseModel

from langchain_switchwise.calling.dispatch import Dispatch
from langchain_switchwise.calling.door import PARSE, PARSE_STREAM
from langchain_switchwise.porting.schema import AnswerSchema
from langchain_switchwise.reading.inputs import Request


class Structured(Runnable[LanguageModelInput, Any]):
    """The result of `ChatSwitchwise.with_structured_output`: routed like other calls, parsed by the answering target.

    A parsing error is raised to the caller, as with a native model.

    Parameters:
        dispatch: the chat model's dispatch.
        schema: schema of the answer.
    """

    def __init__(self, dispatch: Dispatch, schema: AnswerSchema) -> None:
        self._dispatch = dispatch
        self._schema = schema

    @property
    def _first(self) -> Runnable[LanguageModelInput, Any]:
        """The first target's runnable; its input and output types hold for all."""
        native = next(iter(self._dispatch.natives.values()))
        return self._schema.bound_to(native.name, native.model)

    @property
    def InputType(self) -> Any:  # noqa: N802  (LangChain's name)
        """Type of the input."""
        return self._first.InputType

    @property
    def OutputType(self) -> Any:  # noqa: N802  (LangChain's name)
        """Type of the output."""
        return self._first.OutputType

    def get_output_schema(self, config: RunnableConfig | None = None) -> TypeBaseModel:
        """Schema of the output, for chains that are served, documented or used as a tool."""
        return self._first.get_output_schema(config)

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The parsed answer."""
        return self._dispatch.call(PARSE, self._request(input, config, kwargs))

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The parsed answer."""
        return await self._dispatch.acall(PARSE, self._request(input, config, kwargs))

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Yield the parsed part of the answer as it grows; with `disable_streaming`, the parsed answer."""
        # Not by the target's own chain: streamed, LangChain's parsers of tool calls lose an answer that comes whole.
        if self._schema.unstreamed:
            yield self.invoke(input, config, **kwargs)
            return
        with closing(self._dispatch.stream(PARSE_STREAM, self._request(input, config, kwargs))) as parts:
            yield from parts

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """As `stream`, asynchronously."""
        if self._schema.unstreamed:
            yield await self.ainvoke(input, config, **kwargs)
            return
        async with aclosing(self._dispatch.astream(PARSE_STREAM, self._request(input, config, kwargs))) as parts:
            async for part in parts:
                yield part

    def _request(self, prompt: LanguageModelInput, config: RunnableConfig | None, given: dict[str, Any]) -> Request:
        return self._dispatch.request(prompt, config, given, given.pop("stop", None), self._schema)
