"""The watching of a running sandbox by the real programs: what goes wrong is told within a minute,
and nothing else is. It is one sandbox, its services in containers of a real engine."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.health.examining import examine
from onyx_pipelines.health.verdict import Area, Condition
from onyx_pipelines.host.background import started_ticks
from onyx_pipelines.monitoring.dashboards.board import Dashboard
from onyx_pipelines.monitoring.dashboards.five import dashboards
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.services import CORE
from onyx_pipelines.readiness.triage import LIMIT_S, triage
from onyx_pipelines.sandbox.containers.engine import SandboxEngine, State
from onyx_pipelines.sandbox.containers.services import LIMITS
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines_tests.docker_engine import engine_host
from onyx_pipelines_tests.lifetime import disk_of, session_directory
from onyx_pipelines_tests.monitoring.watched_sandbox import (
    THRESHOLDS,
    WatchedSandbox,
    watched_sandbox,
)
from onyx_pipelines_tests.mounting import DISK_BYTES, Kind, mounted
from onyx_pipelines_tests.vault.sets import new_id, signing_key
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.thorough]

# From what goes wrong until people are told.
WITHIN_S: Final = 60.0
# As Grafana fills it in.
RATE_INTERVAL: Final = "1m"
BEGINNING: Final = datetime.fromtimestamp(0, UTC)


@pytest.fixture(scope="module")
def watched() -> Iterator[WatchedSandbox]:
    # node_exporter looks at nothing below /dev.
    disks = disk_of(session_directory()) / "disk-that-fills"
    with watched_sandbox(
        session_directory() / "watched", disks, docker_host=engine_host()
    ) as found:
        yield found


def test_all_six_services_are_scraped(watched: WatchedSandbox) -> None:
    prometheus = watched.sandbox.monitoring.prometheus

    # Alertmanager is started last.
    wait_until(lambda: prometheus.series("up == 0") == [], "every target answers")

    up = prometheus.series("up == 1")
    assert {each.job for each in CORE} <= {each["metric"]["job"] for each in up}


def test_its_services_are_containers_with_limits(watched: WatchedSandbox) -> None:
    """And whoever watches them sees the limits."""
    prometheus = watched.sandbox.monitoring.prometheus
    query = "container_spec_memory_limit_bytes / (container_spec_cpu_quota > 0)"

    seen = {each["metric"]["name"].split(".")[0] for each in prometheus.series(query)}

    assert seen == LIMITS.keys() - {"litellm"}


def test_a_stack_that_is_well_raises_nothing(watched: WatchedSandbox) -> None:
    assert watched.told(BEGINNING, "firing") == set()


def test_such_a_stack_says_so_of_itself(watched: WatchedSandbox) -> None:
    """`onyx health`: all six are scraped, and our rules are evaluated and none fires."""
    url = watched.sandbox.monitoring.prometheus.url
    settings = watched.host.settings.model_copy(update={"prometheus_url": url})

    found = {each.area: each for each in examine(settings).findings}

    assert {each: found[each].condition for each in (Area.SCRAPING, Area.ALERTS, Area.DRILLS)} == {
        Area.SCRAPING: Condition.OK,
        Area.ALERTS: Condition.OK,
        Area.DRILLS: Condition.OK,
    }, found
    assert found[Area.SCRAPING].summary == "All 6 services are scraped."
    assert diagnosed(watched) == {}


@pytest.mark.parametrize("board", dashboards(Thresholds()), ids=lambda each: each.board.value)
def test_every_query_of_a_dashboard_finds_something(
    board: Dashboard, watched: WatchedSandbox
) -> None:
    prometheus = watched.sandbox.monitoring.prometheus
    queries = [
        line.expr.replace("$__rate_interval", RATE_INTERVAL)
        for panel in board.panels
        for line in panel.lines
    ]

    def lacking() -> list[str]:
        watched.ask(1)
        return [query for query in queries if not prometheus.series(query)]

    wait_until(lambda: not lacking(), f"there is data for every query of {board.board}")


def test_each_planted_fault_raises_its_own_alert_and_no_other_page(
    watched: WatchedSandbox,
) -> None:
    """A disk that is full, a set of a stranger, a drill that was long ago, a schedule that came
    last two days ago, answers that take too long, a certificate that ends: all at once, and each is
    told by its own name."""
    since = datetime.now(UTC)
    stranger = new_id()
    folder = watched.disks
    (folder / "disk").mkdir(parents=True)
    expected = {
        *("DiskFull", "BackupUntrusted", "CertificateAboutToEnd"),
        *("DrillStale", "ScheduleStale", "LatencyAboveBaseline"),
    }

    with mounted(Kind.DISK, folder / "disk", folder / "image"):
        fill(folder / "disk" / "file")
        watched.put_set(stranger, signing_key("a stranger"))
        watched.note_drill(since - timedelta(days=36))
        watched.note_run(since - timedelta(days=2))
        watched.sandbox.app.set_faults(slow_db_ms=1500)
        watched.sandbox.monitoring.edge.renew(days=1)
        watched.ask(4)
        told_soon(expected, watched, since)
        assert diagnosed(watched).keys() == {
            *(Playbook.CERTIFICATE_EXPIRY, Playbook.HIGH_RESOURCE_USAGE, Playbook.SYNC_FAILURE)
        }

    watched.sandbox.app.set_faults()
    watched.sandbox.monitoring.edge.renew()
    watched.host.first.delete(manifest_key(stranger))
    watched.note_drill(datetime.now(UTC))
    watched.note_run(datetime.now(UTC))
    assert watched.told(since, "firing") == expected


def diagnosed(watched: WatchedSandbox) -> dict[Playbook, list[str]]:
    """By `onyx triage`, which has ten seconds; with the steps that said so."""
    url = watched.sandbox.monitoring.prometheus.url
    update = {"prometheus_url": url, "alert_thresholds": THRESHOLDS}
    found = triage(watched.host.settings.model_copy(update=update))
    assert found.took_s < LIMIT_S + 2
    return {each.playbook.id: [why.step.id for why in each.decided_by] for each in found.named}


def fill(path: Path) -> None:
    """Until there is no room left."""
    with pytest.raises(OSError, match="No space left"):
        path.write_bytes(bytes(DISK_BYTES))


def told_soon(expected: set[str], watched: WatchedSandbox, since: datetime) -> None:
    for name in expected:
        wait_until(
            lambda: name in watched.told(since, "firing"),  # noqa: B023  # called within the loop
            f"{name} is told",
            within_s=WITHIN_S,
        )


def test_what_is_killed_is_told_of_and_so_is_that_it_is_back(watched: WatchedSandbox) -> None:
    """All six at once; and the newest backup is of the day before yesterday."""
    expected = {
        *("SunaDown", "OnyxDown", "QdrantDown", "LitellmDown"),
        *("RedisUnhealthy", "PostgresqlUnhealthy", "BackupStale"),
    }
    sandbox = watched.sandbox

    since = datetime.now(UTC)
    for each in (
        *(sandbox.monitoring.suna, sandbox.app, sandbox.qdrant),
        *(sandbox.llm, sandbox.monitoring.redis),
    ):
        each.kill()
    sandbox.postgres.stop()
    watched.date_set(since - timedelta(hours=36))

    told_soon(expected, watched, since)
    assert watched.pages(since) == expected
    # That the application ended too may follow from its database.
    assert diagnosed(watched).keys() - {Playbook.HIGH_RESOURCE_USAGE} == {
        *(Playbook.LLM_DOWN, Playbook.DATABASE_FAILURE),
        *(Playbook.VECTOR_CORRUPTION, Playbook.SYNC_FAILURE),
    }

    back = datetime.now(UTC)
    watched.date_set(back)
    watched.up()
    wait_until(lambda: expected <= watched.told(back, "resolved"), "all of them are over")


def test_a_container_that_is_ended_for_memory_and_one_that_starts_again_and_again_are_told(
    watched: WatchedSandbox,
) -> None:
    """Redis takes more than it may have; Suna ends as soon as it runs, and its engine starts it
    again."""
    since = datetime.now(UTC)
    sandbox = watched.sandbox

    with SandboxEngine(sandbox.containers.host) as engine:
        suna = container_of("suna", watched, engine)
        engine.restart_always(suna.name)
        for _ in range(3):
            restarted(suna.name, watched, engine)
    use_up_memory(sandbox.monitoring.redis.port)

    told_soon({"ContainerRestarting", "ContainerOutOfMemory"}, watched, since)
    watched.up()


def container_of(service: str, watched: WatchedSandbox, engine: SandboxEngine) -> State:
    states = engine.states(watched.sandbox.containers.label)
    return next(each for each in states if each.name.startswith(f"{service}."))


def restarted(name: str, watched: WatchedSandbox, engine: SandboxEngine) -> None:
    """Killed, started again by its engine, and seen so by Prometheus."""
    query = f'max(container_start_time_seconds{{name="{name}"}})'
    before = container_of(name.split(".")[0], watched, engine)

    def is_seen() -> bool:
        now = container_of(name.split(".")[0], watched, engine).started_at
        found = watched.sandbox.monitoring.prometheus.series(query)
        return now > before.started_at and [float(each["value"][1]) for each in found] == [
            now.timestamp()
        ]

    os.kill(before.pid, signal.SIGKILL)
    wait_until(is_seen, f"{name} runs again")


def use_up_memory(redis_port: int) -> None:
    """Until it answers no more: the kernel has ended it."""
    fill = "for i = 1, 1000000 do redis.call('set', i, string.rep('x', 1024)) end"
    with socket.create_connection((HOST, redis_port)) as connection, suppress(OSError):
        connection.sendall(f'CONFIG SET maxmemory 0\r\nEVAL "{fill}" 0\r\n'.encode())
        while connection.recv(1024):
            pass


def test_what_pages_somebody_comes_by_mail_too(watched: WatchedSandbox) -> None:
    """And what does not, does not."""
    subjects = " ".join(watched.sandbox.monitoring.receiver.mails())
    told = {each.alert for each in watched.sandbox.monitoring.receiver.told()}

    assert {name for name in told if name in subjects} == watched.pages(BEGINNING)


def test_nothing_is_left_of_it_after_down(watched: WatchedSandbox) -> None:
    processes = [each.pid for each in watched.sandbox.monitoring.processes()]
    assert all(processes)

    watched.sandbox.down()

    assert not any(started_ticks(pid) for pid in processes if pid)
