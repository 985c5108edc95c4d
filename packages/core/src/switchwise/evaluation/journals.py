"""Read a router's journal as a recording: its bill, and its calls as threads to replay.

Source of each value, and assumptions for older files:

| replay needs | from |
|---|---|
| threads | session and agent; in the order of time |
| prompt, answer, cache | the usage. Calls without one (failed, abandoned, not reported) cannot be replayed; they are counted |
| the call itself | the last reply of a decision; replies that were rejected before it, and questions of policies, count as paid only |
| easy | `free`: all other opinions had left several targets equal, and the price decided. Older: the same, from the notes |
| | Where no decision was by price: every call that went to another target than the strongest |
| what the prompt kept | `change` and `kept_tokens`, and what a target read that was called lately. Older: a prompt below 0.7 of the |
| | one before was compacted |
| strongest first, prices | `pool`. Older: targets by name, the one that most hard calls went to first; prices by the name of the model |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchwise.evaluation.prices import listed
from switchwise.evaluation.sessions import BROKEN, COMPACTED, SURE, BilledTokens, Step, Thread, recording, rows
from switchwise.nouns.errors import ConfigurationError
from switchwise.nouns.signals import Phase, Signals, StepKind
from switchwise.nouns.target import Price, Target
from switchwise.observe.journal.files import files_of
from switchwise.observe.journal.record import BY_PRICE, Record
from switchwise.prompt_cache.rules import CacheRules


@dataclass(frozen=True, slots=True)
class Journal:
    """Content of a journal.

    Parameters:
        threads: its calls, for a replay.
        targets: strongest first; without a price if unknown.
        paid: total USD, as recorded.
        besides: USD of that for rejected replies and questions of policies.
        unpriced: calls with usage, but without a recorded cost.
        lost: calls without usage.
        by_price: easy calls are known from the decisions; False: inferred from their targets.
        rules: listed cache rules, with smaller minima if the journal shows cached shorter prompts.
    """

    threads: Sequence[Thread]
    targets: Sequence[Target]
    paid: float
    besides: float
    unpriced: int
    lost: int
    by_price: bool
    rules: CacheRules

    @property
    def calls(self) -> Mapping[str, int]:
        """Target -> calls that it answered."""
        return Counter(step.by for thread in self.threads for step in thread.steps)


def is_journal(path: str | Path) -> bool:
    """Whether a file is a journal (else it should be of the `agent_sessions` format), by its first line.

    Raises:
        ConfigurationError: it is neither; or it cannot be read, or is empty.
    """
    path = recording(Path(path))
    for number, row in rows(path):
        if "switchwise.schema" in row:
            return True
        if "session" in row and ("input_tokens" in row or "t" in row):
            return False
        raise ConfigurationError(
            f"{path}:{number}: neither a switchwise journal (it has no 'switchwise.schema') nor of the agent_sessions format "
            f"(no 'session', 't', 'input_tokens'); it has: {', '.join(list(row)[:8])}"
        )
    raise ConfigurationError(f"{path}: the recording holds no calls")


def read_journal(path: str | Path) -> Journal:
    """Read a journal of `JsonLines` or `SqliteJournal`.

    Raises:
        ConfigurationError: a line is no record, named with its number; or no record counts any tokens.
    """
    path = recording(Path(path))
    records = []
    for file in files_of(path):
        for number, row in rows(file):
            if "switchwise.feedback" in row:  # how a decision turned out: not an attempt
                continue
            try:
                records.append(Record.from_dict(row))
            except ValueError as error:
                raise ConfigurationError(f"{file}:{number}: no record of a journal: {error}") from None
    return journal(records)


def journal(records: Iterable[Record]) -> Journal:
    """Convert records, such as those of `InMemory`, to a recording.

    Raises:
        ConfigurationError: none of them counts any tokens.
    """
    records_by_time = sorted(records, key=lambda record: record.time)
    known = [record for record in records_by_time if record.input_tokens is not None and record.output_tokens is not None]
    answers: dict[tuple[str, str, str], Record] = {}
    for record in known:
        if record.purpose == "answer":
            answers[_asked(record)] = record
    if not answers:
        raise ConfigurationError("the journal has no call whose tokens were counted: nothing can be replayed")
    made = list(answers.values())
    by_price = any(_free(record) for record in made)
    targets = _targets(made)
    caching = {record.target for record in made if record.cache_read_tokens or record.cache_write_tokens}
    found: dict[tuple[str, str], list[Record]] = {}
    for record in made:
        found.setdefault((record.session, record.agent), []).append(record)
    return Journal(
        threads=[_thread(calls, by_price, targets[0].name, caching) for calls in found.values()],
        targets=targets,
        paid=sum(record.cost or 0.0 for record in records_by_time),
        besides=sum(record.cost or 0.0 for record in known if answers.get(_asked(record)) is not record),
        unpriced=sum(record.cost is None for record in known),
        lost=len(records_by_time) - len(known),
        by_price=by_price,
        rules=_cache_rules(known),
    )


def _cache_rules(records: Iterable[Record]) -> CacheRules:
    """The listed rules, but for minima that are too large by what was cached."""
    listed_rules, shortest = CacheRules(), dict[str, int]()
    for record in records:
        if record.input_tokens and (record.cache_read_tokens or record.cache_write_tokens):
            model = record.model or record.target
            name = f"{record.provider}/{model}"
            least = min(shortest.get(name, listed_rules.of(record.provider, model).minimum), record.input_tokens)
            if least < listed_rules.of(record.provider, model).minimum:
                shortest[name] = least
    return CacheRules({name: {"minimum": least} for name, least in shortest.items()}) if shortest else listed_rules


def _asked(record: Record) -> tuple[str, str, str]:
    """What one answer was for: seeded routers repeat the ids of their decisions."""
    return record.session, record.agent, record.decision


def _free(record: Record) -> tuple[str, ...]:
    if record.free is not None:
        return record.free
    lead: tuple[str, ...] = record.shortlist
    for note in record.notes:
        if note.get("policy") == BY_PRICE:
            return lead if len(lead) > 1 else ()
        lead = tuple(note.get("lead") or lead)
    return ()


def _targets(records: Sequence[Record]) -> list[Target]:
    pools = [record.pool for record in records if record.pool]
    if pools:
        newest = pools[-1]
        return [Target(name, entry["provider"], entry["model"], price_of(entry["price"])) for name, entry in newest.items()]
    hard = Counter(record.target for record in records if not _free(record)) or Counter(record.target for record in records)
    seen = {record.target: record for record in records}
    order = sorted(seen, key=lambda name: (-hard[name], name))
    return [Target(name, seen[name].provider, seen[name].model, _of(listed(seen[name].model or name))) for name in order]


def _of(found: tuple[str, Price] | None) -> Price | None:
    return None if found is None else found[1]


def price_of(rates: Mapping[str, Any] | None) -> Price | None:
    """The price that a record lists; None: it lists none."""
    if rates is None:
        return None
    return Price(**{name: rate for name, rate in rates.items() if name != "long"}, long=price_of(rates.get("long")))


def _thread(records: Sequence[Record], by_price: bool, strongest: str, caching: Collection[str]) -> Thread:
    bills = [_bill(record) for record in records]
    prompts = [record.input_tokens or 0 for record in records]
    ttl = 3600 if any(bill.write_1h for bill in bills) else 300
    used: dict[str, float] = {}
    steps: list[Step] = []
    for i, (record, bill, prompt) in enumerate(zip(records, bills, prompts, strict=True)):
        before = prompts[i - 1] if i else prompt
        compacted = i > 0 and (record.change == "compaction" if record.change else prompt < COMPACTED * before)
        warm = record.target in caching and record.time - used.get(record.target, float("-inf")) < SURE * ttl
        last = i > 0 and records[i - 1].target == record.target
        used[record.target] = record.time
        growth = prompts[i + 1] - prompt if i + 1 < len(records) else 0
        steps.append(
            Step(
                at=record.time,
                prompt=prompt,
                kept=_kept(record, before, prompt, compacted, warm, last) if i else prompt,
                output=bill.output,
                growth=growth if growth > 0 else bill.output,
                easy=bool(_free(record)) if by_price else record.target != strongest,
                turn=i == 0 or record.kind == StepKind.USER_TURN,
                compacted=compacted,
                bill=bill,
                signals=_signals(record, first=i == 0),
                by=record.target,
            )
        )
    first = records[0]
    agent = "" if first.agent == "main" else first.agent
    return Thread(first.session, agent, bills[0].read, ttl, tuple(steps), first.agent)


def _kept(record: Record, before: int, prompt: int, compacted: bool, warm: bool, last: bool) -> int:
    """How many tokens of the prompt before it this one begins with, as far as caches found them.

    Parameters:
        before, prompt: tokens of the two.
        compacted: the history was summarised in between.
        warm: its target was called so lately that what it read is what was left to be read.
        last: and it had made the call before, so that this holds where nothing is known to have changed, too.
    """
    kept, read = min(before, prompt), record.cache_read_tokens or 0
    broken = compacted
    if record.kept_tokens is not None and record.estimated_tokens:
        kept, broken = min(kept, round(record.kept_tokens * prompt / record.estimated_tokens)), True
    elif compacted:
        return min(kept, read)
    if warm and (broken or (last and read < BROKEN * before)):
        return min(kept, read)
    return kept


def _bill(record: Record) -> BilledTokens:
    prompt, read, long = record.input_tokens or 0, record.cache_read_tokens or 0, record.cache_write_1h_tokens or 0
    short = max(0, (record.cache_write_tokens or 0) - long)
    return BilledTokens(record.model, max(0, prompt - read - short - long), read, short, long, record.output_tokens or 0)


def _signals(record: Record, *, first: bool) -> Signals:
    phase = Phase(record.phase) if record.phase else None
    return Signals(phase, StepKind(record.kind) if record.kind else None, first, because="recorded")
