"""What is looked at first: is all well, and is what is kept safe?"""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.text import limit_text
from onyx_pipelines.monitoring.dashboards.board import Line, Panel, Shape, Unit
from onyx_pipelines.monitoring.dashboards.parts import CHAT, WINDOW, stat
from onyx_pipelines.monitoring.metrics import COMPONENT_HEALTH, DRILL_MAX_AGE, STACK_HEALTH
from onyx_pipelines.monitoring.rules.recorded import p95


def panels(thresholds: Thresholds) -> list[Panel]:
    """In reading order."""
    age_s = thresholds.backup_age.total_seconds()
    return [
        stat(
            "Services that answer",
            "0: Prometheus gets nothing of it.",
            Unit.NUMBER,
            "min by (service) (up)",
            "{{service}}",
            below=1,
        ),
        stat(
            "Alerts that fire",
            "By severity; the dead man's switch is not counted.",
            Unit.NUMBER,
            'count by (severity) (ALERTS{alertstate="firing",severity!="none"}) or vector(0)',
            "{{severity}}",
            above=1,
        ),
        stat(
            "Age of the newest backup",
            f"More than {limit_text(age_s)}: an alert.",
            Unit.SECONDS,
            "time() - onyx_backup_last_success_timestamp_seconds",
            "{{stack}}",
            above=age_s,
        ),
        stat(
            "Since a drill passed, of its limit",
            "Whether what is kept comes back; more than 100 %: an alert.",
            Unit.SHARE,
            f"(time() - onyx_restore_drill_last_success_timestamp_seconds) / {DRILL_MAX_AGE.name}",
            "{{stack}}",
            above=1,
        ),
        stat(
            "The stack",
            "0: ok, 1: degraded, 2: unknown, 3: failing; `onyx health` says what to do.",
            Unit.NUMBER,
            f"max({STACK_HEALTH.name})",
            above=1,
        ),
        Panel(
            "What it is made of",
            "0: ok, 1: degraded, 2: unknown, 3: failing.",
            Unit.NUMBER,
            [
                Line(
                    f"max by (stack, component) ({COMPONENT_HEALTH.name})",
                    "{{component}} {{stack}}",
                )
            ],
            Shape.STAT,
            columns=18,
            bad_above=1,
        ),
        Panel(
            "Chat answers, p95",
            f"Objective: {limit_text(thresholds.latency_objective_s)} for a complete answer.",
            Unit.SECONDS,
            [Line(p95(CHAT, "service", WINDOW), "{{service}}")],
            columns=12,
            bad_above=thresholds.latency_objective_s,
        ),
        Panel(
            "Errors",
            f"Of all requests; {', '.join(map(str, thresholds.excluded_statuses))} do not count.",
            Unit.SHARE,
            [Line("service:request_errors:ratio_rate5m", "{{service}}")],
            columns=12,
            bad_above=thresholds.error_share,
        ),
        Panel(
            "The host",
            "Processors and memory in use; an alert above nine tenths.",
            Unit.SHARE,
            [Line("host:cpu:ratio_rate5m", "processors"), Line("host:memory:ratio", "memory")],
            columns=12,
            bad_above=thresholds.resources,
        ),
        Panel(
            "Spent on language models",
            "US dollars within the last hour.",
            Unit.DOLLARS,
            [Line("sum(increase(litellm_spend_metric_total[1h]))", "an hour")],
            columns=12,
            bad_above=thresholds.spend_usd_per_h,
        ),
    ]
