"""When the schedule asks for a load test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from onyx_pipelines.core.names import Job
from onyx_pipelines.core.schedules import expected
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.load_test.automation import monthly_load_test
from onyx_pipelines.orchestration.resources import OnyxSettings

QUARTERLY = {"load_test_url": "http://127.0.0.1:1", "load_test_every": "quarter"}


def ticked(month: int, settings: dict[str, str]) -> Any:
    at = datetime(2026, month, 2, 5, tzinfo=UTC)
    with dg.build_schedule_context(
        resources={"onyx": OnyxSettings(overrides=settings)}, scheduled_execution_time=at
    ) as context:
        return monthly_load_test.evaluate_tick(context)


def test_it_waits_for_a_target() -> None:
    assert monthly_load_test.cron_schedule == "0 5 2 * *"
    assert ticked(4, {"load_test_url": ""}).skip_message == "ONYX_LOAD_TEST_URL is not set."


def test_a_quarterly_one_comes_in_the_months_that_watchers_expect() -> None:
    asked = [month for month in range(1, 13) if ticked(month, QUARTERLY).run_requests]

    cron = expected(load_settings(QUARTERLY))[Job.LOAD_TEST].cron
    assert cron == f"0 5 2 {','.join(map(str, asked))} *"
    assert ticked(2, QUARTERLY).skip_message == "ONYX_LOAD_TEST_EVERY is quarter."
