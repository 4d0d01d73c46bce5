"""The digest in Dagster: made, sent and checked on its day; what was missed is made up once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from onyx_pipelines.core.names import Asset, Job
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.errors.digest import newest_day, window_of
from onyx_pipelines.errors.digest_making import EarlyDigestError, digest_day
from onyx_pipelines.errors.digest_report import read_digest
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines_tests.errors.recorded_sentry import RecordedSentry, issue, recorded_sentry
from onyx_pipelines_tests.notify.servers import MailHost, mail_host

pytestmark = pytest.mark.slow

DAY = newest_day(datetime.now(UTC))


@pytest.fixture
def mail() -> Iterator[MailHost]:
    with mail_host() as host:
        yield host


@pytest.fixture
def sentry() -> Iterator[RecordedSentry]:
    with recorded_sentry() as recorded:
        recorded.answers = {
            "issues/": [[issue(1, title="TimeoutError: no answer")]],
            "events/": [{"data": [], "meta": {}}],
        }
        yield recorded


@pytest.fixture
def settings(mail: MailHost, sentry: RecordedSentry, tmp_path: Path) -> dict[str, Any]:
    return {
        "state_dir": str(tmp_path / "state"),
        "reports_dir": str(tmp_path / "reports"),
        "error_tracker": "sentry",
        "error_tracker_url": sentry.url,
        "error_tracker_token": "sntrys_x",
        "error_tracker_organization": "the-organization",
        "smtp_host": "127.0.0.1",
        "smtp_port": mail.port,
        "smtp_security": "none",
        "smtp_to": "ops@example.org",
    }


def run(settings: dict[str, Any], day: date = DAY) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(settings).resolve_job_def(Job.ERROR_DIGEST)
        return job.execute_in_process(
            instance=instance, partition_key=day.isoformat(), raise_on_error=False
        )


def test_a_days_digest_is_a_page_a_mail_and_a_check(
    settings: dict[str, Any], mail: MailHost
) -> None:
    result = run(settings)

    (made,) = result.asset_materializations_for_node(Asset.ERROR_DIGEST)
    (check,) = result.get_asset_check_evaluations()
    page = Path(str(made.metadata["report"].value)).read_text(encoding="utf-8")
    assert "TimeoutError: no answer" in page
    assert (made.metadata["issues"].value, made.metadata["sent_count"].value) == (1, 1)
    assert (check.check_name, check.passed) == ("digest_was_sent", True)
    assert mail.recipients == ["ops@example.org"]


def test_a_run_that_is_repeated_sends_nothing_more(
    settings: dict[str, Any], mail: MailHost
) -> None:
    run(settings)

    assert run(settings).success
    assert len(mail.messages) == 1


def test_days_that_were_missed_are_asked_for_once(settings: dict[str, Any]) -> None:
    run(settings, DAY - timedelta(days=2))
    repository = build_defs(settings).get_repository_def()
    schedule = repository.get_schedule_def("daily_error_digest_schedule")

    def wanted() -> list[str | None]:
        with dg.build_schedule_context(
            scheduled_execution_time=datetime.now(UTC),
            repository_def=repository,
            resources={"onyx": OnyxSettings(overrides=settings)},
        ) as tick:
            return [each.partition_key for each in schedule.evaluate_tick(tick).run_requests or ()]

    assert wanted() == [(DAY - timedelta(days=1)).isoformat(), DAY.isoformat()]
    run(settings, DAY - timedelta(days=1))
    assert wanted() == [DAY.isoformat()]


def test_a_day_that_could_not_be_sent_is_still_missing(
    settings: dict[str, Any], mail: MailHost, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "digests.json").write_text("{")

    assert not run(settings).success
    assert read_digest(tmp_path / "reports", DAY) is None


def test_a_tracker_that_does_not_answer_fails_the_run_and_nobody_is_told_that_all_is_well(
    settings: dict[str, Any], mail: MailHost, tmp_path: Path
) -> None:
    result = run({**settings, "error_tracker_url": "http://127.0.0.1:9"})

    assert not result.success
    assert mail.messages == []
    assert read_digest(tmp_path / "reports", DAY) is None


def test_a_day_that_is_not_over_has_no_digest(settings: dict[str, Any]) -> None:
    early = window_of(DAY).end - timedelta(seconds=1)

    with pytest.raises(EarlyDigestError):
        digest_day(load_settings(settings), DAY, early)
