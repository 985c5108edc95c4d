# %% [markdown]
# # A model per sub-agent
#
# A coding agent with two sub-agents: the explorer reads much and decides little, so a cheap model will do; the reviewer gets a second opinion
# from another provider. Each keeps its model, and with it its prompt cache. Answers come from a provider on this machine.

# %%
from switchwise import Router, hold
from switchwise.catalog import target
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.nouns.target import Pool
from switchwise.observe.journal import InMemory
from switchwise.policies import ByAgent, ByStep, Fits, Healthy
from switchwise.prompt_cache import CacheHints
from switchwise_loopback import LoopbackProvider

provider = LoopbackProvider()
provider.start()

journal = InMemory()
router = Router(
    Pool(
        [
            target("opus", provider="anthropic", model="claude-opus-5-5"),
            target("sol", provider="openai", model="gpt-6.1-sol"),
            target("luna", provider="openai", model="gpt-6-luna"),
        ]
    ),
    Fits(),
    Healthy(),
    hold(ByAgent(explorer="luna", reviewer="sol"), per="agent"),
    ByStep(failure="strong"),
    observers=[journal],
)
router

# %%
marks = CacheHints(breakpoints="5m")  # Anthropic caches what is marked, OpenAI unasked
openai = {"base_url": provider.openai_url, "api_key": "local"}
clients = Clients(
    {
        "opus": AnthropicClient(model="claude-opus-5-5", base_url=provider.anthropic_url, api_key="local", cache_hints=marks),
        "sol": OpenAIClient(model="gpt-6.1-sol", **openai),
        "luna": OpenAIClient(model="gpt-6-luna", **openai),
    },
    router,
)

# %% [markdown]
# ## A session
#
# `agent=` names who calls; a framework's adapter reads it from the graph. Each agent has a conversation of its own.

# %%
BRIEF = "You are an agent that works on a large repository. " * 600
PLAN = [("main", 4), ("explorer", 7), ("main", 3), ("reviewer", 5), ("main", 2)]
talks = {agent: [{"role": "system", "content": BRIEF + agent}] for agent in ("main", "explorer", "reviewer")}

for agent, steps in PLAN:
    for step in range(steps):
        talks[agent].append({"role": "user", "content": f"{agent}, step {step}: go on. " + "It reads, and reads. " * 40})
        answer = clients.complete(talks[agent], session="fix-the-parser", agent=agent, labels={"user": "ada", "team": "search"})
        talks[agent].append(answer.message)

answer

# %% [markdown]
# ## Who did what
#
# Sub-agents are counted at the price of the model that answered them.

# %%
from switchwise.report import summarise

summary = summarise(list(journal))
summary

# %%
from switchwise.report.charts import cost_over_steps, shares, timeline

shares(journal)

# %%
cost_over_steps(journal)

# %%
timeline(journal)

# %% [markdown]
# ## The whole of it as a page
#
# The same numbers, with every decision and its reasons: `switchwise report journal.jsonl` does this for a journal in a file.

# %%
from pathlib import Path

from switchwise.report import page

Path("report.html").write_text(page(summary), encoding="utf-8")
"report.html"

# %%
provider.stop()
