"""Inputs of the conformance checks: a pool, requests of every kind, and attempts of every kind."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from types import FunctionType, ModuleType
from typing import Any

from switchwise.engine.policy import Policy, Reserves, name_of
from switchwise.engine.recovery import TABLE
from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import FailureKind, TargetError
from switchwise.nouns.exchange.ask import Ask, Kind
from switchwise.nouns.exchange.conversation import Conversation
from switchwise.nouns.exchange.gather import Gather
from switchwise.nouns.exchange.reply import Answer, Reply, Verdict
from switchwise.nouns.scope import Scope
from switchwise.nouns.shortlist import Shortlist
from switchwise.nouns.signals import Phase, Signals, StepKind, Turn
from switchwise.nouns.target import Capabilities, Pool, Price, Target
from switchwise.nouns.usage import Usage
from switchwise.nouns.view import Needs, View

START = 1_000_000.0  # the clock of the first request, in seconds
WORDS = "words of the user that nobody may keep"


def pool() -> Pool:
    """Four targets of two providers, priced and described, strongest first."""
    seeing = frozenset({"image", "document"})
    return Pool(
        [
            Target(
                "opus",
                "anthropic",
                "claude-opus",
                Price(5, 25, 0.5, 6.25, 10),
                Capabilities(200_000, 32_000, True, True, seeing),
            ),
            Target("sol", "openai", "gpt-sol", Price(2, 10, 0.2), Capabilities(400_000, 64_000, True, True, frozenset())),
            Target("haiku", "anthropic", "claude-haiku", Price(1, 5, 0.1, 1.25, 2), Capabilities(200_000, 8_000, True, False)),
            Target("luna", "openai", "gpt-luna", Price(0.1, 0.5, 0.01), Capabilities(64_000, 4_000, False)),
        ]
    )


def views() -> list[View]:
    """Requests that differ in every field that a policy may go by."""
    scopes = [Scope(), Scope("s1"), Scope("s1", "explorer", "planning", 3), Scope("s2", "reviewer", labels={"user": "u1"})]
    needs = [
        Needs(),
        Needs(tools=True, max_output=6_000),
        Needs(structured_output=True),
        Needs(modalities=frozenset({"image"})),
        Needs(providers=frozenset({"openai"})),
        Needs(providers=frozenset({"nobody"})),
    ]
    signals = [
        Signals(),
        Signals(first=True, step=StepKind.USER_TURN),
        *(Signals(phase=phase, step=StepKind.TOOL_RESULT) for phase in Phase),
        *(Signals(step=step, failures=int(step is StepKind.FAILURE)) for step in StepKind),
    ]
    tokens = [0, 1_000, 70_000, 250_000, 10_000_000]
    count = 2 * len(signals)
    return [
        View(
            scopes[i % 4],
            tokens[i % 5],
            needs[i % 6],
            signals[i % len(signals)],
            now=START + i,
            seed=0x9E3779B97F4A7C15 * i % 2**64,
            conversation=Conversation([Turn("user", WORDS)]),
        )
        for i in range(count)
    ]


def shortlists(pool: Pool) -> list[Shortlist]:
    """Possible results of earlier policies: everything, a part, one target, another order."""
    whole = Shortlist(pool)
    last = pool.targets[-1].name
    return [
        whole,
        whole.require(lambda target: target.name != pool.targets[0].name, "an earlier requirement"),
        whole.require(lambda target: target.name == last, "an earlier requirement"),
        whole.prefer([last], "an earlier preference"),
    ]


def call(policy: Policy, pool: Pool, view: View, target: Target, ask: Ask | None = None) -> Call:
    """A call to `target` on behalf of `view`, decided by this policy alone."""
    return Call(target, view, answer(policy, view, Shortlist(pool)), ask=ask)


def attempts(policy: Policy, pool: Pool, view: View, target: Target, lasting: bool = True) -> Iterator[Attempt]:
    """One attempt of every kind. What they may use up is reserved just before, as the engine does.

    Parameters:
        lasting: failures that last until a restart are among them.
    """
    started, ended = view.now, view.now + 2.0
    reserve = policy.reserve if isinstance(policy, Reserves) else None  # asked once: 20 us in Python 3.11

    def made(ask: Ask | None = None) -> Call:
        new = call(policy, pool, view, target, ask)
        if reserve is not None:
            reserve(new)
        return new

    reply = Reply("yes", usage=Usage(max(view.tokens, 1), 120, cache_read_tokens=0))
    yield Attempt(made(), started, ended, reply, cost=0.01)
    yield Attempt(made(), started, ended, Reply("of unknown usage"))
    yield Attempt(made(), started, ended, reply, verdict=Verdict(False, "not good enough", 0.3), cost=0.01)
    yield Attempt(made(), started, ended, reply, verdict=Verdict(True), cost=0.01)
    yield Attempt(made(ask=Ask.text("judge this", to=target.name)), started, ended, reply, cost=0.01)
    yield Attempt(made(), started, ended, abandoned=True)
    yield Attempt(made(), started, ended, abandoned=True, cost=0.001)  # cancelled: another call was chosen
    for kind in FailureKind:
        if lasting or not TABLE[kind].lasting:
            for retry_after in (None, 0.0, 30.0):
                yield Attempt(made(), started, ended, error=TargetError(kind, "scripted", retry_after))
    broken = TargetError(FailureKind.CONNECTION)
    broken.partial = True
    yield Attempt(made(), started, ended, error=broken)


def answer(policy: Policy, view: View, shortlist: Shortlist) -> Shortlist:
    """The policy's result for the shortlist, signed as in a router; a model that it asks answers "yes"."""
    opinion = policy(view, shortlist.signed_by(name_of(policy)))
    if isinstance(opinion, Shortlist):
        return opinion
    assert isinstance(opinion, Generator), (
        f"it returned {opinion!r:.80}: a policy returns a Shortlist, or is a generator that asks"
    )
    try:
        asked = next(opinion)
        while True:
            effects = asked.effects if isinstance(asked, Gather) else [asked]
            replies = tuple([reply_to(effect) for effect in effects if isinstance(effect, Ask)])
            asked = opinion.send(replies if isinstance(asked, Gather) else replies[0])
    except StopIteration as done:
        finished = done.value
    assert isinstance(finished, Shortlist), f"a policy returns a Shortlist, not {finished!r}"
    return finished


