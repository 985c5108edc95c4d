"""Time that `Switchwise.chat` adds to the native LLM's `chat`, with an LLM that answers at once.

The least of many rounds counts: on a shared machine a median measures the other load (`interleaved`).

    python tools/bench_llamaindex.py [--rounds 1000]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from interleaved import minima, verdict
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

from llama_index.llms.switchwise import Switchwise, route_scope

BARS = {10: 60, 100: 80, 1_000: 120}
"""Microseconds that may be added, by number of messages."""


class Instant(CustomLLM):
    """Answers at once."""

    model: str = "instant"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, model_name=self.model)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        answer = ChatMessage(role="assistant", content="yes")
        return ChatResponse(message=answer, additional_kwargs={"prompt_tokens": 10, "completion_tokens": 1})

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text="yes")

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        yield CompletionResponse(text="yes", delta="yes")


def conversation(count: int) -> list[ChatMessage]:
    """A conversation of `count` messages that ends with the user."""
    said = [
        ChatMessage(role="user", content=f"Question {i} about the deployment of the service.")
        if i % 2 == 0
        else ChatMessage(role="assistant", content=f"Answer {i}.")
        for i in range(count - 1)
    ]
    return [*said, ChatMessage(role="user", content="And now?")]


def sides(count: int) -> list[Callable[[], object]]:
    """The native call, and the same through `Switchwise` with four targets and the default chain."""
    models = {name: Instant(model=name) for name in ("opus", "sonnet", "mini", "nano")}
    llm, bare = Switchwise(models), models["opus"]
    messages = conversation(count)
    return [lambda: bare.chat(messages), lambda: llm.chat(messages)]


def main() -> None:
    """Print each figure and its verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1_000)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    print("\nLlamaIndex (CPU, least of interleaved rounds)")
    with route_scope(session="s1"):
        for count, bar in BARS.items():
            bare, routed = minima(sides(count), rounds if count < 1_000 else rounds // 4)
            verdict(f"Switchwise.chat, {count:,} messages, added to {bare:.0f} us", routed - bare, bar)


if __name__ == "__main__":
    main()
