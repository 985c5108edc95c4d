"""Spending of a journal by each dimension of the work.

Every sum is over all attempts with a known cost: answers, replies that were rejected, questions of policies and verifiers. So the rows of each
dimension add up to the same total, and a sub-agent's calls count at the price of the model that answered them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from switchwise.observe.journal.record import Record

NONE = "(none)"


def session_of(record: Record) -> str:
    """The session, with its tenant where there are several customers."""
    name = record.session or NONE
    return f"{record.tenant} / {name}" if record.tenant else name


_FIXED: Mapping[str, Callable[[Record], str]] = {
    "session": session_of,
    "agent": lambda record: record.agent,
    "task": lambda record: record.task,
    "phase": lambda record: record.phase or "",
    "target": lambda record: record.target,
    "account": lambda record: record.account or record.provider,
    "user": lambda record: record.labels.get("user", ""),
    "team": lambda record: record.labels.get("team", ""),
}
PATH = ("agent", "task", "phase", "target")
"""How the spend of one session is broken down."""
_WIDTHS = (60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0)
_FURTHER = 4  # dimensions beyond the fixed ones: labels in use, the frequent ones first


@dataclass(frozen=True, slots=True)
class Spend:
    """Spending of one part of the work.

    Parameters:
        name: name of the session, agent, task ...; `(none)` if unknown.
        cost: USD.
        calls: number of accepted answers.
        attempts: number of attempts, including failed and rejected ones and questions.
        prompt, cached, output: tokens; `cached` is the part of the prompt read from a cache.
        besides: part of `cost` without an answer: rejected replies and questions.
        failed: number of failed attempts.
        unpriced: attempts with usage but unknown cost, which no sum includes.
        parts: the same, broken down further.
    """

    name: str
    cost: float
    calls: int
    attempts: int
    prompt: int
    cached: int
    output: int
    besides: float
    failed: int
    unpriced: int
    parts: tuple[Spend, ...] = ()

    @property
    def hit_rate(self) -> float | None:
        """Cached share of the prompt tokens; None without prompts."""
        return self.cached / self.prompt if self.prompt else None


def spend(name: str, records: Sequence[Record], path: Sequence[str] = ()) -> Spend:
    """The sum of some records, broken down along a path of dimensions.

    Parameters:
        name: what they are.
        records: at least one.
        path: dimensions, the outermost first.
    """
    counted = [record for record in records if record.input_tokens is not None]
    return Spend(
        name=name,
        cost=fsum(record.cost or 0.0 for record in records),
        calls=sum(answered(record) for record in records),
        attempts=len(records),
        prompt=sum(record.input_tokens or 0 for record in counted),
        cached=sum(record.cache_read_tokens or 0 for record in counted),
        output=sum(record.output_tokens or 0 for record in counted),
        besides=fsum(record.cost or 0.0 for record in records if besides(record)),
        failed=sum(record.result == "failed" for record in records),
        unpriced=sum(record.cost is None for record in counted),
        parts=broken_down(records, path[0], path[1:]) if path else (),
    )


def broken_down(records: Iterable[Record], dimension: str, path: Sequence[str] = ()) -> tuple[Spend, ...]:
    """One row for each value of a dimension, dearest first.

    Parameters:
        records: what is summed.
        dimension: `session`, `agent`, `task`, `phase`, `target`, `account`, `user`, `team`, `tenant` or the name of a label.
        path: how each row is broken down further.
    """
    read = _reader(dimension)
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(read(record) or NONE, []).append(record)
    return tuple(sorted((spend(name, own, path) for name, own in groups.items()), key=lambda row: (-row.cost, row.name)))


@dataclass(frozen=True, slots=True)
class Slice:
    """What was spent in a stretch of time.

    Parameters:
        start, end: seconds since the epoch.
        by: target -> USD.
    """

    start: float
    end: float
    by: Mapping[str, float]


def over_time(records: Sequence[Record], most: int = 48) -> tuple[Slice, ...]:
    """The spend in slices of equal length: a minute, ten, an hour, six hours, a day or a week, so that there are at most `most`.

    Parameters:
        records: at least one.
        most: slices.
    """
    first, last = min(record.time for record in records), max(record.time for record in records)
    length = next((width for width in _WIDTHS if (last - first) / width < most - 1), (last - first) / (most - 2))
    begin = first // length * length
    found: list[dict[str, float]] = [{} for _ in range(int((last - begin) // length) + 1)]
    for record in records:
        own = found[int((record.time - begin) // length)]
        own[record.target] = own.get(record.target, 0.0) + (record.cost or 0.0)
    return tuple([Slice(begin + place * length, begin + (place + 1) * length, by) for place, by in enumerate(found)])


def dimensions(records: Iterable[Record]) -> tuple[str, ...]:
    """The dimensions that these records can be summed along: the fixed ones, then `tenant` and the labels that are in use."""
    labels: Counter[str] = Counter()
    for record in records:
        labels.update(record.labels.keys())
        labels["tenant"] += bool(record.tenant)
    further = [name for name, count in labels.most_common() if count and name not in _FIXED]
    return (*_FIXED, *further[:_FURTHER])


def answered(record: Record) -> bool:
    """Whether a record is an answer that its caller got."""
    return record.purpose == "answer" and record.result == "accepted"


def besides(record: Record) -> bool:
    """Whether a record was paid for and is no answer: a rejected reply, an abandoned call, a question of a policy or verifier."""
    return not answered(record)


def _reader(dimension: str) -> Callable[[Record], str]:
    if dimension == "tenant":
        return lambda record: record.tenant or record.labels.get("tenant", "")
    return _FIXED.get(dimension) or (lambda record: record.labels.get(dimension, ""))
