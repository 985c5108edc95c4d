"""The ledger against a provider that keeps caches by the published rules, through the real SDKs: is what it predicts what is reported?"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

import anthropic
import openai
import pytest

from fairlead import Usage
from fairlead.caching.ledger import Ledger
from fairlead.caching.requests import anthropic_blocks, openai_blocks
from fairlead.caching.rules import CacheRules
from fairlead.chain import Chain
from fairlead.clients import usage_of
from fairlead.testing import Clock
from fairlead.testing.loopback import LoopbackProvider

MODELS = ["claude-opus-5-5", "gpt-6-luna", "gpt-5-mini"]
CALLS = 340  # for each model: 1,020 in all
WORDS = "anchor ballast capstan davit eyebolt forestay gunwale halyard inhaul jib keel lanyard mast".split()
CAUSES = {
    "append": {"append"},
    "edit": {"edit"},
    "compaction": {"compaction"},
    "tools": {"tool change"},
    "settings": {"settings change"},
    "lapse": {"lapsed"},
    "first": {"first call"},
    "parallel": {"first call", "pending"},
}


@dataclass
class Talk:
    """A conversation, and what happens to it."""

    name: str
    rng: random.Random
    tools: list[str] = field(default_factory=lambda: ["read", "grep", "edit"])
    setting: str = "auto"
    messages: list[dict[str, Any]] = field(default_factory=list)

    def text(self, words: int) -> str:
        return " ".join(self.rng.choices(WORDS, k=words))

    def grow(self) -> None:
        if self.messages:
            self.messages.append({"role": "assistant", "content": self.text(self.rng.randint(20, 120))})
        self.messages.append({"role": "user", "content": self.text(self.rng.randint(50, 500))})

    def edit(self) -> None:
        at = self.rng.randrange(0, len(self.messages) - 1)
        self.messages[at] = {**self.messages[at], "content": self.text(150)}

    def compact(self) -> None:
        self.messages = [{"role": "user", "content": "Summary: " + self.text(300)}]

    def body(self, model: str) -> dict[str, Any]:
        system = f"You are {self.name}. " + "Follow the rules of the ship. " * 400
        if model.startswith("claude"):
            last = self.messages[-1]
            marked = {
                "role": last["role"],
                "content": [{"type": "text", "text": last["content"], "cache_control": {"type": "ephemeral"}}],
            }
            return {
                "model": model,
                "max_tokens": 50,
                "system": [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
                "tools": [{"name": name, "description": name * 20, "input_schema": {"type": "object"}} for name in self.tools],
                "tool_choice": {"type": self.setting},
                "messages": [*self.messages[:-1], marked],
            }
        return {
            "model": model,
            "messages": [{"role": "system", "content": system}, *self.messages],
            "tools": [
                {"type": "function", "function": {"name": name, "description": name * 20, "parameters": {"type": "object"}}}
                for name in self.tools
            ],
            "parallel_tool_calls": self.setting == "auto",
        }


class Wire:
    """Sends bodies through the SDK of the model's provider, with the ledger looking on."""

    def __init__(self, provider: LoopbackProvider, clock: Clock, model: str) -> None:
        self.model, self.clock = model, clock
        self.ledger, self.rule = Ledger(), CacheRules().of("anthropic" if model.startswith("claude") else "openai", model)
        self.chains: dict[str, Chain] = defaultdict(Chain)
        self.anthropic = anthropic.Anthropic(base_url=provider.anthropic_url, api_key="sk-ant-test", max_retries=0)
        self.openai = openai.OpenAI(base_url=provider.openai_url, api_key="sk-test", max_retries=0)

    def open(self, talk: Talk) -> tuple[Any, dict[str, Any]]:
        body = talk.body(self.model)
        seen = anthropic_blocks(body) if self.model.startswith("claude") else openai_blocks(body)
        chain = self.chains[talk.name]
        chain.update(seen.blocks, seen.settings)
        return self.ledger.start(self.model, self.rule, talk.name, chain, self.clock(), seen.marks), body

    def send(self, body: Mapping[str, Any]) -> Usage:
        if self.model.startswith("claude"):
            reply: Any = self.anthropic.messages.create(**body)
        else:
            reply = self.openai.chat.completions.create(**body)
        usage = usage_of(reply.usage.model_dump())
        assert usage is not None
        return usage


Row = tuple[str, str, int, int, int]  # what happened, what the ledger said, predicted, reported, prompt


def session(wire: Wire, calls: int, rng: random.Random) -> Iterator[Row]:
    made, number = 0, 0
    while made < calls:
        number += 1
        talk = Talk(f"sailor {number}", rng)
        talk.grow()
        if number % 4 == 0:  # two first calls with the same prompt at once
            pairs = [wire.open(talk), wire.open(talk)]
            with ThreadPoolExecutor(2) as threads:
                used = list(threads.map(wire.send, [body for _, body in pairs]))
            event = ["first", "parallel"]
            for (call, _), usage, what in zip(pairs, used, event, strict=True):
                wire.ledger.ended(call, usage)
                yield what, call.expected.because, call.expected.likely, usage.cache_read_tokens or 0, usage.input_tokens
            made += 2
        else:
            yield one(wire, talk, "first")
            made += 1
        for _ in range(rng.randint(10, 30)):
            event_ = rng.choices(["append", "edit", "compaction", "tools", "settings", "lapse"], weights=[80, 5, 3, 3, 3, 6])[0]
            wire.clock.advance(rng.uniform(2, 60))
            if event_ == "edit" and len(talk.messages) < 4:
                event_ = "append"
            if event_ == "edit":
                talk.edit()
            elif event_ == "compaction":
                if len(talk.messages) > 9:
                    talk.compact()
                else:
                    event_ = "append"
            elif event_ == "tools":
                talk.tools = [*talk.tools, f"tool{len(talk.tools)}"]
            elif event_ == "settings":
                talk.setting = "any" if talk.setting == "auto" else "auto"
            elif event_ == "lapse":
                wire.clock.advance(2_000)
            if event_ in ("append", "lapse"):
                talk.grow()
            yield one(wire, talk, event_)
            made += 1


def one(wire: Wire, talk: Talk, event: str) -> Row:
    call, body = wire.open(talk)
    usage = wire.send(body)
    wire.ledger.ended(call, usage)
    return event, call.expected.because, call.expected.likely, usage.cache_read_tokens or 0, usage.input_tokens


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    found: list[Row] = []
    for model in MODELS:
        clock = Clock()
        with LoopbackProvider(clock=clock, latency={model: 0.0}) as provider:
            found += session(Wire(provider, clock, model), CALLS, random.Random(model))
    return found


def test_the_prediction_is_what_the_provider_reports(rows: list[Row]) -> None:
    errors = [abs(predicted - reported) / prompt for _, _, predicted, reported, prompt in rows]
    assert len(rows) >= 1_000
    assert median(errors) == 0
    assert quantiles(errors, n=20)[-1] <= 0.02


def test_most_calls_were_predicted_to_read_something(rows: list[Row]) -> None:
    assert sum(predicted > 0 for _, _, predicted, _, _ in rows) > 0.6 * len(rows)


def test_every_cause_is_told_rightly(rows: list[Row]) -> None:
    wrong = Counter((event, because) for event, because, *_ in rows if because not in CAUSES[event])
    assert not wrong
    assert {event for event, *_ in rows} == set(CAUSES)
