"""kill -9 of a whole backup at many moments: nothing half-written is listed, nothing is lost, and
the next run needs nobody's help."""

from __future__ import annotations

import os
import random
import subprocess
import time
from datetime import UTC, datetime

import httpx
import pytest

from onyx_pipelines_tests.fixtures_sandbox import COMMAND, HostUnderTest

KILLS = 8


def run_and_kill(after_s: float) -> None:
    """The process and whatever it has started, as the kernel's out-of-memory killer would not."""
    with subprocess.Popen(
        [*COMMAND, "backup", "run"],
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        time.sleep(after_s)
        process.kill()


def timed_run(host: HostUnderTest) -> float:
    begun = time.monotonic()
    assert host.onyx("backup", "run").status == 0
    return time.monotonic() - begun


def snapshots_on(url: str, collection: str) -> list[str]:
    answer = httpx.get(f"{url}/collections/{collection}/snapshots", timeout=30)
    return [each["name"] for each in answer.raise_for_status().json()["result"]]


def sealed_in_any_store(host: HostUnderTest) -> set[str]:
    """Ids of everything that begins with sets/, complete or not."""
    return {item.key.split("/")[1] for store in host.open().stores for item in store.list("sets/")}


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_killed_backups_leave_nothing_listed_and_the_next_run_cleans_up(
    backup_host: HostUnderTest,
) -> None:
    backup_host.set(SWEEP_GRACE_HOURS=0)
    duration_s = timed_run(backup_host)
    [first] = backup_host.listed()
    backup_host.open().catalog.hold(first, "from before the kills", now=datetime.now(UTC))
    moments = random.Random(20260228)

    for number in range(KILLS):
        share = (number + moments.random()) / KILLS
        run_and_kill(share * duration_s)
        assert [each for each in backup_host.listed() if not backup_host.intact(each)] == []

    assert first in backup_host.listed()
    final = backup_host.onyx("backup", "run", "--json")
    assert final.status == 0, final.errors
    assert final.json["backup_id"] in backup_host.listed()
    assert sealed_in_any_store(backup_host) == set(backup_host.listed())
    assert [p for p in backup_host.backups.rglob("*") if p.name.startswith(".")] == []
    assert snapshots_on(backup_host.settings.qdrant_url, "documents") == []
