"""Metrics for all exporters: a table of metrics, and the observer that records them.

Labels have few values, as time series databases need: no session, no text. The reason of a decision is its level and policy; the words
are in the journal and in spans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.target import Target
from switchwise.nouns.usage import Usage
from switchwise.observe.decision_record import outcome_of, reason_of
from switchwise.observe.journal.record import result_of
from switchwise.observe.observer import Event, EventKind, Finished, Observer

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Buckets of durations of calls, from the OpenTelemetry GenAI conventions."""
MOMENTS = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 0.1, 1.0)
"""Buckets of durations of decisions."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Parameters:
        name: dotted name; exporters prefix `switchwise`.
        kind: `counter` (a sum that grows), `histogram` or `gauge` (the last value).
        labels: names of its labels.
        about: description.
        unit: `s` or `USD`; empty: a number.
        buckets: upper bounds of a histogram.
    """

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    labels: tuple[str, ...]
    about: str
    unit: str = ""
    buckets: tuple[float, ...] = ()


_WHO = ("target", "provider", "model")
REQUESTS = Metric("requests", "counter", (*_WHO, "purpose", "result"), "Calls to targets, those of policies and verifiers too.")
FAILURES = Metric("failures", "counter", (*_WHO, "kind"), "Calls that failed, by kind of failure.")
DURATION = Metric("request.duration", "histogram", (*_WHO, "result"), "Time of a call, to its end.", "s", SECONDS)
FIRST_TOKEN = Metric("first_token", "histogram", _WHO, "Time of a streamed call to its first chunk.", "s", SECONDS)
TOKENS = Metric(
    "tokens", "counter", (*_WHO, "type"), "Tokens: input (cache_read and cache_write within), output (reasoning within)."
)
COST = Metric("cost", "counter", (*_WHO, "purpose"), "What calls cost.", "USD")
DECISIONS = Metric("decisions", "counter", ("target", "level", "policy"), "Decisions, by what settled them.")
DECIDING = Metric("decision.duration", "histogram", (), "Time of a decision.", "s", MOMENTS)
FALLBACKS = Metric("fallbacks", "counter", ("source", "target", "kind"), "Further attempts of a step: after whom, and why.")
STEPS = Metric("steps", "counter", ("result",), "Steps: one request of the caller, whatever it took.")
STEP_DURATION = Metric("step.duration", "histogram", ("result",), "Time of a step, to its end.", "s", SECONDS)
EVENTS = Metric("events", "counter", ("kind",), "Events: circuits, budgets, escalations, gates, feedback.")
CIRCUIT = Metric("circuit.open", "gauge", ("circuit",), "1 while a circuit is open or half-open, 0 once it has closed.")
BUDGET_LEFT = Metric(
    "budget.left", "gauge", ("budget", "limit"), "What is left of a budget: USD or tokens; see docs/guide/observability.md."
)

METRICS = (
    REQUESTS,
    FAILURES,
    DURATION,
    FIRST_TOKEN,
    TOKENS,
    COST,
    DECISIONS,
    DECIDING,
    FALLBACKS,
    STEPS,
    STEP_DURATION,
    EVENTS,
    CIRCUIT,
    BUDGET_LEFT,
)


class Meter(Protocol):
    """Receiver of measurements."""

    def put(self, metric: Metric, value: float, labels: Labels) -> None:
        """Add to a counter, record in a histogram, or set a gauge."""


class Metrics(Observer):
    """Record the metrics of a router.

    Parameters:
        meter: receiver of the measurements.
    """

    def __init__(self, meter: Meter) -> None:
        self._put = meter.put

    def decided(self, call: Call) -> None:
        """Count the decision, and the fallback if it is one."""
        why, tried = reason_of(call), call.view.attempts
        self._put(DECISIONS, 1, {"target": call.target.name, "level": why["level"], "policy": why["policy"]})
        self._put(DECIDING, call.deciding, {})
        if tried:
            last = tried[-1]
            self._put(FALLBACKS, 1, {"source": last.target.name, "target": call.target.name, "kind": outcome_of(last)})

    def settled(self, attempt: Attempt) -> None:
        """Count the call, its tokens and cost, and time it."""
        put, who, reply = self._put, who_of(attempt.target), attempt.reply
        kind, result = attempt.kind, result_of(attempt)
        purpose = "answer" if attempt.call.ask is None else "ask"
        put(REQUESTS, 1, {**who, "purpose": purpose, "result": result})
        put(DURATION, attempt.latency, {**who, "result": result})
        if kind is not None:
            put(FAILURES, 1, {**who, "kind": kind.value})
        if attempt.cost is not None:
            put(COST, attempt.cost, {**who, "purpose": purpose})
        if reply is not None:
            if reply.first_chunk is not None:
                put(FIRST_TOKEN, reply.first_chunk, who)
            for name, count in tokens_of(reply.usage):
                put(TOKENS, count, {**who, "type": name})

    def finished(self, finished: Finished) -> None:
        """Count the step, and time it."""
        labels = {"result": finished.result}
        self._put(STEPS, 1, labels)
        self._put(STEP_DURATION, finished.seconds, labels)

    def event(self, event: Event) -> None:
        """Count the event; set the gauge of its circuit or budget."""
        if event.kind is EventKind.BUDGET_CHARGED:  # one for each call: a value, not news
            for limit, left in event.details["left"].items():
                self._put(BUDGET_LEFT, left, {"budget": event.name, "limit": limit})
            return
        self._put(EVENTS, 1, {"kind": event.kind.value})
        if event.kind in (EventKind.CIRCUIT_OPENED, EventKind.CIRCUIT_CLOSED):
            self._put(CIRCUIT, float(event.kind is EventKind.CIRCUIT_OPENED), {"circuit": event.name})


def who_of(target: Target) -> dict[str, str]:
    """The labels of a target."""
    return {"target": target.name, "provider": target.provider, "model": target.model}


def tokens_of(usage: Usage | None) -> list[tuple[str, int]]:
    """Known nonzero counts of a usage, by type."""
    if usage is None:
        return []
    written = (usage.cache_write_tokens or 0) + (usage.cache_write_1h_tokens or 0)
    counts = (
        ("input", usage.input_tokens),
        ("output", usage.output_tokens),
        ("cache_read", usage.cache_read_tokens),
        ("cache_write", written),
        ("reasoning", usage.reasoning_tokens),
    )
    return [(name, count) for name, count in counts if count]
