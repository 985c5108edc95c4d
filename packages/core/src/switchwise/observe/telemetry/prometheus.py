"""Metrics for Prometheus, by `prometheus_client`, exposed by its server or the application's own.

from prometheus_client import start_http_server
start_http_server(9464)
router = Router.default(pool, observers=[Prometheus()])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from switchwise.nouns.errors import ConfigurationError
from switchwise.observe.telemetry.metrics import METRICS, Labels, Metric, Metrics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_UNITS = {"s": "_seconds", "USD": "_usd"}


def name_of(metric: Metric) -> str:
    """The Prometheus name of a metric; counters are exposed with the suffix `_total`.

    >>> from switchwise.observe.telemetry.metrics import COST, DURATION
    >>> name_of(COST), name_of(DURATION)
    ('switchwise_cost_usd', 'switchwise_request_duration_seconds')
    """
    return f"switchwise_{metric.name.replace('.', '_')}{_UNITS.get(metric.unit, '')}"


class Prometheus(Metrics):
    """Record the metrics in a registry; docs/guide/observability.md lists them. Needs `switchwise[prometheus]`.

    Parameters:
        registry: a registry of `prometheus_client`; None: the default one. Observers of one registry share its metrics.

    Raises:
        ConfigurationError: `prometheus_client` is not installed.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(_Meter(registry))


class _Meter:
    def __init__(self, registry: CollectorRegistry | None) -> None:
        try:
            from prometheus_client import REGISTRY, Counter, Gauge, Histogram
        except ImportError as error:
            raise ConfigurationError("Prometheus() needs prometheus_client: pip install 'switchwise[prometheus]'") from error
        kinds: dict[str, Any] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
        registry = registry or REGISTRY
        self._known: dict[str, Any] = {}
        for metric in METRICS:
            options: dict[str, Any] = {"buckets": metric.buckets} if metric.kind == "histogram" else {}
            name = name_of(metric)
            known = registry._names_to_collectors.get(name)  # a second router: its metrics are the same
            self._known[metric.name] = (
                known
                if known is not None
                else kinds[metric.kind](name, metric.about, metric.labels, registry=registry, **options)
            )

    def put(self, metric: Metric, value: float, labels: Labels) -> None:
        """Add to a counter, record in a histogram, or set a gauge."""
        child = self._known[metric.name]
        if metric.labels:
            child = child.labels(*[labels[name] for name in metric.labels])
        if metric.kind == "counter":
            child.inc(value)
        elif metric.kind == "histogram":
            child.observe(value)
        else:
            child.set(value)
