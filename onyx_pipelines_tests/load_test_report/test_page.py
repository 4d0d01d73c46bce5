"""The page: what must be unmistakable, and what it must not claim."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from html.parser import HTMLParser

import pytest

from onyx_pipelines.load_test.report.html import report_html
from onyx_pipelines.load_test.report.wording import TIMES
from onyx_pipelines.load_test.results import Validity
from onyx_pipelines_tests.load_test_report import made_up
from onyx_pipelines_tests.load_test_report.made_up import HOSTILE, TARGETS_MS, LoadTest

pytestmark = pytest.mark.slow

_VOID = {"meta", "link", "br"}


class _Page(HTMLParser):
    """Tags in order, attributes, texts; refuses a tag that is not closed where it must be."""

    def __init__(self, test: LoadTest) -> None:
        super().__init__()
        self.html = report_html(test.result, test.samples, TARGETS_MS)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


@pytest.fixture(scope="module")
def failing_page() -> _Page:
    return _Page(made_up.failing())


@pytest.fixture(scope="module")
def invalid_page() -> _Page:
    return _Page(made_up.invalid())


@pytest.fixture(scope="module")
def hostile_page() -> _Page:
    return _Page(made_up.hostile())


@pytest.fixture(scope="module")
def empty_page() -> _Page:
    return _Page(made_up.nearly_empty())


def test_no_objective_of_an_invalid_run_is_shown_as_passed(invalid_page: _Page) -> None:
    top = invalid_page.html[: invalid_page.html.index("</header>")]

    assert "passed" not in top[top.index("<header") :]
    assert top.count("! not to be used") == 3


def test_every_number_of_an_invalid_run_is_greyed(invalid_page: _Page) -> None:
    greyed = invalid_page.html.index('class="invalid-numbers"')

    for title in ("Latency", "Latency by percentile", "How much it can do", "What to do"):
        assert greyed < invalid_page.html.index(f"<h2>{title}</h2>")


def test_the_condition_that_an_invalid_run_missed_is_told_before_its_numbers(
    invalid_page: _Page,
) -> None:
    text = invalid_page.text

    assert text.index("Whether this run can be used") < text.index("Latency by percentile")


def test_nothing_of_a_usable_run_is_greyed(failing_page: _Page) -> None:
    assert "invalid-numbers" not in failing_page.html


def test_a_run_without_a_sweep_does_not_claim_that_nothing_has_to_be_done(
    empty_page: _Page,
) -> None:
    assert "Without a sweep it cannot be told what would help." in empty_page.text


def test_a_sweep_without_a_cause_only_says_that_none_was_found() -> None:
    found = made_up.failing()
    calm = found.result.model_copy(update={"attributions": found.result.attributions[1:]})

    text = _Page(LoadTest(calm, found.samples)).text

    assert "No cause was found, so nothing is proposed." in text


def test_what_is_not_known_is_never_shown_as_zero(empty_page: _Page) -> None:
    top = empty_page.text[: empty_page.text.index("Latency by percentile")]

    assert "chat p95 not known of 1.50 s" in top
    assert "longest gap not known" in top


def test_a_figure_without_a_ratio_is_listed_beside_the_chart(failing_page: _Page) -> None:
    after = failing_page.text[failing_page.text.index("Against the baseline") :]

    assert re.search(r"agent_tasks full_answer p95\s*not known\s*inconclusive", after)


def test_a_percentile_shows_its_ratio_to_the_baseline(failing_page: _Page) -> None:
    latency = failing_page.text[: failing_page.text.index("Latency by percentile")]

    assert f"baseline 2.40{TIMES} (2.23 to 2.59)" in latency


def test_a_run_without_a_baseline_says_why_instead_of_a_chart(empty_page: _Page) -> None:
    assert "No baseline was promoted." in empty_page.text
    assert 'id="forest-wide' not in empty_page.html


@pytest.mark.parametrize("page", ["failing_page", "invalid_page", "hostile_page", "empty_page"])
def test_every_tag_is_closed(page: str, request: pytest.FixtureRequest) -> None:
    found: _Page = request.getfixturevalue(page)

    assert found.open == []


@pytest.mark.parametrize("page", ["failing_page", "hostile_page"])
def test_the_page_asks_for_nothing_and_runs_nothing(
    page: str, request: pytest.FixtureRequest
) -> None:
    found: _Page = request.getfixturevalue(page)
    addresses = [
        value
        for name, value in found.attributes
        if name in {"src", "href", "srcset", "action"} and value and not value.startswith("#")
    ]

    assert addresses == ["data:,"]
    assert not {"script", "iframe", "object", "img", "form"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]


def test_hostile_texts_are_shown_as_they_are_wherever_they_stand(hostile_page: _Page) -> None:
    assert hostile_page.text.count(HOSTILE) >= 25


def test_the_command_can_be_pasted_whatever_the_profile_is_called() -> None:
    found = made_up.nearly_empty()
    odd = found.result.model_copy(update={"profile": "x; rm -rf /\n```"})

    text = _Page(LoadTest(odd, found.samples)).text

    assert r"onyx load-test run --profile 'x; rm -rf /\n```'" in text


def test_times_are_in_utc_whatever_zone_they_were_written_in() -> None:
    found = made_up.nearly_empty()
    nepal = found.result.started_at.astimezone(timezone(timedelta(hours=5, minutes=45)))

    text = _Page(
        LoadTest(found.result.model_copy(update={"started_at": nepal}), found.samples)
    ).text

    assert "Load test, 2026-11-20 03:15:00 UTC" in text
    assert "Began2026-11-20 03:15:00 UTC" in text


def test_a_run_without_any_condition_is_invalid() -> None:
    found = made_up.nearly_empty()
    unjudged = found.result.model_copy(update={"validity": Validity(gates=())})

    assert "INVALID" in _Page(LoadTest(unjudged, found.samples)).text


def test_ids_are_unique_in_the_page(failing_page: _Page) -> None:
    ids = [value for name, value in failing_page.attributes if name == "id"]

    assert len(ids) == len(set(ids))
