"""An answer is given again to the same request only: of the same tenant, format, tools, effort, model and history; and not for ever."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from switchwise import (
    ConfigurationError,
    EndReason,
    FailureKind,
    Pool,
    Price,
    Reply,
    Router,
    Scope,
    Target,
    TargetError,
    Usage,
    drive,
)
from switchwise.clients import Clients, OpenAIClient
from switchwise.clients.recording import PromptRecording, given_again
from switchwise.policies import Budget, LowestLatency, Rules, Stick
from switchwise.protocols.prompt import Prompt
from switchwise.response_cache import ResponseCache
from switchwise.state import InProcess, JsonStore
from switchwise.testing import Clock

POOL = Pool([Target("gpt", "openai", "gpt-4o-mini", Price(1, 2)), Target("sol", "openai", "gpt-4o", Price(5, 25))])


class Desk:
    """Requests to two models that never say the same twice, through a router with a cache."""

    def __init__(self, cache: ResponseCache, *policies, pool=POOL, **options):
        self.clock = Clock()
        self.cache = cache
        self.router = Router(pool, *policies, cache=cache, clock=self.clock, **options)
        self.clients = Clients({name: OpenAIClient(model=pool[name].model, api_key="x") for name in pool.names}, self.router)
        self.calls = 0
        self.reply = Reply()

    def ask(self, words="Hello", tenant="", labels=None, target="", session="s", **asked):
        messages = [{"role": "user", "content": words}] if isinstance(words, str) else words
        prompt = Prompt(messages, **asked)
        view = self.clients.views.view(prompt, Scope(session, tenant=tenant, labels=labels or {}), target)
        view = replace(view, recording=PromptRecording(prompt, self.clients.by_target, self.router.pool))
        run = self.router.start(view)
        list(drive(run, self.perform, sleep=lambda _: None))
        self.outcome = run.outcome
        return run.outcome.reply.text

    def perform(self, call):
        if call.stored is not None:
            yield from given_again(call.stored, self.clients.by_target[call.target.name], streamed=False)
            return
        self.calls += 1
        said = self.reply.text or f"answer {self.calls}"
        raw = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}
        yield replace(self.reply, text=said, raw=raw, usage=Usage(10, 5))

    def hit(self, *words, **options):
        self.ask(*words, **options)
        return self.outcome.attempt.call.stored is not None


def tool(name):
    return {"type": "function", "function": {"name": name, "parameters": {}}}


PARTS = {
    "words": st.sampled_from(["Hello", "hello", "Hello "]),
    "tenant": st.sampled_from(["", "acme", "other"]),
    "user": st.sampled_from(["ada", "bob"]),
    "history": st.sampled_from([(), ("Hi", "Good day"), ("Hi", "Bad day")]),
    "system": st.sampled_from([None, "Be brief", "Be long"]),
    "tools": st.sampled_from([(), ("search",), ("look_up",), ("search", "look_up")]),
    "schema": st.sampled_from([None, '{"type": "object"}', '{"type": "array"}']),
    "effort": st.sampled_from([None, "low", "high"]),
    "max_tokens": st.sampled_from([None, 10]),
    "model": st.sampled_from(["gpt", "sol"]),
}


class NobodyShares(RuleBasedStateMachine):
    """Whatever is asked in whatever order, an answer from the cache is the last one made for exactly this request."""

    def __init__(self):
        super().__init__()
        self.desk = Desk(ResponseCache(ttl=100, by=["user"], store=JsonStore()))
        self.made, self.asked = {}, []

    @rule(**PARTS)
    def ask_anything(self, **asked):
        self.ask(asked)

    @rule(data=st.data())
    def ask_nearly_the_same(self, data):
        """What was asked before, with one part of it drawn again."""
        if self.asked:
            before = data.draw(st.sampled_from(self.asked))
            name = data.draw(st.sampled_from(sorted(PARTS)))
            self.ask({**before, name: data.draw(PARTS[name])})

    def ask(self, asked):
        self.asked.append(asked)
        key = tuple(asked.items())
        messages = [{"role": "system", "content": asked["system"]}] if asked["system"] else []
        for i, said in enumerate(asked["history"]):
            messages.append({"role": ("user", "assistant")[i], "content": said})
        messages.append({"role": "user", "content": asked["words"]})
        options = {"extra": {"openai": {"reasoning_effort": asked["effort"]}}} if asked["effort"] else {}
        said = self.desk.ask(
            messages,
            tenant=asked["tenant"],
            labels={"user": asked["user"]},
            tools=[tool(name) for name in asked["tools"]],
            schema=json.loads(asked["schema"]) if asked["schema"] else None,
            max_tokens=asked["max_tokens"],
            target=asked["model"],
            **options,
        )
        now = self.desk.clock()
        if self.desk.outcome.attempt.call.stored is not None:
            answer, at = self.made[key]
            assert said == answer
            assert now - at <= 100
        else:
            known = self.made.get(key)
            assert known is None or now - known[1] > 100, "it is kept, and was not given"
            self.made[key] = (said, now)

    @rule(seconds=st.sampled_from([1, 40, 101]))
    def wait(self, seconds):
        self.desk.clock.advance(seconds)

    @rule(tenant=PARTS["tenant"], user=st.sampled_from(["", "ada", "bob"]))
    def invalidate(self, tenant, user):
        self.desk.cache.invalidate("user" if user else "", user, tenant)
        for key in list(self.made):
            asked = dict(key)
            if asked["tenant"] == tenant and user in ("", asked["user"]):
                del self.made[key]


TestNobodyShares = NobodyShares.TestCase
TestNobodyShares.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)


def test_a_hit_costs_nothing_teaches_nothing_and_is_in_the_record():
    budget, latency = Budget(usd=1.0, per="all"), LowestLatency()
    desk = Desk(ResponseCache(), budget, latency)
    desk.ask(max_tokens=10, target="gpt")
    before = (budget.dump(), dict(latency.load("gpt")))
    desk.clock.advance(12)
    assert desk.hit(max_tokens=10, target="gpt")
    assert desk.outcome.cost == 0
    assert (budget.dump(), dict(latency.load("gpt"))) == before
    assert desk.outcome.attempt.call.shortlist.notes[-1].because == "gpt gave the answer to the same request 12 s ago"


def test_what_a_requirement_rules_out_now_is_not_answered_for():
    forbidden = []
    allowed = Rules().exclude("gpt", when=lambda view: view.scope.tenant in forbidden)
    desk = Desk(ResponseCache(), allowed)
    first = desk.ask(tenant="eu")
    assert desk.ask(tenant="eu") == first
    forbidden.append("eu")
    assert desk.ask(tenant="eu") != first
    assert desk.outcome.target.name == "sol"


def test_the_policies_go_on_as_if_the_target_had_been_asked():
    desk = Desk(ResponseCache(), Stick())
    desk.ask("One", target="sol")
    assert desk.hit("One", target="sol")
    desk.ask("Two")
    assert desk.outcome.target.name == "sol"


@pytest.mark.parametrize(
    "reply",
    [
        Reply("cut", end=EndReason.LENGTH),
        Reply("I cannot help with that", end=EndReason.REFUSAL),
        Reply("acts", tool_calls=(("book_flight", {}),)),
        Reply("x" * 70_000),
    ],
)
def test_what_is_broken_acts_or_is_too_long_is_not_kept(reply):
    desk = Desk(ResponseCache())
    desk.reply = reply
    desk.ask()
    assert not desk.hit()


@pytest.mark.parametrize(
    ("asked", "varied", "kept"),
    [
        ({}, "unsaid", True),
        ({}, "never", False),
        ({"temperature": 0.2}, "never", True),
        ({"temperature": 0.9}, "unsaid", False),
        ({"temperature": 0.9}, "always", True),
        ({"extra": {"openai": {"n": 2}}}, "unsaid", False),
        ({"tools": [tool("search_flights")]}, "unsaid", True),
        ({"tools": [tool("search_flights"), tool("book_flight")]}, "always", False),
        ({"extra": {"openai": {"tools": [{"type": "shell"}]}}}, "always", False),
        ({"labels": {"cache": "off"}}, "unsaid", False),
    ],
)
def test_which_requests_are_answered_for(asked, varied, kept):
    desk = Desk(ResponseCache(varied=varied))
    desk.ask(**asked)
    assert desk.hit(**asked) is kept


def test_refresh_asks_again_and_keeps_the_new_answer():
    desk = Desk(ResponseCache())
    assert [desk.ask(), desk.ask(labels={"cache": "refresh"}), desk.ask()] == ["answer 1", "answer 2", "answer 2"]


def test_an_answer_that_cannot_be_given_again_is_dropped_and_the_target_is_called():
    desk = Desk(ResponseCache())
    desk.ask()
    (key, entry), *_ = desk.cache.table.items()
    desk.cache.table.put(key, {**entry, "answer": "spoilt"})
    assert desk.ask() == "answer 2"
    assert len(desk.outcome.attempts) == 1
    assert desk.hit()


def test_an_answer_after_a_failure_is_not_kept():
    desk = Desk(ResponseCache())
    failing = iter([True])

    def perform(call):
        if call.stored is None and next(failing, False):
            raise TargetError(FailureKind.OVERLOADED)
        yield from Desk.perform(desk, call)

    desk.perform = perform
    desk.ask()
    assert desk.outcome.target.name == "sol"
    assert not desk.hit(target="sol")


def test_it_is_bounded_and_shared_over_a_store():
    store = InProcess()
    one, other = Desk(ResponseCache(size=10), store=store), Desk(ResponseCache(size=10), store=store)
    for i in range(50):
        one.ask(f"question {i}")
    assert len(one.cache.table.items()) == 10
    assert other.ask("question 49") == "answer 50"


def test_a_store_of_its_own_is_kept_and_what_is_not_json_is_called_each_time():
    own, shared = InProcess(), InProcess()
    one, other = Desk(ResponseCache(store=own), store=shared), Desk(ResponseCache(store=own), store=shared)
    one.ask("Hello")
    assert other.hit("Hello")
    odd = [{"role": "user", "content": [{"type": "text", "text": "Hello", "note": object()}]}]
    assert [one.hit(odd), one.hit(odd)] == [False, False]


@pytest.mark.parametrize(
    "make",
    [
        lambda: ResponseCache(ttl=0),
        lambda: ResponseCache(size=0),
        lambda: ResponseCache(by="user"),
        lambda: ResponseCache(varied="sometimes"),
        lambda: ResponseCache(effects=["send"]),
        lambda: ResponseCache().invalidate("user"),
        lambda: Router(POOL, cache=ResponseCache),
    ],
)
def test_what_cannot_work_is_refused(make):
    with pytest.raises(ConfigurationError):
        make()
