"""A router whose calls go through the real SDKs to a provider that keeps caches: what it expects, decides and says."""

from __future__ import annotations

import random
from statistics import median

import pytest

from switchwise import Pool, Price, Router, Scope, Target
from switchwise.clients import AnthropicClient, Clients, OpenAIClient
from switchwise.nouns.signals import StepKind
from switchwise.policies import ByStep, Cheapest
from switchwise.protocols.prompt import Prompt
from switchwise.testing import Clock
from switchwise_loopback import Answer, LoopbackProvider, ToolCall

OPUS = Target("opus", "anthropic", "claude-opus-4-5", Price(5, 25, 0.5, 6.25))
HAIKU = Target("haiku", "anthropic", "claude-haiku-4-5", Price(1, 5, 0.1, 1.25))
NEAR = Target("near", "anthropic", "claude-sonnet-5", Price(4.5, 22, 0.45, 5.6))
LUNA = Target("luna", "openai", "gpt-6-luna", Price(0.1, 0.5, 0.01, 0.125))
TOOLS = [
    {
        "type": "function",
        "function": {"name": "read", "description": "Reads a file.", "parameters": {"type": "object", "properties": {}}},
    }
]
AUTOMATIC = {"anthropic": {"cache_control": {"type": "ephemeral"}}}
LONG = "The rules of the ship are these. " * 900


def after_a_tool(view):
    return view.signals.step is StepKind.TOOL_RESULT


class Watched(Cheapest):
    """Keeps what was expected of the last call, in tokens read."""

    expected = 0

    def learn(self, attempt):
        self.expected = self.advisor.expect(attempt.call.view, attempt.target).likely
        super().learn(attempt)


class Work:
    """An agent at work: a user's turn, then tools, again and again; each call is compared with what was expected of it."""

    def __init__(self, provider: LoopbackProvider, clock: Clock, *targets: Target, extra=AUTOMATIC):
        self.policy = Watched(when=after_a_tool)
        chain = [ByStep(first="strong", failure="strong", user_turn="strong", tool_result=None)]
        self.router = Router(Pool(targets), *chain, self.policy, clock=clock, rng=random.Random(1))
        made = {}
        for target in targets:
            if target.provider == "anthropic":
                made[target.name] = AnthropicClient(model=target.model, base_url=provider.anthropic_url, api_key="sk-ant-test")
            else:
                made[target.name] = OpenAIClient(model=target.model, base_url=provider.openai_url, api_key="sk-test")
        self.clients, self.clock, self.extra = Clients(made, self.router), clock, extra
        self.messages = [{"role": "system", "content": LONG}]
        self.rng, self.misses, self.reasons, self.names = random.Random(7), [], [], []

    def ask(self) -> None:
        words = " ".join(self.rng.choices(["jib", "keel", "mast", "halyard"], k=self.rng.randint(100, 800)))
        if self.messages[-1]["role"] == "assistant" and (calls := self.messages[-1].get("tool_calls")):
            self.messages.append({"role": "tool", "tool_call_id": calls[0]["id"], "name": "read", "content": words})
        else:
            self.messages.append({"role": "user", "content": words})
        self.call()

    def turn(self) -> None:
        """A user speaks, so this step is hard."""
        calls = self.messages[-1].get("tool_calls") if len(self.messages) > 1 else None
        if calls:
            self.messages.append({"role": "tool", "tool_call_id": calls[0]["id"], "name": "read", "content": "done"})
        self.messages.append({"role": "user", "content": "And now?"})
        self.call()

    def call(self) -> None:
        self.clock.advance(self.rng.uniform(3, 30))
        done = self.clients.complete(self.messages, session="s1", tools=TOOLS, max_tokens=60, extra=self.extra)
        usage = done.outcome.reply.usage
        self.misses.append(abs(self.policy.expected - (usage.cache_read_tokens or 0)) / usage.input_tokens)
        self.reasons.append(done.outcome.attempt.call.shortlist.decider.because)
        self.names.append(done.outcome.target.name)
        self.messages.append(done.message)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(clock):
    def answer(request):
        return Answer(tool_calls=(ToolCall("read", {"path": "mast.py"}),))

    with LoopbackProvider(answer, clock=clock) as provider:
        yield provider


def test_over_a_session_of_two_providers_it_expects_what_is_reported(provider, clock):
    work = Work(provider, clock, OPUS, LUNA)
    for _ in range(6):
        work.turn()
        for _ in range(7):
            work.ask()
    assert median(work.misses) == 0
    assert sorted(work.misses)[int(0.95 * len(work.misses))] <= 0.02
    assert {"opus", "luna"} == set(work.names)


def test_hard_steps_stay_and_easy_ones_go_where_the_cold_write_is_repaid(provider, clock):
    work = Work(provider, clock, OPUS, HAIKU)
    for _ in range(3):
        work.turn()
        for _ in range(6):
            work.ask()
    assert work.names == ["opus", *["haiku"] * 6] * 3
    assert work.reasons[1].startswith("go: a cold write of $0.0")
    assert "is repaid by" in work.reasons[1]
    assert "against $" in work.reasons[3]


def test_where_the_cold_write_is_not_repaid_it_stays_and_says_so(provider, clock):
    work = Work(provider, clock, OPUS, NEAR)
    work.turn()
    for _ in range(6):
        work.ask()
    assert set(work.names) == {"opus"}
    assert work.reasons[1].startswith("stay: a cold write of $0.0")
    assert "would not be repaid by" in work.reasons[1]


def test_a_provider_of_which_nothing_is_known_is_taken_to_cache_nothing_and_that_is_said(provider, clock):
    unknown = Target("box", "my-host", "llama", Price(4, 20))
    work = Work(provider, clock, OPUS, HAIKU)
    policy = Cheapest()
    policy.advisor = work.policy.advisor
    router = Router(Pool([OPUS, unknown]), policy, clock=clock)
    work.turn()
    view = work.clients.views.view(Prompt(work.messages, tools=TOOLS), Scope("s1"))
    assert "caching at box is unknown" in router.decide(view).decider.because


def test_where_requests_mark_nothing_to_be_kept_nothing_is_expected(provider, clock):
    work = Work(provider, clock, OPUS, HAIKU, extra={})
    work.turn()
    for _ in range(5):
        work.ask()
    assert set(work.names[1:]) == {"haiku"}
    assert work.misses[3:] == [0] * len(work.misses[3:])
