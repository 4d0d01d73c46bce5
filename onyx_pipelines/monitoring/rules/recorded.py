"""Figures that alerts and panels share, so that both speak of the same."""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.rules.rule import Group, Recording

REQUESTS = "onyx_http_requests_total"
LATENCY = "onyx_http_request_duration_seconds"
CHAT = "onyx_chat_duration_seconds"
# Over which times the error budget is looked at.
BURN_WINDOWS = ("5m", "30m", "1h", "6h")


def errors(thresholds: Thresholds) -> str:
    """The selector of requests that count as errors: 4xx and 5xx, but the excluded."""
    excluded = "|".join(map(str, sorted(thresholds.excluded_statuses)))
    matchers = ['status=~"[45].."']
    if excluded:
        matchers.append(f'status!~"{excluded}"')
    return f"{REQUESTS}{{{','.join(matchers)}}}"


def error_ratio(thresholds: Thresholds, window: str) -> str:
    """Errors by requests, per service; 0 where there are requests and no error."""
    every = f"sum by (service) (rate({REQUESTS}[{window}]))"
    wrong = f"sum by (service) (rate({errors(thresholds)}[{window}]))"
    return f"({wrong} or 0 * {every}) / ({every} > 0)"


def p95(family: str, by: str, window: str = "5m") -> str:
    """The 95th percentile of a histogram, in seconds."""
    return f"histogram_quantile(0.95, sum by (le, {by}) (rate({family}_bucket[{window}])))"


def recordings(thresholds: Thresholds) -> list[Group]:
    """Two groups: what is looked at often, and what is costly to compute."""
    often = [
        Recording("service:requests:rate5m", f"sum by (service) (rate({REQUESTS}[5m]))"),
        Recording("service:request_latency_seconds:p95_5m", p95(LATENCY, "service")),
        Recording("service:chat_latency_seconds:p95_5m", p95(CHAT, "service")),
        *(
            Recording(f"service:request_errors:ratio_rate{each}", error_ratio(thresholds, each))
            for each in BURN_WINDOWS
        ),
        # By all modes, and not by the clock: a series of which there is less than five minutes has
        # too small a rate, and a host that nobody watched before would seem busy.
        Recording(
            "host:cpu:ratio_rate5m",
            '1 - sum(rate(node_cpu_seconds_total{mode="idle"}[5m]))'
            " / sum(rate(node_cpu_seconds_total[5m]))",
        ),
        Recording(
            "host:memory:ratio", "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
        ),
    ]
    costly = [
        # The median, an hour late: what goes wrong now does not become what is usual.
        Recording(
            "service:latency_baseline_seconds:p95",
            "max by (service) (onyx_latency_baseline_seconds) or "
            "quantile_over_time(0.5, service:request_latency_seconds:p95_5m[7d] offset 1h)",
        ),
    ]
    return [Group("onyx-recorded", often), Group("onyx-baseline", costly, interval="5m")]
