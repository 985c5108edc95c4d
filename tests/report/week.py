"""A week of two teams' coding agents, simulated: a real router, targets that answer from a script, caches that work as providers' do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from switchwise import (
    Call,
    FailureKind,
    Pool,
    Reply,
    Router,
    Scope,
    Signals,
    StepKind,
    TargetError,
    Usage,
    Verdict,
    View,
    drive,
    hold,
)
from switchwise.catalog import target
from switchwise.nouns.signals import Phase
from switchwise.observe.journal import InMemory, Record
from switchwise.policies import Budget, ByAgent, ByStep, Cheapest, Fits, Healthy, Rules
from switchwise.testing import Clock

BEGIN = 1_795_996_800.0  # a Monday morning
SPEED = {"opus": 62, "sol": 81, "luna": 190, "haiku": 160}  # tokens a second
USERS = (("ada", "search"), ("grace", "search"), ("linus", "billing"), ("margaret", "billing"), ("tony", "billing"))
PHASES = (Phase.PLANNING, Phase.IMPLEMENTING, Phase.IMPLEMENTING, Phase.TESTING, Phase.DEBUGGING, Phase.DOCUMENTING)


def pool() -> Pool:
    """Two strong and two fast models, of two providers."""
    return Pool(
        [
            target("opus", provider="anthropic", model="claude-opus-5-5", account="api.anthropic.com#86f4"),
            target("sol", provider="openai", model="gpt-6.1-sol", account="api.openai.com#1c0d"),
            target("luna", provider="openai", model="gpt-6-luna", account="api.openai.com#1c0d"),
            target("haiku", provider="anthropic", model="claude-haiku-5-5", account="api.anthropic.com#86f4"),
        ]
    )


class Week:
    """Plays sessions; `records` is the journal.

    Parameters:
        sessions: how many.
        seed: of everything that is drawn.
        only: every call goes to this target; empty: they are routed.
    """

    def __init__(self, sessions: int = 40, seed: int = 5, only: str = "") -> None:
        self.clock, self.rng, self.journal = Clock(BEGIN), random.Random(seed), InMemory(size=1_000_000)
        if only:
            self.router = Router(Pool([pool()[only]]), observers=[self.journal], clock=self.clock, timer=self.clock)
        else:
            self.router = self._router(seed)
        self._warm: dict[tuple[str, str, str], tuple[int, float]] = {}
        self._faults, self._luck = not only, random.Random(-seed)
        for number in range(sessions):
            self._session(number)

    def _router(self, seed: int) -> Router:
        return Router(
            pool(),
            Fits(),
            Healthy(),
            Budget(usd=20.0, per="session"),
            hold(
                Rules().prefer("opus", when=lambda view: view.scope.labels.get("tier") == "gold", because="a gold customer"),
                per="session",
            ),
            hold(ByAgent(explorer="luna", reviewer="sol"), per="agent"),
            ByStep(first="strong", failure="strong", user_turn="strong", tool_result=None),
            Cheapest(plans=False),
            verify=self._verify,
            observers=[self.journal],
            clock=self.clock,
            timer=self.clock,
            rng=random.Random(seed),
        )

    @property
    def records(self) -> list[Record]:
        """All that was written down."""
        return list(self.journal)

    def _session(self, number: int) -> None:
        user, team = USERS[self.rng.randrange(len(USERS))]
        labels = {"user": user, "team": team, "tier": "gold" if self.rng.random() < 0.15 else "standard"}
        name = f"{team}-{1000 + number}"
        self.clock.advance(self.rng.uniform(300, 14_000))
        self._thread(Scope(name, "main", labels=labels), self.rng.randrange(8, 30), 9_000)
        for agent in ("explorer", "reviewer"):
            if self.rng.random() < 0.6:
                self._thread(Scope(name, agent, labels=labels), self.rng.randrange(3, 12), 4_000)

    def _thread(self, scope: Scope, calls: int, prompt: int) -> None:
        for step in range(calls):
            kind = StepKind.USER_TURN if step == 0 else StepKind.FAILURE if self.rng.random() < 0.08 else StepKind.TOOL_RESULT
            phase = PHASES[min(step * len(PHASES) // calls, len(PHASES) - 1)]
            here = Scope(scope.session, scope.agent, phase.value, step, scope.labels)
            view = View(here, tokens=prompt, signals=Signals(phase=phase, step=kind, first=step == 0))
            list(drive(self.router.start(view), self._perform, self.clock.advance))
            prompt += self.rng.randrange(300, 2_500)
            self.clock.advance(self.rng.expovariate(1 / 25) if self.rng.random() < 0.95 else 400)

    def _perform(self, call: Call) -> Iterator[Any]:
        name, scope, prompt, now = call.target.name, call.view.scope, call.view.tokens, self.clock()
        if name == "haiku" and self._faults and self._luck.random() < 0.06:
            self.clock.advance(0.3)
            raise TargetError(FailureKind.RATE_LIMIT, "scripted", 20.0)
        if name == "opus" and self._faults and 100_000 < now - BEGIN < 160_000:
            self.clock.advance(1.2)
            raise TargetError(FailureKind.OVERLOADED, "scripted")
        key = (scope.session, scope.agent, name)
        warm, at = self._warm.get(key, (0, 0.0))
        read = min(warm, prompt) if now - at < 300 else 0
        self._warm[key] = (prompt, now)
        same = random.Random(f"{scope.session}/{scope.agent}/{scope.step}")  # whoever answers
        output = int(same.lognormvariate(5.4, 0.7))
        first = same.lognormvariate(-0.4, 0.5)
        self.clock.advance(first + output / SPEED[name])
        usage = Usage(prompt, output, cache_read_tokens=read, cache_write_tokens=prompt - read)
        yield Reply("done", usage=usage, model=call.target.model, first_chunk=first)

    def _verify(self, view: View, reply: Reply) -> Verdict:
        bad = reply.model in ("gpt-6-luna", "claude-haiku-5-5") and self._luck.random() < 0.07
        return Verdict(not bad, "an empty diff" if bad else "")
