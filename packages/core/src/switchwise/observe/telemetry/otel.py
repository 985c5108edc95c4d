"""Spans and metrics for OpenTelemetry. Needs `switchwise[otel]`, and an SDK that the application configures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from switchwise.nouns.call import Attempt, Call
from switchwise.nouns.errors import ConfigurationError
from switchwise.observe.journal.record import NAMES
from switchwise.observe.observer import Event, Finished, Observer
from switchwise.observe.telemetry.metrics import DURATION, FIRST_TOKEN, METRICS, TOKENS, Labels, Metric, Metrics
from switchwise.observe.telemetry.spans import PROVIDERS, Spans

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter as OTelMeter
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

TOKEN_BUCKETS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_CONVENTIONS = {
    DURATION.name: "gen_ai.client.operation.duration",
    FIRST_TOKEN.name: "gen_ai.client.operation.time_to_first_chunk",
}
"""Metrics with a name in the GenAI conventions."""
_USAGE = "gen_ai.client.token.usage"
_LABELS = {"provider": NAMES["provider"], "model": NAMES["model"], "kind": NAMES["failure"]}


def name_of(metric: Metric) -> str:
    """The OpenTelemetry name of a metric."""
    return _CONVENTIONS.get(metric.name, f"switchwise.{metric.name}")


class OpenTelemetry(Observer):
    """Spans and metrics of a router, by the GenAI conventions; see docs/guide/observability.md.

    Parameters:
        tracer_provider, meter_provider: None: the global ones.
        texts: put prompts and answers into spans. They may contain secrets, visible to all readers of the traces.

    Raises:
        ConfigurationError: `opentelemetry-api` is not installed.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        texts: bool = False,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            raise ConfigurationError("OpenTelemetry() needs opentelemetry-api: pip install 'switchwise[otel]'") from error
        tracer = trace.get_tracer("switchwise", _version(), tracer_provider)
        meter = metrics.get_meter("switchwise", _version(), meter_provider)
        self._parts: tuple[Observer, ...] = (Spans(tracer, texts), Metrics(_Meter(meter)))

    def decided(self, call: Call) -> None:
        """Update spans and metrics."""
        for part in self._parts:
            part.decided(call)

    def started(self, call: Call) -> None:
        """Update spans and metrics."""
        for part in self._parts:
            part.started(call)

    def settled(self, attempt: Attempt) -> None:
        """Update spans and metrics."""
        for part in self._parts:
            part.settled(attempt)

    def finished(self, finished: Finished) -> None:
        """Update spans and metrics."""
        for part in self._parts:
            part.finished(finished)

    def event(self, event: Event) -> None:
        """Update spans and metrics."""
        for part in self._parts:
            part.event(event)


class _Meter:
    def __init__(self, meter: OTelMeter) -> None:
        self._known: dict[str, Callable[..., None]] = {}
        for metric in METRICS:
            name, unit = name_of(metric), {"USD": "{USD}"}.get(metric.unit, metric.unit)
            if metric.kind == "counter":
                self._known[metric.name] = meter.create_counter(name, unit, metric.about).add
            elif metric.kind == "gauge":
                self._known[metric.name] = meter.create_gauge(name, unit, metric.about).set
            else:
                boundaries = {"explicit_bucket_boundaries_advisory": metric.buckets}
                self._known[metric.name] = meter.create_histogram(name, unit, metric.about, **boundaries).record
        about, boundaries = "Tokens of a call.", {"explicit_bucket_boundaries_advisory": TOKEN_BUCKETS}
        self._usage = meter.create_histogram(_USAGE, "{token}", about, **boundaries).record

    def put(self, metric: Metric, value: float, labels: Labels) -> None:
        """Add to a counter, record in a histogram, or set a gauge."""
        attributes = {_LABELS.get(name, f"switchwise.{name}"): label for name, label in labels.items()}
        if "provider" in labels:
            attributes["gen_ai.operation.name"] = "chat"
            attributes[NAMES["provider"]] = PROVIDERS.get(labels["provider"], labels["provider"])
        self._known[metric.name](value, attributes)
        if metric is TOKENS and (kind := labels["type"]) in ("input", "output"):
            del attributes["switchwise.type"]
            self._usage(value, {**attributes, "gen_ai.token.type": kind})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return version("switchwise")
    except PackageNotFoundError:  # a checkout on the path
        return ""
