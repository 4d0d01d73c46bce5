"""The Markdown twin, read back by a Markdown parser."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from onyx_pipelines.page.text import printable
from onyx_pipelines.restore.report.history import History, UnreadableDrill
from onyx_pipelines.restore.report.markdown import (
    MOST_FINDINGS_IN_METADATA,
    code,
    findings_markdown,
    report_markdown,
    summary_markdown,
    table,
    text,
)
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines_tests.restore.report.drills import (
    NOW,
    component,
    days_before,
    drill,
    failed,
    finding,
    unverified,
    whole_stack,
)

_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def _cells(markdown: str) -> list[list[str]]:
    """The rows of all tables, as plain text; fails on raw HTML and links."""
    rows: list[list[str]] = []
    for token in _PARSER.parse(markdown):
        assert token.type != "html_block"
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            kinds = {child.type for child in token.children or []}
            assert kinds <= {"text", "text_special", "code_inline", "strong_open", "strong_close"}
            if rows:
                rows[-1].append("".join(child.content for child in token.children or []))
    return rows


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=30), min_size=3, max_size=3))
def test_cells_of_any_text_keep_their_columns_and_read_as_they_are(words: list[str]) -> None:
    markdown = table(("a", "b", "c"), [[text(word) for word in words]])

    rows = _cells(markdown)

    assert [len(row) for row in rows] == [3, 3]
    assert [cell.strip() for cell in rows[1]] == [printable(word).strip() for word in words]


_SPECIAL_TEXT = st.text("|`\\*_<>&[]()!#~$^ ab\n\r\t=-:;'\"", min_size=1, max_size=16)


@settings(max_examples=300, deadline=None)
@given(_SPECIAL_TEXT, _SPECIAL_TEXT)
def test_special_characters_are_only_characters(first: str, second: str) -> None:
    rows = _cells(table(("a", "b"), [(code(first), text(second))]))

    assert [len(row) for row in rows] == [2, 2]
    assert [cell.strip() for cell in rows[1]] == [
        printable(first).strip(),
        printable(second).strip(),
    ]


@pytest.mark.parametrize("address", ["https://evil.example/", "www.evil.example", "a@b.example"])
def test_an_address_in_a_name_becomes_no_link(address: str) -> None:
    linking = MarkdownIt("commonmark")

    html = linking.render(text(address))

    assert "<a" not in html
    assert "://" not in text(address)


def test_the_summary_is_a_screenful_with_verdict_times_and_components() -> None:
    summary = summary_markdown(whole_stack(failed("onyx: public.t")))

    assert summary.startswith("**✕ FAILED**: 1 of 100 comparisons failed: onyx: public.t (rows).")
    assert "| Recovery time | **" in summary
    assert "| Qdrant | ✓ passed | 800 MB |" in summary
    assert len(summary.splitlines()) < 20


def test_findings_for_metadata_are_limited_and_say_what_is_left_out() -> None:
    count = MOST_FINDINGS_IN_METADATA + 7

    markdown = findings_markdown(drill(component(findings=(failed("t"),) * count)))

    assert len(_cells(markdown)) == 1 + MOST_FINDINGS_IN_METADATA
    assert markdown.endswith("7 more are in the report.")


def test_without_problems_the_findings_say_that_all_passed() -> None:
    assert findings_markdown(whole_stack()) == "Every comparison passed."


def test_what_a_passed_comparison_leaves_open_is_said() -> None:
    found = finding(item="documents").model_copy(update={"limits": "500 of 9,000 points"})
    result = drill(component(findings=(found,)))

    assert "- documents: 500 of 9,000 points." in report_markdown(result, History((), ()))
    assert "leaves open" not in report_markdown(whole_stack(), History((), ()))


def test_the_worst_findings_stand_first() -> None:
    rows = _cells(findings_markdown(drill(component(findings=(unverified("a"), failed("b"))))))

    assert [row[0] for row in rows[1:]] == ["✕ failed", "? could not verify"]


def test_the_report_has_the_same_facts_as_the_page() -> None:
    lost = UnreadableDrill(Path("20261101T040000Z-deadbeef"), "drill.json: Invalid JSON")
    earlier = History(tuple(days_before(30)), (lost,))

    markdown = report_markdown(whole_stack(failed("onyx: public.t")), earlier)

    for part in (
        "# Restore drill, 2026-11-23 04:00 UTC",
        "| Last set that passed | data as of 2026-11-22",
        "| Recovery point | 2026-11-23 01:30 UTC, 2 h 30 min old when the drill began |",
        "| ✕ failed | PostgreSQL | `onyx: public.t` | rows | The table is short of rows. |"
        " `184223 rows` | `184222 rows` |",
        "| 12.0 s | PostgreSQL | `onyx` | Restore | 30.0 s |",
        "| PostgreSQL | rows | 90 |",
        "19 older ones are not listed.",
        "Could not be read: `20261101T040000Z-deadbeef`, drill.json: Invalid JSON",
        "onyx drill 5ba91faf-7a02-4204-b7c1-bd874da5e709 --from offsite",
        "| PostgreSQL | server | `16.10` |",
        "![Timeline of the drill](timeline.png)",
    ):
        assert part in markdown


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_all_tables_of_a_report_are_rectangular_whatever_the_names(name: str) -> None:
    findings = (finding(Verdict.FAILED, name, name, name, name, name), finding(item=name))
    result = drill(component(findings=findings, items=(name,)), error=name)
    earlier = History((drill(component(), started_at=NOW - timedelta(days=1), drill_id=name),))

    lines = report_markdown(result, earlier).splitlines()

    widths = [line.count("|") for line in lines if line.startswith("|")]
    heads = [line.count("|") for line in lines if line.startswith("| ---")]
    assert set(widths) == set(heads)
    assert "<script" not in "\n".join(lines)
