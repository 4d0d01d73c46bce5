"""What the services run on."""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.dashboards.board import Line, Panel, Shape, Unit
from onyx_pipelines.monitoring.dashboards.parts import WINDOW, rate


def panels(thresholds: Thresholds) -> list[Panel]:
    """In reading order."""
    real = 'fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660"'
    named = 'name!=""'
    return [
        Panel(
            "Containers: processors",
            "Cores in use.",
            Unit.NUMBER,
            [Line(rate(f"container_cpu_usage_seconds_total{{{named}}}", "name"), "{{name}}")],
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
                Line(f"rate(node_pressure_{what}_waiting_seconds_total[{WINDOW}])", what)
                for what in ("cpu", "io", "memory")
            ],
        ),
        Panel(
            "Network",
            "Bytes a second, received and sent.",
            Unit.BYTES,
            [
                Line(rate('node_network_receive_bytes_total{device!="lo"}'), "received"),
                Line(rate('node_network_transmit_bytes_total{device!="lo"}'), "sent"),
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
