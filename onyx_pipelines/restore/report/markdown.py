"""A drill's short summary and what did not pass, as Markdown for Dagster's metadata."""

from __future__ import annotations

from onyx_pipelines.core.text import duration_text, moment_text
from onyx_pipelines.reporting.markdown import code, table, table_markdown, text
from onyx_pipelines.restore.report import view
from onyx_pipelines.restore.report.summary import (
    headline,
    problems,
    recovery_against_objective,
    recovery_notes,
    recovery_point_age,
    recovery_text,
)
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
    verdict = str(view.badge(result.verdict)).upper()
    parts = [f"**{verdict}**: {text(headline(result))}", table(("", ""), facts)]
    if result.components:
        parts.append(table_markdown(view.components(result)))
    return "\n\n".join(parts) + "\n"


def findings_markdown(result: DrillResult) -> str:
    """A table of what did not pass, worst first, and how many more than MOST_FINDINGS there are."""
    if not problems(result):
        return "Every comparison passed."
    return table_markdown(view.findings(result), most=MOST_FINDINGS)
