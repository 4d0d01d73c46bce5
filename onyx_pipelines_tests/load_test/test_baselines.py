from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import NotFoundError, SettingsError
from onyx_pipelines.load_test.analysis.comparison import series_of
from onyx_pipelines.load_test.baselines import BaselineStore
from onyx_pipelines_tests.load_test.factories import BAD, result_from, whole_run

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
SAMPLES = whole_run()


def test_a_promoted_run_is_the_baseline_of_its_environment(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)

    made = store.promote(result_from(SAMPLES), series_of(SAMPLES), by="Ada", reason="release 1")

    assert store.current("0123456789abcdef") == made
    assert store.current("another") is None
    assert (made.promoted_by, made.reason) == ("Ada", "release 1")
    assert made.series["rag retrieval p95"].is_gating


def test_the_newest_counts_and_the_others_stay(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    old = store.promote(
        result_from(SAMPLES, run_id="a" * 16), series_of(SAMPLES), by="Ada", now=NOW
    )
    new = store.promote(
        result_from(SAMPLES, run_id="b" * 16),
        series_of(SAMPLES),
        by="Ada",
        now=NOW + timedelta(days=1),
    )

    assert store.current(new.fingerprint) == new
    assert store.all() == [new, old]
    assert store.named(old.baseline_id) == old


def test_an_invalid_run_is_refused_and_the_reason_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is invalid: every planned request was made: 28 of 29"):
        BaselineStore(tmp_path).promote(
            result_from(SAMPLES, validity=BAD), series_of(SAMPLES), by="Ada"
        )


def test_too_few_repeats_are_refused(tmp_path: Path) -> None:
    few = whole_run(repeats=2)

    with pytest.raises(SettingsError, match="has 2 repeats"):
        BaselineStore(tmp_path).promote(result_from(few), series_of(few), by="Ada")


def test_a_run_is_not_promoted_twice(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    store.promote(result_from(SAMPLES), series_of(SAMPLES), by="Ada", now=NOW)

    with pytest.raises(SettingsError, match="is the baseline already"):
        store.promote(result_from(SAMPLES), series_of(SAMPLES), by="Eve")


def test_what_is_half_written_is_no_baseline(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    made = store.promote(result_from(SAMPLES), series_of(SAMPLES), by="Ada")
    path = next((tmp_path / "load-test-baselines").glob("*.json"))
    path.with_suffix(".part").write_text(path.read_text()[:100])

    assert store.all() == [made]


def test_one_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no baseline x"):
        BaselineStore(tmp_path).named("x")
