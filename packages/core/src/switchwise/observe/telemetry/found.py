"""Use the application's telemetry automatically: see docs/guide/observability.md."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from switchwise.observe.observer import Observer

VARIABLE = "SWITCHWISE_TELEMETRY"
_PLACEHOLDERS = frozenset(["ProxyTracerProvider", "NoOpTracerProvider", "_ProxyMeterProvider", "NoOpMeterProvider"])
OFF = ("0", "false", "no", "off")


def found(given: Sequence[object]) -> list[Observer]:
    """Return observers for the application's telemetry: a configured OpenTelemetry SDK, and `prometheus_client` if it is imported.

    Nothing else is imported for it.

    Parameters:
        given: the router's own observers, which are not duplicated.
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
    """Return whether a tracer or meter provider is set, other than the API's placeholder."""
    for signal, get in (("trace", "get_tracer_provider"), ("metrics", "get_meter_provider")):
        api = sys.modules.get(f"opentelemetry.{signal}")
        if api is not None and type(getattr(api, get)()).__name__ not in _PLACEHOLDERS:
            return True
    return False
