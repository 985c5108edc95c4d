"""The targets of the demo and the policies that choose among them, one for each level."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI

from switchwise import Pool, Router, View, hold
from switchwise.catalog import target
from switchwise.observe.observer import Observes
from switchwise.policies import Anchor, Budget, ByAgent, ByPhase, ByStep, Cheapest, Fits, Follows, Healthy, Rules
from switchwise.quality import Priors

# Name -> provider and model, strongest first.
MODELS = {
    "opus": ("anthropic", "claude-opus-4-8"),
    "gpt": ("openai", "gpt-5.5"),
    "deepseek": ("deepseek", "deepseek-v4-pro"),
    "luna": ("openai", "gpt-6-luna"),
}
STRONG = "opus"
POINTS = 0.10  # how far below the best the anchor of a ticket may be, in probability
NOTHING: Mapping[str, Any] = {}

EVIDENCE = Priors("bug_fixing")


def pool(names: Sequence[str] = tuple(MODELS)) -> Pool:
    """Two strong and two fast models, of three providers."""
    roles = {"opus": {"strong"}, "gpt": {"strong"}, "deepseek": {"fast"}, "luna": {"fast"}}
    return Pool(target(name, provider=MODELS[name][0], model=MODELS[name][1], roles=roles[name]) for name in names)


def tickets(names: Sequence[str], observers: Sequence[Observes], clock: Callable[[], float] = time.time) -> Router:
    """For the tickets: the anchor of each session by evidence, a model for the sub-agent, and what the gate decides."""
    return Router(
        pool(names),
        Follows(),  # after a rejection, the gate's choice
        Fits(),
        Healthy(),
        Budget(usd=1.0, per="session"),
        *([hold(ByAgent(explorer="luna"), per="agent")] if "luna" in names else []),
        hold(Anchor(EVIDENCE, within=POINTS), per="session"),
        observers=observers,
        clock=clock,
        rng=random.Random(7),
    )


def desk(names: Sequence[str], observers: Sequence[Observes], clock: Callable[[], float] = time.time) -> Router:
    """For the conversations: one policy for each level, after what must hold at every step."""
    if len(names) == 1:
        return Router(pool(names), observers=observers, clock=clock)
    return Router(
        pool(names),
        Fits(),
        Healthy(),
        Budget(usd=1.0, per="session"),
        hold(Rules().prefer("opus", when=_gold, because="a gold member"), per="session"),
        hold(ByAgent(flight_search="luna"), per="agent"),
        hold(ByPhase(implementing="gpt"), per="task"),
        ByStep(failure="strong"),
        Cheapest(),
        observers=observers,
        clock=clock,
        rng=random.Random(7),
    )


def _gold(view: View) -> bool:
    return view.scope.labels.get("membership") == "gold"


def models(
    names: Sequence[str] = tuple(MODELS), addresses: Mapping[str, Mapping[str, Any]] = NOTHING
) -> dict[str, BaseChatModel]:
    """The native chat models, by target name.

    Parameters:
        names: which of them.
        addresses: more settings of a provider's models, such as an address; without, the providers' own addresses and the keys in
            the environment.
    """
    built: dict[str, BaseChatModel] = {}
    for name in names:
        provider, model = MODELS[name]
        if provider == "anthropic":
            # OpenAI and DeepSeek cache prompts unasked, Anthropic when asked.
            settings: dict[str, Any] = {"max_tokens": 2_000, "model_kwargs": {"cache_control": {"type": "ephemeral"}}}
            built[name] = ChatAnthropic(**{"model": model, **settings, **addresses.get(provider, {})})
        else:
            address = addresses.get(provider, {"base_url": DEEPSEEK} if provider == "deepseek" else {})
            built[name] = ChatOpenAI(model=model, stream_usage=True, **address)
    return built


DEEPSEEK = "https://api.deepseek.com"
"""Where DeepSeek speaks OpenAI's protocol; its key is DEEPSEEK_API_KEY."""
