"""Runs the demo: `python -m langchain_switchwise.demo [--live] [--journal FILE]`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.demo import airline, report, routing, tickets
from langchain_switchwise.demo.recording import Conversation, Results, load, scripts
from switchwise import Attempt, Router, Scope, View
from switchwise.gate import Gate
from switchwise.observe import Event, EventKind, Observer
from switchwise.observe.journal import InMemory, JsonLines, Record
from switchwise.observe.observer import Observes
from switchwise.testing import Clock
from switchwise.verifiers import Command
from switchwise_loopback import Fault, LoopbackProvider, Replay

SECONDS_A_CALL = 2.0
SECONDS_A_USER = 30.0
OUTAGE = (2, 3)  # the conversation in which a provider fails, and the turn of the user from which it does; counted from 1
OVER = 5  # the turn from which it answers again
KEYS = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY"}

INTRODUCTION = """switchwise demo: no key, no cost. The models' words are scripted or recorded, the providers are local, the clock
is simulated; prices, prompt caches, routing, failures and tests are as they would be."""

Say = Callable[[str], None]


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m langchain_switchwise.demo", description=__doc__)
    parser.add_argument("--live", action="store_true", help=f"use {', '.join(sorted(KEYS))}: real answers, a real bill")
    parser.add_argument("--journal", metavar="FILE", help="write a record for each attempt to FILE (JSON lines)")
    asked = parser.parse_args()
    if asked.live and (missing := sorted(KEYS - os.environ.keys())):
        sys.exit(f"--live needs {' and '.join(missing)} in the environment")
    run = live if asked.live else recorded
    with ExitStack() as open_files:
        run([open_files.enter_context(JsonLines(asked.journal))] if asked.journal else [])


def recorded(watching: Sequence[Observes]) -> None:
    """Both parts over local providers, and both once more with every call on the strongest model."""
    print(report.paragraph(INTRODUCTION))
    table, journal = report.Table(), InMemory()
    circuits = report.Circuits(table)
    logging.getLogger("switchwise.healthy").addHandler(circuits)
    for name in ("gate", "engine"):  # the table shows it
        logging.getLogger(f"switchwise.{name}").addHandler(logging.NullHandler())
    shown: list[Observes] = [journal, table, *watching]

    _introduce_tickets()
    fix_tickets(tuple(routing.MODELS), shown, table)
    table.flush()
    first = report.cost(journal)

    _introduce_desk()
    serve(tuple(routing.MODELS), shown, table)
    table.flush()
    second = report.cost(journal) - first
    logging.getLogger("switchwise.healthy").removeHandler(circuits)

    print(f"\nThe bill, compared with every call on {routing.STRONG} ...\n", flush=True)
    alone = [InMemory(), InMemory()]
    fix_tickets((routing.STRONG,), [alone[0]])
    serve((routing.STRONG,), [alone[1]])
    parts = {
        f"{len(tickets.TICKETS)} tickets": (first, report.cost(alone[0])),
        f"{len(load()[1])} conversations": (second, report.cost(alone[1])),
    }
    print(report.bill(list(journal), parts, routing.STRONG, "measured, the same run without a router and an outage"))


def live(watching: Sequence[Observes]) -> None:
    """The same agents on the user's own keys. The customers say what was recorded; the airline's tools return what was recorded."""
    print("Live: real models, your keys, your bill. The customers' words and the airline's results are recorded.\n")
    table, journal = report.Table(), InMemory()
    shown: list[Observes] = [journal, table, *watching]
    names = tuple(routing.MODELS)
    _introduce_tickets()
    _fix_tickets(routing.tickets(names, shown), routing.models(), table.say)
    table.flush()
    first = len(journal)
    _introduce_desk()
    policy, conversations = load()
    llm = ChatSwitchwise(router=routing.desk(names, shown), models=routing.models())
    for conversation in conversations:
        converse(llm, policy, conversation, Clock())
    table.flush()
    records = list(journal)
    price = routing.pool()[routing.STRONG].price

    def estimated(part: Sequence[Record]) -> float:
        usages = [(record.input_tokens, record.output_tokens) for record in part]
        return sum(price.estimate(i, o) for i, o in usages if price and i is not None and o is not None)

    parts = {
        "tickets": (report.cost(records[:first]), estimated(records[:first])),
        "conversations": (report.cost(records[first:]), estimated(records[first:])),
    }
    print("\n" + report.bill(records, parts, routing.STRONG, "estimated, the same tokens at its list price, nothing cached"))


def _introduce_tickets() -> None:
    text = f"""1. {len(tickets.TICKETS)} tickets for a coding agent. Each session is given its anchor by published outcomes: the
        cheapest within {routing.POINTS:.0%} of the best. A gate runs the tests before a run may end."""
    print(report.paragraph(text))
    print(report.evidence(routing.pool(), routing.EVIDENCE, View(Scope(agent="coder"))))
    print("\n" + report.headings())


def _introduce_desk() -> None:
    text = f"""2. {len(load()[1])} conversations at an airline's desk (tau-bench, recorded). Rules for a session, an agent and a task;
        what is left goes to the cheapest, prompt caches counted. In the second one a provider is overloaded."""
    print("\n" + report.paragraph(text))
    print(report.headings())


def fix_tickets(names: Sequence[str], watching: Sequence[Observes], table: report.Table | None = None) -> None:
    """The tickets, over a local provider.

    Parameters:
        names: the targets that there are.
        watching: observers.
        table: where the gate's findings are shown; None: nowhere.
    """
    clock = Clock()
    with LoopbackProvider(tickets.answer, clock=clock) as provider:
        router = routing.tickets(names, [*watching, ticking(clock)], clock)
        _fix_tickets(router, local(provider, names), table.say if table else None)


class Findings(Observer):
    """Says what the gate found."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def event(self, event: Event) -> None:
        if event.kind is EventKind.GATE_ACCEPTED:
            self._say("gate: the tests pass")
        elif event.kind is EventKind.ESCALATED:
            last = event.because.split("\n")[-1]
            self._say(f"gate: {last}. Sent back to the same conversation, from here on with {event.name}")
        elif not event.details["again"]:
            self._say(f"gate: the run ends, marked: [not verified: {event.because}]")


