"""What a restore that left something out says of how that can be had."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.job import result_markdown
from onyx_pipelines.restore.results import ComponentResult, Finding
from onyx_pipelines.restore.whole_restore import RestoreResult
from onyx_pipelines.sources.source import Component

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def result(verdict: Verdict, *unfinished: str) -> RestoreResult:
    finding = Finding(verdict=verdict, item="app", aspect="rows", message="3 rows")
    component = ComponentResult(
        component=Component.POSTGRESQL,
        findings=(finding,),
        steps=(),
        plain_bytes=1,
        unfinished=unfinished,
    )
    return RestoreResult(
        restore_id="a restore",
        backup_id="a-set",
        store="local",
        recovery_point=NOW,
        started_at=NOW,
        finished_at=NOW,
        safety_backup_id="",
        components=(component,),
    )


def test_what_differs_may_be_forced_and_the_page_says_how() -> None:
    refused = result(Verdict.FAILED, "app")

    assert refused.may_be_forced
    assert "--force-despite-differences a-set" in result_markdown(refused)


@pytest.mark.parametrize(
    "other",
    [
        result(Verdict.PASSED),
        result(Verdict.FAILED),
        result(Verdict.COULD_NOT_VERIFY, "app"),
    ],
    ids=["all is in place", "in place and changed since", "not reached"],
)
def test_nothing_else_may(other: RestoreResult) -> None:
    assert not other.may_be_forced
    assert "--force" not in result_markdown(other)
