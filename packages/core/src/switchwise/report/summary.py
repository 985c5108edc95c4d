"""Summarise a journal: all numbers of the page from records."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from switchwise.display.figures import many, percent, usd
from switchwise.display.html import el
from switchwise.display.tables import card, faint, table
from switchwise.nouns.errors import ConfigurationError
from switchwise.observe.journal.record import Record
from switchwise.report.advice import Facts, Recommendation, advise
from switchwise.report.baselines import Baselines, baselines_of
from switchwise.report.moves import Listed, moves, newest_pool
from switchwise.report.reliability import Fallback, Health, Times, fallbacks_of, health_of, times
from switchwise.report.spending import Slice, Spend, broken_down, dimensions, over_time, spend
from switchwise.report.steps import Session, sessions_of, steps_of


@dataclass(frozen=True, slots=True)
class Decided:
    """Steps decided by one policy at one level for one target."""

    level: str
    policy: str
    target: str
    steps: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of a journal.

    Parameters:
        began, ended: seconds since the epoch.
        total: total spending.
        by: dimension -> rows, most expensive first; the rows of each add up to `total`.
        slices: spending over time.
        sub_agents: spending of agents other than `main` (or than the first of their session); None: none.
        steps, answered: number of logical calls, and of answered ones.
        fell_back: steps answered by another target than the first one tried.
        health: health of the targets.
        fallbacks: fallbacks by pair of targets.
        latency: latency of accepted answers.
        deciding: median duration of a decision in seconds.
        decided: steps by deciding policy, level and target, frequent ones first.
        baselines: cost of the same calls without routing; None: tokens or prices are unknown.
        advice: findings.
        sessions: sessions with steps, most expensive first.
        pool: names of the targets, strongest first.
    """

    began: float
    ended: float
    total: Spend
    by: Mapping[str, tuple[Spend, ...]]
    slices: tuple[Slice, ...]
    sub_agents: Spend | None
    steps: int
    answered: int
    fell_back: int
    health: tuple[Health, ...]
    fallbacks: tuple[Fallback, ...]
    latency: Times | None
    deciding: float
    decided: tuple[Decided, ...]
    baselines: Baselines | None
    advice: tuple[Recommendation, ...]
    sessions: tuple[Session, ...]
    pool: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Summary({headline(self)})"

    def _repr_html_(self) -> str:
        rows = [
            [dimension, row.name, usd(row.cost), percent(row.cost / self.total.cost if self.total.cost else None), f"{row.calls:,}", percent(row.hit_rate)]
            for dimension in ("agent", "target", "user")
            for row in self.by[dimension][:8]
        ]  # fmt: skip
        advice = [el("div", el("b", each.title), ". ", each.text) for each in self.advice]
        spend = table(("by", "", "spent", "share", "answers", "from caches"), rows, numbers=(2, 3, 4, 5))
        return card(headline(self), spend, *advice, faint("page(summary) is the whole of it as a page"))

    def as_dict(self) -> dict[str, Any]:
        """In JSON types, without the steps of the sessions."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "sessions"}
        found["by"] = {dimension: [asdict(row) for row in rows] for dimension, rows in self.by.items()}
        found["sessions"] = len(self.sessions)
        return {name: _plain(value) for name, value in found.items()}


def headline(summary: Summary) -> str:
    """The bill in one sentence, without a full stop."""
    sentence = f"{usd(summary.total.cost)} for {many(summary.steps, 'step')} in {many(len(summary.sessions), 'session')}"
    if summary.baselines is not None and len(summary.pool) > 1:
        best = summary.baselines.headline
        sentence += (
            f"; {'saved' if best.saving >= 0 else 'lost'} {percent(abs(best.saving))} against {best.name} ({usd(best.cost)})"
        )
    return sentence


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value


def summarise(
    records: Sequence[Record],
    *,
    rewards: Mapping[str, float] | None = None,
    listed: Listed | None = None,
    samples: int = 400,
) -> Summary:
    """Return the summary of a journal.

    Parameters:
        records: records of `JsonLines` or `InMemory`.
        rewards: decision id -> reward, from 0 (bad) to 1 (good).
        listed: (provider, model) -> today's list price, to find changes; None: prices are not compared.
        samples: resamples of the bootstrap over sessions, for the intervals of savings.

    Raises:
        ConfigurationError: there are no records.
    """
    ordered = sorted(records, key=lambda record: record.time)
    if not ordered:
        raise ConfigurationError("the journal has no records: nothing can be reported")
    steps = steps_of(ordered)
    sessions = sessions_of(steps)
    by = {dimension: broken_down(ordered, dimension) for dimension in dimensions(ordered)}
    health, pool = health_of(ordered), tuple(newest_pool(ordered))
    baselines = baselines_of(ordered, samples)
    answers = [step.last for step in steps if step.answered]
    decided = Counter((record.level, record.policy, record.target) for record in answers)
    facts = Facts(steps, sessions, by["target"], health, baselines, pool, rewards or {}, moves(ordered, listed))
    return Summary(
        began=ordered[0].time,
        ended=max(record.time + record.latency for record in ordered),
        total=spend("all", ordered),
        by=by,
        slices=over_time(ordered),
        sub_agents=_sub_agents(ordered, sessions),
        steps=len(steps),
        answered=len(answers),
        fell_back=sum(step.fallback for step in steps),
        health=health,
        fallbacks=fallbacks_of(steps),
        latency=times(record.latency for record in answers),
        deciding=statistics.median([record.deciding for record in ordered]),
        decided=tuple([Decided(*key, count) for key, count in decided.most_common()]),
        baselines=baselines,
        advice=advise(facts),
        sessions=tuple(sessions),
        pool=pool,
    )


def _sub_agents(records: Sequence[Record], sessions: Sequence[Session]) -> Spend | None:
    """What was spent by agents that another one called: all but `main`; where no agent has that name, all but the first of a session."""
    named = any(record.agent == "main" for record in records)
    outermost = {(session.name, "main" if named else session.steps[0].records[0].agent) for session in sessions}
    own = [
        record
        for session in sessions
        for step in session.steps
        for record in step.records
        if (session.name, record.agent) not in outermost
    ]
    return spend("sub-agents", own) if own else None
