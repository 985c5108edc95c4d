"""One model at several efforts: as many targets, each asking for its own level, with a cache of its own where the provider has one."""

from __future__ import annotations

import pytest

from switchwise import ConfigurationError, Pool, Price, Router, Target, View, efforts
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.policies import Healthy
from switchwise.quality import Priors, estimate
from switchwise_loopback import LoopbackProvider

HELLO = [{"role": "user", "content": "Hello"}]
LONG = [{"role": "user", "content": "a fact about cats. " * 3_000}]


def ask(clients, name, messages=HELLO, **options):
    return clients.complete(messages, target=name, **options).outcome


def test_each_target_asks_for_its_level(provider, openai_client, anthropic_client):
    clients = Clients([*efforts(openai_client, "low", "high"), *efforts(anthropic_client, "max", "low")])
    assert [target.name for target in clients.router.pool] == [
        "gpt-4o-mini@low",
        "gpt-4o-mini@high",
        "claude-opus-4-5@max",
        "claude-opus-4-5@low",
    ]
    for target in clients.router.pool:
        ask(clients, target.name)
    said = [seen.body.get("reasoning_effort") or seen.body["output_config"]["effort"] for seen in provider.requests]
    assert said == ["low", "high", "max", "low"]


def test_other_settings_of_the_caller_stay(provider, anthropic_client):
    clients = Clients({"high": efforts(anthropic_client, "high")[0]})
    clients.complete(HELLO, extra={"anthropic": {"output_config": {"format": FORMAT, "effort": "low"}}})
    assert provider.requests[-1].body["output_config"] == {"format": FORMAT, "effort": "high"}


FORMAT = {
    "type": "json_schema",
    "schema": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
}


def test_a_model_without_levels_is_given_a_budget(provider, anthropic_client):
    model = AnthropicClient(*anthropic_client._given, model="claude-haiku-4-5")
    clients = Clients([*efforts(model, "high", "low", "none")])
    for target in clients.router.pool:
        ask(clients, target.name, max_tokens=2_000)
    budgets = [seen.body["thinking"].get("budget_tokens", 0) for seen in provider.requests]
    assert budgets == [16_384, 1_024, 0]
    assert all(seen.body["max_tokens"] > budget for seen, budget in zip(provider.requests, budgets, strict=True))


def test_a_level_that_the_model_does_not_have_is_learnt_from_the_refusal(provider, openai_client):
    model = OpenAIClient(*openai_client._given, model="gpt-5.6-sol")
    pool = Pool(
        [
            *efforts(Target("sol", "openai", "gpt-5.6-sol"), "minimal", "low"),
        ]
    )
    clients = Clients({target.name: model for target in pool}, Router(pool, Healthy()))
    first = clients.complete(HELLO).outcome
    assert [attempt.target.effort for attempt in first.attempts] == ["minimal", "low"]
    assert str(first.attempts[0].error) == (
        "gpt-5.6-sol has no effort 'minimal'; it takes none, low, medium, high, xhigh, max: leave this target out, or give it one of these"
    )
    assert [attempt.target.effort for attempt in clients.complete(HELLO).outcome.attempts] == ["low"]
    assert len(provider.requests) == 3


@pytest.mark.parametrize(("model", "again"), [("claude-opus-5", 0.0), ("claude-sonnet-5", 0.5)])
def test_a_change_of_effort_on_claude_writes_the_messages_again(provider, anthropic_client, model, again):
    client = AnthropicClient(*anthropic_client._given, model=model)
    clients = Clients([*efforts(client, "high", "low")])
    system = {"role": "system", "content": "be brief. " * 4_000}
    options = {"extra": {"anthropic": {"system": [{"type": "text", "text": system["content"], "cache_control": CACHED}]}}}
    marked = [{"role": "user", "content": [{"type": "text", "text": LONG[0]["content"], "cache_control": CACHED}]}]
    read = []
    for level in ("high", "high", "low", "high"):
        usage = ask(clients, f"{model}@{level}", marked, **options).reply.usage
        read.append(round((usage.cache_read_tokens or 0) / usage.input_tokens, 1))
    assert read[0] == 0.0
    assert read[1] == read[3] > 0.9  # a return to a level finds its cache
    assert read[2] == pytest.approx(again, abs=0.25)


CACHED = {"type": "ephemeral"}


def test_the_level_counts_in_the_priors():
    pool = efforts(Target("mini", "openai", "gpt-5-mini"), "medium", "low")
    usual, low = estimate(Priors("tool_use"), View(), pool)
    assert low.p < usual.p / 2
    assert "gpt-5-mini at low" in low.source
    other, less = estimate(Priors("tool_use"), View(), efforts(Target("opus", model="claude-opus-4-5"), "medium", "low"))
    assert less.p < other.p
    assert less.n < other.n
    assert "as others move" in less.source


def test_an_aim_chooses_among_efforts_by_what_is_known():
    price = Price(1.25, 10)
    pool = Pool([*efforts(Target("gpt-5", "openai", "gpt-5", price), "high", "medium", "low")])
    router = Router.default(pool, "cost")
    assert router.decide(View()).names[0] != "gpt-5@high"


@pytest.mark.parametrize("levels", [(), ("Low",), ("low", "low"), (3,)])
def test_levels_are_words_each_given_once(levels):
    with pytest.raises(ConfigurationError, match="level"):
        efforts("openai:gpt-5", *levels)


def test_an_aim_is_a_word_of_the_clients_too(openai_client, anthropic_client):
    clients = Clients({"a": openai_client, "b": anthropic_client}, aim="balanced")
    assert "hold" not in str(clients.router.explain())
    assert any(getattr(policy, "name", "") == "Anchor" for policy in clients.router.policies)
    with pytest.raises(ConfigurationError, match="belongs to the router"):
        Clients({"a": openai_client}, Router(Pool([Target("a")])), aim="cost")


def test_clients_in_a_list_are_called_by_their_models():
    with pytest.raises(ConfigurationError, match="client with model="):
        Clients([OpenAIClient()])


def test_on_openai_each_level_has_a_cache_of_its_own():
    with LoopbackProvider() as provider:
        client = OpenAIClient(base_url=provider.openai_url, api_key="x", model="gpt-6-luna")
        clients = Clients([*efforts(client, "high", "low")])
        read = [
            (ask(clients, f"gpt-6-luna@{level}", LONG).reply.usage.cache_read_tokens or 0) > 0
            for level in ("high", "high", "low", "low", "high")
        ]
    assert read == [False, True, False, True, True]
