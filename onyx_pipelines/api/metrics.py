"""`/metrics` for Prometheus, and `/api/metrics/…`: what Prometheus knows."""

from datetime import UTC, datetime

from fastapi import FastAPI, Request, Response, Security

from onyx_pipelines.api.admission import BASIC, OfStack
from onyx_pipelines.api.metrics_page import MEDIA_TYPE, MetricsPage, exposition
from onyx_pipelines.api.models import MetricsHealth, MetricsSummary
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.monitoring.prometheus import Prometheus
from onyx_pipelines.monitoring.summary import collecting, key_figures


def add_metrics(app: FastAPI, stacks: Stacks) -> None:
    pages = [MetricsPage(each.settings, each.catalog, each.health) for each in stacks.services]

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

    @app.get(
        "/metrics",
        dependencies=[Security(BASIC)],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "For Prometheus."}},
    )
    def metrics(request: Request) -> Response:
        """What Prometheus should know; basic authentication."""
        stacks.access.admit_metrics(request)
        return Response(exposition(pages), media_type=MEDIA_TYPE)
