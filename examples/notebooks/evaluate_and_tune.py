# %% [markdown]
# # Evaluate and tune on your own traffic
#
# From a journal of real calls to a router that is worth its change: what was spent and could have gone cheaper, what recorded outcomes say, and how
# two routers compare on them. Nothing is called here; the traffic is played.

# %%
import json
import random
from pathlib import Path

from switchwise import Needs, Phase, Pool, Price, Reply, Router, Scope, Signals, StepKind, Target, Usage, View, hold
from switchwise.observe.journal import InMemory

pool = Pool(
    [
        Target("strong", "anthropic", "claude-opus-4-8", Price(5, 25, cache_read=0.5, cache_write=6.25)),
        Target("cheap", "minimax", "minimax-m3", Price(0.3, 1.2, cache_read=0.03)),
    ]
)
pool

# %% [markdown]
# ## 1. Begin with logging
#
# Everything goes to the strongest, and a journal is kept.

# %%
journal = InMemory()
router = Router(pool, observers=[journal], rng=random.Random(2))

for number in range(30):
    for step in range(6):
        kind = StepKind.TOOL_RESULT if step else StepKind.USER_TURN
        scope = Scope(f"issue-{number}", "coder", step=step, labels={"user": "ada", "team": "search"})
        run = router.start(View(scope, 20_000, Needs(tools=True), Signals(Phase.DEBUGGING, kind, first=not step)))
        run.ended(Reply("done", usage=Usage(20_000 + 900 * step, 400, cache_read_tokens=18_000 if step else 0)))
journal

# %% [markdown]
# ## 2. What could have gone cheaper?
#
# The report says when routing is too timid or too bold; the audit says what would have done as well, by the shipped outcomes.

# %%
from switchwise.report import summarise

summarise(list(journal))

# %%
from switchwise.evaluation.live import audit

audit(journal, within=0.15)

# %% [markdown]
# ## 3. Outcomes
#
# One row for each task and model: whether it was solved, and what that cost. Run a sample of your tasks at both targets to get such a file.

# %%
from switchwise.evaluation.outcomes import read_outcomes

rng = random.Random(7)
rows = [
    {
        "task": f"issue-{i}",
        "repo": repo,
        "model": model,
        "resolved": int(rng.random() < chance),
        "cost_usd": cost * rng.uniform(0.7, 1.3),
    }
    for i in range(160)
    for repo in (("web", "parser")[i % 2],)
    for model, cost, chance in (
        ("strong", 0.65, 0.86),
        ("cheap", 0.15, 0.84 if repo == "web" else 0.55),
    )
]
Path("runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
(outcomes,) = read_outcomes("runs.jsonl")

# %%
from switchwise.evaluation.trials import evaluate

result = evaluate(outcomes, samples=40)[0]
result

# %%
from switchwise.report.charts import pareto

pareto(outcomes, result)

# %% [markdown]
# ## 4. Compare two routers
#
# The one that runs, and one that gives each task to the cheapest target that is expected to do about as well. Intervals that overlap say: gather
# more outcomes before you change anything.

# %%
from switchwise.evaluation.trials.paired import compare
from switchwise.policies import Floor, Worth
from switchwise.quality import LabelTable, Priors, Shrunk

quality = Shrunk(Priors(), LabelTable())
candidate = Router(pool, Floor(quality, within=0.15), hold(Worth(quality, value=2.0), per="session"))
found = compare(outcomes, router, candidate)
{"solved": [str(each) for each in found.solved], "cost": [str(each) for each in found.cost]}
