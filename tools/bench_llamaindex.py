"""What `Fairlead.chat` adds to the native LLM's own `chat`, with an LLM that answers at once.

Blocks of both are interleaved and their minima compared: on a shared machine, medians measure the neighbours.

    python tools/bench_llamaindex.py [--blocks 40]
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

from llama_index.llms.fairlead import Fairlead, route_scope

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


def block(call: Callable[[], object], repeat: int) -> float:
    """Microseconds for one call, over `repeat` of them."""
    start = time.thread_time()  # nothing here waits, so this is what a call takes when nobody else is on the machine
    for _ in range(repeat):
        call()
    return (time.thread_time() - start) / repeat * 1e6


def measure(count: int, blocks: int) -> tuple[float, float]:
    """Minima in microseconds: bare, and through `Fairlead` with four targets and the default chain."""
    models = {name: Instant(model=name) for name in ("opus", "sonnet", "mini", "nano")}
    llm, bare = Fairlead(models), models["opus"]
    messages = conversation(count)
    repeat = max(20, 400 // max(1, count // 10))
    calls = [lambda: bare.chat(messages), lambda: llm.chat(messages)]
    least = [float("inf"), float("inf")]
    with route_scope(session="s1"):
        for call in calls:
            block(call, repeat)
        for _ in range(blocks):
            for i, call in enumerate(calls):
                least[i] = min(least[i], block(call, repeat))
    return least[0], least[1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=40)
    blocks = parser.parse_args().blocks
    warnings.simplefilter("ignore")
    print("messages   native   Fairlead    added      bar   (CPU microseconds, minima of interleaved blocks)")
    for count, bar in BARS.items():
        bare, routed = measure(count, blocks)
        verdict = "ok" if routed - bare <= bar else "OVER"
        print(f"{count:>8} {bare:>8.0f} {routed:>10.0f} {routed - bare:>8.0f} {bar:>8} {verdict}")


if __name__ == "__main__":
    main()
