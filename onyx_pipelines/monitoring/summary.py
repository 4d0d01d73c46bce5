"""The specification's two answers about metrics: whether they are collected, and key figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from onyx_pipelines.monitoring.prometheus import Prometheus, PrometheusError

_WINDOW: Final = "5m"
_CHAT: Final = "onyx_chat_duration_seconds"
_RAG: Final = "onyx_rag_retrieval_duration_seconds"


def _rate(series: str) -> str:
    return f"sum(rate({series}[{_WINDOW}]))"


def _share(parts: Sequence[str], wholes: Sequence[str]) -> str:
    """Sum of rates over sum of rates; nothing where the latter is 0 or unknown."""
    part, whole = (
        " + ".join(f"({_rate(series)} or vector(0))" for series in each) for each in (parts, wholes)
    )
    return f"({part}) / (({whole}) > 0)"


# The spec's figures from the spec's metrics; where those are not there, a service's usual ones.
SUMMARY: Final[Mapping[str, str]] = {
    "uptime_percentage": "100 * avg(avg_over_time(up[24h]))",
    "avg_response_time_ms": "1000 * ({} or {})".format(
        _share([f"{_CHAT}_sum", f"{_RAG}_sum"], [f"{_CHAT}_count", f"{_RAG}_count"]),
        _share(["http_request_duration_seconds_sum"], ["http_request_duration_seconds_count"]),
    ),
    "error_rate_percent": "100 * ({} or {})".format(
        _share([_CHAT + "_count{success='false'}"], [f"{_CHAT}_count"]),
        _share(["http_requests_total{status=~'5..'}"], ["http_requests_total"]),
    ),
    "active_users": "sum(onyx_active_users)",
    "tasks_completed_today": "sum(increase(onyx_task_completion_total{success='true'}[%s]))",
}


@dataclass(frozen=True)
class Collecting:
    """Whether metrics are collected. `services`: those whose every target was up, by name;
    `last_scrape`: of any target."""

    is_scraping: bool = False
    last_scrape: datetime | None = None
    services: tuple[str, ...] = ()
    metrics_count: int = 0


def collecting(prometheus: Prometheus) -> Collecting:
    """One that does not answer collects nothing.

    Raises:
        PrometheusError: none is configured, so nothing is known.
    """
    try:
        targets, count = prometheus.targets(), prometheus.metrics_count()
    except PrometheusError:
        if not prometheus.is_configured:
            raise
        return Collecting()
    down = {each.service for each in targets if not each.is_up}
    scrapes = [each.scraped_at for each in targets if each.scraped_at is not None]
    return Collecting(
        is_scraping=any(each.is_up for each in targets),
        last_scrape=max(scrapes, default=None),
        services=tuple(sorted({each.service for each in targets} - down)),
        metrics_count=count,
    )


def key_figures(prometheus: Prometheus, now: datetime) -> dict[str, float | None]:
    """Of `SUMMARY`, computed by Prometheus; None: it knows nothing of it.

    Raises:
        PrometheusError: it is not configured, or does not answer.
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    today = f"{max(60, int((now - midnight).total_seconds()))}s"
    return {
        name: prometheus.number(query % today if "%s" in query else query)
        for name, query in SUMMARY.items()
    }
