"""What Prometheus reads: the counters and gauges that the product reads of a server."""

from __future__ import annotations

import os
from pathlib import Path

from onyx_pipelines.sandbox.qdrant_standin.collection import Collection
from onyx_pipelines.sandbox.qdrant_standin.node import Node


def metrics_text(node: Node, version: str) -> str:
    """In Prometheus' text format."""
    lines = [
        "# TYPE app_info gauge",
        f'app_info{{name="qdrant",version="{version}"}} 1',
        "# TYPE app_status_recovery_mode gauge",
        f"app_status_recovery_mode {int(node.faults.recovery_mode)}",
        "# TYPE collections_total gauge",
        f"collections_total {len(node.collections)}",
        "# TYPE collections_vector_total gauge",
        # As many as points: the sandbox's have one vector each.
        f"collections_vector_total {sum(each.points_count for each in _all(node))}",
        "# TYPE memory_resident_bytes gauge",
        f"memory_resident_bytes {_resident_bytes()}",
        "# TYPE collection_dead_replicas gauge",
        f"collection_dead_replicas {_dead(node)}",
    ]
    for name, kind, attribute in (
        ("collection_points", "gauge", "points_count"),
        ("snapshot_creation_running", "gauge", "snapshots_running"),
        ("snapshot_created_total", "counter", "snapshots_made"),
    ):
        lines.append(f"# TYPE {name} {kind}")
        lines += [
            f'{name}{{id="{key}"}} {getattr(each, attribute)}'
            for key, each in list(node.collections.items())
        ]
    lines.append("# TYPE snapshot_recovery_running gauge")
    lines += [
        f'snapshot_recovery_running{{id="{name}"}} {running}'
        for name, running in list(node.recoveries.items())
    ]
    lines.append("# TYPE rest_responses_total counter")
    lines += [
        f'rest_responses_total{{method="{method}",endpoint="{template}",status="{status}"}} {count}'
        for (method, template, status), count in list(node.requests.items())
        if "/points" in template
    ]
    return "\n".join(lines) + "\n"


def _all(node: Node) -> list[Collection]:
    return list(node.collections.values())


def _resident_bytes() -> int:
    """Of this process (proc(5))."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _dead(node: Node) -> int:
    """Replicas that are not active."""
    here = sum(len(each.shard_counts) for each in _all(node))
    there = len(node.faults.remote_shards) * len(node.collections)
    return here * (node.faults.local_state != "Active") + there * (
        node.faults.remote_state != "Active"
    )
