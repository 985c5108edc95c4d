"""Shadow evaluation: a candidate router decides without effect in parallel to the live one, and pairs of results are judged blind.

    shadow = Shadow(candidate)
    live = Router(pool, *policies, observers=[shadow])

`shadow.report()` gives the agreement, the bill of the candidate's choices, and the moved calls. The bill is that of the same tokens; where a thread goes
another way than the live one, its caches are simulated: a target that it calls again reads what it saw before. It does not show the *quality* of its
choices: run both on whole tasks, and pass the pairs of results to `judged`, or give the candidate a share of the sessions with `Canary`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Literal

from switchwise.display.figures import usd
from switchwise.evaluation.cost_model import SimulatedCache
from switchwise.evaluation.live.saving import Saving
from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import NoTarget
from switchwise.nouns.prompt_prefix import Change
from switchwise.nouns.scope import Level
from switchwise.nouns.target import Price, Target
from switchwise.nouns.usage import Usage
from switchwise.nouns.validation import whole
from switchwise.observe.observer import Event, EventKind, Observer
from switchwise.prompt_cache.rates import CacheRates
from switchwise.prompt_cache.rules import CacheRules
from switchwise.router import Router
from switchwise.state.forking import lock
from switchwise.state.in_process import Memory

RULES = CacheRules()
Side = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """Decisions of a candidate.

    Parameters:
        calls: answers of the live router that the candidate decided too.
        same: number of these with the same target.
        paid, would_pay: USD of the calls with known usage and prices, as made and at the candidate's targets.
        saves: the difference, with a 95 % interval over sessions; negative: the candidate costs more.
        moved: (live target, candidate's target) -> calls.
        silent: calls for which the candidate had no target, or would have asked a model.
        tasks, tasks_same: number of sessions, and of those with the same target for every call.
    """

    calls: int
    same: int
    paid: float
    would_pay: float
    saves: Saving
    moved: dict[tuple[str, str], int] = field(default_factory=dict)
    silent: int = 0
    tasks: int = 0
    tasks_same: int = 0

    @property
    def verdict(self) -> str:
        """What the bill shows, in one sentence."""
        saves = self.saves
        if not self.calls or saves.low is None or saves.high is None:
            return "too little traffic for a verdict"
        if saves.low > 0:
            return "the candidate costs less"
        return "the candidate costs more" if saves.high < 0 else "no difference in cost is shown"

    def __str__(self) -> str:
        if not self.calls:
            return "no calls yet"
        saves = self.saves
        more = f"{saves} less" if saves.value >= 0 else f"{-saves} more"
        lines = [
            f"{self.calls} calls, {self.same / self.calls:.0%} to the same target; {self.tasks_same} of {self.tasks} whole tasks alike",
            f"paid {usd(self.paid)}; the candidate's targets {usd(self.would_pay)} for the same tokens, its own caches counted: {more}, 95 % over sessions",
        ]
        lines += [
            f"  {live} -> {other}: {count}" for (live, other), count in sorted(self.moved.items(), key=lambda item: -item[1])
        ]
        lines.append(f"{self.verdict}; whether it does as well is for Canary or judged pairs to show")
        return "\n".join(lines)


@dataclass(slots=True)
class _Session:
    """What one session cost, and would have."""

    same: bool = True
    paid: float = 0.0
    would: float = 0.0


class _Thread:
    """The caches of the candidate in one thread of the live router."""

    def __init__(self) -> None:
        self.prompt = 0
        self.apart = False  # it has gone another way than the live one
        self.caches: dict[str, SimulatedCache] = {}

    def bill(self, attempt: Attempt, usage: Usage, other: Target, price: Price, same: bool) -> float:
        """USD of a call at the candidate's target."""
        prompt = usage.input_tokens
        for cache in self.caches.values():
            cache.cut(_kept(attempt, self.prompt, prompt))
        cache = self.caches.get(other.name) or SimulatedCache(
            CacheRates(price.at(attempt.started), RULES.of(other.provider, other.model or other.name))
        )
        self.caches[other.name], self.prompt = cache, prompt
        cost = cache.call(attempt.started, prompt, usage.output_tokens)
        self.apart = self.apart or not same
        return cost if self.apart or attempt.cost is None else attempt.cost


def _kept(attempt: Attempt, before: int, prompt: int) -> int:
    """How many leading tokens a prompt shares with the one before it in its thread."""
    view = attempt.call.view
    prefix = view.prefix
    if prefix is None or prefix.change in (None, Change.FIRST, Change.APPEND) or not view.tokens:
        return min(before, prompt)
    return min(before, prompt, round(prefix.end(prefix.since(prefix.generation - 1)) * prompt / view.tokens))


class Shadow(Observer):
    """Observer that lets a candidate decide each call of the live router.

    The candidate learns from the live attempts and their outcomes, so that it has learned values when it takes over; its own choices are never called.

    Parameters:
        candidate: a router over the same pool, or one with other targets.
        size: most sessions and threads kept; those that were silent for longest leave the report first.
    """

    def __init__(self, candidate: Router, size: int = 10_000) -> None:
        whole("Shadow", "size", size)
        self.candidate = candidate
        self._lock = lock()
        self._calls = self._same = self._silent = 0
        self._moved: Counter[tuple[str, str]] = Counter()
        self._sessions: Memory[tuple[str, str], _Session] = Memory(size)
        self._threads: Memory[tuple[str, ...], _Thread] = Memory(size)

    def settled(self, attempt: Attempt) -> None:
        """Take in an attempt."""
        if attempt.call.ask is not None or attempt.reply is None or not attempt.accepted:
            return
        view = attempt.call.view
        try:
            shortlist = self.candidate.decide(view)
        except NoTarget:
            shortlist = None
        self.candidate.observe(attempt)
        other = shortlist.targets[0] if shortlist is not None and shortlist.targets else None
        with self._lock:
            self._calls += 1
            if other is None:
                self._silent += 1
                return
            same = other.name == attempt.target.name
            self._same += same
            self._moved[attempt.target.name, other.name] += not same
            scope = view.scope
            session = self._sessions.get((scope.tenant, scope.session)) or _Session()
            self._sessions.put((scope.tenant, scope.session), session)
            session.same = session.same and same
            usage = attempt.reply.usage
            if usage is not None and attempt.cost is not None and other.price is not None:
                thread = self._threads.get(scope.key(Level.AGENT)) or _Thread()
                self._threads.put(scope.key(Level.AGENT), thread)
                session.paid += attempt.cost
                session.would += thread.bill(attempt, usage, other, other.price, same)

    def event(self, event: Event) -> None:
        """Pass outcomes of the live router's decisions on to the candidate."""
        if event.kind is EventKind.FEEDBACK:
            self.candidate.feedback(event.decision, event.details["reward"], event.details["kind"])

    def report(self) -> ShadowReport:
        """Return the report so far."""
        with self._lock:
            moved = {pair: count for pair, count in self._moved.items() if count}
            sessions = [session for _, session in self._sessions.items()]
            paid, would = sum(each.paid for each in sessions), sum(each.would for each in sessions)
            saves = Saving.over([each.paid - each.would for each in sessions])
            alike = sum(each.same for each in sessions)
            return ShadowReport(self._calls, self._same, paid, would, saves, moved, self._silent, len(sessions), alike)


@dataclass(frozen=True, slots=True)
class Judged:
    """Pairs of results, judged blind and in both orders.

    Parameters:
        wins, losses, ties: of the candidate, if both orders agree.
        inconsistent: pairs whose verdict changed with the order; they count as ties.
        p: chance of a split this uneven if neither were better (two-sided sign test).
    """

    wins: int
    losses: int
    ties: int
    inconsistent: int
    p: float

    @property
    def rate(self) -> float:
        """Wins plus half of the ties, as a share of all pairs."""
        total = self.wins + self.losses + self.ties + self.inconsistent
        return (self.wins + 0.5 * (self.ties + self.inconsistent)) / total if total else 0.5


def judged(pairs: Sequence[tuple[str, str, str]], judge: Callable[[str, str, str], Side], seed: int = 0) -> Judged:
    """Let a judge compare results of the live router and of a candidate blindly.

    Each pair is judged in both orders, the first one at random. If the two verdicts differ, the pair counts as a tie.

    Parameters:
        pairs: (task, live result, candidate's result), of whole tasks if possible.
        judge: function of a task and two results that returns `first`, `second` or `tie`.
        seed: seed of the order.

    >>> longer = lambda task, a, b: "first" if len(a) > len(b) else "second" if len(b) > len(a) else "tie"
    >>> judged([("t", "short", "a longer one")] * 6, longer)
    Judged(wins=6, losses=0, ties=0, inconsistent=0, p=0.03125)
    """
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    for task, live, candidate in pairs:
        orders = [(live, candidate, "second"), (candidate, live, "first")]
        rng.shuffle(orders)
        verdicts = []
        for one, other, mine in orders:
            opinion = judge(task, one, other)
            verdicts.append("ties" if opinion == "tie" else "wins" if opinion == mine else "losses")
        counts[verdicts[0] if verdicts[0] == verdicts[1] else "inconsistent"] += 1
    return Judged(
        counts["wins"], counts["losses"], counts["ties"], counts["inconsistent"], _sign_test(counts["wins"], counts["losses"])
    )


def _sign_test(wins: int, losses: int) -> float:
    n, few = wins + losses, min(wins, losses)
    return min(1.0, 2 * sum(comb(n, k) for k in range(few + 1)) / 2**n) if n else 1.0
