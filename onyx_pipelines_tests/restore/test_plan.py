"""A plan's estimate is of what is asked for, not of all that the set holds."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from onyx_pipelines.core.progress import silent
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.drill import run_drill
from onyx_pipelines.restore.estimate import Estimate
from onyx_pipelines.restore.report.writing import write_report
from onyx_pipelines.restore.whole_restore import plan_restore
from onyx_pipelines_tests.fixtures_sandbox import VOLUME, HostUnderTest


@pytest.fixture
def host(volume_host: HostUnderTest, tmp_path: Path) -> HostUnderTest:
    """Two volumes, a large and a small one, backed up and drilled together."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "small.txt").write_bytes(b"small")
    (volume_host.volume / "large.bin").write_bytes(os.urandom(3_000_000))
    reports = volume_host.root / "reports"
    volume_host.set(VOLUMES=f"{VOLUME}={volume_host.volume},notes={notes}", REPORTS_DIR=reports)
    volume_host.run()
    drilled = run_drill(
        volume_host.settings,
        backup_id="latest",
        store_name=None,
        components=None,
        drill_id=str(uuid.uuid4()),
        progress=silent,
    )
    write_report(drilled, reports)
    return volume_host


def estimated(host: HostUnderTest, choice: RestoreChoice) -> Estimate:
    return plan_restore(host.settings, choice, backup_id="latest", store_name=None).estimate


def test_all_and_nearly_all_take_as_long_as_the_drill(host: HostUnderTest) -> None:
    everything = estimated(host, RestoreChoice())
    large = estimated(host, RestoreChoice(volumes=(VOLUME,)))

    assert everything.seconds is not None
    assert everything.seconds == large.seconds
    assert not everything.is_limit
    assert not large.is_limit


@pytest.mark.parametrize(
    "choice",
    [RestoreChoice(volumes=("notes",)), RestoreChoice(volumes=(VOLUME,), paths=("greeting.txt",))],
)
def test_a_small_part_takes_that_long_at_most(host: HostUnderTest, choice: RestoreChoice) -> None:
    assert estimated(host, choice).is_limit
