"""Time that LangChain's adapter adds to a native model's `invoke` and to a step of `create_agent`, with a model that answers at once.

The least of many rounds counts: on a shared machine a median measures the other load (`interleaved`).

    python tools/bench_langchain.py [--rounds 1000]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from interleaved import minima, verdict
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_switchwise import ChatSwitchwise

BARS = {10: 80, 100: 80, 1_000: 0}
"""Microseconds that may be added, by number of messages: a long prompt is read by LangChain once less than when it is called directly."""
STEP = 10
"""Per cent that a step of an agent may take longer."""


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
    """A `create_agent` step: with a native model; with `ChatSwitchwise`; with it and middleware that does nothing; with it and ours."""
    from langchain.agents import create_agent
    from langchain.agents.middleware import AgentMiddleware

    from langchain_switchwise import SwitchwiseMiddleware

    class Nothing(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
            return handler(request)

    models = {name: Instant(model_name=name) for name in ("opus", "mini")}
    made = [
        create_agent(models["opus"], []),
        create_agent(ChatSwitchwise(models), []),
        create_agent(ChatSwitchwise(models), [], middleware=[Nothing()]),
        create_agent(ChatSwitchwise(models), [], middleware=[SwitchwiseMiddleware()]),
    ]
    state: Any = {"messages": conversation(10)}
    return [partial(agent.invoke, state) for agent in made]


def main() -> None:
    """Print each figure and its verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1_000)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    print("\nLangChain (CPU, least of interleaved rounds)")
    for count, bar in BARS.items():
        bare, routed = minima(sides(count), rounds if count < 1_000 else rounds // 4)
        verdict(f"ChatSwitchwise.invoke, {count:,} messages, added to {bare:.0f} us", routed - bare, bar)
    native, routed, idle, ours = minima(steps(), rounds)
    verdict(
        f"SwitchwiseMiddleware, added to a step of create_agent of {routed:.0f} us", (ours / routed - 1) * 100, STEP, "%", 1
    )
    print(
        f"  (middleware that does nothing adds {(idle / routed - 1) * 100:.1f} %; the step takes {native:.0f} us with a native model)"
    )


if __name__ == "__main__":
    main()