def _fix_tickets(router: Router, models: dict[str, BaseChatModel], say: Say | None) -> None:
    llm = ChatSwitchwise(router=router, models=models)
    with tempfile.TemporaryDirectory(prefix="switchwise-demo-") as folder:
        for ticket in tickets.TICKETS:
            if say:
                say(f"{ticket.id}: {ticket.text}")
            root = tickets.check_out(ticket, Path(folder))
            gate = Gate(Command(tickets.TEST_COMMAND), stronger=routing.STRONG, observers=[Findings(say)] if say else [])
            tickets.build(llm, root, gate).invoke({"messages": [HumanMessage(ticket.text)]}, tickets.config(ticket))


def serve(names: Sequence[str], watching: Sequence[Observes], table: report.Table | None = None) -> None:
    """The airline's conversations, over a local provider; with `table`, an outage on the way."""
    policy, conversations = load()
    clock = Clock()
    with LoopbackProvider(Replay(scripts(conversations)), clock=clock) as provider:
        llm = ChatSwitchwise(router=routing.desk(names, [*watching, ticking(clock)], clock), models=local(provider, names))

        def before(turn: int) -> None:
            if table is None or conversation is not conversations[OUTAGE[0] - 1]:
                return
            if turn == OUTAGE[1]:
                table.say("from here on, anthropic is overloaded")
                provider.inject(Fault.OVERLOADED, provider="anthropic", times=None)
            elif turn == OVER:
                table.say("anthropic has recovered")
                provider.clear()
                clock.advance(SECONDS_A_USER)

        for conversation in conversations:
            if table:
                table.say(f"{conversation.id}: a customer ({conversation.membership})")
            converse(llm, policy, conversation, clock, before)


def local(provider: LoopbackProvider, names: Sequence[str]) -> dict[str, BaseChatModel]:
    """The native chat models, talking to a local provider."""
    openai = {"base_url": provider.openai_url, "api_key": "local"}
    anthropic = {"base_url": provider.anthropic_url, "api_key": "local"}
    return routing.models(names, {"openai": openai, "deepseek": openai, "anthropic": anthropic})


def ticking(clock: Clock) -> Observes:
    """An observer that lets the time of a call pass."""

    def tick(_: Attempt) -> None:
        clock.advance(SECONDS_A_CALL)

    return tick


def converse(
    model: BaseChatModel, policy: str, conversation: Conversation, clock: Clock, before: Callable[[int], None] = lambda _: None
) -> None:
    """Let the customer say what was recorded, and the agent answer, to the end.

    Parameters:
        before: receives the number of each turn of the customer, from 1, before it is sent.
    """
    agent = airline.build(model, policy, Results(conversation))
    config = airline.config(conversation.id, conversation.membership)
    for turn, words in enumerate(conversation.user_turns, 1):
        if "###STOP###" in words:  # how the recorded customer hangs up
            break
        before(turn)
        agent.invoke({"messages": [HumanMessage(words)]}, config)
        clock.advance(SECONDS_A_USER)


if __name__ == "__main__":
    main()
