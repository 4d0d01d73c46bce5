"""Where the newest set cannot be taken, everybody who took an older one for it says so."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from onyx_pipelines.audit import Trail
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.restore.finding_sets import passed_over
from onyx_pipelines.restore.report.history import RESULT_FILE
from onyx_pipelines.restore.results import parse_drill_result
from onyx_pipelines.vault.scanning import DamagedSet
from onyx_pipelines_tests.backup.job_runs import checks_of, metadata_of, run_job
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, cut_manifest


@pytest.fixture
def older(volume_host: HostUnderTest) -> str:
    """A set that is held, and whole."""
    volume_host.set(REPORTS_DIR=volume_host.root / "reports")
    older = volume_host.run().backup_id
    volume_host.open().catalog.hold(older, "wanted", now=datetime.now(UTC))
    return older


@pytest.fixture
def newest(volume_host: HostUnderTest, older: str) -> str:
    """A newer one that nobody can read."""
    newest = volume_host.run().backup_id
    assert newest != older
    for store in (volume_host.backups, volume_host.offsite_dir):
        cut_manifest(store, newest)
    return newest


def last_of_the_trail(settings: Settings) -> str:
    (*_, last) = Trail.of(settings).records()
    assert last.result
    return last.result.detail


def test_a_drill_says_it_in_its_answer_its_report_and_the_audit_trail(
    volume_host: HostUnderTest, older: str, newest: str
) -> None:
    answer = volume_host.onyx("drill", "--json")

    said = f"The newer set {newest}"
    report = Path(answer.json["report"])
    record = parse_drill_result((report.parent / RESULT_FILE).read_bytes())
    assert (answer.status, answer.json["backup_id"]) == (0, older)
    assert [said in each for each in answer.json["passed_over"]] == [True, True]
    assert said in answer.errors
    assert list(record.passed_over) == answer.json["passed_over"]
    assert said in report.read_text(encoding="utf-8")
    assert said in last_of_the_trail(volume_host.settings)


def test_the_job_warns_by_a_check(volume_host: HostUnderTest, older: str, newest: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_job(instance, "restore_drill")

    assert checks_of(result)["restore_drill_report:newest_set_is_drilled"] == (False, "WARN")
    metadata = metadata_of(result, "restore_drill_report")
    assert metadata["backup_id"] == older
    assert newest in str(metadata["summary"])


def test_where_the_newest_was_drilled_the_check_passes(
    volume_host: HostUnderTest, older: str
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_job(instance, "restore_drill")

    assert checks_of(result)["restore_drill_report:newest_set_is_drilled"][0]


def test_a_restore_says_it_in_its_answer_and_the_audit_trail(
    volume_host: HostUnderTest, older: str, newest: str, tmp_path: Path
) -> None:
    into = tmp_path / "as-it-was"

    answer = volume_host.onyx(
        "restore", "latest", "--volume", "data", "--into", str(into), "--confirm", "--json"
    )

    said = f"The newer set {newest}"
    assert (answer.status, answer.json["backup_id"]) == (0, older), answer.errors
    assert [said in note for note in answer.json["notes"]] == [True, True]
    assert said in last_of_the_trail(volume_host.settings)


def test_one_of_the_same_second_is_told_since_s3_tells_whole_seconds(
    volume_host: HostUnderTest, older: str
) -> None:
    catalog = volume_host.open().catalog
    view = catalog.find(older)
    moment = view.timestamp.replace(microsecond=0)
    damaged = DamagedSet("offsite", "another", "it was cut", moment)
    scan = dataclasses.replace(catalog.scan(), damaged=(damaged,))

    [said] = passed_over(view, [scan], datetime.now(UTC))

    assert said.startswith("The newer set another in the offsite store")
