"""`audit`, `shadow`, `compare` and `canary` on two sources: the journal of the demo, and a recorded set of whole tasks.

The demo (`make demo`) runs over local providers: real agents, real tests, no key. The recorded set is OpenHands' index of SWE-bench: which model solved which
of 292 tasks at how many dollars. It lies in the shared data, next to the checkout or where SWITCHWISE_SHARED_DATA points; without it the second part says
what it needs, and ends.
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
from switchwise.evaluation.live import Shadow, audit
from switchwise.gate import Gate
from switchwise.observe.journal import InMemory
from switchwise.policies import Anchor, Canary, Follows, Rules
from switchwise.quality import LabelTable
from switchwise.verifiers import Command
from switchwise_loopback import LoopbackProvider

for name in ("gate", "engine", "healthy"):  # what they would log is in the tables below
    logging.getLogger(f"switchwise.{name}").addHandler(logging.NullHandler())
SET = Path("agent_outcomes") / "openhands_index.csv.gz"
TOKENS = 100_000  # of a recorded task, which is one call here
ALL = tuple(routing.MODELS)


def demo() -> None:
    """The demo's agents: what they cost, what another chain would do, and a canary whose outcomes come from the gate."""
    journal = InMemory()
    shadow = Shadow(Router(routing.pool(), hold(Anchor(routing.EVIDENCE, within=0.02), per="session"), rng=random.Random(1)))
    fix_tickets(ALL, [journal, shadow])
    serve(ALL, [journal, shadow])
    print(f"DEMO: {len(journal)} calls of a coding agent and of an airline's desk\n\naudit\n{audit(journal, within=0.05)}")
    print(f"\nshadow: the anchor within 2 points of the best, instead of the demo's chain\n{shadow.report()}")

    canary = Canary(hold(Rules().prefer("deepseek", because="a cheap anchor"), per="session"), share=0.5, margin=0.1)
    trial = InMemory()
    router = Router(routing.pool(), Follows(), canary, observers=[trial], rng=random.Random(2))
    with (
        LoopbackProvider(tickets.answer) as provider,
        tempfile.TemporaryDirectory(prefix="switchwise-canary-") as folder,
    ):
        llm = ChatSwitchwise(router=router, models=local(provider, ALL))
        for ticket in tickets.TICKETS:
            root = tickets.check_out(ticket, Path(folder))
            agent = tickets.build(llm, root, Gate(Command(tickets.TEST_COMMAND), stronger=routing.STRONG))
            agent.invoke({"messages": [HumanMessage(ticket.text)]}, tickets.config(ticket))
    sides = {record.session: canary.chosen(View(Scope(record.session))) for record in trial}
    print(
        f"\ncanary: deepseek begins {sum(sides.values())} of {len(sides)} tickets; the gate says how they end\n{canary.summary()}"
    )
    assert "after" in canary.summary()
    assert len(sides) == len(tickets.TICKETS)


def recorded(path: Path) -> None:
    """Recorded tasks, one after the other, as the traffic of a service whose tasks are checked."""
    from switchwise.evaluation.outcomes import read_outcomes
    from switchwise.evaluation.trials.training import compare

    outcomes = next(found for found in read_outcomes(path) if found.name.endswith("swe-bench")).complete()
    at = {name: outcomes.targets.index(name) for name in ("claude-opus-4-7", "MiniMax-M3")}
    dollars = {name: float(outcomes.costs[:, i].mean()) for name, i in at.items()}
    pool = Pool([Target(name, price=Price(cost * 1e6 / TOKENS, 0.0)) for name, cost in dollars.items()])
    strong, cheap = at
    cheaper = Rules().prefer(cheap, because="a cheap anchor")
    order = random.Random(3).sample(range(len(outcomes.tasks)), len(outcomes.tasks))

    def task(router: Router, number: int) -> None:
        run = router.start(View(Scope(f"task-{number}", "coder"), TOKENS, Needs(tools=True)))
        run.ended(Reply("a patch", usage=Usage(TOKENS, 0)))
        score = outcomes.scores[number, at[run.outcome.target.name]]
        router.feedback(run.outcome, float(score), "evaluation")

    shadow = Shadow(Router(pool, cheaper, rng=random.Random(4)))
    live = Router(pool, observers=[shadow], rng=random.Random(5))
    for number in order[:100]:
        task(live, number)
    print(f"\nRECORDED SET: {len(order)} tasks of {outcomes.name}; a target's price is its mean dollars per task\n")
    print(f"shadow: {cheap} first\n{shadow.report()}")

    journal, table = InMemory(), LabelTable()
    canary = Canary(hold(cheaper, per="session"), share=0.5, margin=0.1)
    before = Rules().prefer(strong, because="as before")
    trial = Router(pool, canary, before, Anchor(table), observers=[journal], rng=random.Random(6))
    for number in order[100:]:
        task(trial, number)
    print(
        f"\ncanary: half of the other tasks begin with {cheap}\n{canary.summary()}; {'stopped' if canary.test.rejected else 'goes on'}"
    )
    print(f"\naudit of these, by what the router has learnt from them\n{audit(journal, table, within=0.06)}")

    found = compare(outcomes, Router(pool), Router(pool, cheaper))
    print(
        f"\ncompare: all on {strong}; {cheap} first\nsolved {found.solved[0]} -> {found.solved[1]}: {found.solved_difference}"
    )
    print(f"dollars per task {found.cost[0]} -> {found.cost[1]}: {found.cost_difference}")


def main() -> None:
    """Both."""
    demo()
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("SWITCHWISE_SHARED_DATA", beside)) / SET
    if path.exists():
        recorded(path)
    else:
        print(
            f"\nThe recorded set is not there: put it at {path}, or set SWITCHWISE_SHARED_DATA to the folder that holds {SET}. Any file with task, "
            "model, resolved and cost_usd will do: docs/guide/evaluation.md has the formats."
        )


if __name__ == "__main__":
    main()
