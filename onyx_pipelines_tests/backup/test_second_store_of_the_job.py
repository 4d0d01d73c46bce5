"""What the nightly job and its sensor do about a second store that is down, lags, or is none."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from onyx_pipelines.backup.automation import lagging_offsite_copy
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines_tests.backup.job_runs import (
    break_offsite,
    checks_of,
    failed_steps,
    mend_offsite,
    nightly_backup_job,
    retries,
    run_job,
)
from onyx_pipelines_tests.fixtures_sandbox import DEAD_PORT, HostUnderTest

pytestmark = pytest.mark.slow


def asked_for(instance: dg.DagsterInstance, cursor: str | None = None) -> object:
    """What one tick of the sensor says."""
    with dg.build_sensor_context(
        instance, cursor=cursor, resources={"onyx": OnyxSettings()}
    ) as context:
        verdict = lagging_offsite_copy(context)
    if isinstance(verdict, dg.SkipReason):
        return verdict
    [request] = verdict
    return request


class TestTheSecondStoreIsDown:
    @pytest.fixture(autouse=True)
    def _dead_s3(self, volume_host: HostUnderTest) -> None:
        volume_host.set(
            OFFSITE_URL="s3://bucket/prefix",
            S3_ENDPOINT_URL=f"http://127.0.0.1:{DEAD_PORT}",
            S3_ACCESS_KEY_ID="AKIA-TEST",
            S3_SECRET_ACCESS_KEY="a-secret-that-nobody-may-see",
        )

    def test_the_copy_fails_after_its_retries_without_its_secret_and_the_local_set_is_listed(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        result = run_job(instance)

        assert not result.success
        assert set(failed_steps(result)) == {"offsite_copy"}
        assert retries(result, "offsite_copy") == 3
        said = "\n".join(entry.to_json() for entry in instance.all_logs(result.run_id))
        assert "a-secret-that-nobody-may-see" not in said
        volume_host.set(OFFSITE_URL=None)
        assert volume_host.listed() == [result.run_id]

    def test_nothing_is_pruned(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        volume_host.set(OFFSITE_URL=None)
        earlier = volume_host.run().backup_id
        volume_host.set(OFFSITE_URL="s3://bucket/prefix")

        result = run_job(instance)

        volume_host.set(OFFSITE_URL=None)
        assert volume_host.listed() == [result.run_id, earlier]

    def test_the_sensor_waits_until_it_can_see_what_is_pending(
        self, instance: dg.DagsterInstance
    ) -> None:
        verdict = asked_for(instance)

        assert isinstance(verdict, dg.SkipReason)
        assert "Cannot tell what is pending" in str(verdict.skip_message)


class TestCatchingUp:
    @pytest.fixture
    def waiting(self, volume_host: HostUnderTest, instance: dg.DagsterInstance) -> str:
        """The id of a set whose copy failed; the second store is back."""
        break_offsite(volume_host)
        backup_id = run_job(instance).run_id
        mend_offsite(volume_host)
        return backup_id

    def test_the_sensor_requests_a_run_with_another_key_at_each_tick(
        self, instance: dg.DagsterInstance, waiting: str
    ) -> None:
        first, second = asked_for(instance), asked_for(instance, cursor="1")

        assert isinstance(first, dg.RunRequest)
        assert isinstance(second, dg.RunRequest)
        assert str(first.run_key).startswith(waiting)
        assert first.run_key != second.run_key

    def test_the_catch_up_job_copies_and_then_the_sensor_is_quiet(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance, waiting: str
    ) -> None:
        result = run_job(instance, "offsite_catch_up")

        assert result.success
        assert volume_host.stores_of(waiting) == {"local", "offsite"}
        verdict = asked_for(instance)
        assert isinstance(verdict, dg.SkipReason)

    def test_the_next_night_catches_up(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance, waiting: str
    ) -> None:
        volume_host.open().catalog.hold(waiting, "still wanted", now=datetime.now(UTC))

        result = run_job(instance)

        assert result.success
        assert volume_host.stores_of(waiting) == {"local", "offsite"}

    def test_the_sensor_leaves_a_run_that_is_under_way_alone(
        self, instance: dg.DagsterInstance, waiting: str
    ) -> None:
        job = nightly_backup_job()
        instance.create_run_for_job(job, tags=job.tags, status=dg.DagsterRunStatus.STARTED)

        verdict = asked_for(instance)

        assert waiting
        assert isinstance(verdict, dg.SkipReason)


class TestNoSecondStore:
    def test_the_job_succeeds_and_both_checks_warn(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        volume_host.set(OFFSITE_URL=None)

        result = run_job(instance)

        assert result.success
        checks = checks_of(result)
        assert checks["offsite_copy:sealed_checksums_hold"] == (False, "WARN")
        assert checks["offsite_copy:offsite_copy_is_current"] == (False, "WARN")

    def test_the_sensor_says_so(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        volume_host.set(OFFSITE_URL=None)

        verdict = asked_for(instance)

        assert isinstance(verdict, dg.SkipReason)
