"""What the code location promises before anything runs: it loads anywhere, and it reads well."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from onyx_pipelines.definitions import build_defs
from onyx_pipelines.orchestration.resources import OnyxSettings

ASSETS = (
    "postgres_backup",
    "qdrant_backup",
    "volumes_backup",
    "backup_set",
    "offsite_copy",
    "backup_retention",
)
JOBS = ("nightly_backup", "offsite_catch_up", "prune_backups")


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs()


def spec(defs: dg.Definitions, asset: str) -> dg.AssetSpec:
    [found] = [each for each in defs.resolve_all_asset_specs() if each.key == dg.AssetKey(asset)]
    return found


@pytest.mark.parametrize("stacks", [(), ("blue", "green")])
def test_the_definitions_load_with_no_environment_no_network_and_no_warning(
    stacks: tuple[str, ...], tmp_path: Path
) -> None:
    for stack in stacks:
        (tmp_path / f"{stack}.yaml").write_text(f"stack: {stack}\n")
    program = (
        "import socket, sys, warnings\n"
        "def refused(*_): raise OSError('no network while definitions load')\n"
        "socket.socket.connect = socket.socket.connect_ex = refused\n"
        "from dagster import BetaWarning, PreviewWarning, SupersessionWarning\n"
        "for kind in (BetaWarning, PreviewWarning, SupersessionWarning, DeprecationWarning):\n"
        "    warnings.simplefilter('error', kind)\n"
        "from onyx_pipelines.definitions import defs\n"
        "print(defs.resolve_job_def('nightly_backup').name)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], "ONYX_CONFIG": str(tmp_path) if stacks else ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "nightly_backup\n"), done.stderr


def test_the_backup_runs_daily_at_two_in_utc(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def("nightly_backup_schedule")

    assert schedule.cron_schedule == "0 2 * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_tick_asks_for_one_run_of_that_time(defs: dg.Definitions) -> None:
    at = datetime(2026, 3, 29, 2, tzinfo=UTC)

    with dg.build_schedule_context(
        resources={"onyx": OnyxSettings(overrides={"qdrant_url": "http://127.0.0.1:6333"})},
        scheduled_execution_time=at,
    ) as context:
        ticked = defs.resolve_schedule_def("nightly_backup_schedule").evaluate_tick(context)

    assert [request.run_key for request in ticked.run_requests or []] == [at.isoformat()]


@pytest.mark.parametrize(
    "name",
    ["nightly_backup_schedule", "monthly_restore_drill", "weekly_verification_schedule"],
)
def test_where_nothing_is_configured_a_tick_says_so(defs: dg.Definitions, name: str) -> None:
    with dg.build_schedule_context(
        resources={"onyx": OnyxSettings()},
        scheduled_execution_time=datetime(2026, 3, 29, tzinfo=UTC),
    ) as context:
        ticked = defs.resolve_schedule_def(name).evaluate_tick(context)

    assert not ticked.run_requests
    assert (ticked.skip_message or "").startswith("Nothing is configured: ONYX_PG_HOST")


@pytest.mark.parametrize("job", JOBS)
def test_every_job_is_exclusive_and_has_a_limit(defs: dg.Definitions, job: str) -> None:
    tags = defs.resolve_job_def(job).tags

    assert tags["onyx/exclusive"] == "heavy"
    assert int(tags["dagster/max_runtime"]) == 6 * 3600


@pytest.mark.parametrize("asset", ASSETS)
def test_every_asset_says_what_it_is_and_whose(defs: dg.Definitions, asset: str) -> None:
    found = spec(defs, asset)

    assert found.description
    assert list(found.owners) == ["team:operations"]
    assert found.kinds
    assert found.group_name == "backup"


def test_the_lineage_runs_from_the_components_to_retention(defs: dg.Definitions) -> None:
    above = {
        asset: {dep.asset_key.to_user_string() for dep in spec(defs, asset).deps}
        for asset in ASSETS
    }

    assert above["backup_set"] == {"postgres_backup", "qdrant_backup", "volumes_backup"}
    assert above["offsite_copy"] == {"backup_set"}
    assert above["backup_retention"] == {"offsite_copy"}


def test_a_set_is_overdue_after_26_hours(defs: dg.Definitions) -> None:
    policy = spec(defs, "backup_set").freshness_policy

    assert policy is not None
    assert policy.fail_window.to_timedelta() == timedelta(hours=26)  # type: ignore[attr-defined]  # a policy of this kind has it


def test_the_limit_of_freshness_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONYX_BACKUP_MAX_AGE_HOURS", "50")

    policy = spec(build_defs(), "backup_set").freshness_policy

    assert policy is not None
    assert policy.fail_window.to_timedelta() == timedelta(hours=50)  # type: ignore[attr-defined]  # a policy of this kind has it


def test_only_a_blocking_check_stands_between_a_set_and_its_copy(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()

    blocking = {key.name for key in graph.asset_check_keys if graph.get_check_spec(key).blocking}

    assert blocking >= {"set_is_complete", "sealed_checksums_hold"}
    assert "size_is_plausible" not in blocking
