"""Structured output, by the strategy and with the parser of the target that was chosen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, cast

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.utils.pydantic import TypeBaseModel

if TYPE_CHECKING:
    from langchain_fairlead.dispatch import Dispatch


class Schema:
    """A schema that an answer must follow; each target is asked for it in its own way.

    Parameters:
        schema: a Pydantic class, a TypedDict, or a JSON or OpenAI schema.
        include_raw: give the message and a parsing error beside the parsed answer.
        options: further arguments for the target's own `with_structured_output` (`method`, `strict`).
    """

    __slots__ = ("_built", "include_raw", "options", "schema")

    def __init__(self, schema: dict[str, Any] | type, include_raw: bool, options: dict[str, Any]) -> None:
        self.schema = schema
        self.include_raw = include_raw
        self.options = options
        self._built: dict[str, Runnable[LanguageModelInput, Any]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Without the models, which are built for it anew: they hold keys."""
        return Schema, (self.schema, self.include_raw, self.options)

    def bound_to(self, name: str, model: BaseChatModel) -> Runnable[LanguageModelInput, Any]:
        """The target `name`, followed by its parser; built once for each target."""
        built = self._built.get(name)
        if built is None:
            options: dict[str, Any] = self.options
            built = model.with_structured_output(self.schema, include_raw=self.include_raw, **options)
            self._built[name] = built
        return built


class Structured(Runnable[LanguageModelInput, Any]):
    """What `ChatFairlead.with_structured_output` gives: routed like any other call, parsed by the target that answers.

    An answer that cannot be parsed is the caller's to see, as with a native model.

    Parameters:
        dispatch: that of the chat model.
        schema: what the answer must follow.
        kwargs: settings that were bound.
    """

    def __init__(self, dispatch: Dispatch, schema: Schema, kwargs: dict[str, Any]) -> None:
        self._dispatch = dispatch
        self._schema = schema
        self._kwargs = {**kwargs, "fairlead_schema": schema}

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
        return self._dispatch.invoke(input, config, **{**self._kwargs, **kwargs})

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """The parsed answer."""
        return await self._dispatch.ainvoke(input, config, **{**self._kwargs, **kwargs})

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """The answer as far as it can be parsed, again and again as it grows."""
        with closing(self._dispatch.stream(input, config, **{**self._kwargs, **kwargs})) as parts:
            yield from parts

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """As `stream`, asynchronously."""
        async with aclosing(cast("Any", self._dispatch.astream(input, config, **{**self._kwargs, **kwargs}))) as parts:
            async for part in parts:
                yield part


class Witness(BaseCallbackHandler):
    """Keeps the message of a model run whose result is parsed before anybody else sees it: for usage and verdict."""

    run_inline = True

    def __init__(self) -> None:
        self.message: AIMessage | None = None

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:  # noqa: ARG002
        """Take the message."""
        generation = response.generations[0][0]
        if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
            self.message = generation.message
