"""Traces and metrics: OpenTelemetry by the GenAI conventions, and Prometheus."""

from typing import TYPE_CHECKING

from switchwise.lazily import lazily

if TYPE_CHECKING:
    from switchwise.observe.telemetry.metrics import METRICS, Metric, Metrics
    from switchwise.observe.telemetry.otel import OpenTelemetry
    from switchwise.observe.telemetry.prometheus import Prometheus

__all__ = ["METRICS", "Metric", "Metrics", "OpenTelemetry", "Prometheus"]

if not TYPE_CHECKING:
    __getattr__ = lazily(__name__, __all__, METRICS="metrics", Metric="metrics", OpenTelemetry="otel")
