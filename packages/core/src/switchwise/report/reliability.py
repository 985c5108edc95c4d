"""Reliability of targets: attempts, failures by kind, fallbacks and durations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from switchwise.observe.journal.record import Record
from switchwise.report.spending import answered
from switchwise.report.steps import JournalStep


@dataclass(frozen=True, slots=True)
class Times:
    """Percentiles of a duration, in seconds.

    Parameters:
        n: how many durations.
        p50, p95, p99: half, 95 % and 99 % of them are at most that long; interpolated between neighbours.
    """

    n: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Health:
    """Results of the attempts at one target, including questions.

    Parameters:
        target: its name.
        attempts, accepted, rejected, failed, abandoned: how many.
        kinds: kind of failure -> how many, frequent ones first.
        wasted: USD of rejected replies.
        latency: of replies, from the call to the last token; None: there is none.
        first_chunk: of streamed replies, to the first chunk.
    """

    target: str
    attempts: int
    accepted: int
    rejected: int
    failed: int
    abandoned: int
    kinds: Mapping[str, int]
    wasted: float
    latency: Times | None
    first_chunk: Times | None


@dataclass(frozen=True, slots=True)
class Fallback:
    """Steps that fell back from one target to another.

    Parameters:
        first, then: the first target tried, and the answering one.
        why: result of the first attempt: a kind of failure, or `rejected`.
        steps: how many.
        seconds: spent on attempts before the answer, together.
    """

    first: str
    then: str
    why: str
    steps: int
    seconds: float


def times(durations: Iterable[float]) -> Times | None:
    """Percentiles of durations.

    >>> times([1.0, 2.0, 3.0]).p50
    2.0
    """
    known = sorted(durations)
    return Times(len(known), *(_quantile(known, share) for share in (0.5, 0.95, 0.99))) if known else None


def _quantile(known: Sequence[float], share: float) -> float:
    place = share * (len(known) - 1)
    low = int(place)
    high = min(low + 1, len(known) - 1)
    return known[low] + (known[high] - known[low]) * (place - low)


def health_of(records: Sequence[Record]) -> tuple[Health, ...]:
    """Each target that was called, the one with most attempts first."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.target, []).append(record)
    return tuple(sorted((_health(name, own) for name, own in groups.items()), key=lambda row: (-row.attempts, row.target)))


def _health(target: str, records: Sequence[Record]) -> Health:
    results = Counter(record.result for record in records)
    kinds = Counter(record.failure for record in records if record.failure)
    replies = [record for record in records if record.result in ("accepted", "rejected")]
    return Health(
        target=target,
        attempts=len(records),
        accepted=results["accepted"],
        rejected=results["rejected"],
        failed=results["failed"],
        abandoned=results["abandoned"],
        kinds=dict(kinds.most_common()),
        wasted=sum(record.cost or 0.0 for record in records if record.result == "rejected"),
        latency=times(record.latency for record in replies),
        first_chunk=times(record.first_chunk for record in replies if record.first_chunk is not None),
    )


def fallbacks_of(steps: Iterable[JournalStep]) -> tuple[Fallback, ...]:
    """The fallbacks, frequent ones first."""
    seen: dict[tuple[str, str, str], list[float]] = {}
    for step in steps:
        if step.fallback:
            first, last = step.tries[0], step.last
            lost = sum(record.latency for record in step.tries if not answered(record))
            seen.setdefault((first.target, last.target, first.failure or first.result), []).append(lost)
    rows = [Fallback(*key, len(lost), sum(lost)) for key, lost in seen.items()]
    return tuple(sorted(rows, key=lambda row: (-row.steps, row.first, row.then, row.why)))
