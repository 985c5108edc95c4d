"""Structured output, by the strategy and with the parser of the target that was chosen."""

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
    """What `ChatSwitchwise.with_structured_output` gives: routed like any other call, parsed by the target that answers.

    An answer that cannot be parsed is the caller's to see, as with a native model.

    Parameters:
        dispatch: that of the chat model.
        schema: what the answer must follow.
    """

    def __init__(self, dispatch: Dispatch, schema: AnswerSchema) -> None:
        self._dispatch = dispatch
        self._schema = schema

    @property
    def _first(self) -> Runnable[LanguageModelInput, Any]:
        """What the first target would be asked by; what it says of itself holds for all."""
        native = next(iter(self._dispatch.natives.values()))
        return self._schema.bound_to(native.name, native.model)

    @property
    def InputType(self) -> Any:  # noqa: N802  (LangChain's name)
        """What it takes."""
        return self._first.InputType

    @property
    def OutputType(self) -> Any:  # noqa: N802  (LangChain's name)
        """What it gives."""
        return self._first.OutputType

    def get_output_schema(self, config: RunnableConfig | None = None) -> TypeBaseModel:
        """What it gives, as a schema: for chains that are served, documented or made a tool."""
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
        """The answer as far as it can be parsed, again and again as it grows."""
        with closing(self._dispatch.stream(PARSE_STREAM, self._request(input, config, kwargs))) as parts:
            yield from parts

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """As `stream`, asynchronously."""
        async with aclosing(self._dispatch.astream(PARSE_STREAM, self._request(input, config, kwargs))) as parts:
            async for part in parts:
                yield part

    def _request(self, prompt: LanguageModelInput, config: RunnableConfig | None, given: dict[str, Any]) -> Request:
        return self._dispatch.request(prompt, config, given, given.pop("stop", None), self._schema)
