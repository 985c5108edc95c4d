"""What LlamaIndex core's own tests found: each was a difference between `Switchwise` and the LLM behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata
from llama_index.core.llms import MockLLM
from llama_index.core.tools import ToolSelection

from llama_index.llms.switchwise import Switchwise
from switchwise import AllTargetsFailed

from .methods import ADD


class Empty(MockLLM):
    """A custom LLM that answers without content; its `raw` does not say how the answer ends."""

    def answer(self) -> ChatResponse:
        return ChatResponse(message=ChatMessage(role="assistant", content=""), delta="", raw={"message": {"content": None}})

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self.answer()

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Iterator[ChatResponse]:
        yield self.answer()


class OfAnIntegration(Empty):
    """As if its class came from an integration, whose answers say how they end."""

    __module__ = "llama_index.llms.ollama.base"


class OneMethod(MockLLM):
    """A custom LLM with only as much of tool calling as a streaming agent needs, and options by keyword alone."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_function_calling_model=True)

    async def astream_chat_with_tools(
        self, tools: list[Any], chat_history: list[ChatMessage], **kwargs: Any
    ) -> AsyncGenerator[ChatResponse, None]:
        async def answer() -> AsyncGenerator[ChatResponse, None]:
            yield ChatResponse(message=ChatMessage(role="assistant", content="done"), delta="done")

        return answer()

    def get_tool_calls_from_response(self, response: ChatResponse, **kwargs: Any) -> list[ToolSelection]:
        calls: list[ToolSelection] = response.message.additional_kwargs.get("tool_calls", [])
        return calls


async def test_an_llm_with_one_method_for_tools_serves_an_agent() -> None:
    agent = FunctionAgent(llm=Switchwise({"only": OneMethod()}), tools=[ADD])
    assert str(await agent.run("1 + 2")) == "done"


def test_a_response_from_elsewhere_is_read_by_the_only_llm_there_is() -> None:
    call = ToolSelection(tool_id="1", tool_name="add", tool_kwargs={"a": 1})
    message = ChatMessage(role="assistant", additional_kwargs={"tool_calls": [call]})
    assert Switchwise({"only": OneMethod()}).get_tool_calls_from_response(ChatResponse(message=message)) == [call]


def test_with_several_llms_it_is_read_by_what_all_of_them_write() -> None:
    llm = Switchwise({"one": OneMethod(), "other": OneMethod()})
    with pytest.raises(ValueError, match="at least one tool call"):
        llm.get_tool_calls_from_response(ChatResponse(message=ChatMessage(role="assistant", content="none")))


@pytest.mark.parametrize("method", ["complete", "stream_complete"])
def test_a_completion_without_a_prompt_is_the_same_error_as_of_any_llm(method: str) -> None:
    for llm in (MockLLM(), Switchwise({"only": MockLLM()})):
        with pytest.raises(ValueError, match=r"(?i)no prompt"):
            getattr(llm, method)()


@pytest.mark.parametrize(
    "answer_of",
    [
        lambda llm: llm.chat([ChatMessage("hello")]),
        lambda llm: list(llm.stream_chat([ChatMessage("hello")]))[-1],
    ],
    ids=["chat", "stream_chat"],
)
def test_an_empty_answer_of_a_custom_llm_is_passed_on_if_it_is_the_only_target(
    answer_of: Callable[[Switchwise], ChatResponse],
) -> None:
    assert answer_of(Switchwise({"only": Empty()})).message.content in (None, "")
    assert "hello" in str(answer_of(Switchwise({"first": Empty(), "next": MockLLM()})).message.content)
    with pytest.raises(AllTargetsFailed, match="without content and without an end"):
        answer_of(Switchwise({"only": OfAnIntegration()}))
