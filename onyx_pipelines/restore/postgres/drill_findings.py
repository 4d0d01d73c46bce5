"""What a drill of PostgreSQL says besides what differs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from onyx_pipelines.restore.postgres.differences import MISSING, Aspect
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict

PG_RESTORE = "pg_restore"


def excused(findings: Sequence[Finding], item: str, reason: str) -> list[Finding]:
    """What may be missing only because of scratch is not held against the backup; rows and content
    of what is there are."""
    excuse = Finding(
        verdict=Verdict.COULD_NOT_VERIFY,
        item=item,
        aspect=Aspect.EXTENSION.value,
        message=f"{reason}: what needs it could not be restored",
    )
    return [
        excuse,
        *(
            finding.model_copy(update={"verdict": Verdict.COULD_NOT_VERIFY})
            if finding.verdict is Verdict.FAILED and _may_come_of_scratch(finding)
            else finding
            for finding in findings
        ),
    ]


def _may_come_of_scratch(finding: Finding) -> bool:
    schema = finding.aspect in {Aspect.SCHEMA, Aspect.EXTENSION, PG_RESTORE}
    return schema or finding.found == MISSING


def complained(item: str, complaints: Collection[str]) -> Finding:
    return Finding(
        verdict=Verdict.FAILED,
        item=item,
        aspect=PG_RESTORE,
        message="pg_restore reported errors",
        found="\n".join(complaints),
    )


def reports_of_damage(said: str) -> list[str]:
    """Of what pg_amcheck printed. It computes an index's expression as its owner, who may no longer
    have the right: that is no damage."""
    reports: list[str] = []
    for line in said.split("\n"):
        if line.startswith((" ", "\t")) and reports:
            reports[-1] += f"\n{line}"
        elif line:
            reports.append(line)
    return [report for report in reports if "permission denied for function" not in report]


def damaged_pages(item: str, reports: Sequence[str]) -> Finding:
    return Finding(
        verdict=Verdict.FAILED,
        item=item,
        aspect="pages",
        message="pg_amcheck found damage",
        found="\n".join(filter(None, reports))[-500:],
    )
