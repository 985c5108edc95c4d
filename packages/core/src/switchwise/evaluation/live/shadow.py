"""Shadow evaluation: a candidate router decides without effect in parallel to the live one, and pairs of results are judged blind.

    shadow = Shadow(candidate)
    live = Router(pool, *policies, observers=[shadow])

`shadow.report()` gives the agreement, the cost of the candidate's choices at list prices for the same tokens, and the moved calls. It
does not show the *quality* of its choices: run both on whole tasks, and pass the pairs of results to `judged`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Literal

from switchwise.nouns.call import Attempt
from switchwise.nouns.errors import NoTarget
from switchwise.observe.observer import Event, EventKind, Observer
from switchwise.router import Router
from switchwise.state.forking import lock

Side = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """Decisions of a candidate.

    Parameters:
        calls: answers of the live router that the candidate decided too.
        same: number of these with the same target.
        paid, would_pay: USD of the calls with known usage and prices, as made and at the candidate's targets (same tokens; uncached input
            if the target differs).
        moved: (live target, candidate's target) -> calls.
        silent: calls for which the candidate had no target, or would have asked a model.
        tasks, tasks_same: number of sessions, and of those with the same target for every call.
    """

    calls: int
    same: int
    paid: float
    would_pay: float
    moved: dict[tuple[str, str], int] = field(default_factory=dict)
    silent: int = 0
    tasks: int = 0
    tasks_same: int = 0

    def __str__(self) -> str:
        if not self.calls:
            return "no calls yet"
        lines = [
            f"{self.calls} calls, {self.same / self.calls:.0%} to the same target; {self.tasks_same} of {self.tasks} whole tasks alike",
            f"paid ${self.paid:.4f}, the candidate's targets ${self.would_pay:.4f} for the same tokens",
        ]
        lines += [
            f"  {live} -> {other}: {count}" for (live, other), count in sorted(self.moved.items(), key=lambda item: -item[1])
        ]
        return "\n".join(lines)


class Shadow(Observer):
    """Observer that lets a candidate decide each call of the live router.

    The candidate learns from the live attempts and their outcomes, so that it has learned values when it takes over; its own choices are never called.

    Parameters:
        candidate: a router over the same pool, or one with other targets.
    """

    def __init__(self, candidate: Router) -> None:
        self.candidate = candidate
        self._lock = lock()
        self._calls = self._same = self._silent = 0
        self._paid = self._would = 0.0
        self._moved: Counter[tuple[str, str]] = Counter()
        self._tasks: dict[tuple[str, str], bool] = {}

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
            task = (view.scope.tenant, view.scope.session)
            self._tasks[task] = self._tasks.get(task, True) and same
            usage = attempt.reply.usage
            if usage is not None and attempt.cost is not None and other.price is not None:
                self._paid += attempt.cost
                cold = other.price.at(attempt.started).estimate(usage.input_tokens, usage.output_tokens)
                self._would += attempt.cost if same else cold

    def event(self, event: Event) -> None:
        """Pass outcomes of the live router's decisions on to the candidate."""
        if event.kind is EventKind.FEEDBACK:
            self.candidate.feedback(event.decision, event.details["reward"], event.details["kind"])

    def report(self) -> ShadowReport:
        """Return the report so far."""
        with self._lock:
            moved = {pair: count for pair, count in self._moved.items() if count}
            return ShadowReport(
                self._calls,
                self._same,
                self._paid,
                self._would,
                moved,
                self._silent,
                len(self._tasks),
                sum(self._tasks.values()),
            )


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
