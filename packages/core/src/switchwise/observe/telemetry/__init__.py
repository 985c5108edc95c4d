"""Traces and metrics: OpenTelemetry by the GenAI conventions, and Prometheus."""

from switchwise.observe.telemetry.found import found
from switchwise.observe.telemetry.metrics import METRICS, Metric, Metrics
from switchwise.observe.telemetry.otel import OpenTelemetry
from switchwise.observe.telemetry.prometheus import Prometheus

__all__ = ["METRICS", "Metric", "Metrics", "OpenTelemetry", "Prometheus", "found"]
