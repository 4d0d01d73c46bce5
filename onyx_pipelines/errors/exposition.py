"""What Prometheus should know of the delivery of errors."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.errors.spool import spool_status


def error_metrics(settings: ErrorSettings) -> Iterator[Metric]:
    """Nothing where errors are reported nowhere."""
    if not settings.sentry_dsn.get_secret_value():
        return
    found = spool_status(settings)
    yield GaugeMetricFamily(
        "onyx_errors_spooled", "Events that wait for the error tracker.", value=found.waiting
    )
    yield GaugeMetricFamily(
        "onyx_errors_spooled_bytes", "Size of the events that wait.", value=found.size_bytes
    )
    yield GaugeMetricFamily(
        "onyx_errors_oldest_spooled_timestamp_seconds",
        "When the oldest event that waits was captured; 0: none waits.",
        value=found.oldest.timestamp() if found.oldest else 0.0,
    )
    lost = CounterMetricFamily(
        "onyx_errors_dropped",
        "Events that were never delivered: no room, or the tracker refused them.",
        labels=["reason"],
    )
    lost.add_metric(["room"], found.counts.dropped)
    lost.add_metric(["refused"], found.counts.refused)
    yield lost
    yield CounterMetricFamily(
        "onyx_errors_delivered", "Events that the tracker took.", value=found.counts.delivered
    )
