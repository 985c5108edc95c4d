"""From logging to a cheaper router, step by step: audit, shadow, comparison on recorded outcomes, canary.

Nothing is called: the calls are played, so that the example runs without a key. In an application the same objects stand in the journal
and the chain of policies of your router.
"""

import json
import random
import tempfile
from pathlib import Path

from switchwise import Needs, Phase, Pool, Price, Reply, Router, Scope, Signals, StepKind, Target, Usage, View, hold
from switchwise.evaluation.live import Drift, Shadow, audit
from switchwise.observe.journal import InMemory
from switchwise.policies import Canary, Floor, Worth
from switchwise.quality import LabelTable, Priors, Shrunk

pool = Pool(
    [
        Target("strong", "anthropic", "claude-opus-4-8", Price(5, 25, cache_read=0.5, cache_write=6.25)),
        Target("cheap", "minimax", "minimax-m3", Price(0.3, 1.2, cache_read=0.03)),
    ]
)
rng = random.Random(7)
SOLVES = {"strong": 0.85, "cheap": 0.83}  # the truth of this play, which nobody is told


def session(router: Router, name: str) -> None:
    """A coding session of four calls; at its end the application says whether the tests passed."""
    for step in range(4):
        kind = StepKind.TOOL_RESULT if step else StepKind.USER_TURN
        view = View(Scope(name, "coder", step=step), 20_000, Needs(tools=True), Signals(Phase.DEBUGGING, kind, first=not step))
        run = router.start(view)
        run.ended(Reply("done", usage=Usage(20_000, 400, cache_read_tokens=18_000 if step else 0)))
    router.feedback(run.outcome.decision, float(rng.random() < SOLVES[run.outcome.target.name]), kind="task")


# 1. Start with logging: everything to the strongest, and a candidate in the shadow.
quality = Shrunk(Priors(), LabelTable())
chain = (Floor(quality, within=0.15), hold(Worth(quality, value=2.0), per="session"))
journal, shadow, drift = InMemory(), Shadow(Router(pool, *chain, rng=random.Random(1))), Drift()
live = Router(pool, observers=[journal, shadow, drift], rng=random.Random(2))
for number in range(30):
    session(live, f"before-{number}")

print("AUDIT\n", audit(journal, within=0.15), sep="")
print("\nSHADOW\n", shadow.report(), sep="")

# 2. The candidate gets half of the sessions; a sequential test would take them away again.
canary = Canary(hold(Worth(quality, value=2.0), per="session"), share=0.5, margin=0.05)
after = InMemory()
trial = Router(pool, Floor(quality, within=0.15), canary, observers=[after, drift], rng=random.Random(3))
for number in range(60):
    session(trial, f"trial-{number}")
print("\nCANARY\n", canary.summary(), sep="")
costs = [sum(record.cost or 0 for record in kept) / sessions for kept, sessions in ((journal, 30), (after, 60))]
print(
    f"${costs[0]:.4f} per session before, ${costs[1]:.4f} with the canary; alarms: {[str(alarm) for alarm in drift.alarms] or 'none'}"
)

# 3. Outcomes of an evaluation, where there are some, compare whole routers without any traffic (needs numpy).
try:
    from switchwise.evaluation.outcomes import read_outcomes
    from switchwise.evaluation.trials.paired import compare

    with tempfile.TemporaryDirectory() as folder:
        rows = [
            {
                "task": f"issue-{i}",
                "repo": "shop",
                "model": name,
                "resolved": int(rng.random() < SOLVES[name]),
                "cost_usd": cost,
            }
            for i in range(200)
            for name, cost in (("strong", 0.65), ("cheap", 0.15))
        ]
        file = Path(folder) / "runs.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (outcomes,) = read_outcomes(file)
        found = compare(outcomes, Router(pool), Router(pool, *chain, rng=random.Random(4)))
        print(f"\nCOMPARE\n{found.solved[0]} solved at ${found.cost[0]} -> {found.solved[1]} at ${found.cost[1]}")
except ImportError:
    print("\nCOMPARE needs numpy: pip install 'switchwise[quality]'")
