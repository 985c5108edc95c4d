"""Chat models that answer at once, by script, and a tool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import tool
from pydantic import Field

Act = str | AIMessage | Exception
USAGE = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}


@tool
def look_up(what: str) -> str:
    """Look something up."""
    return f"{what}: found"


class Scripted(BaseChatModel):
    """Answers what its script says, one act to a call, the last one again and again; keeps what it was asked.

    Parameters:
        model_name: how it calls itself.
        script: what it does: answer a text or a message, or raise.
        break_after: chunks of a stream that come before its error.
    """

    model_name: str = "scripted"
    script: list[Any] = Field(default_factory=lambda: ["yes"])
    answer: Callable[[list[BaseMessage]], AIMessage] | None = None
    break_after: int | None = None
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    settings: list[dict[str, Any]] = Field(default_factory=list)

    def _next(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        self.asked.append(messages)
        self.settings.append(kwargs)
        if self.answer is not None:
            return self.answer(messages)
        act: Act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(act, Exception):
            raise act
        return AIMessage(act, usage_metadata=USAGE) if isinstance(act, str) else act.model_copy()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages, {"stop": stop, **kwargs}))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        broken = self.script[0] if self.break_after is not None and isinstance(self.script[0], Exception) else None
        if broken is not None:
            self.asked.append(messages)
            words = ["never", " finished"]
        else:
            message = self._next(messages, {"stop": stop, **kwargs})
            if message.tool_calls:
                chunk = AIMessageChunk(content=message.content, tool_calls=message.tool_calls)
                yield ChatGenerationChunk(message=chunk)
                return
            words = str(message.content).split(" ")
            words = [word if i == 0 else f" {word}" for i, word in enumerate(words)]
        for i, word in enumerate(words):
            if broken is not None and i == self.break_after:
                raise broken
            chunk = AIMessageChunk(content=word)
            if run_manager is not None:
                run_manager.on_llm_new_token(word, chunk=ChatGenerationChunk(message=chunk))
            yield ChatGenerationChunk(message=chunk)
        if broken is not None:
            raise broken
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=USAGE))

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=list(tools), **kwargs)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    @property
    def _llm_type(self) -> str:
        return "scripted"
