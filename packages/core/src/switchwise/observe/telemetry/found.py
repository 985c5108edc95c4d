"""Telemetry that the application uses already is used without a word: see docs/guide/observability.md."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from switchwise.observe.observer import Observer

VARIABLE = "SWITCHWISE_TELEMETRY"
_PLACEHOLDERS = frozenset(["ProxyTracerProvider", "NoOpTracerProvider", "_ProxyMeterProvider", "NoOpMeterProvider"])
OFF = ("0", "false", "no", "off")


def found(given: Sequence[object]) -> list[Observer]:
    """What the application has configured: an SDK of OpenTelemetry that was set, `prometheus_client` if it was imported.

    Nothing is imported for it: what the application does not use stays out of the process.

    Parameters:
        given: the router's own observers; what is among them is not made a second time.
    """
    if os.environ.get(VARIABLE, "").lower() in OFF:
        return []
    made: list[Observer] = []
    if _configured():
        from switchwise.observe.telemetry.otel import OpenTelemetry

        if not any(isinstance(each, OpenTelemetry) for each in given):
            made.append(OpenTelemetry())
    if "prometheus_client" in sys.modules:
        from switchwise.observe.telemetry.prometheus import Prometheus

        if not any(isinstance(each, Prometheus) for each in given):
            made.append(Prometheus())
    return made


def _configured() -> bool:
    """Whether there is a provider of traces or of metrics, and not only the placeholder of the API."""
    for signal, get in (("trace", "get_tracer_provider"), ("metrics", "get_meter_provider")):
        api = sys.modules.get(f"opentelemetry.{signal}")
        if api is not None and type(getattr(api, get)()).__name__ not in _PLACEHOLDERS:
            return True
    return False
