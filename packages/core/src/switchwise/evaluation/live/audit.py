"""Audit a journal: spending by agent and phase, and possible savings.

A group is an agent in a phase. For each group it finds the cheapest target of the pool that is expected to do as well (within a margin).
Whole groups move, and so do their caches: every call is billed again with the same uncached, read and written tokens. If the estimator
has dollars of whole tasks and their ratio is worse than that bill, it is used: a cheap model may need more steps. Equal quality is an
estimate, with its evidence; try it with `Canary`.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switchwise.display.figures import percent, usd
from switchwise.display.tables import card, table
from switchwise.evaluation.journals import price_of
from switchwise.evaluation.live.saving import Saving
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.scope import Scope
from switchwise.nouns.signals import Phase, Signals, StepKind
from switchwise.nouns.target import Price, Target
from switchwise.nouns.usage import Usage
from switchwise.nouns.validation import number, whole
from switchwise.nouns.view import Needs, View
from switchwise.observe.journal.record import Record
from switchwise.quality.estimate import Estimate, Estimator, estimate
from switchwise.quality.priors import Priors


@dataclass(frozen=True, slots=True)
class Group:
    """Spending of one agent in one phase.

    Parameters:
        agent, phase: agent and phase.
        calls, sessions: number of calls and sessions.
        paid: USD.
        target: target of most of the calls.
        p: its probability of solving such a call; None: unknown.
        could: cheapest target expected to do as well; empty: none is cheaper.
        could_p: its probability.
        source: origin of the probabilities.
        saving: possible saving in USD.
    """

    agent: str
    phase: str
    calls: int
    sessions: int
    paid: float
    target: str
    p: float | None
    could: str
    could_p: float | None
    source: str
    saving: Saving


@dataclass(frozen=True, slots=True, repr=False)
class Audit:
    """Result of an audit.

    Parameters:
        paid: total USD. checks: USD of that for questions of policies and verifiers, and for rejected replies.
        failed: number of failed calls.
        unpriced: calls of unknown cost, which no sum includes.
        switches: calls at another target than the previous one of the thread; retries do not count.
        unsafe: switches inside a tool loop, where the new model inherits another model's tool calls.
        deciding: median duration of a decision in seconds.
        groups: most expensive first.
        saving: USD over all groups.
        within: tolerated loss of success probability.
    """

    paid: float
    checks: float
    failed: int
    unpriced: int
    switches: int
    unsafe: int
    deciding: float
    groups: Sequence[Group]
    saving: Saving
    within: float = 0.02

    @property
    def headline(self) -> str:
        """What could have been saved, in one sentence."""
        if not any(group.could for group in self.groups):
            return f"nothing could have gone to a cheaper target that is known to be at most {self.within * 100:.0f} points less likely to solve it"
        return f"{self.saving} could have been saved, by the estimates below"

    def as_dict(self) -> dict[str, Any]:
        """In JSON types."""
        from dataclasses import asdict

        return asdict(self)

    def __repr__(self) -> str:
        return f"Audit({usd(self.paid)} paid; {self.headline})"

    def _repr_html_(self) -> str:
        rows = [
            [
                group.agent,
                group.phase or "-",
                f"{group.calls:,}",
                usd(group.paid),
                f"{group.target} {percent(group.p) if group.p is not None else ''}",
                f"{group.could} {percent(group.could_p)}" if group.could else "-",
                str(group.saving) if group.could else "",
                group.source,
            ]
            for group in self.groups
        ]
        headings = ("agent", "phase", "calls", "paid", "mostly", "could go to", "saving [95 %]", "because")
        title = f"{usd(self.paid)} paid; {self.headline}"
        return card(title, table(headings, rows, numbers=(2, 3)))

    def __str__(self) -> str:
        lines = [
            f"{usd(self.paid)} paid; {self.headline}",
            f"{usd(self.checks)} of it went to checks and rejected replies; {self.failed} calls failed, {self.unpriced} have no known cost",
            f"{self.switches} switches of the target, {self.unsafe} of them inside a tool loop; a decision took {self.deciding * 1e6:.0f} us",
            f"{'agent':16} {'phase':14} {'calls':>6} {'paid':>10} {'share':>5}  {'mostly':20} {'could go to':20} {'saving [95 %]'}",
        ]
        for group in self.groups:
            share = group.paid / self.paid if self.paid else 0.0
            chance = f" {group.p:.0%}" if group.p is not None else ""
            other = f"{group.could} {group.could_p:.0%}" if group.could and group.could_p is not None else "-"
            lines.append(
                f"{group.agent:16} {group.phase or '-':14} {group.calls:>6} {usd(group.paid):>10} {share:>5.0%}  "
                f"{group.target + chance:20} {other:20} {group.saving if group.could else ''}".rstrip()
            )
            if group.could:
                lines.append(f"{'':16} known from: {group.source}")
        lines += [
            "mostly: the target of most calls, and how likely it is to solve such a call",
            f"could go to: the cheapest target that is at most {self.within * 100:.0f} points less likely; these are estimates, so try a move with Canary",
            "saving: the same tokens with the same caches there, with an interval over sessions",
        ]
        return "\n".join(lines)


def audit(
    records: Iterable[Record],
    quality: Estimator | None = None,
    *,
    within: float = 0.02,
    least: float = 2.0,
    samples: int = 400,
    seed: int = 0,
) -> Audit:
    """Return the spending of a journal by group, with possible savings.

    Parameters:
        records: records of `JsonLines` or `InMemory`.
        quality: an estimator; None: the shipped priors.
        within: tolerated loss of success probability.
        least: evidence, in outcomes, that a target needs before it is proposed for an agent's work (calls with tools); a model without published
            results has 1, as in `Anchor`.
        samples: resamples of the bootstrap over sessions.
        seed: seed of the resamples.

    Raises:
        ConfigurationError: no record has a cost.
    """
    number("audit", "within", within, most=1)
    number("audit", "least", least)
    whole("audit", "samples", samples, least=0)
    quality = Priors() if quality is None else quality
    rows = list(records)
    priced = [record for record in rows if record.cost is not None]
    if not priced:
        raise ConfigurationError("the journal has no call with a known cost: nothing can be audited")
    answers = [record for record in priced if record.purpose == "answer" and record.result == "accepted"]
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in answers:
        groups[record.agent, record.phase or ""].append(record)
    found: list[Group] = []
    savings: dict[str, float] = defaultdict(float)
    for (agent, phase), own in groups.items():
        group, saved = _group(agent, phase, own, quality, (within, least), samples, seed)
        found.append(group)
        for session, value in saved.items():
            savings[session] += value
    found.sort(key=lambda group: -group.paid)
    return Audit(
        paid=sum(record.cost or 0.0 for record in priced),
        checks=sum(record.cost or 0.0 for record in priced if record.purpose == "ask" or record.result == "rejected"),
        failed=sum(record.result == "failed" for record in rows),
        unpriced=sum(record.cost is None and record.input_tokens is not None for record in rows),
        switches=sum(switched for switched, _ in _switches(rows)),
        unsafe=sum(switched and unsafe for switched, unsafe in _switches(rows)),
        deciding=statistics.median([record.deciding for record in rows]),
        groups=found,
        saving=_over(savings, {record.session for record in answers}, samples, seed),
        within=within,
    )


def _group(
    agent: str, phase: str, records: Sequence[Record], quality: Estimator, limits: tuple[float, float], samples: int, seed: int
) -> tuple[Group, Mapping[str, float]]:
    (within, least), paid = limits, sum(record.cost or 0.0 for record in records)
    counts: dict[str, int] = defaultdict(int)
    for record in records:
        counts[record.target] += 1
    target = max(counts, key=counts.__getitem__)
    pool = _pool(records)
    view = View(
        Scope(agent=agent),
        needs=Needs(tools=any(record.kind in (StepKind.TOOL_RESULT, StepKind.FAILURE) for record in records)),
        signals=Signals(phase=Phase(phase) if phase else None),
    )
    known = dict(zip([each.name for each in pool], estimate(quality, view, pool), strict=True))
    now = known.get(target)
    sessions = {record.session for record in records}
    best, bill = None, None
    if now is not None and now.n:
        for other in pool:
            could = known[other.name]
            if (
                other.name == target
                or not could.n
                or could.n < (least if view.needs.tools else 0.0)
                or could.p < now.p - within
                or other.price is None
            ):
                continue
            again = _billed(records, other.price, now, could)
            if again is not None and sum(again.values()) < (sum(bill.values()) if bill is not None else paid):
                best, bill = other, again
    saved: dict[str, float] = defaultdict(float)
    if best is not None and bill is not None:
        for record in records:
            saved[record.session] += record.cost or 0.0
        for session, cost in bill.items():
            saved[session] -= cost
    chosen = known[best.name] if best is not None else None
    return (
        Group(
            agent,
            phase,
            len(records),
            len(sessions),
            paid,
            target,
            now.p if now is not None and now.n else None,
            best.name if best is not None else "",
            chosen.p if chosen is not None else None,
            chosen.source if chosen is not None else "",
            _over(saved, sessions, samples, seed),
        ),
        saved,
    )


def _switches(records: Sequence[Record]) -> list[tuple[bool, bool]]:
    """For each accepted answer: its target is another one than that of the answer before it; it follows a tool's result."""
    last: dict[tuple[str, str], str] = {}
    found = []
    for record in sorted(records, key=lambda record: record.time):
        if record.purpose == "answer" and record.result == "accepted":
            before = last.get((record.session, record.agent))
            found.append(
                (before is not None and before != record.target, record.kind in (StepKind.TOOL_RESULT, StepKind.FAILURE))
            )
            last[record.session, record.agent] = record.target
    return found


