# %% [markdown]
# # First steps
#
# A chat model that routes: what it decides, why, what it costs. Answers come from a provider on this machine, so no key is needed and nothing is
# paid. With keys of your own, leave the next cell out.

# %%
import os

from switchwise_loopback import LoopbackProvider
from switchwise_loopback.command import environment

provider = LoopbackProvider()
provider.start()
os.environ.update(environment(provider))

# %% [markdown]
# ## A routed model
#
# Targets are listed strongest first. `ChatSwitchwise` stands wherever a LangChain chat model stands.

# %%
from langchain_switchwise import ChatSwitchwise
from switchwise.observe.journal import InMemory

journal = InMemory()
llm = ChatSwitchwise(
    {"opus": "anthropic:claude-opus-5-5", "sol": "openai:gpt-6.1-sol", "luna": "openai:gpt-6-luna"}, observers=[journal]
)
llm.router

# %%
llm.invoke("What is a monad, in one sentence?").content

# %% [markdown]
# ## Why did it go there?
#
# Policies are asked in order: each rules targets out or puts some first, and an earlier one outranks a later one. `explain` calls nobody.

# %%
llm.explain("What is a monad, in one sentence?")

# %%
llm.explain("What is a monad, in one sentence?").why_not("luna")

# %% [markdown]
# ## Side by side
#
# The same question at several targets at once, with tokens, cost and latency.

# %%
answers = llm.compare("What is a monad, in one sentence?", targets=["opus", "luna"])
answers

# %%
answers.to_pandas()[["prompt", "output", "cost"]]

# %% [markdown]
# ## What does a stretch of work cost?

# %%
from switchwise import spending

with spending() as spent:
    llm.batch([f"What is {word}?" for word in ("a functor", "a monoid", "a fold")])
spent

# %% [markdown]
# ## The journal
#
# One record for each attempt: numbers, names and reasons, no texts.

# %%
journal

# %%
provider.stop()
