"""What routing costs does not grow with the conversation, and a process does not grow with its conversations.

`make bench` measures the figures; here only what must hold on any machine.
"""

from __future__ import annotations

import gc
import time
import tracemalloc

from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.llms import MockLLM

from llama_index.llms.switchwise import Switchwise
from llama_index.llms.switchwise.models.native import Native
from llama_index.llms.switchwise.porting.history import Histories
from llama_index.llms.switchwise.reading.view import ChatViews
from switchwise import Pool, Router, Target
from switchwise.dialects.table import ANTHROPIC
from switchwise.policies import Fits, Healthy

ANSWER = ChatResponse(message=ChatMessage(role="assistant", content="yes"))


class Instant(MockLLM):
    """Answers at once, without LlamaIndex's own work around a call."""

    def chat(self, messages, **_):
        return ANSWER


def conversation(count):
    return [ChatMessage(role="user" if n % 2 else "assistant", content=f"message {n}") for n in range(count)]


def least(call, blocks=30, repeat=20):
    """CPU microseconds of one call: the least of many blocks, since other processes only ever add."""
    best = float("inf")
    for _ in range(blocks):
        start = time.thread_time()
        for _ in range(repeat):
            call()
        best = min(best, (time.thread_time() - start) / repeat * 1e6)
    return best


def llm():
    return Switchwise({"only": Instant()}, router=Router(Pool([Target("only")]), Fits(), Healthy()))


def test_a_thousand_messages_cost_little_more_than_ten():
    routed, costs = llm(), {}
    for count in (10, 1_000):
        messages = conversation(count)
        costs[count] = least(lambda messages=messages, count=count: routed.chat(messages, route={"session": str(count)}))
    assert costs[1_000] - costs[10] < 1.5 * costs[10]


def test_a_history_that_was_translated_costs_little_the_next_time():
    native, messages = Native("n", MockLLM(), ANTHROPIC, "anthropic"), conversation(1_000)
    afresh = least(lambda: Histories().adapted(("s",), messages, native), blocks=10, repeat=3)
    kept = Histories()
    kept.adapted(("s",), messages, native)
    again = least(lambda: kept.adapted(("s",), messages, native))
    assert again < afresh / 2


def test_a_process_does_not_grow_with_its_sessions():
    routed = llm()
    routed.runner._views, routed.runner._histories = ChatViews(size=40), Histories(size=40)

    def serve(sessions):
        for number in sessions:
            messages = conversation(4)
            for _ in range(3):
                routed.chat(messages, route={"session": f"s{number}"})
                messages = [*messages, *conversation(2)]
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        full = serve(range(100))
        later = serve(range(100, 400))
    finally:
        tracemalloc.stop()
    assert later < 1.2 * full
