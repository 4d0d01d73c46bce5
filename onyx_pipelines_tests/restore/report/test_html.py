"""The page: what it says first, that nothing escapes into it, that it needs nothing else."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.text import printable
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.reporting.publish import Unreadable
from onyx_pipelines.restore.report.history import History
from onyx_pipelines.restore.report.writing import drill_page
from onyx_pipelines.restore.results import DrillResult
from onyx_pipelines.sources.source import Component
from onyx_pipelines_tests.reporting.page import Page
from onyx_pipelines_tests.restore.report.drills import (
    component,
    days_before,
    drill,
    failed,
    finding,
    unverified,
    whole_stack,
)

pytestmark = pytest.mark.slow

FIRST = History()


@pytest.fixture(scope="module")
def failed_page() -> str:
    problems_found = [failed(f"onyx: public.t{i}") for i in range(20)]
    return drill_page(whole_stack(*problems_found), History(tuple(days_before(30))))


def _first(result: DrillResult) -> str:
    return drill_page(result, FIRST)


def _in_order(text: str, *parts: str) -> bool:
    return bool(re.search(".*".join(re.escape(part) for part in parts), text, re.DOTALL))


def test_the_set_to_turn_to_is_the_newest_that_passed() -> None:
    earlier = tuple(days_before(12)[9:])

    text = Page(drill_page(whole_stack(failed("t")), History(earlier))).text

    assert earlier[0].verdict is Verdict.FAILED
    assert _in_order(text, "Last set that passed: ", "drilled 2026-11-12 04:00 UTC.")


def test_without_an_earlier_pass_there_is_no_set_to_turn_to() -> None:
    assert "none, no earlier drill on record passed." in Page(_first(drill())).text


def test_the_verdict_and_its_reason_come_first_then_times_then_evidence(failed_page: str) -> None:
    text = Page(failed_page).text

    assert _in_order(
        text.partition("Restore drill, ")[2],
        "FAILED",
        "20 of 119 comparisons failed: onyx: public.t0 (rows)",
        "Last set that passed: data as of 2026-11-22",
        "Recovery time",
        "Within the objective of 60 min",
        "2 h 30 min old",
        "offsite",
        "What did not pass",
        "Timeline",
        "Components",
        "What passed",
        "Recovery time over the drills",
        "Run it again",
    )


def test_every_finding_that_did_not_pass_has_expected_and_found(failed_page: str) -> None:
    rows = re.findall(
        r'<th scope="row" role="rowheader" class="name mono.*?</tr>', failed_page, re.DOTALL
    )

    assert len(rows) == 20
    assert all("184223 rows" in row and "184222 rows" in row for row in rows)


@pytest.mark.parametrize(
    ("result", "word"),
    [
        (drill(component()), "PASSED"),
        (drill(component(findings=(failed("t"),))), "FAILED"),
        (drill(component(findings=(unverified("t"),))), "COULD NOT VERIFY"),
        (drill(error="No private key fits."), "COULD NOT VERIFY"),
        (drill(), "COULD NOT VERIFY"),
    ],
)
def test_the_verdict_stands_in_words(result: DrillResult, word: str) -> None:
    page = drill_page(result, FIRST)

    assert f"</span>{word}</h1>" in page


def test_a_healthy_report_names_no_problem_and_no_other_set() -> None:
    text = Page(drill_page(whole_stack(), History(tuple(days_before(1))))).text

    assert "What did not pass" not in text
    assert "Last set that passed" not in text


def test_a_recovery_over_the_objective_is_told_though_the_data_passed() -> None:
    text = Page(drill_page(drill(component(restore_s=4000)), FIRST)).text

    assert _in_order(text, "PASSED", "over the objective of 60 min", "✕ over the objective")


def test_what_passed_is_counted_and_its_names_are_at_hand() -> None:
    page = drill_page(whole_stack(), FIRST)

    assert "✓</span> rows: 90</summary>" in page
    assert page.count("<details>") == 3
    assert "onyx: public.t89" in page


def test_an_earlier_report_that_cannot_be_read_is_shown() -> None:
    lost = Unreadable(Path("20261101T040000Z-deadbeef"), "drill.json: Invalid JSON")

    text = Page(drill_page(drill(component()), History((), (lost,)))).text

    assert "1 earlier report could not be read" in text
    assert "20261101T040000Z-deadbeef: drill.json: Invalid JSON" in text


def test_the_page_needs_no_other_file_no_address_and_no_script(failed_page: str) -> None:
    page = Page(failed_page)

    sources = [value for name, value in page.attributes if name in {"src", "href"}]
    assert "script" not in page.tags
    assert {value for value in sources if not str(value).startswith("#")} == {"data:,"}
    assert not re.search(r"https?://|@import|url\((?!#)", failed_page)
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_every_tag_is_closed_and_every_id_is_unique(failed_page: str) -> None:
    page = Page(failed_page)

    ids = [value for name, value in page.attributes if name == "id"]
    assert page.open == []
    assert len(ids) == len(set(ids))


def test_headings_descend_and_tables_have_headers(failed_page: str) -> None:
    page = Page(failed_page)

    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.tags.count("thead") == page.tags.count("table") == 4
    assert ("lang", "en") in page.attributes


def test_dark_light_and_paper_each_have_their_colours(failed_page: str) -> None:
    assert _in_order(
        failed_page,
        "color-scheme:light dark",
        "@media (prefers-color-scheme:dark)",
        "@media print{:root{color-scheme:light",
    )


def test_the_same_drill_gives_the_same_page() -> None:
    result, earlier = whole_stack(failed("t")), History(tuple(days_before(3)))

    assert drill_page(result, earlier) == drill_page(result, earlier)


def test_a_page_with_a_long_history_takes_less_than_two_seconds() -> None:
    result, earlier = whole_stack(failed("t")), History(tuple(days_before(100)))
    drill_page(result, FIRST)

    began = time.process_time()
    drill_page(result, earlier)

    assert time.process_time() - began < 2


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_name_becomes_markup_anywhere_on_the_page(name: str) -> None:
    attack = f"<script>{name}</script><img src=x onerror=1>\"'`"
    result = drill(
        component(
            Component.VOLUMES,
            (finding(Verdict.FAILED, attack, attack, attack, attack, attack), finding(item=attack)),
            (attack,),
        ),
        error=attack,
    ).model_copy(update={"store": attack, "backup_id": attack, "drill_id": attack})

    page = Page(_first(result))

    assert {"script", "img"}.isdisjoint(page.tags)
    assert not [key for key, _ in page.attributes if key.startswith("on")]
    assert page.open == []
    assert printable(attack) in page.text


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_every_row_of_findings_keeps_its_columns(names: list[str]) -> None:
    findings = tuple(finding(Verdict.FAILED, name, name, name, name, name) for name in names)

    page = _first(drill(component(findings=findings)))

    table = Page(page[page.index("<table") : page.index("</table>")])
    assert table.tags.count("td") == 4 * len(names)
    assert table.tags.count("th") == 5 + 1 + len(names)


def test_what_a_passed_comparison_leaves_open_is_said() -> None:
    found = finding(item="documents").model_copy(update={"limits": "500 of 9,000 points"})

    text = Page(drill_page(drill(component(findings=(found,))), FIRST)).text

    assert "documents: 500 of 9,000 points." in text
    assert "leaves open" not in drill_page(whole_stack(), FIRST)


def test_every_bar_of_the_timeline_says_what_it_is() -> None:
    page = drill_page(whole_stack(), FIRST)

    assert 'title="Qdrant, collection 2: restore 30.0 s, from 4 min 02 s on"' in page
    assert page.count('class="bar ') == 3 + 3 * (3 + 4 + 5)


def test_without_a_timed_step_there_is_no_timeline() -> None:
    assert "No step was timed" in drill_page(drill(), FIRST)


def test_no_bar_leaves_its_row() -> None:
    page = _first(whole_stack())

    places = re.findall(r"left:([0-9.]+)%;width:(.*?)%;top:(.*?)%;height:(.*?)%", page)
    assert len(places) == 3 + 3 * (3 + 4 + 5)
    for left, width, top, height in places:
        assert 0 <= float(left) <= float(left) + float(width) <= 100.01
        assert 0 <= float(top) <= float(top) + float(height) <= 100
