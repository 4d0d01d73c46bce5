"""The same restore goes on with what an earlier call left, as long as that is what there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.restore.recovery import RestoreChoice
from onyx_pipelines.restore.recovery.run_record import RunRecordFile

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> RunRecordFile:
    return RunRecordFile(tmp_path, "a-set", RestoreChoice())


def test_there_is_none_before_the_first_call(file: RunRecordFile) -> None:
    assert file.earlier(NOW) is None


def test_one_that_was_interrupted_counts_however_old_it_is(file: RunRecordFile) -> None:
    begun = file.begin()

    assert file.earlier(NOW + timedelta(days=90)) == begun


@pytest.mark.parametrize(("age", "counts"), [(timedelta(hours=23), True), (timedelta(2), False)])
def test_one_that_left_something_unfinished_counts_for_a_day(
    age: timedelta, counts: bool, file: RunRecordFile
) -> None:
    file.put(file.begin().model_copy(update={"ended_at": NOW - age}))

    assert (file.earlier(NOW) is not None) == counts
