"""Sessions step by step: attempts, order and reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from switchwise.observe.journal.record import Record
from switchwise.report.spending import PATH, Spend, answered, session_of, spend


@dataclass(frozen=True, slots=True)
class JournalStep:
    """One logical call: its attempts, and the questions of policies and verifiers.

    Parameters:
        records: in the order in which they began; at least one.
    """

    records: tuple[Record, ...]

    @property
    def tries(self) -> tuple[Record, ...]:
        """The attempts at the caller's own request."""
        return tuple([record for record in self.records if record.purpose == "answer"])

    @property
    def last(self) -> Record:
        """The attempt whose answer the caller got, else the last one."""
        tries = self.tries or self.records
        return next((record for record in reversed(tries) if answered(record)), tries[-1])

    @property
    def answered(self) -> bool:
        """Whether an answer was accepted."""
        return answered(self.last)

    @property
    def fallback(self) -> bool:
        """Whether another target than the first one tried answered."""
        tries = self.tries
        return self.answered and len(tries) > 1 and tries[0].target != self.last.target

    @property
    def cost(self) -> float:
        """Known cost of its records in USD."""
        return sum(record.cost or 0.0 for record in self.records)


@dataclass(frozen=True, slots=True)
class Session:
    """The steps of one session.

    Parameters:
        name: with its tenant, where there is one.
        steps: in the order in which they began.
        spend: its bill, broken down by agent, task, phase and target.
    """

    name: str
    steps: tuple[JournalStep, ...]
    spend: Spend

    @property
    def began(self) -> float:
        """Seconds since the epoch."""
        return self.steps[0].records[0].time


def steps_of(records: Iterable[Record]) -> list[JournalStep]:
    """The records as steps, in the order of time.

    Attempts of a step share its decision id. A seeded router repeats its ids from run to run, so a first attempt begins a new step
    where one of that id was made before.
    """
    open_: dict[tuple[str, str, str, str], list[Record]] = {}
    found: list[list[Record]] = []
    for record in sorted(records, key=attrgetter("time")):
        key = (record.tenant, record.session, record.agent, record.decision)
        own = open_.get(key)
        if own is None or (record.purpose == "answer" and any(_not_before(earlier, record) for earlier in own)):
            own = open_[key] = []
            found.append(own)
        own.append(record)
    return [JournalStep(tuple(own)) for own in found]


def _not_before(earlier: Record, record: Record) -> bool:
    return earlier.purpose == "answer" and earlier.attempt >= record.attempt


def sessions_of(steps: Sequence[JournalStep]) -> list[Session]:
    """The sessions of these steps, most expensive first."""
    groups: dict[str, list[JournalStep]] = {}
    for step in steps:
        groups.setdefault(session_of(step.records[0]), []).append(step)
    made = [
        Session(name, tuple(own), spend(name, [record for step in own for record in step.records], PATH))
        for name, own in groups.items()
    ]
    return sorted(made, key=lambda session: (-session.spend.cost, session.name))
