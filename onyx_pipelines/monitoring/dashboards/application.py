"""What users wait for, and what they are refused."""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.dashboards.board import Line, Panel, Unit
from onyx_pipelines.monitoring.dashboards.parts import CHAT, WINDOW, rate
from onyx_pipelines.monitoring.rules.recorded import errors, p95


def panels(thresholds: Thresholds) -> list[Panel]:
    """In reading order."""
    latency = "onyx_http_request_duration_seconds"
    return [
        Panel(
            "Requests",
            "A second, by service.",
            Unit.PER_SECOND,
            [Line(rate("onyx_http_requests_total", "service"), "{{service}}")],
        ),
        Panel(
            "Latency, p95",
            "Beside the baseline: the promoted load test's, else seven days' median.",
            Unit.SECONDS,
            [
                Line(p95(latency, "service", WINDOW), "{{service}}"),
                Line("service:latency_baseline_seconds:p95", "{{service}}, baseline"),
            ],
        ),
        Panel(
            "Errors by status",
            "Those that count.",
            Unit.PER_SECOND,
            [
                Line(
                    f"sum by (service, status) (rate({errors(thresholds)}[{WINDOW}]))",
                    "{{service}} {{status}}",
                )
            ],
        ),
        Panel(
            "Slowest routes, p95",
            "The ten slowest of now.",
            Unit.SECONDS,
            [Line(f"topk(10, {p95(latency, 'route', '5m')})", "{{route}}")],
            columns=12,
        ),
        Panel(
            "Requests under way",
            "What piles up waits for something.",
            Unit.NUMBER,
            [Line("sum by (service) (onyx_http_requests_in_flight)", "{{service}}")],
            columns=12,
        ),
        Panel(
            "Chat answers",
            "A second, by what came of them.",
            Unit.PER_SECOND,
            [Line(rate(f"{CHAT}_count", "success"), "success: {{success}}")],
            columns=12,
        ),
        Panel(
            "Tasks of agents that ended",
            "A second, by kind and outcome.",
            Unit.PER_SECOND,
            [
                Line(
                    rate("onyx_task_completion_total", "task_type, success"),
                    "{{task_type}}, success: {{success}}",
                )
            ],
            columns=12,
        ),
    ]
