"""For each alert: what makes it fire, from which minute on, and what is just not enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from onyx_pipelines.monitoring.services import CORE, PROBED
from onyx_pipelines_tests.monitoring.healthy import (
    CONTAINER,
    MODEL,
    SENT,
    SPENT,
    chat,
    disk,
    few_requests,
    flat,
    latency,
    latency_between,
    processor,
    requests,
    requests_then,
    rising,
    then,
)

Series = Mapping[str, str | None]


@dataclass(frozen=True)
class Fault:
    """Args:
    fires: changes to a healthy stack; None: the series is not there.
    at: the first minute at which it fires.
    silent: changes that are just not enough, at any minute, and raise nothing else.
    more: others that make it fire at that minute.
    near: others that are just not enough at a minute; other alerts may fire.
    """

    fires: Series
    at: int
    silent: Series = field(default_factory=dict)
    more: tuple[tuple[Series, int], ...] = ()
    near: tuple[tuple[Series, int], ...] = ()


def _name(service: str) -> str:
    return service.capitalize()


def _up(each_job: str, service: str) -> str:
    return f'up{{job="{each_job}",service="{service}"}}'


DOWN: Final = {
    f"{_name(each.service)}Down": Fault({_up(each.job, each.service): then(10, "1", "0")}, 11)
    for each in CORE
}
ABSENT: Final = {
    f"{_name(each.service)}Down": Fault({_up(each.job, each.service): None}, 1) for each in CORE
}
UNREACHABLE: Final = {
    f"{_name(each.service)}Unreachable": Fault(
        {f'probe_success{{service="{each.service}"}}': then(10, "1", "0")}, 11
    )
    for each in PROBED
}
_BASELINE: Final = 'onyx_latency_baseline_seconds{service="onyx"}'
_CERTIFICATE: Final = 'probe_ssl_earliest_cert_expiry{service="edge"}'
_DAY: Final = 86400
_LAST_RUN: Final = 'onyx_schedule_last_run_timestamp_seconds{schedule="restore_drill"}'
_BACKUPS: Final = 'onyx_stack_health_component{component="backups"}'
_NODE_UP: Final = 'up{job="node",service="host"}'
_RULES_FAILED: Final = (
    'prometheus_rule_evaluation_failures_total{service="prometheus",rule_group="g"}'
)
_NOT_SENT: Final = (
    'alertmanager_notifications_failed_total{service="alertmanager",integration="slack"}'
)
_AVAILABLE: Final = next(name for name in disk(1) if "avail" in name)

FAULTS: Final[Mapping[str, Fault]] = {
    **DOWN,
    **UNREACHABLE,
    "PostgresqlUnhealthy": Fault({"pg_up": then(10, "1", "0")}, 11),
    "RedisUnhealthy": Fault({"redis_up": then(10, "1", "0")}, 11),
    "NginxUnhealthy": Fault({"nginx_up": then(10, "1", "0")}, 11),
    "CertificateExpiring": Fault(
        {_CERTIFICATE: flat(13.9 * _DAY)},
        60,
        {_CERTIFICATE: flat(14.5 * _DAY)},
        more=(({_CERTIFICATE: flat(4 * _DAY)}, 60),),
        near=(({_CERTIFICATE: flat(2.5 * _DAY)}, 100),),
    ),
    "CertificateAboutToEnd": Fault(
        {_CERTIFICATE: flat(2.9 * _DAY)},
        5,
        {_CERTIFICATE: flat(15 * _DAY)},
        near=(({_CERTIFICATE: flat(4 * _DAY)}, 20),),
    ),
    "LatencyAboveBaseline": Fault(
        latency(120, slow=12),
        6,
        {**latency(120, slow=12), _BASELINE: flat(1)},
        more=(
            ({**latency(120, slow=12), _BASELINE: flat(0.6)}, 10),
            (latency_between(0.5, 1.0), 10),
            ({**latency(120, slow=12), **few_requests(4, 0)}, 10),
        ),
        near=(
            ({**latency_between(0.25, 0.5), _BASELINE: flat(0.1)}, 20),
            ({**latency(120, slow=12), **few_requests(2.5, 0)}, 20),
        ),
    ),
    "ChatSlow": Fault(
        chat(slow=0.6),
        11,
        chat(slow=0.5),
        more=((chat(slow=0.9, every=0.9), 15),),
        near=((chat(slow=0.5, every=0.5), 30),),
    ),
    "ErrorRateHigh": Fault(
        requests("500", 7), 4, near=((requests("500", 5), 12), (few_requests(1, 0.4), 30))
    ),
    "ErrorBudgetFastBurn": Fault(
        requests("500", 10),
        3,
        near=(
            (requests_then("500", 0, 45, 24), 60),
            (requests_then("500", 30, 40, 6), 60),
            (few_requests(0.5, 0.08), 61),
        ),
    ),
    "ErrorBudgetSlowBurn": Fault(
        requests("500", 4),
        17,
        requests("500", 3),
        near=(
            (requests_then("500", 0, 100, 10), 149),
            (requests_then("500", 10, 100, 2.5), 149),
        ),
    ),
    "ModelOutage": Fault(
        {f"litellm_deployment_state{MODEL}": flat(2)},
        2,
        {f"litellm_deployment_state{MODEL}": flat(1)},
    ),
    "ModelFailing": Fault(
        {f"litellm_deployment_failure_responses_total{MODEL}": rising(1.1)},
        10,
        {f"litellm_deployment_failure_responses_total{MODEL}": rising(0.9)},
    ),
    "ModelSpendHigh": Fault(
        {SPENT: rising(0.18)},
        61,
        {SPENT: rising(0.16)},
    ),
    "ModelSpendUnknown": Fault(
        {"litellm_zero_cost_requests_total": rising(1)},
        26,
        {"litellm_zero_cost_requests_total": rising(0.16)},
    ),
    "ModelWithoutPrice": Fault(
        {SPENT: flat(0), SENT: rising(180)},
        71,
        {SPENT: flat(0), SENT: rising(165)},
        more=(({SPENT: None, SENT: rising(180)}, 71),),
        near=(({SPENT: rising(0.05), SENT: rising(1000)}, 149),),
    ),
    "HostCpuHigh": Fault(
        processor(idle=5),
        6,
        processor(idle=6.6),
    ),
    "HostMemoryHigh": Fault(
        {"node_memory_MemAvailable_bytes": flat(1.5e9)},
        5,
        {"node_memory_MemAvailable_bytes": flat(1.7e9)},
    ),
    "OutOfMemoryKill": Fault({"node_vmstat_oom_kill": then(10, "0", "1")}, 10),
    "ClockWrong": Fault(
        {"node_timex_offset_seconds": flat(-1.5)}, 15, {"node_timex_offset_seconds": flat(-0.9)}
    ),
    "DiskFilling": Fault(
        {**disk(0.14), _AVAILABLE: "7e10-6e7x150"},
        11,
        disk(0.14),
        more=(({**disk(0.07), _AVAILABLE: "3.5e10-6e7x150"}, 20),),
        near=(
            ({**disk(0.2), _AVAILABLE: "1e11-3e8x150"}, 20),
            ({**disk(0.04), _AVAILABLE: "2e10-3e7x150"}, 20),
        ),
    ),
    "DiskFull": Fault(disk(0.049), 1, disk(0.051)),
    "ContainerCpuHigh": Fault(
        {f"container_cpu_usage_seconds_total{CONTAINER}": rising(55)},
        15,
        {f"container_cpu_usage_seconds_total{CONTAINER}": rising(53)},
    ),
    "ContainerMemoryHigh": Fault(
        {f"container_memory_working_set_bytes{CONTAINER}": flat(4.6e8)},
        5,
        {f"container_memory_working_set_bytes{CONTAINER}": flat(4.4e8)},
    ),
    "ContainerOutOfMemory": Fault(
        {f"container_oom_events_total{CONTAINER}": then(10, "0", "1")}, 10
    ),
    "ContainerRestarting": Fault(
        {f"container_start_time_seconds{CONTAINER}": "1000+60x5 1300x144"},
        3,
        {f"container_start_time_seconds{CONTAINER}": "1000+60x2 1120x147"},
    ),
    "PostgresqlConnectionsHigh": Fault(
        {'pg_stat_activity_count{instance="p",state="active"}': flat(81)},
        5,
        {'pg_stat_activity_count{instance="p",state="active"}': flat(80)},
    ),
    "PostgresqlDeadlocks": Fault(
        {'pg_stat_database_deadlocks{datname="onyx"}': rising(1)},
        6,
        {'pg_stat_database_deadlocks{datname="onyx"}': rising(0.4)},
    ),
    "RedisMemoryHigh": Fault(
        {"redis_memory_used_bytes": flat(9.1e7)}, 5, {"redis_memory_used_bytes": flat(8.9e7)}
    ),
    "RedisRefusing": Fault({"redis_rejected_connections_total": then(10, "0", "1")}, 10),
    "QdrantRecoveryMode": Fault({"qdrant_app_status_recovery_mode": flat(1)}, 1),
    "QdrantCollectionUnwell": Fault({"onyx_qdrant_collections_unwell": flat(1)}, 5),
    "QdrantReplicaDead": Fault({'qdrant_collection_dead_replicas{id="documents"}': flat(1)}, 5),
    "BackupStale": Fault(
        {"onyx_backup_last_success_timestamp_seconds": flat(-26 * 3600 - 1)},
        5,
        {"onyx_backup_last_success_timestamp_seconds": flat(-19 * 3600)},
    ),
    "BackupsUnknown": Fault(
        {"onyx_backup_stores_readable": flat(0)},
        10,
        more=(({'onyx_metrics_age_seconds{job="onyx-pipelines"}': flat(601)}, 10),),
        near=(({'onyx_metrics_age_seconds{job="onyx-pipelines"}': flat(600)}, 20),),
    ),
    "OffsiteCopyBehind": Fault(
        {"onyx_offsite_lag_seconds": flat(26 * 3600 + 1)},
        5,
        {"onyx_offsite_lag_seconds": flat(26 * 3600)},
    ),
    "BackupUntrusted": Fault({'onyx_untrusted_sets{store="local"}': flat(1)}, 1),
    "BackupDamaged": Fault({'onyx_damaged_sets{store="local"}': flat(1)}, 1),
    "MessagesNotDelivered": Fault({'onyx_notifications_pending{channel="slack"}': flat(1)}, 30),
    "DrillStale": Fault(
        {"onyx_restore_drill_last_success_timestamp_seconds": flat(-35 * _DAY - 10)},
        15,
        {"onyx_restore_drill_last_success_timestamp_seconds": flat(-34.5 * _DAY)},
        more=(
            (
                {
                    "onyx_restore_drill_last_success_timestamp_seconds": flat(-8 * _DAY - 1),
                    "onyx_restore_drill_max_age_seconds": flat(8 * _DAY),
                },
                15,
            ),
        ),
    ),
    "DrillFailed": Fault({"onyx_restore_drill_failed": flat(1)}, 1),
    "BackupUnverified": Fault(
        {"onyx_backup_last_verified_timestamp_seconds": flat(-8 * _DAY - 1)},
        15,
        {"onyx_backup_last_verified_timestamp_seconds": flat(-7.5 * _DAY)},
    ),
    # A quarter of a day and an hour late; at minute 15 the history itself is 900 s old.
    "ScheduleStale": Fault(
        {_LAST_RUN: flat(-1.25 * _DAY - 3601)},
        15,
        {_LAST_RUN: flat(-1.25 * _DAY + 6000)},
    ),
    "ScheduledRunFailed": Fault({'onyx_schedule_failed{schedule="restore_drill"}': flat(1)}, 5),
    "StackFailing": Fault(
        {"onyx_stack_health": flat(3)}, 60, near=(({"onyx_stack_health": flat(2)}, 100),)
    ),
    "StackNotKnown": Fault(
        {_BACKUPS: flat(2)}, 60, near=(({_BACKUPS: flat(1)}, 100), ({_BACKUPS: flat(3)}, 100))
    ),
    "NotScraped": Fault(
        {_NODE_UP: then(10, "1", "0")},
        15,
        more=(
            ({f'up{{job="blackbox",service="{each.service}"}}': flat(0) for each in PROBED}, 10),
        ),
        near=(({f'up{{job="blackbox",service="{PROBED[0].service}"}}': flat(0)}, 30),),
    ),
    "ScrapeTooLarge": Fault(
        {'prometheus_target_scrapes_exceeded_sample_limit_total{service="prometheus"}': rising(1)},
        6,
    ),
    "RulesFailing": Fault(
        {_RULES_FAILED: rising(1)},
        6,
    ),
    "ConfigurationNotLoaded": Fault(
        {'prometheus_config_last_reload_successful{service="prometheus"}': flat(0)}, 5
    ),
    "AlertsNotSent": Fault(
        {_NOT_SENT: rising(1)},
        6,
    ),
    "ErrorRelaySilent": Fault({"onyx_error_relay_last_pass_timestamp_seconds": flat(0)}, 5),
    "ErrorMessagesNotSent": Fault({"onyx_error_relay_undelivered": flat(1)}, 5),
}
