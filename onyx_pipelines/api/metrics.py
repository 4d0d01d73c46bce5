"""`/metrics` for Prometheus, and `/api/metrics/…`: what Prometheus knows."""

from datetime import UTC, datetime

from fastapi import FastAPI, Request, Response, Security

from onyx_pipelines.api.admission import BASIC
from onyx_pipelines.api.metrics_page import MEDIA_TYPE, MetricsPage
from onyx_pipelines.api.models import MetricsHealth, MetricsSummary
from onyx_pipelines.api.prometheus import Prometheus
from onyx_pipelines.api.service import Service


def add_metrics(app: FastAPI, service: Service) -> None:
    settings = service.settings
    page = MetricsPage(settings, service.catalog)

    @service.reads.get("/api/metrics/health")
    def metrics_health() -> MetricsHealth:
        """Whether Prometheus collects."""
        return Prometheus(settings.prometheus_url).health()

    @service.reads.get("/api/metrics/summary")
    def metrics_summary() -> MetricsSummary:
        """Key figures, computed by Prometheus."""
        found = Prometheus(settings.prometheus_url).summary(datetime.now(UTC))
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
        service.access.admit_metrics(request)
        return Response(page.render(), media_type=MEDIA_TYPE)
