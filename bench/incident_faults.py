"""What goes wrong in the watched sandbox, for real: each with the alert that people should see
first, and how it is made good again."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from onyx_pipelines.core.names import Job
from onyx_pipelines.notify.event import Event, Outcome
from onyx_pipelines.notify.last_runs import LastRuns
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines.sandbox.service_process import ServiceProcess
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox
from onyx_pipelines_tests.mounting import Kind, mounted
from onyx_pipelines_tests.vault.sets import new_id, signing_key

# Of the sandbox's 60, three of which are for its superuser.
_CONNECTIONS: Final = 54
_Strike = Callable[[WatchedSandbox, ExitStack], None]


@dataclass(frozen=True)
class Incident:
    """`first`: any of these is the right one. `strike` leaves in the stack what makes it good."""

    name: str
    first: frozenset[str]
    strike: _Strike


def incidents(folder: Path) -> list[Incident]:
    """`folder`: for a small disk."""
    return [
        *(*_killed(), *_hung(), *_of_redis(), _disk(folder)),
        *(*_of_backups(), *_of_services(), *_of_answers()),
    ]


def _incident(name: str, strike: _Strike, *first: str) -> Incident:
    return Incident(name, frozenset(first), strike)


# Service → its process, and the alerts that name it.
_SERVICES: Final[dict[str, tuple[Callable[[WatchedSandbox], ServiceProcess], str]]] = {
    "Suna": (lambda w: w.sandbox.monitoring.suna, "SunaDown"),
    "Onyx": (lambda w: w.sandbox.app, "OnyxDown"),
    "Qdrant": (lambda w: w.sandbox.qdrant, "QdrantDown"),
    "LiteLLM": (lambda w: w.sandbox.llm, "LitellmDown"),
    "Redis": (lambda w: w.sandbox.monitoring.redis, "RedisUnhealthy"),
    "PostgreSQL's exporter": (
        lambda w: w.sandbox.monitoring.exporters["postgres"],
        "PostgresqlDown",
    ),
    "Redis' exporter": (lambda w: w.sandbox.monitoring.exporters["redis"], "RedisDown"),
    "our API": (lambda w: w.sandbox.monitoring.api, "BackupsUnknown"),
}


def _killed() -> Iterator[Incident]:
    for name, (process, alert) in _SERVICES.items():
        yield _incident(f"{name} is killed", _kill(process), alert)
    nginx = _kill(lambda w: w.sandbox.monitoring.edge)
    yield _incident("nginx is killed", nginx, "NginxUnhealthy", "EdgeUnreachable")
    yield _incident("PostgreSQL stops", _stop_postgres, "PostgresqlUnhealthy")


def _kill(process: Callable[[WatchedSandbox], ServiceProcess]) -> _Strike:
    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        process(watched).kill()
        after.callback(watched.up)

    return strike


def _stop_postgres(watched: WatchedSandbox, after: ExitStack) -> None:
    watched.sandbox.postgres.stop()
    # Connections that it had are found broken by who uses them next, as in any application.
    after.callback(watched.ask, 8)
    after.callback(watched.up)


def _hung() -> Iterator[Incident]:
    """Whoever connects is accepted by the kernel, and never answered."""
    for name in ("Suna", "Onyx", "Qdrant", "LiteLLM", "our API"):
        process, alert = _SERVICES[name]
        yield _incident(f"{name} hangs", _hang(process), alert)
    # Its exporter waits for it, longer than Prometheus waits for the exporter.
    yield _incident("Redis hangs", _hang(_SERVICES["Redis"][0]), "RedisDown", "RedisUnhealthy")


def _hang(process: Callable[[WatchedSandbox], ServiceProcess]) -> _Strike:
    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        pid = process(watched).pid or 0
        os.killpg(pid, signal.SIGSTOP)
        after.callback(os.killpg, pid, signal.SIGCONT)

    return strike


def _of_backups() -> list[Incident]:
    return [
        _incident("a stranger's set", _stranger, "BackupUntrusted"),
        _incident("a set lacks an object", _damage, "BackupDamaged"),
        _incident("the newest set is of the day before yesterday", _age_set, "BackupStale"),
        _incident("the second store is behind", _behind, "OffsiteCopyBehind"),
        _incident("the last drill is long ago", _age_drill, "DrillStale"),
        _incident("the last drill failed", _fail_drill, "DrillFailed"),
        _incident("no schedule comes", _age_run, "ScheduleStale"),
        _incident("a scheduled run failed", _fail_run, "ScheduledRunFailed"),
    ]


def _stranger(watched: WatchedSandbox, after: ExitStack) -> None:
    name = new_id()
    watched.put_set(name, signing_key("a stranger"))
    after.callback(watched.host.first.delete, manifest_key(name))


def _damage(watched: WatchedSandbox, after: ExitStack) -> None:
    path = next((watched.host.settings.backup_dir / "sets").rglob("*.sealed"))
    kept = path.with_suffix(".kept")
    path.rename(kept)
    after.callback(kept.rename, path)


def _age_set(watched: WatchedSandbox, after: ExitStack) -> None:
    watched.date_set(_ago(hours=36))
    after.callback(lambda: watched.date_set(datetime.now(UTC)))


def _behind(watched: WatchedSandbox, after: ExitStack) -> None:
    """A newer set is only in the first store."""
    copy = watched.host.copies[0]
    key = manifest_key(watched.backup_id)
    text = copy.get(key)
    copy.delete(key)
    after.callback(copy.put, key, text)


def _age_drill(watched: WatchedSandbox, after: ExitStack) -> None:
    watched.note_drill(_ago(days=36))
    after.callback(lambda: watched.note_drill(datetime.now(UTC)))


def _fail_drill(watched: WatchedSandbox, after: ExitStack) -> None:
    catalog = Catalog(watched.host.stores, watched.host.trust)
    catalog.record_drill(watched.backup_id, "local", passed=False, at=datetime.now(UTC))
    after.callback(lambda: watched.note_drill(datetime.now(UTC)))


def _age_run(watched: WatchedSandbox, after: ExitStack) -> None:
    _forget_runs(watched)
    watched.note_run(_ago(days=2))
    after.callback(_forget_runs, watched)


def _fail_run(watched: WatchedSandbox, after: ExitStack) -> None:
    _forget_runs(watched)
    event = Event(Outcome.FAILED, "failed", "run", Job.BACKUP, "failed")
    LastRuns(watched.host.settings.state_dir).note(event)
    after.callback(_forget_runs, watched)


def _forget_runs(watched: WatchedSandbox) -> None:
    for each in (watched.host.settings.state_dir / "last-runs").glob("*.json"):
        each.unlink()


def _of_services() -> list[Incident]:
    return [
        _incident("a certificate ends tomorrow", _renew(1), "CertificateAboutToEnd"),
        _incident("a certificate ends in ten days", _renew(10), "CertificateExpiring"),
        _incident("Qdrant in recovery mode", _qdrant(recovery_mode=True), "QdrantRecoveryMode"),
        _incident(
            "a replica of Qdrant is dead",
            _qdrant(local_state="Dead"),
            *("QdrantReplicaDead", "QdrantCollectionUnwell"),
        ),
        _incident("connections to PostgreSQL leak", _connect, "PostgresqlConnectionsHigh"),
    ]


def _of_redis() -> list[Incident]:
    return [
        _incident("Redis is full", _fill_redis, "RedisMemoryHigh"),
        _incident("Redis has no connection left", _crowd_redis, "RedisRefusing"),
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


def _renew(days: int) -> _Strike:
    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        watched.sandbox.monitoring.edge.renew(days)
        after.callback(watched.sandbox.monitoring.edge.renew)

    return strike


def _qdrant(**faults: Any) -> _Strike:
    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        watched.sandbox.qdrant.set_faults(**faults)
        after.callback(watched.sandbox.qdrant.set_faults)

    return strike


def _connect(watched: WatchedSandbox, after: ExitStack) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL"
    with watched.sandbox.postgres.connect() as connection:
        (taken,) = connection.execute(query).fetchone() or (0,)
    for _ in range(_CONNECTIONS - taken):
        after.callback(watched.sandbox.postgres.connect().close)


def _fill_redis(watched: WatchedSandbox, after: ExitStack) -> None:
    """It may have less than it already has."""
    _redis(watched, f"SET filler {'x' * (8 << 20)}")
    _redis(watched, "CONFIG SET maxmemory 4mb")
    after.callback(_redis, watched, "DEL filler")
    after.callback(_redis, watched, "CONFIG SET maxmemory 64mb")


def _crowd_redis(watched: WatchedSandbox, after: ExitStack) -> None:
    """For a moment: as long as there are too many, its exporter is refused as well."""
    _redis(watched, "CONFIG SET maxclients 8")
    with ExitStack() as crowd:
        for _ in range(20):
            address = (HOST, watched.sandbox.monitoring.redis.port)
            crowd.enter_context(socket.create_connection(address))
    after.callback(_redis, watched, "CONFIG SET maxclients 1000")


def _redis(watched: WatchedSandbox, command: str) -> None:
    words = command.split()
    text = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection((HOST, watched.sandbox.monitoring.redis.port)) as connection:
        connection.sendall(text.encode())
        connection.recv(100)


def _slow(watched: WatchedSandbox, after: ExitStack) -> None:
    watched.sandbox.app.set_faults(slow_db_ms=1500)
    after.callback(watched.sandbox.app.set_faults)
    # More than the fewest that its alert asks for: 15 within five minutes.
    watched.ask(8)


def _refuse(watched: WatchedSandbox, after: ExitStack) -> None:
    """Every second call: fewer than make LiteLLM call it an outage, and more than a tenth."""
    watched.sandbox.llm.set_delays(rate_limit_per_s=1)
    # An outage ends with an answer.
    after.callback(watched.ask, 1)
    after.callback(watched.sandbox.llm.set_delays)
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


def _ago(**time: float) -> datetime:
    return datetime.now(UTC) - timedelta(**time)
