"""A stack that is well, as Prometheus sees it: one sample a minute, in promtool's notation.

Time begins at 0 there. What a test changes, it changes in this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from onyx_pipelines.monitoring.services import CORE, PROBED

MINUTES: Final = 150


def flat(value: float) -> str:
    """The same all the time."""
    return f"{value:g}x{MINUTES}"


def rising(per_minute: float) -> str:
    """A counter, or the moment that is now (60)."""
    return f"0+{per_minute:g}x{MINUTES}"


def then(minutes: int, before: str, after: str) -> str:
    """`before` for so long, then `after`; both as promtool writes them, without their counts."""
    return f"{before}x{minutes - 1} {after}x{MINUTES - minutes}"


def chat(slow: float, every: float = 10) -> dict[str, str]:
    """Answers a minute, of which so many take longer than five seconds."""
    labels = 'model="m",success="true",service="onyx"'
    return {
        f'onyx_chat_duration_seconds_bucket{{{labels},le="5.0"}}': rising(every - slow),
        f'onyx_chat_duration_seconds_bucket{{{labels},le="+Inf"}}': rising(every),
        f"onyx_chat_duration_seconds_count{{{labels}}}": rising(every),
    }


def requests(status: str, per_minute: float) -> dict[str, str]:
    """Of the core service."""
    labels = f'service="onyx",method="GET",route="/api",status="{status}"'
    return {f"onyx_http_requests_total{{{labels}}}": rising(per_minute)}


def requests_then(status: str, per_minute: float, minutes: int, later: float) -> dict[str, str]:
    """So many, and after so many minutes another number."""
    name = next(iter(requests(status, 0)))
    reached = per_minute * minutes
    begin = f"0+{per_minute:g}x{minutes}"
    return {name: f"{begin} {reached + later:g}+{later:g}x{MINUTES - minutes}"}


def few_requests(good: float, bad: float) -> dict[str, str]:
    """All that there are."""
    return {
        **requests("200", good),
        **requests("404", 0),
        **requests("429", 0),
        **requests("500", bad),
    }


def latency_between(low: float, high: float) -> dict[str, str]:
    """All requests take longer than `low` and at most `high` seconds."""
    labels = 'service="onyx",method="GET",route="/api"'
    name = "onyx_http_request_duration_seconds_bucket"
    nothing = latency(0, slow=0)
    return {
        **nothing,
        f'{name}{{{labels},le="{low}"}}': rising(0),
        f'{name}{{{labels},le="{high}"}}': rising(120),
        f'{name}{{{labels},le="2.5"}}': rising(120),
        f'{name}{{{labels},le="+Inf"}}': rising(120),
    }


def latency(per_minute: float, *, slow: float) -> dict[str, str]:
    """Requests within 0.1 s, and so many that take between one and two and a half."""
    labels = 'service="onyx",method="GET",route="/api"'
    name = "onyx_http_request_duration_seconds_bucket"
    return {
        f'{name}{{{labels},le="0.1"}}': rising(per_minute - slow),
        f'{name}{{{labels},le="1.0"}}': rising(per_minute - slow),
        f'{name}{{{labels},le="2.5"}}': rising(per_minute),
        f'{name}{{{labels},le="+Inf"}}': rising(per_minute),
    }


def disk(free_share: float) -> dict[str, str]:
    """Half a terabyte."""
    labels = 'mountpoint="/",fstype="ext4",device="/dev/vda1"'
    return {
        f"node_filesystem_avail_bytes{{{labels}}}": flat(5e11 * free_share),
        f"node_filesystem_size_bytes{{{labels}}}": flat(5e11),
    }


def processor(idle: float) -> dict[str, str]:
    """Of every minute, so many seconds."""
    name = 'node_cpu_seconds_total{{cpu="0",mode="{}"}}'.format
    return {name("idle"): rising(idle), name("user"): rising(60 - idle)}


MODEL: Final = '{litellm_model_name="m"}'
SPENT: Final = 'litellm_spend_metric_total{model="m"}'
SENT: Final = 'litellm_input_tokens_metric_total{model="m"}'
CONTAINER: Final = '{name="onyx-core"}'

HEALTHY: Final[Mapping[str, str]] = {
    **{f'up{{job="{each.job}",service="{each.service}"}}': flat(1) for each in CORE},
    'up{job="node",service="host"}': flat(1),
    **{f'up{{job="blackbox",service="{each.service}"}}': flat(1) for each in PROBED},
    **{f'probe_success{{service="{each.service}"}}': flat(1) for each in PROBED},
    'probe_ssl_earliest_cert_expiry{service="edge"}': flat(90 * 86400),
    **dict.fromkeys(("pg_up", "redis_up", "nginx_up"), flat(1)),
    **requests("200", 60),
    **requests("404", 30),
    **requests("429", 30),
    **requests("500", 0),
    **latency(120, slow=0),
    **chat(slow=0),
    'onyx_latency_baseline_seconds{service="onyx"}': flat(0.3),
    f"litellm_deployment_state{MODEL}": flat(0),
    f"litellm_deployment_failure_responses_total{MODEL}": flat(0),
    f"litellm_deployment_total_requests_total{MODEL}": rising(10),
    SPENT: rising(0.05),
    SENT: rising(1000),
    "litellm_zero_cost_requests_total": flat(0),
    **processor(idle=48),
    "node_memory_MemAvailable_bytes": flat(8e9),
    "node_memory_MemTotal_bytes": flat(16e9),
    "node_vmstat_oom_kill": flat(0),
    "node_timex_sync_status": flat(1),
    "node_timex_offset_seconds": flat(0.001),
    **disk(0.5),
    f"container_cpu_usage_seconds_total{CONTAINER}": rising(12),
    f"container_oom_events_total{CONTAINER}": flat(0),
    f"container_spec_cpu_quota{CONTAINER}": flat(100_000),
    f"container_spec_cpu_period{CONTAINER}": flat(100_000),
    f"container_memory_working_set_bytes{CONTAINER}": flat(1e8),
    f"container_spec_memory_limit_bytes{CONTAINER}": flat(5e8),
    f"container_start_time_seconds{CONTAINER}": flat(1000),
    'pg_stat_activity_count{instance="p",state="active"}': flat(10),
    'pg_settings_max_connections{instance="p"}': flat(100),
    'pg_stat_database_deadlocks{datname="onyx"}': flat(0),
    "redis_memory_used_bytes": flat(1e7),
    "redis_memory_max_bytes": flat(1e8),
    "redis_rejected_connections_total": flat(0),
    "qdrant_app_status_recovery_mode": flat(0),
    'qdrant_collection_dead_replicas{id="documents"}': flat(0),
    "onyx_qdrant_collections_unwell": flat(0),
    "onyx_backup_stores_readable": flat(1),
    "onyx_backup_last_success_timestamp_seconds": rising(60),
    "onyx_backup_last_verified_timestamp_seconds": rising(60),
    "onyx_restore_drill_last_success_timestamp_seconds": rising(60),
    'onyx_metrics_age_seconds{job="onyx-pipelines"}': flat(5),
    "onyx_restore_drill_max_age_seconds": flat(35 * 86400),
    "onyx_restore_drill_failed": flat(0),
    "onyx_offsite_lag_seconds": flat(60),
    'onyx_schedule_last_run_timestamp_seconds{schedule="restore_drill"}': rising(60),
    'onyx_schedule_last_run_timestamp_seconds{schedule="load_test"}': flat(0),
    'onyx_schedule_interval_seconds{schedule="restore_drill"}': flat(86400),
    'onyx_schedule_interval_seconds{schedule="load_test"}': flat(100),
    'onyx_schedule_failed{schedule="restore_drill"}': flat(0),
    "onyx_stack_health": flat(0),
    'onyx_stack_health_component{component="backups"}': flat(0),
    'onyx_stack_health_component{component="load_tests"}': flat(2),
    'onyx_untrusted_sets{store="local"}': flat(0),
    'onyx_damaged_sets{store="local"}': flat(0),
    'onyx_notifications_pending{channel="slack"}': flat(0),
    "onyx_error_relay_last_pass_timestamp_seconds": rising(60),
    "onyx_error_relay_undelivered": flat(0),
    'prometheus_target_scrapes_exceeded_sample_limit_total{service="prometheus"}': flat(0),
    'prometheus_rule_evaluation_failures_total{service="prometheus",rule_group="g"}': flat(0),
    'prometheus_config_last_reload_successful{service="prometheus"}': flat(1),
    'alertmanager_config_last_reload_successful{service="alertmanager"}': flat(1),
    'alertmanager_notifications_failed_total{service="alertmanager",integration="slack"}': flat(0),
}
