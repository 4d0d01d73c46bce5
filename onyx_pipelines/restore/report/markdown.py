"""A drill's short summary and what did not pass, as Markdown for Dagster's metadata."""

from __future__ import annotations

from onyx_pipelines.core.text import duration_text, moment_text
from onyx_pipelines.reporting.markdown import code, table, text
from onyx_pipelines.restore.report.formatting import COMPONENT_NAMES
from onyx_pipelines.restore.report.summary import (
    headline,
    problems,
    recovery_against_objective,
    recovery_notes,
    recovery_point_age,
    recovery_text,
)
from onyx_pipelines.restore.report.view import TOGETHER, badge, component_columns, component_rows
from onyx_pipelines.restore.results import DrillResult

MOST_FINDINGS = 50


def summary_markdown(result: DrillResult) -> str:
    """The verdict, the times and a row per component: a screenful."""
    notes = " ".join([recovery_against_objective(result), *recovery_notes(result)])
    facts = [
        ("Recovery time", f"**{recovery_text(result)}** {text(notes)}"),
        ("Recovery point", f"{moment_text(result.recovery_point)}, {recovery_point_age(result)}"),
        ("Restored from store", text(result.store)),
        ("Backup set", code(result.backup_id)),
        ("Drill took", duration_text((result.finished_at - result.started_at).total_seconds())),
    ]
    verdict = str(badge(result.verdict)).upper()
    parts = [f"**{verdict}**: {text(headline(result))}", table(("", ""), facts)]
    if result.components:
        headings = [name for name, _ in component_columns()]
        rows = [
            (
                each.name,
                str(each.verdict),
                each.data,
                *(time for _, time in each.times),
                each.recovery,
                each.rate,
            )
            for each in component_rows(result)
            if each.name != TOGETHER
        ]
        parts.append(table(headings, rows))
    return "\n\n".join(parts) + "\n"


def findings_markdown(result: DrillResult) -> str:
    """A table of what did not pass, worst first, and how many more than MOST_FINDINGS there are."""
    found = problems(result)
    if not found:
        return "Every comparison passed."
    rows = [
        (
            str(badge(problem.finding.verdict)),
            COMPONENT_NAMES[problem.component],
            code(problem.finding.item),
            text(problem.finding.aspect),
            text(problem.finding.message),
            code(problem.finding.expected),
            code(problem.finding.found),
        )
        for problem in found[:MOST_FINDINGS]
    ]
    headings = ("Verdict", "Component", "Item", "Aspect", "What is wrong", "Expected", "Found")
    written = table(headings, rows)
    rest = len(found) - len(rows)
    return f"{written}\n\n{rest:,} more are in the report." if rest else written
