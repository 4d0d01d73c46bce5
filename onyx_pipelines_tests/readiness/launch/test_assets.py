"""The checklist in Dagster: numbers to be plotted, a page, and a check that is no emergency."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from onyx_pipelines.core.names import Asset, Job
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.readiness.launch.checklist import checklist
from onyx_pipelines.readiness.launch.verdicts import LaunchReview
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest


def test_it_leaves_counts_a_page_and_a_check(volume_host: HostUnderTest) -> None:
    volume_host.set(REPORTS_DIR=volume_host.root / "reports")
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_defs().resolve_job_def(Job.LAUNCH_REVIEW)
        result = job.execute_in_process(instance=instance)

    (made,) = result.asset_materializations_for_node(Asset.LAUNCH_CHECKLIST)
    (check,) = result.get_asset_check_evaluations()
    counted = [made.metadata[name].value for name in ("passed", "failed", "could_not_verify")]
    page = Path(str(made.metadata["report"].value))
    review = LaunchReview.model_validate_json((page.parent / "review.json").read_bytes())
    assert sum(counted) == len(list(checklist().items)) == len(review.results)
    assert made.metadata["blocking"].value == len(review.blockers(checklist()))
    assert "Not ready to go live" in page.read_text(encoding="utf-8")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "somebody-is-told" in str(check.description)
    assert "product has not signed." in str(check.description)


def test_it_comes_each_morning_once_the_stack_has_an_address(volume_host: HostUnderTest) -> None:
    repository = build_defs().get_repository_def()
    schedule = repository.get_schedule_def("daily_launch_review_schedule")

    def tick() -> dg.ScheduleExecutionData:
        with dg.build_schedule_context(
            scheduled_execution_time=datetime.now(UTC),
            repository_def=repository,
            resources={"onyx": OnyxSettings(overrides={})},
        ) as context:
            return schedule.evaluate_tick(context)

    assert "ONYX_PUBLIC_URL" in str(tick().skip_message)
    volume_host.set(PUBLIC_URL="https://onyx.example.org")
    assert len(tick().run_requests or ()) == 1
