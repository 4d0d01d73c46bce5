"""One result, many voices: the stack's health as JSON, as rows, and as a page for guests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from onyx_pipelines.core.text import NOTHING, duration_text, second_text
from onyx_pipelines.health.verdict import Condition, Finding, StackHealth, verdict
from onyx_pipelines.reporting.markdown import table_markdown
from onyx_pipelines.reporting.palette import badge
from onyx_pipelines.reporting.tables import Cell, Table, plain_table

BADGES: Final = {
    Condition.OK: badge("passed", "ok"),
    Condition.DEGRADED: badge("degraded", "degraded"),
    Condition.UNKNOWN: badge("could-not-verify", "unknown"),
    Condition.FAILING: badge("failed", "failing"),
    Condition.NOT_WATCHED: badge("muted", "not watched"),
}
_COLUMNS: Final = (("Area", "name"), ("Condition", ""), ("What is known", ""), ("As of", "nowrap"))


def as_json(health: StackHealth) -> dict[str, Any]:
    """For whoever operates it."""
    return {
        "stack": health.stack,
        "at": health.at.isoformat(),
        "condition": health.condition.value,
        "sentence": health.sentence,
        "action": health.action,
        "areas": [_finding(each, health) for each in health.findings],
    }


def age_text(finding: Finding, health: StackHealth) -> str:
    """Of its evidence."""
    age_s = finding.age_s(health.at)
    return NOTHING if age_s is None else f"{duration_text(age_s)} ago"


def markdown(health: StackHealth) -> str:
    """For Dagster's metadata."""
    table = plain_table(
        (*_COLUMNS, ("What to do", "mono")),
        [(*_row(each, health), each.action) for each in health.findings],
    )
    return table_markdown(table)


def guest_page(found: Sequence[StackHealth]) -> str:
    """One file for people without a token: no set, store, address, path or command of a stack; of
    several stacks their names."""
    from onyx_pipelines.reporting.pages import render

    condition = verdict(each.condition for each in found)
    at = second_text(min(each.at for each in found))
    is_one = len(found) == 1
    return render(
        "health",
        title=f"The {'stack' if is_one else f'worst of {len(found)} stacks'} is {condition.value}",
        subtitle=f"Stack health, {at}",
        verdict=BADGES[condition],
        headline=_headline(condition),
        shown=[
            (
                "What people rely on" if is_one else f"{each.stack}: {each.condition.value}",
                _guest_table(each),
            )
            for each in found
        ],
        command="onyx health",
        reproduction=[("asked at", at)],
    )


def _headline(condition: Condition) -> str:
    return {
        Condition.OK: "Everything that is watched is as it should be.",
        Condition.DEGRADED: "It works, and something needs a look.",
        Condition.UNKNOWN: "Something could not be asked, so nobody can say that all is well.",
        Condition.FAILING: "Something that people rely on fails.",
    }[condition]


def _guest_table(health: StackHealth) -> Table:
    return plain_table(_COLUMNS, [_row(each, health) for each in health.findings])


def _row(finding: Finding, health: StackHealth) -> tuple[str | Cell, ...]:
    return (
        finding.area.words.capitalize(),
        Cell(badge=BADGES[finding.condition]),
        finding.summary,
        age_text(finding, health),
    )


def _finding(finding: Finding, health: StackHealth) -> dict[str, Any]:
    return {
        "area": finding.area.value,
        "condition": finding.condition.value,
        "summary": finding.summary,
        "at": None if finding.at is None else finding.at.isoformat(),
        "age_seconds": finding.age_s(health.at),
        "details": list(finding.details),
        "action": finding.action,
    }