def reply_to(ask: Ask) -> Reply:
    """What a model says that always picks the first label, the lowest level, or "yes"."""
    answers: dict[str, Answer] = {}
    for name, question in ask.questions.items():
        if question.kind is Kind.LABELS:
            answers[name] = Answer(label=question.labels[0])
        elif question.kind is Kind.SCORE:
            answers[name] = Answer(score=0.0)
        else:
            answers[name] = Answer(text="yes") if question.kind is Kind.TEXT else Answer(vectors=((1.0, 0.0),))
    return Reply("yes", answers=answers)


def reached(root: object) -> list[object]:
    """All that can be reached from an object, but for classes, modules and what functions find in theirs."""
    seen: dict[int, object] = {}
    todo: list[object] = [root]
    while todo:
        part = todo.pop()
        if id(part) not in seen and not isinstance(part, type | ModuleType):
            seen[id(part)] = part
            todo += [part.__closure__, part.__defaults__] if isinstance(part, FunctionType) else gc.get_referents(part)
            if isinstance(part, dict):  # the collector leaves out keys that are strings
                todo += part
    return list(seen.values())


def spoilt(state: Any, where: str) -> Iterator[tuple[Any, str]]:
    """Yield copies of a state, each with one thing wrong: at most three entries of each list are tried."""
    if isinstance(state, dict):
        yield [], f"a list for {where}"
        for name, value in state.items():
            for wrong, place in spoilt(value, f"{where}[{name!r}]"):
                yield {**state, name: wrong}, place
    elif isinstance(state, list):
        yield {"spoilt": 1}, f"a mapping for {where}"
        yield [*state, object()], f"a stranger in {where}"
        for i, value in enumerate(state[:3]):
            for wrong, place in spoilt(value, f"{where}[{i}]"):
                yield [*state[:i], wrong, *state[i + 1 :]], place
    elif isinstance(state, str):
        yield 3, f"a number for {where}"
    elif isinstance(state, int | float):
        yield float("nan"), f"NaN for {where}"
        yield "3", f"a string for {where}"
