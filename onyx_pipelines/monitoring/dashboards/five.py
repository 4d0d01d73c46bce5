"""What stands on each of the five."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.text import limit_text
from onyx_pipelines.monitoring.dashboards.board import Dashboard, Line, Panel, Shape, Unit
from onyx_pipelines.monitoring.metrics import COMPONENT_HEALTH, DRILL_MAX_AGE, STACK_HEALTH
from onyx_pipelines.monitoring.rules.recorded import errors, p95
from onyx_pipelines.monitoring.rules.rule import Board

_WINDOW: Final = "$__rate_interval"
_CHAT: Final = "onyx_chat_duration_seconds"
_RETRIEVAL: Final = "onyx_rag_retrieval_duration_seconds"


def dashboards(thresholds: Thresholds) -> list[Dashboard]:
    """In the order of the specification."""
    return [
        Dashboard(Board.OVERVIEW, "ONYX / System Overview", _overview(thresholds)),
        Dashboard(Board.APPLICATION, "ONYX / Application Performance", _application(thresholds)),
        Dashboard(Board.MODELS, "ONYX / LLM Metrics", _models(thresholds)),
        Dashboard(Board.RETRIEVAL, "ONYX / RAG Performance", _retrieval()),
        Dashboard(
            Board.INFRASTRUCTURE, "ONYX / Infrastructure Health", _infrastructure(thresholds)
        ),
    ]


def _rate(series: str, by: str = "") -> str:
    return f"sum {f'by ({by}) ' if by else ''}(rate({series}[{_WINDOW}]))"


def _stat(
    title: str,
    text: str,
    unit: Unit,
    expr: str,
    legend: str = "",
    *,
    above: float | None = None,
    below: float | None = None,
) -> Panel:
    return Panel(
        title, text, unit, [Line(expr, legend)], Shape.STAT, 6, bad_above=above, bad_below=below
    )


def _overview(thresholds: Thresholds) -> list[Panel]:
    age_s = thresholds.backup_age.total_seconds()
    return [
        _stat(
            "Services that answer",
            "0: Prometheus gets nothing of it.",
            Unit.NUMBER,
            "min by (service) (up)",
            "{{service}}",
            below=1,
        ),
        _stat(
            "Alerts that fire",
            "By severity; the dead man's switch is not counted.",
            Unit.NUMBER,
            'count by (severity) (ALERTS{alertstate="firing",severity!="none"}) or vector(0)',
            "{{severity}}",
            above=1,
        ),
        _stat(
            "Age of the newest backup",
            f"More than {limit_text(age_s)}: an alert.",
            Unit.SECONDS,
            "time() - onyx_backup_last_success_timestamp_seconds",
            "{{stack}}",
            above=age_s,
        ),
        _stat(
            "Since a drill passed, of its limit",
            "Whether what is kept comes back; more than 100 %: an alert.",
            Unit.SHARE,
            f"(time() - onyx_restore_drill_last_success_timestamp_seconds) / {DRILL_MAX_AGE.name}",
            "{{stack}}",
            above=1,
        ),
        _stat(
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
            [Line(p95(_CHAT, "service", _WINDOW), "{{service}}")],
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


def _application(thresholds: Thresholds) -> list[Panel]:
    latency = "onyx_http_request_duration_seconds"
    return [
        Panel(
            "Requests",
            "A second, by service.",
            Unit.PER_SECOND,
            [Line(_rate("onyx_http_requests_total", "service"), "{{service}}")],
        ),
        Panel(
            "Latency, p95",
            "Beside the baseline: the promoted load test's, else seven days' median.",
            Unit.SECONDS,
            [
                Line(p95(latency, "service", _WINDOW), "{{service}}"),
                Line("service:latency_baseline_seconds:p95", "{{service}}, baseline"),
            ],
        ),
        Panel(
            "Errors by status",
            "Those that count.",
            Unit.PER_SECOND,
            [
                Line(
                    f"sum by (service, status) (rate({errors(thresholds)}[{_WINDOW}]))",
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
            [Line(_rate(f"{_CHAT}_count", "success"), "success: {{success}}")],
            columns=12,
        ),
        Panel(
            "Tasks of agents that ended",
            "A second, by kind and outcome.",
            Unit.PER_SECOND,
            [
                Line(
                    _rate("onyx_task_completion_total", "task_type, success"),
                    "{{task_type}}, success: {{success}}",
                )
            ],
            columns=12,
        ),
    ]


def _models(thresholds: Thresholds) -> list[Panel]:
    every = _rate("litellm_deployment_total_requests_total", "litellm_model_name")
    failed = _rate("litellm_deployment_failure_responses_total", "litellm_model_name")
    return [
        _stat(
            "Deployments",
            "0: well, 1: in part, 2: out.",
            Unit.NUMBER,
            "max by (litellm_model_name) (litellm_deployment_state)",
            "{{litellm_model_name}}",
            above=1,
        ),
        _stat(
            "Spent within a day",
            "US dollars.",
            Unit.DOLLARS,
            "sum(increase(litellm_spend_metric_total[24h]))",
            above=24 * thresholds.spend_usd_per_h,
        ),
        _stat(
            "Calls counted as free",
            "Within an hour; what is said of spending is too low where there are any.",
            Unit.NUMBER,
            "sum(increase(litellm_zero_cost_requests_total[1h])) or vector(0)",
            above=1,
        ),
        Panel(
            "Calls", "A second, by model.", Unit.PER_SECOND, [Line(every, "{{litellm_model_name}}")]
        ),
        Panel(
            "Calls that failed",
            "Of all calls of the model.",
            Unit.SHARE,
            [Line(f"{failed} / ({every} > 0)", "{{litellm_model_name}}")],
            bad_above=0.1,
        ),
        Panel(
            "Latency, p95",
            "Of the provider, without what the proxy adds.",
            Unit.SECONDS,
            [Line(p95("litellm_llm_api_latency_metric", "model", _WINDOW), "{{model}}")],
        ),
        Panel(
            "First token, p95",
            "Of answers that are streamed.",
            Unit.SECONDS,
            [
                Line(
                    p95("litellm_llm_api_time_to_first_token_metric", "model", _WINDOW), "{{model}}"
                )
            ],
        ),
        Panel(
            "Tokens",
            "A second.",
            Unit.NUMBER,
            [
                Line(_rate("litellm_input_tokens_metric_total"), "sent"),
                Line(_rate("litellm_output_tokens_metric_total"), "received"),
            ],
        ),
    ]


def _retrieval() -> list[Panel]:
    answered = _rate("onyx_rag_queries_total")
    nothing = 'onyx_rag_queries_total{outcome="empty"}'
    return [
        Panel(
            "Retrievals, p95",
            "From the vector database.",
            Unit.SECONDS,
            [Line(p95(_RETRIEVAL, "service", _WINDOW), "{{service}}")],
        ),
        Panel(
            "Retrievals",
            "A second, by what came of them.",
            Unit.PER_SECOND,
            [Line(_rate("onyx_rag_queries_total", "outcome"), "{{outcome}}")],
        ),
        Panel(
            "Retrievals that found nothing",
            "Of all of them.",
            Unit.SHARE,
            [
                Line(
                    f"{_rate(nothing)} / ({answered} > 0)",
                    "empty",
                )
            ],
            bad_above=0.5,
        ),
        Panel(
            "Collections that are not well",
            "Red, grey, or with replicas that are not active.",
            Unit.NUMBER,
            [Line("onyx_qdrant_collections_unwell", "collections")],
            Shape.STAT,
            6,
            bad_above=1,
        ),
        Panel(
            "Vectors",
            "Of all collections.",
            Unit.NUMBER,
            [Line("sum(qdrant_collections_vector_total or collections_vector_total)", "vectors")],
            Shape.STAT,
            6,
        ),
        Panel(
            "Qdrant's memory",
            "Resident.",
            Unit.BYTES,
            [Line("qdrant_memory_resident_bytes or memory_resident_bytes", "resident")],
            columns=12,
        ),
        Panel(
            "Qdrant's answers",
            "A second, by status.",
            Unit.PER_SECOND,
            [
                Line(
                    f"sum by (status) (rate(qdrant_rest_responses_total[{_WINDOW}])"
                    f" or rate(rest_responses_total[{_WINDOW}]))",
                    "{{status}}",
                )
            ],
            columns=12,
        ),
    ]


def _infrastructure(thresholds: Thresholds) -> list[Panel]:
    real = 'fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660"'
    named = 'name!=""'
    return [
        Panel(
            "Containers: processors",
            "Cores in use.",
            Unit.NUMBER,
            [Line(_rate(f"container_cpu_usage_seconds_total{{{named}}}", "name"), "{{name}}")],
        ),
        Panel(
            "Containers: memory",
            "Working set.",
            Unit.BYTES,
            [Line(f"sum by (name) (container_memory_working_set_bytes{{{named}}})", "{{name}}")],
        ),
        Panel(
            "Containers: starts",
            "Within an hour; a container that is well has none.",
            Unit.NUMBER,
            [
                Line(
                    f"sum by (name) (changes(container_start_time_seconds{{{named}}}[1h]))",
                    "{{name}}",
                )
            ],
            bad_above=2,
        ),
        Panel(
            "Disks: free",
            "Of each file system; an alert where it is full within a day.",
            Unit.SHARE,
            [
                Line(
                    f"node_filesystem_avail_bytes{{{real}}} / node_filesystem_size_bytes{{{real}}}",
                    "{{mountpoint}}",
                )
            ],
        ),
        Panel(
            "Waiting for",
            "The share of time in which something waits for it (pressure stall information).",
            Unit.SHARE,
            [
                Line(f"rate(node_pressure_{what}_waiting_seconds_total[{_WINDOW}])", what)
                for what in ("cpu", "io", "memory")
            ],
        ),
        Panel(
            "Network",
            "Bytes a second, received and sent.",
            Unit.BYTES,
            [
                Line(_rate('node_network_receive_bytes_total{device!="lo"}'), "received"),
                Line(_rate('node_network_transmit_bytes_total{device!="lo"}'), "sent"),
            ],
        ),
        Panel(
            "PostgreSQL: connections",
            "Of those that it allows.",
            Unit.SHARE,
            [
                Line(
                    "sum by (instance) (pg_stat_activity_count)"
                    " / max by (instance) (pg_settings_max_connections)",
                    "{{instance}}",
                )
            ],
            bad_above=thresholds.connections,
        ),
        Panel(
            "PostgreSQL: size",
            "Of each database.",
            Unit.BYTES,
            [Line("sum by (datname) (pg_database_size_bytes)", "{{datname}}")],
        ),
        Panel(
            "Redis: memory",
            "Of maxmemory, where it has one.",
            Unit.SHARE,
            [Line("redis_memory_used_bytes / (redis_memory_max_bytes > 0)", "{{instance}}")],
            bad_above=thresholds.resources,
        ),
        Panel(
            "Certificates: days left",
            "Of each address that is asked.",
            Unit.NUMBER,
            [Line("(probe_ssl_earliest_cert_expiry - time()) / 86400", "{{service}}")],
            Shape.STAT,
            8,
            bad_below=float(thresholds.certificate_days),
        ),
        Panel(
            "nginx: connections",
            "Active.",
            Unit.NUMBER,
            [Line("nginx_connections_active", "{{instance}}")],
        ),
        Panel(
            "Backups",
            "When the newest set with each component was taken, in each store.",
            Unit.MOMENT,
            [
                Line(
                    "1000 * max by (stack, component, store)"
                    " (onyx_backup_component_last_success_timestamp_seconds)",
                    "{{component}} {{store}} {{stack}}",
                )
            ],
            Shape.TABLE,
            8,
        ),
    ]
