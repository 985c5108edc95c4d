"""Runs the demo: `python -m langchain_switchwise.demo [--live] [--journal FILE]`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.demo import airline, report, routing
from langchain_switchwise.demo.recording import Conversation, Results, load, scripts
from switchwise import Attempt
from switchwise.observe.journal import InMemory, JsonLines
from switchwise.testing import Clock
from switchwise_loopback import Fault, LoopbackProvider, Replay

OUTAGE = 3  # the conversation in which a provider fails, counted from 1
SECONDS_A_CALL = 2.0
SECONDS_A_USER = 30.0

Sink = Callable[[Attempt], None]


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m langchain_switchwise.demo", description=__doc__)
    parser.add_argument(
        "--live", action="store_true", help="use OPENAI_API_KEY and ANTHROPIC_API_KEY: real answers, a real bill"
    )
    parser.add_argument("--journal", metavar="FILE", help="write a record for each attempt to FILE (JSON lines)")
    asked = parser.parse_args()
    sinks: list[Sink] = [JsonLines(asked.journal)] if asked.journal else []
    if asked.live:
        missing = [key for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY") if not os.environ.get(key)]
        if missing:
            sys.exit(f"--live needs {' and '.join(missing)} in the environment")
        live(sinks)
    else:
        recorded(sinks)


def recorded(sinks: Sequence[Sink]) -> None:
    """Re-enact the recording over two local providers; one of them fails on the way."""
    print(
        "Recorded conversations (tau-bench, MIT), re-enacted by a LangGraph agent and its sub-agent. The answers are recorded."
    )
    print("The providers are local: a loopback server that speaks OpenAI's and Anthropic's protocols and caches as they do.")
    print("The clock is simulated. Models, prices, routing, failures and fallbacks are as they would be.\n")
    print(report.headings())
    policy, conversations = load()
    clock, journal = Clock(), InMemory()
    with LoopbackProvider(Replay(scripts(conversations)), clock=clock) as provider:
        native = local(provider)
        llm = ChatSwitchwise(router=routing.router([journal, report.show, ticking(clock), *sinks], clock), models=native)
        for number, conversation in enumerate(conversations, 1):
            if number == OUTAGE:
                print("--- from here on, anthropic is overloaded ---")
                provider.inject(Fault.OVERLOADED, provider="anthropic", times=None)
            elif number == OUTAGE + 1:
                print("--- anthropic has recovered ---")
                provider.clear()
                clock.advance(600)
            converse(llm, policy, conversation, clock)
    print("\nThe same conversations once more, every call on the strongest model, without an outage ...", flush=True)
    print(
        "\n"
        + report.summary(list(journal), routing.STRONG, all_strong(policy, conversations), "measured: the same run, no router")
    )


def live(sinks: Sequence[Sink]) -> None:
    """The same agent on the user's own keys. The customers say what was recorded; the tools return what was recorded."""
    print("Live: real models, your keys, your bill. The customers' words and the tools' results are recorded.\n")
    print(report.headings())
    policy, conversations = load()
    journal = InMemory()
    router = routing.router([journal, report.show, *sinks])
    llm = ChatSwitchwise(router=router, models=routing.models())
    for conversation in conversations:
        converse(llm, policy, conversation, Clock())
    price = router.pool[routing.STRONG].price
    usages = [(record.input_tokens, record.output_tokens) for record in journal]
    strong = sum(price.estimate(i, o) for i, o in usages if price and i is not None and o is not None)
    print(
        "\n"
        + report.summary(list(journal), routing.STRONG, strong, "estimated: the same tokens at its list price, nothing cached")
    )


def all_strong(policy: str, conversations: Sequence[Conversation]) -> float:
    """USD of the same conversations with every call on the strongest model, its prompt cache at work."""
    clock, journal = Clock(), InMemory()
    with LoopbackProvider(Replay(scripts(conversations)), clock=clock) as provider:
        native = local(provider)
        llm = ChatSwitchwise(
            router=routing.only(routing.STRONG, [journal, ticking(clock)], clock),
            models={routing.STRONG: native[routing.STRONG]},
        )
        for conversation in conversations:
            converse(llm, policy, conversation, clock)
    return report.cost(journal)


def local(provider: LoopbackProvider) -> dict[str, BaseChatModel]:
    """The native chat models, talking to a local provider."""
    openai = {"base_url": provider.openai_url, "api_key": "local"}
    return routing.models(openai, {"base_url": provider.anthropic_url, "api_key": "local"})


def ticking(clock: Clock) -> Sink:
    """A sink that lets the time of a call pass."""

    def tick(_: Attempt) -> None:
        clock.advance(SECONDS_A_CALL)

    return tick


def converse(model: BaseChatModel, policy: str, conversation: Conversation, clock: Clock) -> None:
    """Let the customer say what was recorded, and the agent answer, to the end."""
    agent = airline.build(model, policy, Results(conversation))
    config = airline.config(conversation.id, conversation.membership)
    for words in conversation.said_by_user:
        if "###STOP###" in words:  # how the recorded customer hangs up
            break
        agent.invoke({"messages": [HumanMessage(words)]}, config)
        clock.advance(SECONDS_A_USER)


if __name__ == "__main__":
    main()
