"""Schemas of answers, and the message of a parsed answer."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import Runnable


class AnswerSchema:
    """A schema of answers, bound to each target by its own method.

    Parameters:
        schema: a Pydantic class, a TypedDict, or a JSON or OpenAI schema.
        include_raw: return the message and the parsing error with the parsed answer.
        options: further arguments for the target's own `with_structured_output` (`method`, `strict`).
        unstreamed: `disable_streaming` of the caller's model; False: the target's own counts.
    """

    __slots__ = ("_built", "include_raw", "options", "schema", "unstreamed")

    def __init__(
        self, schema: dict[str, Any] | type, include_raw: bool, options: dict[str, Any], unstreamed: bool | str = False
    ) -> None:
        self.schema = schema
        self.include_raw = include_raw
        self.options = options
        self.unstreamed = unstreamed
        self._built: dict[str, Runnable[LanguageModelInput, Any]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the models, which are rebuilt: they hold keys."""
        return AnswerSchema, (self.schema, self.include_raw, self.options, self.unstreamed)

    @property
    def is_enforced(self) -> bool:
        """Whether the target must be able to enforce it, which methods by a tool or in text do not need."""
        return bool(self.options.get("method", "json_schema") == "json_schema")

    def bound_to(self, name: str, model: BaseChatModel) -> Runnable[LanguageModelInput, Any]:
        """The target `name` followed by its parser; built once per target, and each time for an unnamed model."""
        built = self._built.get(name) if name else None
        if built is None:
            options: dict[str, Any] = self.options
            if self.unstreamed:
                model = model.model_copy(update={"disable_streaming": self.unstreamed})
            built = model.with_structured_output(self.schema, include_raw=self.include_raw, **options)
            if name:
                self._built[name] = built
        return built


class MessageCapture(BaseCallbackHandler):
    """Capture the message of a run whose result is parsed, for usage and verdict."""

    run_inline = True

    def __init__(self) -> None:
        self.message: AIMessage | None = None

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:  # noqa: ARG002
        """Take the message."""
        generation = response.generations[0][0]
        if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
            self.message = generation.message
