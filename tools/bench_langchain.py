"""What `ChatSwitchwise.invoke` adds to the native model's own `invoke`, with a model that answers at once.

The least of many short blocks counts: on a shared machine, medians measure the neighbours (`interleaved`).

    python tools/bench_langchain.py [--blocks 120]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from interleaved import minima
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_switchwise import ChatSwitchwise

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


def sides(count: int) -> list[Callable[[], object]]:
    """The native call, and the same through `ChatSwitchwise` with four targets and the default chain."""
    models = {name: Instant(model_name=name) for name in ("opus", "sonnet", "mini", "nano")}
    llm, bare = ChatSwitchwise(models), models["opus"]
    messages = conversation(count)
    config: Any = {"configurable": {"thread_id": "t1"}}
    return [lambda: bare.invoke(messages, config), lambda: llm.invoke(messages, config)]


def steps() -> list[Callable[[], object]]:
    """A `create_agent` step with `ChatSwitchwise`: alone, with idle middleware, with ours."""
    from langchain.agents import create_agent
    from langchain.agents.middleware import AgentMiddleware

    from langchain_switchwise import SwitchwiseMiddleware

    class Nothing(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
            return handler(request)

    models = {name: Instant(model_name=name) for name in ("opus", "mini")}
    chains: list[list[AgentMiddleware[Any, Any, Any]]] = [[], [Nothing()], [SwitchwiseMiddleware()]]
    agents = [create_agent(ChatSwitchwise(models), [], middleware=chain) for chain in chains]
    state: Any = {"messages": conversation(10)}
    return [partial(agent.invoke, state) for agent in agents]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=120)
    blocks = parser.parse_args().blocks
    warnings.simplefilter("ignore")
    print("messages   native   ChatSwitchwise    added      bar   (CPU microseconds, minima of interleaved blocks)")
    least = minima([call for count in BARS for call in sides(count)], blocks)
    for (count, bar), bare, routed in zip(BARS.items(), least[::2], least[1::2], strict=True):
        verdict = "ok" if routed - bare <= bar else "OVER"
        print(f"{count:>8} {bare:>8.0f} {routed:>14.0f} {routed - bare:>8.0f} {bar:>8} {verdict}")
    alone, nothing, routed = minima(steps(), blocks)
    verdict = "ok" if routed <= 1.1 * alone else "OVER"
    print(
        f"a step of create_agent: {alone:.0f}; with SwitchwiseMiddleware {routed:.0f} ({routed / alone - 1:+.1%}; bar +10 % {verdict}), "
        f"with one that does nothing {nothing:.0f} ({nothing / alone - 1:+.1%})"
    )


if __name__ == "__main__":
    main()
