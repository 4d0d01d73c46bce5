"""What the nightly job does when something fails: no half set, nothing lost, and a re-execution
goes on. Mostly with volumes and directories only, so that each fault stands alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from onyx_pipelines.backup import offsite_copies, retained_sets, steps
from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.orchestration.notification_sensors import run_notification
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.lock import ExclusiveLock, current_holder
from onyx_pipelines.vault.manifest import Manifest
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
from onyx_pipelines_tests.planting import flip_a_byte

pytestmark = pytest.mark.slow


@pytest.fixture
def stored_instance() -> Iterator[dg.DagsterInstance]:
    """With files, as re-executions need it."""
    with dg.instance_for_test() as instance:
        yield instance


def with_postgres(host: HostUnderTest, *, port: int) -> None:
    host.set(PG_HOST="127.0.0.1", PG_PORT=port, PG_PASSWORD="not-asked-for")


def sealed_objects(host: HostUnderTest, backup_id: str) -> dict[str, bytes]:
    folder = host.backups / "sets" / backup_id
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.sealed")}


class TestAComponentFails:
    def test_a_server_that_is_away_is_tried_four_times_and_named_and_nothing_is_listed(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        with_postgres(volume_host, port=DEAD_PORT)

        result = run_job(instance)

        assert not result.success
        assert retries(result, "postgres_backup") == 3
        assert str(DEAD_PORT) in failed_steps(result)["postgres_backup"]
        assert volume_host.listed() == []

    def test_a_missing_volume_is_tried_once_and_the_lock_is_free_afterwards(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        volume_host.set(VOLUMES=f"gone={volume_host.root / 'gone'}")

        result = run_job(instance)

        assert "gone" in failed_steps(result)["volumes_backup"]
        assert retries(result, "volumes_backup") == 0
        assert current_holder(volume_host.settings.state_dir) is None

    def test_a_defect_of_ours_is_tried_once(
        self,
        volume_host: HostUnderTest,
        instance: dg.DagsterInstance,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(steps, "back_up_component", lambda *_: 1 / 0)

        result = run_job(instance)

        assert "ZeroDivisionError" in failed_steps(result)["volumes_backup"]
        assert retries(result, "volumes_backup") == 0

    def test_the_retry_policy_ends_with_success_where_the_server_comes_back(
        self,
        volume_host: HostUnderTest,
        instance: dg.DagsterInstance,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(
            offsite_copies, "copy_offsite", _unavailable_once(offsite_copies.copy_offsite)
        )

        result = run_job(instance)

        assert result.success
        assert retries(result, "offsite_copy") == 1


class TestReExecution:
    def test_it_keeps_finished_components_as_they_are_and_completes_the_set(
        self, backup_host: HostUnderTest, stored_instance: dg.DagsterInstance
    ) -> None:
        port = backup_host.settings.pg_port
        backup_host.set(PG_PORT=DEAD_PORT, QDRANT_URL=None)
        first = run_job(stored_instance)
        before = sealed_objects(backup_host, first.run_id)
        backup_host.set(PG_PORT=port)

        again = _re_execute(first.run_id, stored_instance)

        after = sealed_objects(backup_host, first.run_id)
        assert (first.success, again.success) == (False, True)
        assert before
        assert {key: after[key] for key in before} == before
        assert backup_host.listed() == [first.run_id]

    def test_the_set_has_the_root_runs_id_and_only_failed_steps_run_again(
        self, volume_host: HostUnderTest, stored_instance: dg.DagsterInstance
    ) -> None:
        break_offsite(volume_host)
        first = run_job(stored_instance)
        mend_offsite(volume_host)

        again = _re_execute(first.run_id, stored_instance)

        assert again.success
        assert volume_host.stores_of(first.run_id) == {"local", "offsite"}
        assert again.run_id != first.run_id
        assert "backup_set" not in {event.step_key for event in again.all_events}


class TestAPartialRun:
    def test_it_warns_and_says_what_it_left_out(
        self, backup_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        result = run_job(
            instance,
            only=["postgres_backup", "backup_set", "offsite_copy", "backup_retention"],
        )

        assert checks_of(result)["backup_set:set_is_complete"] == (False, "WARN")
        assert backup_host.manifest(result.run_id).missing_components == (
            Component.QDRANT,
            Component.VOLUMES,
        )

    @pytest.mark.thorough
    def test_it_does_not_displace_the_full_set_of_the_day(
        self, backup_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        backup_host.set(QDRANT_URL=None)
        full = run_job(instance)

        partial = run_job(
            instance,
            only=["postgres_backup", "backup_set", "offsite_copy", "backup_retention"],
        )

        assert partial.success
        assert full.run_id in backup_host.listed()
        rows = retained_sets.catalog_rows(backup_host.open(), backup_host.open().catalog)
        assert {row.backup_id: row.retained_as for row in rows}[full.run_id] == "daily"


class TestStoredBytesAreDamaged:
    @pytest.fixture
    def damaged(
        self,
        volume_host: HostUnderTest,
        instance: dg.DagsterInstance,
        monkeypatch: pytest.MonkeyPatch,
    ) -> dg.ExecuteInProcessResult:
        """A disk that flips a byte between two steps."""
        real = steps.complete_set

        def complete_then_damage(*arguments: Any, **options: Any) -> Manifest:
            manifest = real(*arguments, **options)
            flip_a_byte(volume_host.first_object(manifest.backup_id))
            return manifest

        monkeypatch.setattr(steps, "complete_set", complete_then_damage)
        return run_job(instance)

    def test_the_check_fails_and_names_the_object_and_nothing_is_copied_or_pruned(
        self, volume_host: HostUnderTest, damaged: dg.ExecuteInProcessResult
    ) -> None:
        [verdict] = [
            each
            for each in damaged.get_asset_check_evaluations()
            if each.check_name == "sealed_checksums_hold"
        ]

        assert not verdict.passed
        assert verdict.severity is dg.AssetCheckSeverity.ERROR
        assert volume_host.first_object(damaged.run_id).name in str(verdict.description)
        materialised = {
            event.asset_key.to_user_string()
            for event in damaged.get_asset_materialization_events()
            if event.asset_key
        }

        assert not damaged.success
        assert "backup_set" in materialised
        assert materialised.isdisjoint({"offsite_copy", "backup_retention"})
        assert list(volume_host.offsite_dir.rglob("*.sealed")) == []


class TestSizes:
    def test_a_volume_that_lost_most_of_its_data_is_an_error_and_is_kept_and_copied_all_the_same(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        run_job(instance)
        (volume_host.volume / "random.bin").unlink()

        result = run_job(instance)

        assert checks_of(result)["backup_set:size_is_plausible"] == (False, "ERROR")
        assert "volumes" in str(metadata_sizes(result))
        assert volume_host.stores_of(result.run_id) == {"local", "offsite"}


class TestOneAtATime:
    def test_a_run_beside_a_load_test_fails_at_once_and_says_who_holds_the_lock(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        with ExclusiveLock(volume_host.settings.state_dir, "load test"):
            result = run_job(instance)

        said = "\n".join(entry.to_json() for entry in instance.all_logs(result.run_id))
        assert not result.success
        assert "already_running" in said
        assert "load test" in said
        assert volume_host.listed() == []

    def test_a_sibling_step_of_the_same_run_does_not_stand_in_its_own_way(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        job = nightly_backup_job()
        run_id = dg.DagsterRun("nightly_backup").run_id

        with ExclusiveLock(volume_host.settings.state_dir, "nightly_backup", run_id):
            result = job.execute_in_process(instance=instance, run_id=run_id)

        assert result.success
        assert volume_host.listed() == [run_id]


class TestTellingPeople:
    def test_a_failed_run_is_one_structured_log_record(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        volume_host.set(VOLUMES=f"gone={volume_host.root / 'gone'}")
        result = run_job(instance)

        [record] = _notifications(instance)

        assert record.levelno == logging.ERROR
        event = vars(record)["event"]
        assert (event["job"], event["run_id"]) == ("nightly_backup", result.run_id)
        assert event["summary"].startswith("volumes_backup: ")
        assert "gone" in event["summary"]

    def test_a_run_that_was_refused_says_why_although_no_step_failed(
        self, volume_host: HostUnderTest, instance: dg.DagsterInstance
    ) -> None:
        with ExclusiveLock(volume_host.settings.state_dir, "load test"):
            run_job(instance)

        [record] = _notifications(instance)

        assert vars(record)["event"]["summary"].startswith("already_running: A load test")


def _notifications(instance: dg.DagsterInstance) -> list[logging.LogRecord]:
    """What the sensor logs of what is bad."""
    heard = _Heard()
    log = logging.getLogger("onyx.notify")
    log.addHandler(heard)
    with dg.build_sensor_context(instance=instance, resources={"onyx": OnyxSettings()}) as context:
        run_notification.evaluate_tick(context)
    log.removeHandler(heard)
    return [each for each in heard.records if each.levelno == logging.ERROR]


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def _unavailable_once(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step`, whose first call meets a store that is starting."""
    answers = iter([StoreError("503 from the store.", remedy="Wait.", transient=True)])

    def call(*arguments: Any) -> Any:
        for error in answers:
            raise error
        return step(*arguments)

    return call


def _re_execute(run_id: str, instance: dg.DagsterInstance) -> dg.JobExecutionResult:
    with dg.execute_job(
        dg.reconstructable(nightly_backup_job),
        instance,
        reexecution_options=dg.ReexecutionOptions.from_failure(run_id, instance),
    ) as result:
        return result


def metadata_sizes(result: dg.ExecuteInProcessResult) -> object:
    [verdict] = [
        each
        for each in result.get_asset_check_evaluations()
        if each.check_name == "size_is_plausible"
    ]
    return verdict.metadata["sizes"].value
