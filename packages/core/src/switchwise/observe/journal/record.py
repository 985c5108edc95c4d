"""The journal record of an attempt: numbers, names and reasons; replies and error texts only on request; never prompts or keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from switchwise.nouns.call import Attempt
from switchwise.nouns.prompt_prefix import Change, PromptPrefix
from switchwise.nouns.shortlist import Note, Shortlist
from switchwise.nouns.target import Price, Target
from switchwise.observe.decision_record import reason_of

SCHEMA = 1
_RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "above")
_EMPTY = ("account", "tenant")  # omitted in files if empty
BY_PRICE = "Cheapest"  # policy name of opinions by price

# Field -> its name in files: that of the OpenTelemetry GenAI conventions if there is one.
NAMES = {
    "session": "gen_ai.conversation.id",
    "provider": "gen_ai.provider.name",
    "model": "gen_ai.request.model",
    "served_by": "gen_ai.response.model",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "first_chunk": "gen_ai.response.time_to_first_chunk",
    "failure": "error.type",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One attempt.

    Parameters:
        time: start, in seconds since the epoch.
        decision: decision id, shared by the attempts of one step and used for feedback.
        attempt: its number within the step, from 1.
        purpose: `answer`, or `ask` for a call of a verifier or policy.
        session, agent, task, step, labels: the scope.
        target, provider, model, served_by: the called target, and the model named in the answer.
        level, policy, because: the deciding preference.
        shortlist: names of the candidates, best first.
        notes: every opinion that counted: policy, level, because, out, lead; `wants` if an earlier opinion overrules this one's own
            order.
        result: `accepted`, `rejected`, `failed` or `abandoned`.
        failure: the kind of failure, if it failed.
        estimated_tokens: length of the prompt as estimated before the call.
        input_tokens ... reasoning_tokens: usage; None: unknown. Cache writes of all lifetimes are summed.
        cost: USD; None: unknown.
        deciding: duration of the decision in seconds.
        latency, first_chunk: seconds to the end and to the first chunk.
        reply, error: texts, only if the sink keeps them.
        cache_write_1h_tokens: part of the cache writes with the long lifetime.
        phase, kind: `Signals.phase` and `.step` of the call; None: unknown.
        change: how the conversation changed since its last call (`Change`); None: not tracked.
        kept_tokens: estimated leading tokens of the prompt that the change kept; None: it only grew.
        free: names of the targets tied before the price decided; empty: another opinion decided.
        pool: name -> provider, model and list price of each target, strongest first.
        account: billed account (`Target.account`), never the key. Empty: unknown.
        tenant: tenant of the call; empty without tenants.
        cache: `exact` or `semantic` if the answer came from the response cache without a call; else None.

    Records of older files lack the fields from `phase` on; they are read as None or empty.
    """

    time: float
    decision: str
    attempt: int
    purpose: str
    session: str
    agent: str
    task: str
    step: int
    labels: Mapping[str, str]
    target: str
    provider: str
    model: str
    served_by: str
    level: str
    policy: str
    because: str
    shortlist: tuple[str, ...]
    notes: tuple[Mapping[str, Any], ...]
    result: str
    failure: str | None
    estimated_tokens: int
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost: float | None
    deciding: float
    latency: float
    first_chunk: float | None
    reply: str | None = None
    error: str | None = None
    cache_write_1h_tokens: int | None = None
    phase: str | None = None
    kind: str | None = None
    change: str | None = None
    kept_tokens: int | None = None
    free: tuple[str, ...] | None = None
    pool: Mapping[str, Mapping[str, Any]] | None = None
    account: str = ""
    tenant: str = ""
    cache: str | None = None

    @classmethod
    def of(cls, attempt: Attempt, texts: bool = False) -> Record:
        """Return the record of `attempt`; with `texts`, including the texts of the reply and of the provider's error."""
        call, reply, usage = attempt.call, attempt.reply, attempt.reply.usage if attempt.reply else None
        view, target, reason = call.view, attempt.target, reason_of(call)
        written = [usage.cache_write_tokens, usage.cache_write_1h_tokens] if usage else []
        known = [tokens for tokens in written if tokens is not None]
        return cls(
            time=attempt.started,
            decision=reason["decision"],
            attempt=len(view.attempts) + 1,
            purpose="answer" if call.ask is None else "ask",
            session=view.scope.session,
            agent=view.scope.agent,
            task=view.scope.task,
            step=view.scope.step,
            labels=dict(view.scope.labels),
            target=reason["target"],
            provider=target.provider,
            model=target.model,
            served_by=reply.model if reply else "",
            level=reason["level"],
            policy=reason["policy"],
            because=reason["because"],
            shortlist=call.shortlist.names,
            notes=tuple([_opinion(note) for note in call.shortlist.notes]),
            result=result_of(attempt),
            failure=attempt.kind.value if attempt.kind else None,
            estimated_tokens=view.tokens,
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            cache_read_tokens=usage.cache_read_tokens if usage else None,
            cache_write_tokens=sum(known) if known else None,
            reasoning_tokens=usage.reasoning_tokens if usage else None,
            cost=attempt.cost,
            deciding=call.deciding,
            latency=attempt.latency,
            first_chunk=reply.first_chunk if reply else None,
            reply=reply.text if texts and reply else None,
            error=str(attempt.error.own) if texts and attempt.error else None,
            cache_write_1h_tokens=usage.cache_write_1h_tokens if usage else None,
            phase=view.signals.phase.value if view.signals.phase else None,
            kind=view.signals.step.value if view.signals.step else None,
            change=view.prefix.change.value if view.prefix is not None and view.prefix.change else None,
            kept_tokens=_kept(view.prefix) if view.prefix is not None else None,
            free=_free(call.shortlist),
            pool={target.name: _listed(target) for target in call.shortlist.pool.targets},
            account=target.account,
            tenant=view.scope.tenant,
            cache=call.stored.kind if call.stored is not None else None,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON types under its names in files; unknown fields are omitted."""
        found: dict[str, Any] = {"switchwise.schema": SCHEMA}
        for name in _FIELDS:
            value = getattr(self, name)
            if value is not None and not (name in _EMPTY and not value):
                found[NAMES.get(name, f"switchwise.{name}")] = value
        return found

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Record:
        """Restore a result of `as_dict`.

        Raises:
            ValueError: the schema version differs, or a field is missing or has a wrong type (pydantic's error names it).
        """
        if row.get("switchwise.schema") != SCHEMA:
            raise ValueError(f"switchwise.schema is {row.get('switchwise.schema')!r}; this version reads {SCHEMA}")
        values = {name: row.get(NAMES.get(name, f"switchwise.{name}")) for name in _FIELDS}
        for name in _EMPTY:
            values[name] = values[name] or ""
        return _reader()(values)


def _opinion(note: Note) -> dict[str, Any]:
    found = {
        "policy": note.policy,
        "level": note.level.name.lower(),
        "because": note.because,
        "out": list(note.out),
        "lead": list(note.lead),
    }
    if note.wants and note.wants != note.lead:
        found["wants"] = list(note.wants)
    return found


def _kept(prefix: PromptPrefix) -> int | None:
    return None if prefix.change in (None, Change.FIRST, Change.APPEND) else prefix.kept


def _free(shortlist: Shortlist) -> tuple[str, ...]:
    """Targets tied for first before the first opinion by price."""
    lead = tuple([target.name for target in shortlist.pool.targets])
    for note in shortlist.notes:
        if note.policy == BY_PRICE:
            return lead if len(lead) > 1 else ()
        lead = note.lead or lead
    return ()


def _listed(target: Target) -> dict[str, Any]:
    return {"provider": target.provider, "model": target.model, "price": _rates(target.price)}


def _rates(price: Price | None) -> dict[str, Any] | None:
    """The listed rates of a price, without those of other hours, since the price itself is the highest."""
    if price is None:
        return None
    rates: dict[str, Any] = {name: rate for name in _RATES if (rate := getattr(price, name)) is not None}
    if price.per_month:
        rates["per_month"] = price.per_month
    if price.long is not None:
        rates["long"] = _rates(price.long)
    return rates


_FIELDS = tuple(field.name for field in fields(Record))


@cache
def _reader() -> Callable[[Mapping[str, Any]], Record]:
    from pydantic import TypeAdapter

    return TypeAdapter(Record).validate_python


def result_of(attempt: Attempt) -> str:
    """`accepted`, `rejected`, `failed` or `abandoned`."""
    if attempt.abandoned:
        return "abandoned"
    if attempt.reply is None:
        return "failed"
    return "accepted" if attempt.accepted else "rejected"