def _pool(records: Sequence[Record]) -> list[Target]:
    entries = next((record.pool for record in reversed(records) if record.pool), None) or {}
    return [Target(name, each["provider"], each["model"], price_of(each["price"])) for name, each in entries.items()]


def _billed(records: Sequence[Record], price: Price, now: Estimate, could: Estimate) -> Mapping[str, float] | None:
    """Session -> USD of the same tokens at another price; more where whole tasks are known to cost more than that; None: tokens are not known."""
    bill: dict[str, float] = defaultdict(float)
    for record in records:
        if record.input_tokens is None or record.output_tokens is None:
            return None
        long = record.cache_write_1h_tokens or 0
        usage = Usage(
            record.input_tokens,
            record.output_tokens,
            cache_read_tokens=record.cache_read_tokens or 0,
            cache_write_tokens=max((record.cache_write_tokens or 0) - long, 0),
            cache_write_1h_tokens=long,
        )
        bill[record.session] += price.at(record.time).cost(usage)
    if now.dollars and could.dollars is not None:
        paid = sum(record.cost or 0.0 for record in records)
        factor = max(1.0, could.dollars / now.dollars * paid / max(sum(bill.values()), 1e-12))
        return {session: cost * factor for session, cost in bill.items()}
    return bill


def _over(savings: Mapping[str, float], sessions: Iterable[str], samples: int, seed: int) -> Saving:
    return Saving.over([savings.get(session, 0.0) for session in sorted(sessions)], samples, seed)
