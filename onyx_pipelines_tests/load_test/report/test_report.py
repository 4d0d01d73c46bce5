from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from onyx_pipelines.load_test.report.writing import load_test_page, write_report
from onyx_pipelines.load_test.results import (
    Block,
    LoadTestResult,
    Scenario,
)
from onyx_pipelines_tests.load_test.factories import (
    NOTHING,
    block,
    result_from,
    whole_run,
)
from onyx_pipelines_tests.reporting.page import Page

pytestmark = pytest.mark.slow

TARGETS = {Scenario.CHAT: 1500.0, Scenario.RAG: 200.0}


@cache
def samples() -> pd.DataFrame:
    return whole_run()


@cache
def whole() -> LoadTestResult:
    return result_from(samples(), before=whole_run())


@pytest.fixture(scope="module")
def html() -> str:
    return load_test_page(whole(), samples(), TARGETS)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_verdict_and_every_objective_are_on_top(page: Page) -> None:
    top = page.text[page.text.index("PASSED") :][:600]

    assert "chat p95" in top
    assert "rag p95" in top
    assert "peak memory" in top


def test_all_charts_are_there_for_a_desk_and_for_a_phone(page: Page) -> None:
    assert page.tags.count("svg") == 2 + 2 + 2 + 2 * 2


def test_a_percentile_that_the_samples_do_not_support_is_not_made_up(page: Page) -> None:
    few = whole_run(repeats=1)

    text = Page(load_test_page(result_from(few), few, TARGETS)).text

    assert "too few samples: 100, it takes at least 368" in text


@pytest.mark.parametrize(
    "samples",
    [
        NOTHING,
        block(Scenario.RAG, Block.BASELINE, users=1, requests=1, mean_ms=5),
        block(Scenario.RAG, Block.SWEEP, users=1, requests=1, mean_ms=5),
        block(Scenario.RAG, Block.BASELINE, users=2, requests=10, mean_ms=5, failures=10),
    ],
    ids=["nothing", "one request", "one step", "only failures"],
)
def test_hardly_any_data_still_makes_a_page(samples: pd.DataFrame) -> None:
    result = result_from(samples)

    assert "not known" in load_test_page(result, samples, TARGETS)


def test_the_same_run_gives_the_same_bytes(html: str) -> None:
    assert load_test_page(whole(), samples(), TARGETS) == html


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    files = write_report(whole(), samples(), tmp_path, TARGETS)

    assert LoadTestResult.model_validate_json(files.result.read_bytes()) == whole()
    assert (tmp_path / "load-test" / "latest" / "report.html").read_text() == files.html.read_text()


def test_writing_a_run_again_replaces_its_report(tmp_path: Path) -> None:
    first = write_report(whole(), samples(), tmp_path, TARGETS)
    changed: LoadTestResult = whole().model_copy(update={"profile": "quick"})

    second = write_report(changed, samples(), tmp_path, TARGETS)

    assert first.directory == second.directory
    assert LoadTestResult.model_validate_json(second.result.read_bytes()).profile == "quick"
    assert not list((tmp_path / "load-test").glob(".unfinished*"))
