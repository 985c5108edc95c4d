"""What `ChatFairlead.invoke` adds to the native model's own `invoke`, with a model that answers at once.

Blocks of both are interleaved and their minima compared: on a shared machine, medians measure the neighbours.

    python tools/bench_langchain.py [--blocks 40]
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_fairlead import ChatFairlead

BARS = {10: 50, 100: 75, 1_000: 100}
"""Microseconds that may be added, by number of messages."""


class Instant(BaseChatModel):
    """Answers at once."""

    model_name: str = "instant"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        usage = {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("yes", usage_metadata=usage))])

    @property
    def _llm_type(self) -> str:
        return "instant"


def conversation(count: int) -> list[BaseMessage]:
    """A conversation of `count` messages that ends with the user."""
    said: list[BaseMessage] = [
        HumanMessage(f"Question {i} about the deployment of the service.") if i % 2 == 0 else AIMessage(f"Answer {i}.")
        for i in range(count - 1)
    ]
    return [*said, HumanMessage("And now?")]


def block(call: Callable[[], object], repeat: int) -> float:
    """Microseconds for one call, over `repeat` of them."""
    start = time.thread_time()  # nothing here waits, so this is what a call takes when nobody else is on the machine
    for _ in range(repeat):
        call()
    return (time.thread_time() - start) / repeat * 1e6


def measure(count: int, blocks: int) -> tuple[float, float]:
    """Minima in microseconds: bare, and through `ChatFairlead` with four targets and the default chain."""
    names = ["opus", "sonnet", "mini", "nano"]
    models = {name: Instant(model_name=name) for name in names}
    llm, bare = ChatFairlead(models), models["opus"]
    messages = conversation(count)
    config: Any = {"configurable": {"thread_id": "t1"}}
    repeat = 20  # short blocks: the least disturbed one counts
    calls = [lambda: bare.invoke(messages, config), lambda: llm.invoke(messages, config)]
    least = [float("inf"), float("inf")]
    for call in calls:
        block(call, repeat)
    for _ in range(blocks):
        for i, call in enumerate(calls):
            least[i] = min(least[i], block(call, repeat))
    return least[0], least[1]


def agent_step(blocks: int) -> tuple[float, ...]:
    """Minima in microseconds of a `create_agent` step with `ChatFairlead`: alone, with idle middleware, with ours."""
    from langchain.agents import create_agent
    from langchain.agents.middleware import AgentMiddleware

    from langchain_fairlead import FairleadMiddleware

    class Nothing(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
            return handler(request)

    models = {name: Instant(model_name=name) for name in ("opus", "mini")}
    chains: list[list[AgentMiddleware[Any, Any, Any]]] = [[], [Nothing()], [FairleadMiddleware()]]
    agents = [create_agent(ChatFairlead(models), [], middleware=chain) for chain in chains]
    state: Any = {"messages": conversation(10)}
    least = [float("inf")] * len(agents)
    for _ in range(blocks):
        for i, agent in enumerate(agents):
            least[i] = min(least[i], block(lambda: agent.invoke(state), 20))  # noqa: B023  (called at once)
    return tuple(least)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=40)
    blocks = parser.parse_args().blocks
    warnings.simplefilter("ignore")
    print("messages   native   ChatFairlead    added      bar   (CPU microseconds, minima of interleaved blocks)")
    for count, bar in BARS.items():
        bare, routed = measure(count, blocks)
        verdict = "ok" if routed - bare <= bar else "OVER"
        print(f"{count:>8} {bare:>8.0f} {routed:>14.0f} {routed - bare:>8.0f} {bar:>8} {verdict}")
    alone, nothing, routed = agent_step(blocks)
    verdict = "ok" if routed <= 1.1 * alone else "OVER"
    print(
        f"a step of create_agent: {alone:.0f}; with FairleadMiddleware {routed:.0f} ({routed / alone - 1:+.1%}; bar +10 % {verdict}), "
        f"with one that does nothing {nothing:.0f} ({nothing / alone - 1:+.1%})"
    )


if __name__ == "__main__":
    main()
