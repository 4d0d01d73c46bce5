"""The nightly job on a real Dagster instance, with real sources and both stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pytest

from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines_tests.backup.job_runs import checks_of, metadata_of, run_job
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, make_sandbox_host


@dataclass(frozen=True)
class Night:
    host: HostUnderTest
    instance: dg.DagsterInstance
    result: dg.ExecuteInProcessResult


@pytest.fixture(scope="module")
def night(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """One run of nightly_backup, which the tests of this module only look at."""
    with pytest.MonkeyPatch.context() as patch:
        host = make_sandbox_host(tmp_path_factory.mktemp("night"), patch, sandbox)
        with dg.DagsterInstance.ephemeral() as instance:
            yield Night(host, instance, run_job(instance))


def test_the_job_succeeds_and_its_set_is_in_both_stores(night: Night) -> None:
    host, result = night.host, night.result

    assert result.success
    assert host.listed() == [result.run_id]
    assert host.stores_of(result.run_id) == {"local", "offsite"}


def test_the_set_of_the_job_has_every_component_and_opens(night: Night) -> None:
    host, result = night.host, night.result

    assert set(host.manifest(result.run_id).components) == {
        "postgresql",
        "qdrant",
        "docker_volumes",
    }
    assert host.intact(result.run_id)


def test_every_check_of_a_good_night_passes(night: Night) -> None:
    result = night.result

    assert {name: passed for name, (passed, _) in checks_of(result).items()} == {
        "backup_set:set_is_complete": True,
        "backup_set:size_is_plausible": True,
        "backup_set:sealed_checksums_hold": True,
        "offsite_copy:sealed_checksums_hold": True,
        "offsite_copy:offsite_copy_is_current": True,
        "backup_retention:stores_are_sound": True,
        "backup_retention:every_set_is_trusted": True,
        "backup_retention:every_set_is_whole": True,
    }


@pytest.mark.parametrize(
    ("asset", "numbers"),
    [
        ("postgres_backup", ("sealed_bytes", "plain_bytes", "duration_s", "throughput_mb_s",
                             "compression_ratio", "size_gb", "objects_count", "tables_count")),
        ("qdrant_backup", ("sealed_bytes", "duration_s", "throughput_mb_s", "vector_count",
                           "collections_count")),
        ("volumes_backup", ("sealed_bytes", "duration_s", "throughput_mb_s", "file_count")),
        ("backup_set", ("sealed_bytes", "plain_bytes", "duration_s", "compression_ratio",
                        "components_count", "objects_count", "warnings_count")),
        ("offsite_copy", ("copied_sets", "copied_bytes", "duration_s", "throughput_mb_s")),
        ("backup_retention", ("kept_count", "pruned_count", "freed_bytes")),
    ],
)  # fmt: skip
def test_what_the_ui_plots_is_a_number(night: Night, asset: str, numbers: tuple[str, ...]) -> None:
    metadata = metadata_of(night.result, asset)

    assert {name: type(metadata[name]) for name in numbers if name not in metadata} == {}
    assert {type(metadata[name]) for name in numbers} <= {int, float}


def test_each_component_shows_its_checksum_and_tool_versions(night: Night) -> None:
    host, result = night.host, night.result
    metadata = metadata_of(result, "postgres_backup")

    assert metadata["checksum_sha256"] == (
        host.manifest(result.run_id).components["postgresql"].checksum
    )
    assert any(name.startswith("version/") for name in metadata)


def test_the_set_shows_a_table_of_every_object(night: Night) -> None:
    host, result = night.host, night.result
    table = str(metadata_of(result, "backup_set")["objects"])

    assert [o.key for o in host.manifest(result.run_id).objects if o.key not in table] == []


def test_retention_shows_the_verdict_and_reason_for_the_set(night: Night) -> None:
    result = night.result
    table = str(metadata_of(result, "backup_retention")["plan"])

    assert result.run_id in table
    assert "kept" in table


def test_no_event_of_the_run_holds_a_secret(night: Night) -> None:
    said = "\n".join(entry.to_json() for entry in night.instance.all_logs(night.result.run_id))

    assert night.result.run_id in said
    assert [secret for secret in night.host.secrets() if secret in said] == []
