"""Compare two routers on one journal: each decides every call of it again, and both bills are computed with their own caches.

No calls are made, so what another target would have answered is not known: the bills are a matter of prices and caches, the chance of success is an
estimate. Where outcomes of several targets on the same tasks are recorded, `evaluation.trials.paired.compare` compares these.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switchwise.display.figures import percent, usd
from switchwise.display.tables import card, table
from switchwise.evaluation.journals import journal
from switchwise.evaluation.live.saving import Saving
from switchwise.evaluation.routers import ReplayedDecision, replay_decisions
from switchwise.observe.journal.record import Record
from switchwise.quality.estimate import Estimator, estimate
from switchwise.quality.priors import Priors
from switchwise.router import Router


@dataclass(frozen=True, slots=True)
class Bill:
    """What one router would have cost.

    Parameters:
        cost: USD.
        likely: mean chance that the chosen target solves its call, by the estimator; None: it knows none of the targets.
        shares: target -> share of the calls.
        switches: calls at another target than the one before in their thread.
    """

    cost: float
    likely: float | None
    shares: Mapping[str, float]
    switches: int


@dataclass(frozen=True, slots=True)
class ComparedBills:
    """Two routers on one journal.

    Parameters:
        calls, sessions: of the journal.
        paid: USD, as recorded.
        first, second: of each router.
        saves: USD that the second saves, with a 95 % interval over sessions; negative: it costs more.
        same: share of the calls for which both chose the same target.
    """

    calls: int
    sessions: int
    paid: float
    first: Bill
    second: Bill
    saves: Saving
    same: float

    @property
    def verdict(self) -> str:
        """What the bills show, in one sentence."""
        low, high = self.saves.low, self.saves.high
        if low is None or high is None:
            return "one session shows nothing"
        return "the second costs less" if low > 0 else "the second costs more" if high < 0 else "no difference in cost is shown"

    def as_dict(self) -> dict[str, Any]:
        """In JSON types."""
        from dataclasses import asdict

        return asdict(self) | {"verdict": self.verdict}

    def rows(self) -> list[list[str]]:
        """One row for each router: cost, chance of success, switches, targets."""
        return [
            [
                usd(bill.cost),
                percent(bill.likely) if bill.likely is not None else "?",
                str(bill.switches),
                ", ".join(f"{name} {share:.0%}" for name, share in sorted(bill.shares.items(), key=lambda each: -each[1])),
            ]
            for bill in (self.first, self.second)
        ]

    def __str__(self) -> str:
        more = f"{self.saves} less" if self.saves.value >= 0 else f"{-self.saves} more"
        names = ("first", "second")
        return "\n".join(
            [
                f"{self.calls} calls in {self.sessions} sessions, {usd(self.paid)} as recorded; both choose the same target for {self.same:.0%}",
                *(
                    f"{name}: {cost}, likely to solve {p}: {targets}"
                    for name, (cost, p, _, targets) in zip(names, self.rows(), strict=True)
                ),
                f"the second: {more}, 95 % over sessions; {self.verdict}. The chances are estimates: nothing was called",
            ]
        )

    def _repr_html_(self) -> str:
        rows = [[name, *row] for name, row in zip(("first", "second"), self.rows(), strict=True)]
        title = f"Two routers on {self.calls:,} calls: {self.verdict} ({self.saves})"
        return card(title, table(("router", "cost", "likely to solve", "switches", "targets"), rows, numbers=(1, 2, 3)))


def compare_bills(
    records: Iterable[Record],
    first: Router,
    second: Router,
    quality: Estimator | None = None,
    *,
    samples: int = 400,
    seed: int = 0,
) -> ComparedBills:
    """What two routers would have cost for the calls of a journal, and how likely their targets are to solve them.

    Parameters:
        records: of `JsonLines` or `InMemory`.
        first, second: routers; their targets need prices. They learn from the replay.
        quality: an estimator; None: the shipped priors.
        samples: resamples of the bootstrap over sessions.
        seed: of draws and resamples.

    Raises:
        ConfigurationError: no call of the journal counts tokens, a target has no price, or a policy would have to ask a model.
    """
    quality = Priors() if quality is None else quality
    recorded = journal(records)
    (left, chosen), (right, other) = (
        replay_decisions(router, recorded.threads, seed=seed, rules=recorded.rules) for router in (first, second)
    )
    saves = [left.cost[session] - right.cost[session] for session in sorted(left.cost)]
    return ComparedBills(
        len(chosen),
        len(saves),
        recorded.paid,
        Bill(left.total, _likely(chosen, first, quality), _shares(chosen), left.switches),
        Bill(right.total, _likely(other, second, quality), _shares(other), right.switches),
        Saving.over(saves, samples, seed),
        sum(a.target.name == b.target.name for a, b in zip(chosen, other, strict=True)) / len(chosen),
    )


def _shares(decided: Sequence[ReplayedDecision]) -> Mapping[str, float]:
    counts = Counter(each.target.name for each in decided)
    return {name: count / len(decided) for name, count in counts.items()}


def _likely(decided: Sequence[ReplayedDecision], router: Router, quality: Estimator) -> float | None:
    """Mean over the calls; estimated once for each kind of call."""
    kinds: dict[Any, list[ReplayedDecision]] = defaultdict(list)
    for each in decided:
        kinds[each.view.scope.agent, each.view.signals.phase].append(each)
    pool, total = router.pool.targets, 0.0
    for own in kinds.values():
        known = dict(zip([target.name for target in pool], estimate(quality, own[0].view, pool), strict=True))
        if not all(known[each.target.name].n for each in own):
            return None
        total += sum(known[each.target.name].p for each in own)
    return total / len(decided)
