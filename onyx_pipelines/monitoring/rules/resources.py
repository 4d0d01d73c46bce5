"""Has the machine enough of everything?"""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Alert, Board, Group, Severity

_REAL = 'fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660"'


def resources(thresholds: Thresholds) -> list[Group]:
    """Of the host and of each container."""
    return [
        Group("onyx-host", [*_host(thresholds), *_disks(thresholds)]),
        Group("onyx-containers", _containers(thresholds)),
    ]


def _alert(
    name: str, expr: str, hold: str, severity: Severity, summary: str, description: str
) -> Alert:
    return Alert(
        name,
        expr,
        hold,
        severity,
        Playbook.HIGH_RESOURCE_USAGE,
        Board.INFRASTRUCTURE,
        summary,
        description,
        service="host",
    )


def _host(thresholds: Thresholds) -> list[Alert]:
    full = f"{thresholds.resources:g}"
    return [
        _alert(
            "HostCpuHigh",
            f"host:cpu:ratio_rate5m > {full}",
            "5m",
            Severity.WARNING,
            "The host's processors are busy",
            "{{ $value | humanizePercentage }} in use for five minutes.",
        ),
        _alert(
            "HostMemoryHigh",
            f"host:memory:ratio > {full}",
            "5m",
            Severity.CRITICAL,
            "The host's memory is almost used up",
            "{{ $value | humanizePercentage }} in use: the kernel will end something.",
        ),
        _alert(
            "OutOfMemoryKill",
            "increase(node_vmstat_oom_kill[10m]) > 0",
            "0m",
            Severity.CRITICAL,
            "The kernel ended a process for memory",
            "See `dmesg` for which; a database that this happened to must be looked at.",
        ),
        _alert(
            "ClockWrong",
            "node_timex_sync_status == 0 or abs(node_timex_offset_seconds) > 1",
            "15m",
            Severity.WARNING,
            "The host's clock is not kept right",
            "Retention, certificates and logs depend on it.",
        ),
    ]


def _disks(thresholds: Thresholds) -> list[Alert]:
    free = f"node_filesystem_avail_bytes{{{_REAL}}} / node_filesystem_size_bytes{{{_REAL}}}"
    return [
        _alert(
            "DiskFilling",
            f"{free} < {thresholds.disk_free:g}"
            f" and predict_linear(node_filesystem_avail_bytes{{{_REAL}}}[1h], 86400) < 0"
            f" and {free} >= 0.05",
            "10m",
            Severity.WARNING,
            "{{ $labels.mountpoint }} is full within a day",
            "{{ $value | humanizePercentage }} free, and less every hour.",
        ),
        _alert(
            "DiskFull",
            f"{free} < 0.05",
            "1m",
            Severity.CRITICAL,
            "{{ $labels.mountpoint }} is full",
            "{{ $value | humanizePercentage }} free: databases stop, backups fail.",
        ),
    ]


def _containers(thresholds: Thresholds) -> list[Alert]:
    full = f"{thresholds.resources:g}"
    names = 'name!=""'
    used = f"rate(container_cpu_usage_seconds_total{{{names}}}[5m])"
    quota = f"container_spec_cpu_quota{{{names}}} / container_spec_cpu_period{{{names}}}"
    limit = f"container_spec_memory_limit_bytes{{{names}}} > 0"
    return [
        _alert(
            "ContainerCpuHigh",
            f"sum by (name) ({used}) / sum by (name) ({quota}) > {full}",
            "10m",
            Severity.WARNING,
            "{{ $labels.name }} needs more processor than it may have",
            "{{ $value | humanizePercentage }} of its limit for ten minutes.",
        ),
        _alert(
            "ContainerMemoryHigh",
            f"sum by (name) (container_memory_working_set_bytes{{{names}}})"
            f" / sum by (name) ({limit}) > {full}",
            "5m",
            Severity.WARNING,
            "{{ $labels.name }} has almost no memory left",
            "{{ $value | humanizePercentage }} of its limit: the kernel ends it beyond.",
        ),
        _alert(
            "ContainerOutOfMemory",
            f"sum by (name) (increase(container_oom_events_total{{{names}}}[10m])) > 0",
            "0m",
            Severity.CRITICAL,
            "{{ $labels.name }} was ended for memory",
            "The kernel ended a process of it: it needs more than its limit, or leaks.",
        ),
        _alert(
            "ContainerRestarting",
            f"changes(container_start_time_seconds{{{names}}}[15m]) > 2",
            "0m",
            Severity.WARNING,
            "{{ $labels.name }} starts again and again",
            "{{ $value | humanize }} starts within 15 minutes. See the end of its log.",
        ),
    ]
