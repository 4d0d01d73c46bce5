"""A host whose second store locks and keeps versions: doctor, prune, metrics, recovery."""

from __future__ import annotations

import json
import uuid

import pytest
from typer.testing import CliRunner

from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.metrics_page import MetricsPage
from onyx_pipelines.backup.doctor import CheckResult, examine
from onyx_pipelines.cli.app import app
from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.vault.stores.s3 import S3Location, S3Store
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.vault.stores.moto_server import BucketKind, MotoServer, client_of, moto

__all__ = ["moto"]

runner = CliRunner()


def use_bucket(host: HostUnderTest, moto: MotoServer, kind: BucketKind, days: int) -> S3Location:
    location = moto.location(kind, f"host/{uuid.uuid4()}")
    host.set(
        OFFSITE_URL=f"s3://{location.bucket}/{location.prefix}",
        OFFSITE_LOCK_DAYS=days,
        S3_ENDPOINT_URL=location.endpoint_url,
        S3_ACCESS_KEY_ID=location.access_key_id,
        S3_SECRET_ACCESS_KEY=location.secret_access_key,
    )
    return location


@pytest.fixture
def locked(volume_host: HostUnderTest, moto: MotoServer) -> S3Location:
    return use_bucket(volume_host, moto, "lockable", 35)


def finding(host: HostUnderTest, name: str) -> CheckResult:
    return next(each for each in examine(host.settings) if each.name == name)


def metrics(host: HostUnderTest) -> str:
    return MetricsPage(host.settings, CatalogCache(host.settings)).render().decode()


def hide_everything(location: S3Location) -> None:
    """What an attacker with the bucket's credentials does first."""
    client = client_of(location)
    for item in client.list_objects_v2(Bucket=location.bucket, Prefix=location.prefix)["Contents"]:
        client.delete_object(Bucket=location.bucket, Key=item["Key"])


class TestDoctor:
    def test_without_a_setting_it_says_what_is_missing(
        self, volume_host: HostUnderTest, moto: MotoServer
    ) -> None:
        use_bucket(volume_host, moto, "versioned", 0)

        found = finding(volume_host, "object lock")

        assert found.ok
        assert found.detail.startswith("off")

    def test_it_reads_the_locks_of_the_newest_set_back(
        self, volume_host: HostUnderTest, locked: S3Location
    ) -> None:
        before = finding(volume_host, "object lock")
        volume_host.run()

        after = finding(volume_host, "object lock")

        assert before.ok
        assert "none yet" in before.detail
        assert (after.ok, "are locked for 35 days" in after.detail) == (True, True)

    def test_a_shorter_lock_than_asked_is_a_finding(
        self, volume_host: HostUnderTest, locked: S3Location
    ) -> None:
        volume_host.run()
        volume_host.set(OFFSITE_LOCK_DAYS=90)

        found = finding(volume_host, "object lock")

        assert not found.ok
        assert "not locked for 90 days" in found.detail

    def test_a_bucket_without_object_lock_is_a_finding_and_fails_the_copy(
        self, volume_host: HostUnderTest, moto: MotoServer
    ) -> None:
        use_bucket(volume_host, moto, "versioned", 35)

        outcome = volume_host.run()

        assert not finding(volume_host, "object lock").ok
        assert outcome.offsite == "failed"
        assert "ONYX_OFFSITE_LOCK_DAYS" in outcome.problems[0]
        assert volume_host.stores_of(outcome.backup_id) == {"local"}

    def test_hidden_objects_are_a_finding_with_both_ways_out(
        self, volume_host: HostUnderTest, locked: S3Location
    ) -> None:
        volume_host.run()
        well = finding(volume_host, "versions")
        hide_everything(locked)

        found = finding(volume_host, "versions")
        rule = json.loads(found.remedy[found.remedy.index("{") :])

        assert well.ok
        assert not found.ok
        assert "(1 set) hidden by delete markers" in found.detail
        assert "recover-versions" in found.remedy
        assert rule["Rules"][0]["Filter"] == {"Prefix": f"{locked.prefix}/"}

    def test_its_own_probe_leaves_no_versions(
        self, volume_host: HostUnderTest, moto: MotoServer
    ) -> None:
        location = use_bucket(volume_host, moto, "versioned", 0)

        assert finding(volume_host, "store offsite").ok
        assert S3Store(location).versions.under("doctor/") == []


class TestPrune:
    def test_a_set_that_waits_for_its_lock_is_said_to_wait_and_is_no_failure(
        self, volume_host: HostUnderTest, locked: S3Location
    ) -> None:
        volume_host.set(KEEP_DAILY=1, KEEP_WEEKLY=0, KEEP_MONTHLY=0)
        old, new = volume_host.run().backup_id, volume_host.run().backup_id

        answer = runner.invoke(app, ["prune", "--yes", "--json"])
        report = json.loads(answer.stdout)

        assert answer.exit_code == 0
        assert [each["what"] for each in report["waiting"]] == [old]
        assert volume_host.stores_of(old) == {"offsite"}
        assert volume_host.stores_of(new) == {"local", "offsite"}

    def test_metrics_tell_what_it_counted(
        self, volume_host: HostUnderTest, locked: S3Location
    ) -> None:
        volume_host.set(KEEP_DAILY=1, KEEP_WEEKLY=0, KEEP_MONTHLY=0)
        volume_host.run()
        volume_host.run()

        page = metrics(volume_host)

        assert "onyx_offsite_sets_waiting_for_locks 1.0" in page
        assert "onyx_offsite_hidden_objects 0.0" in page


class TestRecoverVersions:
    def test_it_shows_first_and_then_brings_everything_back(
        self, volume_host: HostUnderTest, locked: S3Location
    ) -> None:
        backup_id = volume_host.run().backup_id
        hide_everything(locked)

        shown = runner.invoke(app, ["catalog", "recover-versions", "--json"])
        still = volume_host.stores_of(backup_id)
        done = runner.invoke(app, ["catalog", "recover-versions", "--yes"])
        verified = runner.invoke(app, ["verify", backup_id, "--store", "offsite", "--deep"])

        assert (shown.exit_code, done.exit_code, verified.exit_code) == (0, 0, 0)
        assert json.loads(shown.stdout)["sets"] == [backup_id]
        assert still == {"local"}
        assert volume_host.stores_of(backup_id) == {"local", "offsite"}
        assert finding(volume_host, "versions").ok

    def test_a_directory_keeps_no_versions(self, volume_host: HostUnderTest) -> None:
        answer = runner.invoke(app, ["catalog", "recover-versions"])

        assert isinstance(answer.exception, StoreError)
