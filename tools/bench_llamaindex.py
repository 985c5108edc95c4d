"""What `Switchwise.chat` adds to the native LLM's own `chat`, with an LLM that answers at once.

The least of many short blocks counts: on a shared machine, medians measure the neighbours (`interleaved`).

    python tools/bench_llamaindex.py [--blocks 120]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from interleaved import minima
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
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=120)
    blocks = parser.parse_args().blocks
    warnings.simplefilter("ignore")
    with route_scope(session="s1"):
        least = minima([call for count in BARS for call in sides(count)], blocks)
    print("messages   native   Switchwise    added      bar   (CPU microseconds, minima of interleaved blocks)")
    for (count, bar), bare, routed in zip(BARS.items(), least[::2], least[1::2], strict=True):
        verdict = "ok" if routed - bare <= bar else "OVER"
        print(f"{count:>8} {bare:>8.0f} {routed:>10.0f} {routed - bare:>8.0f} {bar:>8} {verdict}")


if __name__ == "__main__":
    main()
