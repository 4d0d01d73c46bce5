"""The watching of a running sandbox by the real programs: what goes wrong is told within a minute,
and nothing else is. All of it is one sandbox, which the tests leave as they found it."""

from __future__ import annotations

from collections.abc import Iterator
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
from onyx_pipelines.monitoring.services import CORE
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines_tests.lifetime import disk_of, session_directory
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox, watched_sandbox
from onyx_pipelines_tests.mounting import DISK_BYTES, Kind, mounted
from onyx_pipelines_tests.vault.sets import new_id, signing_key
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.servers]

# From what goes wrong until people are told.
WITHIN_S: Final = 60.0
# As Grafana fills it in.
RATE_INTERVAL: Final = "1m"
BEGINNING: Final = datetime.fromtimestamp(0, UTC)


@pytest.fixture(scope="module")
def watched() -> Iterator[WatchedSandbox]:
    # node_exporter looks at nothing below /dev.
    disks = disk_of(session_directory()) / "disk-that-fills"
    with watched_sandbox(session_directory() / "watched", disks) as found:
        yield found


def test_all_six_services_are_scraped(watched: WatchedSandbox) -> None:
    prometheus = watched.sandbox.monitoring.prometheus

    # Alertmanager is started last.
    wait_until(lambda: prometheus.series("up == 0") == [], "every target answers")

    up = prometheus.series("up == 1")
    assert {each.job for each in CORE} <= {each["metric"]["job"] for each in up}


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

    watched.sandbox.app.set_faults()
    watched.sandbox.monitoring.edge.renew()
    watched.host.first.delete(manifest_key(stranger))
    watched.note_drill(datetime.now(UTC))
    watched.note_run(datetime.now(UTC))
    assert watched.told(since, "firing") == expected


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
    """Three of the six at once; and the newest backup is of the day before yesterday."""
    expected = {"SunaDown", "RedisUnhealthy", "QdrantDown", "BackupStale"}

    since = datetime.now(UTC)
    watched.sandbox.monitoring.suna.kill()
    watched.sandbox.monitoring.redis.kill()
    watched.sandbox.qdrant.kill()
    watched.date_set(since - timedelta(hours=36))

    told_soon(expected, watched, since)
    assert watched.pages(since) == expected

    back = datetime.now(UTC)
    watched.date_set(back)
    watched.up()
    wait_until(lambda: expected <= watched.told(back, "resolved"), "all of them are over")


def test_so_it_is_with_the_other_three(watched: WatchedSandbox) -> None:
    expected = {"OnyxDown", "LitellmDown", "PostgresqlUnhealthy"}

    since = datetime.now(UTC)
    watched.sandbox.app.kill()
    watched.sandbox.llm.kill()
    watched.sandbox.postgres.stop()

    told_soon(expected, watched, since)
    assert watched.pages(since) == expected

    back = datetime.now(UTC)
    watched.up()
    wait_until(lambda: expected <= watched.told(back, "resolved"), "all of them are over")


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
