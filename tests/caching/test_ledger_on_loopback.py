"""The ledger against a provider that keeps caches by the published rules, through the real SDKs: is what it predicts what is reported?"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

import anthropic
import openai
import pytest
from tests.caching.blocks import anthropic_blocks, openai_blocks

from switchwise import Usage
from switchwise.clients import usage_of
from switchwise.nouns.prompt_prefix import PromptPrefix
from switchwise.prompt_cache.ledger import Cache, Expectation, Ledger, Row
from switchwise.prompt_cache.rules import CacheRules
from switchwise.testing import Clock
from switchwise_loopback import Answer, LoopbackProvider, Request
from switchwise_loopback.serving.caching import CacheRule as LoopbackRule

# Marked prefixes; exact boundaries; pages of 128 tokens; and pages of 2,048, as Gemini's implicit cache seems to have.
MODELS = {"claude-opus-5-5": "anthropic", "gpt-6-luna": "openai", "gpt-5-mini": "openai", "gemini-3.1-pro": "gemini"}
GEMINI = {"gemini": LoopbackRule(4096, automatic=True, exact=False, ttl=300, page=2048)}
CALLS = 300  # for each model: 1,200 in all
WORDS = "anchor ballast capstan davit eyebolt forestay gunwale halyard inhaul jib keel lanyard mast".split()
HAPPENS = {"append", "edit", "compaction", "tools", "settings", "lapse", "first", "parallel"}


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
        system = f"You are {self.name}. " + "Follow the rules of the ship. " * (700 if model.startswith("gemini") else 400)
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


class Overlap:
    """Holds answers back until both of two requests have been looked up in the cache, where it is asked to: they are under way at once."""

    def __init__(self) -> None:
        self.both: threading.Barrier | None = None

    def __call__(self, _: Request) -> Answer:
        if self.both is not None:
            self.both.wait(timeout=20)
        return Answer("Aye.")


class Wire:
    """Sends bodies through the SDK of the model's provider, with the ledger looking on."""

    def __init__(self, provider: LoopbackProvider, clock: Clock, model: str, overlap: Overlap) -> None:
        self.model, self.clock, self.overlap = model, clock, overlap
        self.ledger = Ledger()
        self.cache = Cache(model, model, CacheRules().of(MODELS[model], model), model)
        self.prefixes: dict[str, PromptPrefix] = defaultdict(PromptPrefix)
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.anthropic = anthropic.Anthropic(base_url=provider.anthropic_url, api_key="sk-ant-test", max_retries=0)
        self.openai = openai.OpenAI(base_url=provider.openai_url, api_key="sk-test", max_retries=0)

    def open(self, talk: Talk) -> tuple[Expectation, float, dict[str, Any]]:
        """What is expected of the next call, when it begins, and what it sends."""
        body = talk.body(self.model)
        seen = anthropic_blocks(body) if self.model.startswith("claude") else openai_blocks(body)
        prefix = self.prefixes[talk.name]
        prefix.update(seen.blocks, seen.settings)
        return self.ledger.expect(self.rows[talk.name], self.cache, prefix, self.clock()), self.clock(), body

    def record(self, talk: Talk, began: float, usage: Usage) -> None:
        found = self.ledger.record(self.rows[talk.name], self.cache, self.prefixes[talk.name], began, usage)
        self.rows[talk.name] = found

    def both(self, talk: Talk) -> list[tuple[Expectation, Usage]]:
        """Two calls with the same prompt at once: both are looked up before either has an answer."""
        opened = [self.open(talk), self.open(talk)]
        self.overlap.both = threading.Barrier(2)
        with ThreadPoolExecutor(2) as threads:
            used = list(threads.map(self.send, [body for _, _, body in opened], timeout=60))
        self.overlap.both = None
        for (_, began, _), usage in zip(opened, used, strict=True):
            self.record(talk, began, usage)
        return [(expected, usage) for (expected, _, _), usage in zip(opened, used, strict=True)]

    def send(self, body: Mapping[str, Any]) -> Usage:
        if self.model.startswith("claude"):
            reply: Any = self.anthropic.messages.create(**body)
        else:
            reply = self.openai.chat.completions.create(**body)
        usage = usage_of(reply.usage.model_dump())
        assert usage is not None
        return usage


