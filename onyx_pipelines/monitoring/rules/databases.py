"""Are the databases well?"""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Alert, Board, Group, Severity


def databases(thresholds: Thresholds) -> list[Group]:
    """PostgreSQL, Redis, Qdrant."""
    return [Group("onyx-databases", [*_postgresql(thresholds), *_redis(thresholds), *_qdrant()])]


def _postgresql(thresholds: Thresholds) -> list[Alert]:
    return [
        Alert(
            "PostgresqlConnectionsHigh",
            "sum by (instance) (pg_stat_activity_count)"
            f" / max by (instance) (pg_settings_max_connections) > {thresholds.connections:g}",
            "5m",
            Severity.WARNING,
            Playbook.DATABASE_FAILURE,
            Board.INFRASTRUCTURE,
            "PostgreSQL has almost no connection left",
            "{{ $value | humanizePercentage }} of max_connections are taken. See who holds them:"
            " `SELECT usename, state, count(*) FROM pg_stat_activity GROUP BY 1, 2`.",
            service="postgresql",
        ),
        Alert(
            "PostgresqlDeadlocks",
            "sum by (datname) (increase(pg_stat_database_deadlocks[10m])) > 5",
            "0m",
            Severity.WARNING,
            Playbook.DATABASE_FAILURE,
            Board.INFRASTRUCTURE,
            "Transactions of {{ $labels.datname }} lock each other out",
            "{{ $value | humanize }} deadlocks within ten minutes.",
            service="postgresql",
        ),
    ]


def _redis(thresholds: Thresholds) -> list[Alert]:
    return [
        Alert(
            "RedisMemoryHigh",
            f"redis_memory_used_bytes / (redis_memory_max_bytes > 0) > {thresholds.resources:g}",
            "5m",
            Severity.WARNING,
            Playbook.DATABASE_FAILURE,
            Board.INFRASTRUCTURE,
            "Redis has almost no memory left",
            "{{ $value | humanizePercentage }} of maxmemory: keys go, or writes fail.",
            service="redis",
        ),
        Alert(
            "RedisRefusing",
            "increase(redis_rejected_connections_total[10m]) > 0",
            "0m",
            Severity.CRITICAL,
            Playbook.DATABASE_FAILURE,
            Board.INFRASTRUCTURE,
            "Redis refuses connections",
            "{{ $value | humanize }} within ten minutes: maxclients is reached.",
            service="redis",
        ),
    ]


def _qdrant() -> list[Alert]:
    prefix = "(qdrant_app_status_recovery_mode or app_status_recovery_mode)"
    dead = "(qdrant_collection_dead_replicas or collection_dead_replicas)"
    return [
        Alert(
            "QdrantRecoveryMode",
            f"{prefix} == 1",
            "1m",
            Severity.CRITICAL,
            Playbook.VECTOR_CORRUPTION,
            Board.RETRIEVAL,
            "Qdrant started in recovery mode",
            "It serves no collection. Its log says which file it could not read.",
            service="qdrant",
        ),
        Alert(
            "QdrantCollectionUnwell",
            "onyx_qdrant_collections_unwell > 0",
            "5m",
            Severity.CRITICAL,
            Playbook.VECTOR_CORRUPTION,
            Board.RETRIEVAL,
            "Collections of Qdrant are red or grey",
            "{{ $value | humanize }} collections: `onyx doctor` names them.",
            service="qdrant",
        ),
        Alert(
            "QdrantReplicaDead",
            f"{dead} > 0",
            "5m",
            Severity.WARNING,
            Playbook.VECTOR_CORRUPTION,
            Board.RETRIEVAL,
            "Replicas of a collection of Qdrant are dead",
            "{{ $value | humanize }}: `onyx doctor` says of which collection and on which node.",
            service="qdrant",
        ),
    ]
