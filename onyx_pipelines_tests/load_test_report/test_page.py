"""The page: what must be unmistakable, and what it must not claim."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.text import NOTHING
from onyx_pipelines.load_test.report.formatting import TIMES
from onyx_pipelines.load_test.report.sentences import headline, judgement
from onyx_pipelines.load_test.report.view import filled, sweep
from onyx_pipelines.load_test.report.writing import load_test_page, page_of
from onyx_pipelines.load_test.results import LoadTestResult, Validity
from onyx_pipelines.reporting.tables import Cell
from onyx_pipelines_tests.load_test_report import factories
from onyx_pipelines_tests.load_test_report.factories import HOSTILE, TARGETS_MS, LoadTest
from onyx_pipelines_tests.reporting.page import Page

pytestmark = pytest.mark.slow


class _Page(Page):
    """The page of a load test."""

    def __init__(self, test: LoadTest) -> None:
        self.html = load_test_page(test.result, test.samples, TARGETS_MS)
        super().__init__(self.html)


@pytest.fixture(scope="module")
def failing_page() -> _Page:
    return _Page(factories.failing())


@pytest.fixture(scope="module")
def invalid_page() -> _Page:
    return _Page(factories.invalid())


@pytest.fixture(scope="module")
def hostile_page() -> _Page:
    return _Page(factories.hostile())


@pytest.fixture(scope="module")
def empty_page() -> _Page:
    return _Page(factories.nearly_empty())


def test_no_objective_of_an_invalid_run_is_shown_as_passed(invalid_page: _Page) -> None:
    top = invalid_page.html[: invalid_page.html.index("</header>")]

    assert "passed" not in top[top.index("<header") :]
    assert top.count("not to be used</span>") == 3


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
    assert 'class="invalid-numbers"' not in failing_page.html


def test_a_run_without_a_sweep_does_not_claim_that_nothing_has_to_be_done(
    empty_page: _Page,
) -> None:
    assert "Without a sweep it cannot be told what would help." in empty_page.text


def test_a_sweep_without_a_cause_only_says_that_none_was_found() -> None:
    found = factories.failing()
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
    assert "No baseline was promoted for this environment" in empty_page.text
    assert 'class="stacks ratios"' not in empty_page.html


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
    found = factories.nearly_empty()
    odd = found.result.model_copy(update={"profile": "x; rm -rf /\n```"})

    text = _Page(LoadTest(odd, found.samples)).text

    assert r"onyx load-test run --profile 'x; rm -rf /\n```'" in text


def test_times_are_in_utc_whatever_zone_they_were_written_in() -> None:
    found = factories.nearly_empty()
    nepal = found.result.started_at.astimezone(timezone(timedelta(hours=5, minutes=45)))

    text = _Page(
        LoadTest(found.result.model_copy(update={"started_at": nepal}), found.samples)
    ).text

    assert "Load test, 2026-11-20 03:15:00 UTC" in text
    assert "Began2026-11-20 03:15:00 UTC" in text


def test_a_run_without_any_condition_is_invalid() -> None:
    found = factories.nearly_empty()
    unjudged = found.result.model_copy(update={"validity": Validity(gates=())})

    assert "INVALID" in _Page(LoadTest(unjudged, found.samples)).text


def test_every_id_is_there_once_and_every_reference_has_its_target(failing_page: _Page) -> None:
    ids = [value for name, value in failing_page.attributes if name == "id"]
    references = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', failing_page.html)

    assert len(ids) == len(set(ids))
    assert {first or second for first, second in references} <= set(ids)


def test_charts_have_only_colours_of_the_page(failing_page: _Page) -> None:
    drawn = failing_page.html[failing_page.html.index("</style>") :]

    assert re.findall(r"#[0-9a-fA-F]{6}\b", drawn) == []


@pytest.mark.parametrize(
    "number",
    [
        f"1.31{TIMES} (1.22 to 1.41)",
        "share 93 % (89 to 96 %), confidence 0.94",
        "1.14 s → 420 ms (380 ms to 510 ms)",
        "knee at 5.6 users (4.9 users to 6.4 users)",
        "2026-11-20 03:19:07 UTC, chat p95:",
        "5d41402abc4b2a76",
    ],
)
def test_every_number_is_there(number: str, failing_page: _Page) -> None:
    assert number in failing_page.text


def test_a_service_that_is_not_known_at_a_step_is_not_zero() -> None:
    ((_, rows),) = filled(factories.failing().result)[0].groups

    (row,) = (row for row in rows if row[0] == "qdrant CPU")
    known = [Cell(text, kind="full-0") for text in ("2", "7")]
    assert row[1:4] == (known[0], Cell(NOTHING, kind="unknown"), known[1])


def test_a_step_without_answers_has_no_mean() -> None:
    failing = factories.failing().result
    step = failing.sweep[0].model_copy(update={"samples": 0, "mean_ms": 0.0, "parts": {}})

    ((_, (row,)),) = sweep(failing.model_copy(update={"sweep": (step,)})).groups

    assert row == ("chat", "1", "3.3", "not known", "not known", "0.0 %", "not known")


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40))
def test_no_name_becomes_markup_anywhere_on_the_page(name: str) -> None:
    result = factories.hostile(f"<script>{name}</script><img src=x onerror=1>\"'`").result
    page = Page(page_of(result, charts=defaultdict(list)))

    assert {"script", "img"}.isdisjoint(page.tags)
    assert not [key for key, _ in page.attributes if key.startswith("on")]
    assert page.open == []


def test_the_example_is_what_its_result_looks_like_today() -> None:
    folder = Path(__file__).parents[2] / "reports" / "examples" / "load-test"
    result = LoadTestResult.model_validate_json((folder / "result.json").read_bytes())
    page = Page((folder / "report.html").read_text(encoding="utf-8"))

    assert headline(result) in page.text
    assert all(judgement(objective) in page.text for objective in result.objectives)
    assert [name for name in page.text.split() if name == "GiB"] == []