Seen = tuple[str, int, int, int]  # what happened, predicted, reported, prompt


def session(wire: Wire, calls: int, rng: random.Random) -> Iterator[Seen]:
    made, number = 0, 0
    while made < calls:
        number += 1
        talk = Talk(f"sailor {number}", rng)
        talk.grow()
        if number % 4 == 0:
            for what, (expected, usage) in zip(["first", "parallel"], wire.both(talk), strict=True):
                yield what, expected.likely, usage.cache_read_tokens or 0, usage.input_tokens
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


def one(wire: Wire, talk: Talk, event: str) -> Seen:
    expected, began, body = wire.open(talk)
    usage = wire.send(body)
    wire.record(talk, began, usage)
    return event, expected.likely, usage.cache_read_tokens or 0, usage.input_tokens


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Seen]]:
    found = {}
    for model in MODELS:
        clock, overlap = Clock(), Overlap()
        with LoopbackProvider(overlap, clock=clock, latency={model: 0.0}, cache_rules=GEMINI) as provider:
            found[model] = list(session(Wire(provider, clock, model, overlap), CALLS, random.Random(model)))
    return found


def errors(rows: list[Seen]) -> list[float]:
    """Predicted against reported tokens, as a share of the prompt."""
    return [abs(predicted - reported) / prompt for _, predicted, reported, prompt in rows]


def test_the_prediction_is_what_the_provider_reports(rows: dict[str, list[Seen]]) -> None:
    assert sum(map(len, rows.values())) >= 1_000
    for model, calls in rows.items():
        assert median(errors(calls)) == 0, model
        assert quantiles(errors(calls), n=20)[-1] <= 0.02, model


@pytest.mark.parametrize("what", ["append", "first", "parallel", "lapse", "tools"])
def test_where_it_is_known_what_is_left_the_prediction_is_exact(rows: dict[str, list[Row]], what: str) -> None:
    """Not so after an edit, another setting or a compaction: how long the rest is in the provider's count is estimated then."""
    for model, calls in rows.items():
        found = errors([row for row in calls if row[0] == what])
        assert sum(error == 0 for error in found) >= 0.9 * len(found), model


@pytest.mark.parametrize("what", ["edit", "compaction", "settings"])
def test_where_a_part_is_left_most_predictions_are_close(rows: dict[str, list[Row]], what: str) -> None:
    found = sorted(errors([row for calls in rows.values() for row in calls if row[0] == what]))
    assert median(found) <= 0.01
    assert found[int(0.8 * len(found))] <= 0.05


def test_the_calls_differ_in_what_they_read(rows: dict[str, list[Seen]]) -> None:
    for model, calls in rows.items():
        reported = [read for _, _, read, _ in calls]
        assert sum(read > 0 for read in reported) > 0.6 * len(calls), model
        assert len(set(reported)) > (5 if MODELS[model] == "gemini" else 80), model


def test_everything_that_happens_to_conversations_happened(rows: dict[str, list[Seen]]) -> None:
    for model, calls in rows.items():
        assert {event for event, *_ in calls} == HAPPENS, model


def test_a_best_effort_cache_that_misses_is_believed_less() -> None:
    """Gemini's implicit cache promises nothing, and leaves out of its counts what is zero."""
    clock, overlap, rng = Clock(), Overlap(), random.Random(5)
    model = "gemini-3.1-pro"
    with LoopbackProvider(overlap, clock=clock, latency={model: 0.0}, cache_rules=GEMINI) as provider:
        wire, talk = Wire(provider, clock, model, overlap), Talk("sailor", rng)
        hits, likely = 0, []
        for _ in range(160):
            talk.grow()
            clock.advance(5)
            if rng.random() < 0.75:
                provider.forget()
            expected, began, body = wire.open(talk)
            usage = wire.send(body)
            hits += bool(usage.cache_read_tokens)
            counted = usage if usage.cache_read_tokens else Usage(usage.input_tokens, usage.output_tokens)
            wire.record(talk, began, counted)
            likely.append(expected.likely)
        assert abs(wire.ledger.hit_rate(model) - hits / 160) < 0.2
        assert likely[5] > 0
        assert likely[-1] == 0
