"""Builders of drill results for the tests of the reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.results import (
    ComponentResult,
    DrillResult,
    Finding,
    Step,
    StepTiming,
)
from onyx_pipelines.sources.source import Component

NOW = datetime(2026, 11, 23, 4, 0, 0, tzinfo=UTC)


def finding(
    verdict: Verdict = Verdict.PASSED,
    item: str = "onyx: public.document",
    aspect: str = "rows",
    message: str = "The same.",
    expected: str = "",
    found: str = "",
) -> Finding:
    return Finding(
        verdict=verdict,
        item=item,
        aspect=aspect,
        message=message,
        expected=expected,
        found=found,
    )


def failed(item: str, aspect: str = "rows") -> Finding:
    return finding(
        Verdict.FAILED, item, aspect, "The table is short of rows.", "184223 rows", "184222 rows"
    )


def unverified(item: str, aspect: str = "points") -> Finding:
    return finding(Verdict.COULD_NOT_VERIFY, item, aspect, "This engine cannot open it.")


def timing(step: Step, item: str, offset_s: float, duration_s: float) -> StepTiming:
    return StepTiming(step=step, item=item, offset_s=offset_s, duration_s=duration_s)


def component(
    kind: Component = Component.POSTGRESQL,
    findings: tuple[Finding, ...] = (finding(),),
    items: tuple[str, ...] = ("onyx",),
    start_s: float = 0,
    restore_s: float = 30,
    share: float = 1.0,
) -> ComponentResult:
    """Prepare 2 s; then for each item fetch 10 s, restore `restore_s`, compare 5 s."""
    steps = [timing(Step.PREPARE, "scratch", start_s, 2)]
    for index, item in enumerate(items):
        offset_s = start_s + 2 + index * (15 + restore_s)
        steps += [
            timing(Step.FETCH, item, offset_s, 10),
            timing(Step.RESTORE, item, offset_s + 10, restore_s),
            timing(Step.COMPARE, item, offset_s + 10 + restore_s, 5),
        ]
    return ComponentResult(
        component=kind,
        findings=findings,
        steps=tuple(steps),
        plain_bytes=800_000_000,
        share=share,
        versions={"server": "16.10"},
    )


def unrestored(kind: Component, findings: tuple[Finding, ...]) -> ComponentResult:
    return ComponentResult(component=kind, findings=findings, steps=(), plain_bytes=0)


def drill(
    *components: ComponentResult,
    started_at: datetime = NOW,
    drill_id: str = "drill-0",
    error: str = "",
    objective_s: float = 3600,
) -> DrillResult:
    return DrillResult(
        drill_id=drill_id,
        backup_id="5ba91faf-7a02-4204-b7c1-bd874da5e709",
        store="offsite",
        recovery_point=started_at - timedelta(hours=2, minutes=30),
        started_at=started_at,
        finished_at=started_at + timedelta(seconds=158),
        objective_s=objective_s,
        components=components,
        error=error,
    )


def days_before(count: int) -> list[DrillResult]:
    """One drill a day, newest first; each tenth failed, each fifteenth stopped early."""
    return [
        drill(
            component(findings=(failed("t"),) if day % 10 == 0 else (finding(),)),
            started_at=NOW - timedelta(days=day),
            drill_id=f"drill-{day}",
            error="The scratch disk is full." if day % 15 == 0 else "",
        )
        for day in range(1, count + 1)
    ]


def whole_stack(*findings: Finding) -> DrillResult:
    """Three databases, four collections, five volumes; `findings` are PostgreSQL's."""
    return drill(
        component(
            Component.POSTGRESQL,
            (*(finding(item=f"onyx: public.t{i}") for i in range(90)), *findings),
            ("onyx", "keycloak", "langfuse"),
        ),
        component(
            Component.QDRANT,
            tuple(finding(item=f"collection {i}", aspect="points") for i in range(4)),
            tuple(f"collection {i}" for i in range(4)),
            start_s=140,
        ),
        component(
            Component.VOLUMES,
            tuple(finding(item=f"volume {i}", aspect="content") for i in range(5)),
            tuple(f"volume {i}" for i in range(5)),
            start_s=330,
        ),
    )
