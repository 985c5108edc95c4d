"""The targets of the demo and the policies that choose among them, one for each level."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI

from switchwise import Attempt, Pool, Router, hold
from switchwise.catalog import target
from switchwise.policies import Budget, ByAgent, ByPhase, ByStep, Cheapest, Fits, Healthy, Rules

# Name -> provider and model, strongest first.
MODELS = {
    "opus": ("anthropic", "claude-opus-5-5"),
    "sol": ("openai", "gpt-6.1-sol"),
    "luna": ("openai", "gpt-6-luna"),
    "haiku": ("anthropic", "claude-haiku-5-5"),
}
STRONG = "opus"
NOTHING: Mapping[str, Any] = {}


def pool() -> Pool:
    """Two strong and two fast models, of two providers."""
    roles = {"opus": {"strong"}, "sol": {"strong"}, "luna": {"fast"}, "haiku": {"fast"}}
    return Pool(target(name, provider=p, model=m, roles=roles[name]) for name, (p, m) in MODELS.items())


def router(journal: Sequence[Callable[[Attempt], None]], clock: Callable[[], float] = time.time) -> Router:
    """One policy for each level, after what must hold at every step."""
    return Router(
        pool(),
        Fits(),
        Healthy(),
        Budget(usd=1.0, per="session"),
        hold(
            Rules().prefer("opus", when=lambda view: view.scope.labels.get("membership") == "gold", because="a gold member"),
            per="session",
        ),
        hold(ByAgent(flight_search="haiku"), per="agent"),
        hold(ByPhase(implementing="sol", debugging="opus"), per="task"),
        ByStep(failure="strong"),
        Cheapest(),
        journal=journal,
        clock=clock,
        rng=random.Random(7),
    )


def only(name: str, journal: Sequence[Callable[[Attempt], None]], clock: Callable[[], float]) -> Router:
    """Every call to one target: what routing is compared with."""
    return Router(Pool([pool()[name]]), journal=journal, clock=clock)


def models(openai: Mapping[str, Any] = NOTHING, anthropic: Mapping[str, Any] = NOTHING) -> dict[str, BaseChatModel]:
    """The native chat models, by target name.

    Parameters:
        openai, anthropic: more settings of that provider's models, such as an address; without, the providers' own
            addresses and the keys in the environment.
    """
    built: dict[str, BaseChatModel] = {}
    for name, (provider, model) in MODELS.items():
        if provider == "openai":
            built[name] = ChatOpenAI(model=model, stream_usage=True, **openai)
        else:
            caching = {"cache_control": {"type": "ephemeral"}}  # OpenAI caches prompts unasked, Anthropic when asked
            settings: dict[str, Any] = {"model": model, "max_tokens": 2_000, "model_kwargs": caching, **anthropic}
            built[name] = ChatAnthropic(**settings)
    return built
