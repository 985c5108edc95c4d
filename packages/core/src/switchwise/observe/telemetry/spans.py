"""Spans by the OpenTelemetry GenAI conventions: one per step, `route`, with one child per call, `chat MODEL`.

Rules:
1. The step's span is a child of the current span at the start of the step, such as an agent's or a request's.
2. Our spans are never made current: the reader of a stream runs between our steps, and would see them.
3. No text of a prompt or an answer is in a span, unless `texts` asks for it.
4. Attributes use the names of the conventions (`NAMES`); others begin with `switchwise.`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.view import View
from switchwise.observe.decision_record import outcome_of, reason_of, record_of
from switchwise.observe.journal.record import NAMES, result_of
from switchwise.observe.observer import Event, EventKind, Finished, Observer
from switchwise.observe.telemetry.metrics import tokens_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""The conventions' names of providers, if they differ from ours."""
_TOKENS = {
    "input": NAMES["input_tokens"],
    "output": NAMES["output_tokens"],
    "cache_read": NAMES["cache_read_tokens"],
    "cache_write": NAMES["cache_write_tokens"],
    "reasoning": NAMES["reasoning_tokens"],
}


class _Step:
    """The spans of a step that has begun."""

    __slots__ = ("calls", "context", "span")

    def __init__(self, span: Span, context: Any) -> None:
        self.span, self.context = span, context
        self.calls: dict[
            int, tuple[Call, Span, int]
        ] = {}  # with its start; the call is kept alive, so that its id stays unique


class Spans(Observer):
    """Create the spans of a router.

    Parameters:
        tracer: an OpenTelemetry tracer.
        texts: put prompts and answers into the spans of calls.
    """

    def __init__(self, tracer: Tracer, texts: bool = False) -> None:
        from opentelemetry import trace

        self._trace, self._tracer, self._texts = trace, tracer, texts
        self._steps: dict[str, _Step] = {}

    def decided(self, call: Call) -> None:
        """Start the step's span at its first decision; later ones are events of it."""
        step = self._step(call.view, call.deciding)
        if call.view.attempts:
            last = call.view.attempts[-1]
            why = {**_reason(call), "switchwise.after": last.target.name, "switchwise.result": outcome_of(last)}
            step.span.add_event("switchwise.fallback", why)

    def started(self, call: Call) -> None:
        """Begin the call's span."""
        step, now = self._step(call.view), time.time_ns()
        target = call.target
        attributes = {
            "gen_ai.operation.name": "chat",
            NAMES["provider"]: PROVIDERS.get(target.provider, target.provider),
            NAMES["model"]: target.model or target.name,
            "switchwise.purpose": "answer" if call.ask is None else "ask",
            "switchwise.attempt": len(call.view.attempts) + 1,
            **_reason(call),
        }
        if (longest := call.view.needs.max_output) is not None:
            attributes["gen_ai.request.max_tokens"] = longest
        if self._texts and call.ask is None:
            attributes["gen_ai.input.messages"] = _messages([(turn.role, turn.text) for turn in call.view.conversation])
        span = self._tracer.start_span(
            f"chat {target.model or target.name}", step.context, self._trace.SpanKind.CLIENT, attributes, start_time=now
        )
        step.calls[id(call)] = call, span, now

    def settled(self, attempt: Attempt) -> None:
        """End the call's span."""
        step = self._steps.get(attempt.call.view.decision)
        if step is None or (begun := step.calls.pop(id(attempt.call), None)) is None:
            return
        _, span, started = begun
        span.set_attribute("switchwise.result", result_of(attempt))
        if attempt.cost is not None:
            span.set_attribute("switchwise.cost", attempt.cost)
        if attempt.error is not None:
            self._fail(span, attempt.error.kind.value)
        if (verdict := attempt.verdict) is not None:
            span.add_event(
                "switchwise.verdict", {"switchwise.accepted": verdict.accepted, "switchwise.because": verdict.because}
            )
        if (reply := attempt.reply) is not None:
            span.set_attributes({_TOKENS[name]: count for name, count in tokens_of(reply.usage)})
            span.set_attribute("gen_ai.response.finish_reasons", [reply.end.value])
            if reply.model:
                span.set_attribute(NAMES["served_by"], reply.model)
            if reply.first_chunk is not None:
                span.set_attribute(NAMES["first_chunk"], reply.first_chunk)
            if self._texts:
                span.set_attribute("gen_ai.output.messages", _messages([("assistant", reply.text)], reply.end.value))
        span.end(min(time.time_ns(), started + int(attempt.latency * 1e9)))  # the verdict arrives after the call

    def finished(self, finished: Finished) -> None:
        """End the step's span."""
        step = self._steps.pop(finished.decision, None)
        if step is None:  # it failed before the first decision
            step = self._begun(finished.view, finished.seconds)
        span, outcome = step.span, finished.outcome
        span.set_attribute("switchwise.result", finished.result)
        if outcome is not None:
            record = record_of(outcome)
            span.set_attributes(_flat({name: record[name] for name in ("target", "level", "policy", "because", "cost")}))
            span.set_attribute("switchwise.attempts", [f"{each['target']}: {each['result']}" for each in record["attempts"]])
        elif finished.error is not None:
            self._fail(span, type(finished.error).__name__)
        span.end()

    def event(self, event: Event) -> None:
        """Add an event to the span of its step, or to the current span."""
        if event.kind is EventKind.BUDGET_CHARGED:
            return
        step = self._steps.get(event.decision)
        span = step.span if step is not None else self._trace.get_current_span()
        what = {"name": event.name, "because": event.because, **event.details}
        span.add_event(f"switchwise.{event.kind.value}", _flat(what))

    def _step(self, view: View, deciding: float = 0.0) -> _Step:
        """The step of this view; started by a question of a policy, if that comes before the first decision."""
        step = self._steps.get(view.decision)
        if step is None:
            step = self._steps[view.decision] = self._begun(view, deciding)
        return step

    def _begun(self, view: View, before: float) -> _Step:
        scope = view.scope
        attributes: dict[str, Any] = {"switchwise.decision": view.decision, "switchwise.estimated_tokens": view.tokens}
        if scope.session:
            attributes[NAMES["session"]] = scope.session
        attributes["gen_ai.agent.name"] = scope.agent
        attributes |= _flat({"task": scope.task or None, "step": scope.step, "tenant": scope.tenant or None})
        span = self._tracer.start_span("route", attributes=attributes, start_time=time.time_ns() - int(before * 1e9))
        return _Step(span, self._trace.set_span_in_context(span))

    def _fail(self, span: Span, kind: str) -> None:
        span.set_attribute(NAMES["failure"], kind)
        span.set_status(self._trace.StatusCode.ERROR, kind)


def _reason(call: Call) -> dict[str, Any]:
    return _flat({name: value for name, value in reason_of(call).items() if name != "decision"})


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    """Convert to attributes: unknown values are omitted, values other than texts and numbers become JSON."""
    return {
        f"switchwise.{name}": value if isinstance(value, str | bool | int | float) else json.dumps(value, default=str)
        for name, value in found.items()
        if value is not None
    }


def _messages(turns: list[tuple[str, str]], end: str | None = None) -> str:
    rows = [{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in turns]
    return json.dumps([{**row, "finish_reason": end} for row in rows] if end else rows, ensure_ascii=False)
