"""`audit`, `compare`, `shadow` and `canary` on two sources: the journal of the demo, and a recorded set of whole tasks.

The demo (`make demo`) runs over local providers: real agents, real tests, no key. The recorded set is a part of OpenHands' index of SWE-bench: which model
solved which of 292 tasks at how many dollars. It is read from the shared data where SWITCHWISE_SHARED_DATA points, else from the sample beside the examples.
"""

import logging
import os
import random
import tempfile
from pathlib import Path

from langchain_core.messages import HumanMessage

from langchain_switchwise import ChatSwitchwise
from langchain_switchwise.demo import routing, tickets
from langchain_switchwise.demo.__main__ import fix_tickets, local, serve
from switchwise import Needs, Pool, Price, Reply, Router, Scope, Target, Usage, View, hold
from switchwise.evaluation.live import Shadow, audit, compare_bills
from switchwise.evaluation.outcomes import Outcomes, read_outcomes
from switchwise.evaluation.trials.paired import compare
from switchwise.gate import Gate
from switchwise.observe.journal import InMemory
from switchwise.policies import Anchor, Canary, Cheapest, Follows, Rules
from switchwise.quality import LabelTable
from switchwise.verifiers import Command
from switchwise_loopback import LoopbackProvider

for name in ("gate", "engine", "healthy"):  # what they would log is in the tables below
    logging.getLogger(f"switchwise.{name}").addHandler(logging.NullHandler())
ALL = tuple(routing.MODELS)
STRONG, CHEAP = "claude-opus-4-7", "MiniMax-M3"
TOKENS = 100_000  # of a recorded task, which is one call here


def demo() -> None:
    """The demo's agents: what they cost, what another chain would do, and a canary whose outcomes come from the gate."""
    journal = InMemory()
    candidate = (hold(Anchor(routing.EVIDENCE, within=0.1), per="session"), Cheapest())
    shadow = Shadow(Router(routing.pool(), *candidate, rng=random.Random(1)))
    fix_tickets(ALL, [journal, shadow])
    serve(ALL, [journal, shadow])
    print(f"THE DEMO'S JOURNAL: {len(journal)} calls of a coding agent and of an airline's desk")
    show("audit: what could go to a cheaper target within 10 points", audit(journal, within=0.1))
    show("shadow: each session on the cheapest anchor within 10 points, decided beside the demo's chain", shadow.report())
    alone = Router(routing.pool(), rng=random.Random(2))
    found = compare_bills(journal, alone, Router(routing.pool(), *candidate, rng=random.Random(3)), routing.EVIDENCE)
    show(f"compare: first everything on {routing.STRONG}, second that chain", found)
    assert found.saves.value > 0

    canary = Canary(hold(Rules().prefer("deepseek", because="a cheap anchor"), per="session"), share=0.5, margin=0.1)
    router = Router(routing.pool(), Follows(), canary, rng=random.Random(4))
    with (
        LoopbackProvider(tickets.answer) as provider,
        tempfile.TemporaryDirectory(prefix="switchwise-canary-") as folder,
    ):
        llm = ChatSwitchwise(router=router, models=local(provider, ALL))
        for ticket in tickets.TICKETS:
            root = tickets.check_out(ticket, Path(folder))
            agent = tickets.build(llm, root, Gate(Command(tickets.TEST_COMMAND), stronger=routing.STRONG))
            agent.invoke({"messages": [HumanMessage(ticket.text)]}, tickets.config(ticket))
    show("canary: deepseek begins half of the tickets; the gate says how they end", canary.summary())
    assert sum(count for count, _ in canary.test.sums.values()) == len(tickets.TICKETS)


def recorded(outcomes: Outcomes) -> None:
    """Recorded tasks, one after the other, as the traffic of a service whose tasks are checked."""
    at = {name: outcomes.targets.index(name) for name in (STRONG, CHEAP)}
    dollars = {name: float(outcomes.costs[:, i].mean()) for name, i in at.items()}
    pool = Pool([Target(name, price=Price(cost * 1e6 / TOKENS, 0.0)) for name, cost in dollars.items()])
    before, cheaper = (Rules().prefer(name, because="as chosen") for name in (STRONG, CHEAP))
    order = random.Random(3).sample(range(len(outcomes.tasks)), len(outcomes.tasks))

    def task(router: Router, number: int) -> None:
        """One call that costs what the task cost, by the target that the router chooses."""
        run = router.start(View(Scope(f"task-{number}", "coder"), TOKENS, Needs(tools=True)))
        name = run.call.target.name
        run.ended(Reply("a patch", usage=Usage(round(TOKENS * outcomes.costs[number, at[name]] / dollars[name]), 0)))
        router.feedback(run.outcome, float(outcomes.scores[number, at[name]]), "evaluation")

    shadow = Shadow(Router(pool, cheaper, rng=random.Random(4)))
    live = Router(pool, before, observers=[shadow], rng=random.Random(5))
    for number in order[:100]:
        task(live, number)
    print(f"\n\nA RECORDED SET: {len(order)} tasks of {outcomes.name}; a target's price is its mean dollars per task")
    show(f"shadow: {CHEAP} first, beside {STRONG}, on 100 tasks", shadow.report())

    journal, table = InMemory(), LabelTable()
    canary = Canary(hold(cheaper, per="session"), share=0.5, margin=0.1)
    trial = Router(pool, canary, before, Anchor(table), observers=[journal], rng=random.Random(6))
    for number in order[100:]:
        task(trial, number)
    show(f"canary: half of the other tasks begin with {CHEAP}", canary.summary())
    show("audit of these tasks, by what the router has learnt from them", audit(journal, table, within=0.06))
    show(
        f"compare, by what is recorded: first {STRONG}, second {CHEAP}", compare(outcomes, Router(pool), Router(pool, cheaper))
    )


def show(title: str, found: object) -> None:
    """A title and what was found."""
    print(f"\n{title}\n{found}")


def main() -> None:
    """Both."""
    demo()
    sample = Path(__file__).parents[1] / "data" / "whole_tasks" / "openhands_index.csv.gz"
    shared = Path(os.environ.get("SWITCHWISE_SHARED_DATA", ".")) / "agent_outcomes" / sample.name
    sets = read_outcomes(shared if shared.exists() else sample)
    recorded(next(found for found in sets if found.name.endswith("swe-bench")).complete())


if __name__ == "__main__":
    main()
