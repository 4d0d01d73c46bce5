"""The summaries of a drill for Dagster's metadata, read back by a Markdown parser."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.report.markdown import (
    MOST_FINDINGS,
    findings_markdown,
    summary_markdown,
)
from onyx_pipelines_tests.reporting.test_markdown import cells_of
from onyx_pipelines_tests.restore.report.drills import (
    component,
    drill,
    failed,
    finding,
    unverified,
    whole_stack,
)


def test_the_summary_is_a_screenful_with_verdict_times_and_components() -> None:
    summary = summary_markdown(whole_stack(failed("onyx: public.t")))

    assert summary.startswith("**✕ FAILED**: 1 of 100 comparisons failed: onyx: public.t (rows).")
    assert "- Recovery time: **" in summary
    assert "- Qdrant: ✓ passed, 800 MB in " in summary
    assert cells_of(summary) == []
    assert len(summary.splitlines()) < 20


def test_findings_for_metadata_are_limited_and_say_what_is_left_out() -> None:
    count = MOST_FINDINGS + 7

    markdown = findings_markdown(drill(component(findings=(failed("t"),) * count)))

    assert len(cells_of(markdown)) == 1 + MOST_FINDINGS
    assert markdown.endswith("7 more are in the report.")


def test_without_problems_the_findings_say_that_all_passed() -> None:
    assert findings_markdown(whole_stack()) == "Every comparison passed."


def test_the_worst_findings_stand_first() -> None:
    rows = cells_of(findings_markdown(drill(component(findings=(unverified("a"), failed("b"))))))

    assert [row[2] for row in rows[1:]] == ["✕ failed", "? could not verify"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_all_tables_are_rectangular_whatever_the_names(name: str) -> None:
    findings = (finding(Verdict.FAILED, name, name, name, name, name), finding(item=name))
    result = drill(component(findings=findings, items=(name,)), error=name)

    rows = cells_of(findings_markdown(result))

    assert {len(row) for row in rows} == {6}
    assert cells_of(summary_markdown(result)) == []
