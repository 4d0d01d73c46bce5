"""What goes wrong in the watched sandbox, for real: each with the alert that people should see
first, and how it is made good again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx

from bench.strikes import backups, databases
from bench.strikes.edge import renew
from bench.strikes.services import application, hang, kill, model
from bench.strikes.strike import Strike
from bench.strikes.vectors import qdrant
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox
from onyx_pipelines_tests.mounting import Kind, mounted

# Of the sandbox's 60, three of which are for its superuser.
_CONNECTIONS: Final = 54


@dataclass(frozen=True)
class Incident:
    """`first`: any of these is the right one. `strike` leaves in the stack what makes it good."""

    name: str
    first: frozenset[str]
    strike: Strike


def incidents(folder: Path) -> list[Incident]:
    """`folder`: for a small disk."""
    return [
        *(*_killed(), *_hung(), *_of_redis(), _disk(folder)),
        *(*_of_backups(), *_of_services(), *_of_answers()),
    ]


def _incident(name: str, strike: Strike, *first: str) -> Incident:
    return Incident(name, frozenset(first), strike)


# The alert that names each.
_DOWN: Final = {
    "Suna": "SunaDown",
    "Onyx": "OnyxDown",
    "Qdrant": "QdrantDown",
    "LiteLLM": "LitellmDown",
    "Redis": "RedisUnhealthy",
    "PostgreSQL's exporter": "PostgresqlDown",
    "Redis' exporter": "RedisDown",
    "our API": "BackupsUnknown",
}


def _killed() -> Iterator[Incident]:
    for name, alert in _DOWN.items():
        yield _incident(f"{name} is killed", kill(name), alert)
    yield _incident("nginx is killed", kill("nginx"), "NginxUnhealthy", "EdgeUnreachable")
    yield _incident("PostgreSQL stops", _stop_postgres, "PostgresqlUnhealthy")


def _hung() -> Iterator[Incident]:
    for name in ("Suna", "Onyx", "Qdrant", "LiteLLM", "our API"):
        yield _incident(f"{name} hangs", hang(name), _DOWN[name])
    # Its exporter waits for it, longer than Prometheus waits for the exporter.
    yield _incident("Redis hangs", hang("Redis"), "RedisDown", "RedisUnhealthy")


def _of_backups() -> list[Incident]:
    age = timedelta(hours=36)
    return [
        _incident("a stranger's set", backups.stranger, "BackupUntrusted"),
        _incident("a set lacks an object", backups.damage(0), "BackupDamaged"),
        _incident(
            "the newest set is of the day before yesterday", backups.age_set(age), "BackupStale"
        ),
        _incident("the second store is behind", backups.behind, "OffsiteCopyBehind"),
        _incident(
            "the last drill is long ago", backups.age_drill(timedelta(days=36)), "DrillStale"
        ),
        _incident("the last drill failed", backups.fail_drill, "DrillFailed"),
        _incident("no schedule comes", backups.age_run(timedelta(days=2)), "ScheduleStale"),
        _incident("a scheduled run failed", backups.fail_runs(), "ScheduledRunFailed"),
    ]


def _of_services() -> list[Incident]:
    return [
        _incident("a certificate ends tomorrow", renew(timedelta(days=1)), "CertificateAboutToEnd"),
        _incident(
            "a certificate ends in ten days", renew(timedelta(days=10)), "CertificateExpiring"
        ),
        _incident("Qdrant in recovery mode", qdrant(recovery_mode=True), "QdrantRecoveryMode"),
        _incident(
            "a replica of Qdrant is dead",
            qdrant(local_state="Dead"),
            *("QdrantReplicaDead", "QdrantCollectionUnwell"),
        ),
        _incident(
            "connections to PostgreSQL leak",
            databases.take_connections(_CONNECTIONS),
            "PostgresqlConnectionsHigh",
        ),
    ]


def _of_redis() -> list[Incident]:
    return [
        _incident("Redis is full", databases.fill_redis(2), "RedisMemoryHigh"),
        _incident("Redis has no connection left", databases.crowd_redis, "RedisRefusing"),
    ]


def _of_answers() -> list[Incident]:
    """Last: an outage keeps them back for as long as their windows have it."""
    return [
        _incident("the database is slow", _slow, "LatencyAboveBaseline", "ChatSlow"),
        _incident("requests fail", _fail, "ErrorRateHigh", "ErrorBudgetFastBurn"),
        _incident(
            "the model's provider refuses",
            _refuse,
            *("ModelFailing", "ModelOutage"),
        ),
    ]


def _stop_postgres(watched: WatchedSandbox, after: ExitStack) -> None:
    # Connections that it had are found broken by who uses them next, as in any application.
    after.callback(watched.ask, 8)
    databases.stop_postgres(watched, after)


def _slow(watched: WatchedSandbox, after: ExitStack) -> None:
    application(slow_db_ms=1500)(watched, after)
    # More than the fewest that its alert asks for: 15 within five minutes.
    watched.ask(8)


def _refuse(watched: WatchedSandbox, after: ExitStack) -> None:
    """Every second call: fewer than make LiteLLM call it an outage, and more than a tenth."""
    model(rate_limit_per_s=1)(watched, after)
    watched.ask(6)


def _fail(watched: WatchedSandbox, _: ExitStack) -> None:
    for _number in range(40):
        httpx.post(f"{watched.sandbox.app.url}/api/rag/search", json={}, trust_env=False)


def _disk(folder: Path) -> Incident:
    def strike(_: WatchedSandbox, after: ExitStack) -> None:
        after.enter_context(_full_disk(folder))

    return _incident("a disk is full", strike, "DiskFull")


@contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    point, image = folder / "disk", folder / "image"
    point.mkdir(exist_ok=True)
    image.unlink(missing_ok=True)
    with mounted(Kind.DISK, point, image):
        with suppress(OSError), (point / "file").open("wb") as file:
            while True:
                file.write(bytes(1 << 20))
        yield
