"""`/metrics` for Prometheus, and `/api/metrics/…`: what Prometheus knows."""

from datetime import UTC, datetime

from fastapi import FastAPI, Request, Response, Security

from onyx_pipelines.api.access import Access
from onyx_pipelines.api.admission import BASIC, OfStack
from onyx_pipelines.api.metrics_page import MEDIA_TYPE, MetricsPage, registry_of
from onyx_pipelines.api.models import MetricsHealth, MetricsSummary
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.monitoring.instrumentation.exposition import Snapshot
from onyx_pipelines.monitoring.prometheus import Prometheus
from onyx_pipelines.monitoring.summary import collecting, key_figures


def add_metrics(app: FastAPI, stacks: Stacks) -> Snapshot:
    """Gives what `/metrics` shows, to be rendered before somebody asks."""
    pages = [MetricsPage(each.settings, each.catalog, each.health) for each in stacks.services]
    snapshot = Snapshot(registry_of(pages))
    add_page(app, stacks.access, snapshot)

    @stacks.reads.get("/api/metrics/health")
    def metrics_health(service: OfStack) -> MetricsHealth:
        """Whether Prometheus collects; a problem where none is configured."""
        found = collecting(Prometheus(service.settings))
        return MetricsHealth(
            prometheus_scraping=found.is_scraping,
            last_scrape=found.last_scrape,
            services_reporting=list(found.services),
            metrics_count=found.metrics_count,
        )

    @stacks.reads.get("/api/metrics/summary")
    def metrics_summary(service: OfStack) -> MetricsSummary:
        """Key figures, computed by Prometheus."""
        found = key_figures(Prometheus(service.settings), datetime.now(UTC))
        whole = {name: None if value is None else round(value) for name, value in found.items()}
        return MetricsSummary(
            uptime_percentage=found["uptime_percentage"],
            avg_response_time_ms=found["avg_response_time_ms"],
            error_rate_percent=found["error_rate_percent"],
            active_users=whole["active_users"],
            tasks_completed_today=whole["tasks_completed_today"],
        )

    return snapshot


def add_page(app: FastAPI, access: Access, snapshot: Snapshot) -> None:
    """`/metrics`, as it was a few seconds ago: no scrape waits for a store."""

    @app.get(
        "/metrics",
        dependencies=[Security(BASIC)],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "For Prometheus."}},
    )
    def metrics(request: Request) -> Response:
        """What Prometheus should know; basic authentication."""
        access.admit_metrics(request)
        return Response(snapshot.text(), media_type=MEDIA_TYPE)
