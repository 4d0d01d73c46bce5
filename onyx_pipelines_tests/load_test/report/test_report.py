from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from onyx_pipelines.load_test.report.html import report_html
from onyx_pipelines.load_test.report.markdown import report_markdown, summary_markdown
from onyx_pipelines.load_test.report.writing import write_report
from onyx_pipelines.load_test.results import (
    Alarm,
    Block,
    LoadTestResult,
    Scenario,
    parse_load_test_result,
)
from onyx_pipelines_tests.load_test.made_up import (
    BAD,
    BEGUN,
    NOTHING,
    block,
    result_from,
    whole_run,
)

pytestmark = pytest.mark.slow

TARGETS = {Scenario.CHAT: 1500.0, Scenario.RAG: 200.0}
HOSTILE = '<script>alert(1)</script>|`*_[x](http://evil)"&'


@cache
def samples() -> pd.DataFrame:
    return whole_run()


@cache
def whole() -> LoadTestResult:
    return result_from(samples(), before=whole_run())


class _Page(HTMLParser):
    """Text and the tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in {"src", "href"} and v and v[0] != "#"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def html() -> str:
    return report_html(whole(), samples(), TARGETS)


@pytest.fixture(scope="module")
def page(html: str) -> _Page:
    return _Page(html)


def test_the_page_needs_nothing_but_itself(page: _Page) -> None:
    assert page.addresses == ["data:,"]
    assert "script" not in page.tags


def test_the_verdict_and_every_objective_are_on_top(page: _Page) -> None:
    top = page.text[page.text.index("PASSED") :][:600]

    assert "chat p95" in top
    assert "rag p95" in top
    assert "peak memory" in top


def test_all_charts_are_there_for_a_desk_and_for_a_phone(page: _Page) -> None:
    assert page.tags.count("svg") == 2 * 6


def test_a_percentile_that_the_samples_do_not_support_is_not_made_up(page: _Page) -> None:
    few = whole_run(repeats=1)

    text = _Page(report_html(result_from(few), few, TARGETS)).text

    assert "too few samples: 100, it takes at least 368" in text


def test_an_invalid_run_cannot_be_missed() -> None:
    text = _Page(report_html(result_from(samples(), validity=BAD), samples(), TARGETS)).text

    assert "INVALID" in text[:2500] + text
    assert "Its numbers are not to be used. Not met: all was sent: half, required all." in text


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

    assert "not known" in report_html(result, samples, TARGETS) + report_markdown(result)


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    alarm = Alarm(at=BEGUN, name=HOSTILE, text=HOSTILE)
    result = result_from(samples(), alarms=(alarm,), target=HOSTILE)

    page = _Page(report_html(result, samples(), TARGETS))

    assert "script" not in page.tags
    assert HOSTILE in page.text
    assert "<script>" not in report_markdown(result)


def test_the_same_run_gives_the_same_bytes(html: str) -> None:
    assert report_html(whole(), samples(), TARGETS) == html


def test_the_markdown_has_the_numbers_of_the_page(page: _Page) -> None:
    markdown = report_markdown(whole())

    for summary in whole().summaries:
        p95 = summary.percentile(0.95)
        assert p95 is not None
        assert p95.value is not None
        shown = f"{p95.value:.0f} ms"
        assert shown in markdown
        assert shown in page.text
    for sentence in (each.text for each in whole().objectives):
        assert sentence[:40] in page.text


def test_the_short_summary_has_verdict_objectives_and_bottleneck() -> None:
    summary = summary_markdown(whole())

    assert summary.startswith("**✓ PASSED**")
    assert summary.count("|") > 10
    assert len(re.findall(r"^- ", summary, flags=re.MULTILINE)) == len(whole().attributions)


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    files = write_report(whole(), samples(), tmp_path, TARGETS)

    assert parse_load_test_result(files.result.read_bytes()) == whole()
    assert (tmp_path / "load-test" / "latest" / "report.html").read_text() == files.html.read_text()
    assert set(files.charts) == {"spectrum", "budget", "throughput", "saturation"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files.charts.values())


def test_writing_a_run_again_replaces_its_report(tmp_path: Path) -> None:
    first = write_report(whole(), samples(), tmp_path, TARGETS)
    changed: LoadTestResult = whole().model_copy(update={"profile": "quick"})

    second = write_report(changed, samples(), tmp_path, TARGETS)

    assert first.directory == second.directory
    assert parse_load_test_result(second.result.read_bytes()).profile == "quick"
    assert not list((tmp_path / "load-test").glob(".unfinished*"))
