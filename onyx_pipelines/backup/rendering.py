"""Sizes, tables and lists for people, in Markdown and plain text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from onyx_pipelines.core.text import moment_text, size_text, utc_second
from onyx_pipelines.reporting.markdown import table_markdown, text
from onyx_pipelines.reporting.tables import plain_table
from onyx_pipelines.vault.catalog import CatalogRow
from onyx_pipelines.vault.manifest import ComponentRecord
from onyx_pipelines.vault.pruning import PruneReport, Waiting
from onyx_pipelines.vault.retention import Decision

RETENTION_HEAD = ("recovery point (UTC)", "set", "in", "verdict", "as", "why")


def objects_table(components: Sequence[ComponentRecord]) -> str:
    """Markdown: every object with its sizes and SHA-256."""
    names = (("object", "mono"), ("of", ""), ("plain", ""), ("sealed", ""))
    rows = [
        (
            *(item.key, item.name, size_text(item.plain_bytes), size_text(item.sealed_bytes)),
            f"{item.sealed_sha256[:16]}…",
        )
        for component in components
        for item in component.objects
    ]
    return table_markdown(plain_table((*names, ("SHA-256 (sealed)", "")), rows))


def retention_decisions(report: PruneReport) -> list[tuple[Decision, tuple[str, ...]]]:
    """Every verdict with the stores that it holds for, newest set first."""
    stores_of: dict[Decision, list[str]] = {}
    for store, plan in report.plans.items():
        for decision in plan.decisions:
            stores_of.setdefault(decision, []).append(store)
    newest_first = sorted(stores_of, key=lambda d: (d.timestamp, d.backup_id), reverse=True)
    return [(decision, tuple(stores_of[decision])) for decision in newest_first]


def retention_rows(report: PruneReport) -> list[tuple[str, ...]]:
    """Every set with its verdict and reasons, newest first, under RETENTION_HEAD."""
    spared = {each.backup_id: each.reason for each in report.spared}
    waiting = {(each.what, each.store): _waits(each) for each in report.waiting}
    verb = "would prune" if report.dry_run else "pruned"

    def verdict(decision: Decision, stores: Sequence[str]) -> str:
        if decision.keep:
            return "kept"
        if decision.backup_id in spared:
            return "spared"
        waits = all((decision.backup_id, store) in waiting for store in stores)
        return "waiting" if waits else verb

    def more(decision: Decision, stores: Sequence[str]) -> list[str | None]:
        locked = [waiting.get((decision.backup_id, store)) for store in stores]
        return [spared.get(decision.backup_id), *locked]

    return [
        (
            utc_second(decision.timestamp),
            decision.backup_id,
            ", ".join(stores),
            verdict(decision, stores),
            decision.retained_as.value if decision.retained_as else "",
            "; ".join((*decision.reasons, *filter(None, more(decision, stores)))),
        )
        for decision, stores in retention_decisions(report)
    ]


def space_lines(report: PruneReport) -> list[str]:
    """What deletions really freed, and what locks and earlier versions keep."""
    lines = [f"{each.what}: {_waits(each)}" for each in report.waiting]
    if report.remaining_bytes:
        versions = sum(each.remains.versions for each in (*report.sets, *report.leftovers))
        lines.append(
            f"{size_text(report.remaining_bytes)} stay in {versions} earlier versions that the"
            " store does not let go; `onyx doctor` says what frees them."
        )
    if not report.dry_run:
        lines.append(f"{size_text(report.freed_bytes)} were freed.")
    return lines


def _waits(each: Waiting) -> str:
    return f"locked in the {each.store} store until {moment_text(each.locked_until)}"


def prune_report_json(report: PruneReport) -> dict[str, object]:
    """The report as plain JSON values; times are ISO 8601 in UTC."""
    return {
        "dry_run": report.dry_run,
        "policy": str(report.policy),
        **{f"policy/{store}": str(policy) for store, policy in report.own_policies.items()},
        "sets": [
            {
                "backup_id": decision.backup_id,
                "stores": list(stores),
                "timestamp": decision.timestamp.isoformat(),
                "keep": decision.keep,
                "retained_as": decision.retained_as.value if decision.retained_as else None,
                "reasons": list(decision.reasons),
            }
            for decision, stores in retention_decisions(report)
        ],
        "removed": [asdict(removal) for removal in (*report.sets, *report.leftovers)],
        "spared": [asdict(each) for each in report.spared],
        "waiting": [asdict(each) for each in report.waiting],
        "freed_bytes": report.freed_bytes,
        "remaining_bytes": report.remaining_bytes,
        "failures": [asdict(each) for each in report.failures],
        "problems": [asdict(each) for each in report.problems],
    }


def sets_table(listed: Sequence[CatalogRow]) -> str:
    """Markdown: sets, newest first."""
    names = ("recovery point (UTC)", "set", "status", "size", "stores", "kept as")
    columns = [(name, "mono" if name == "set" else "") for name in names]
    rows = [
        (
            *(utc_second(row.recovery_point), row.backup_id, row.status),
            *(size_text(row.size_bytes), ", ".join(row.stores), row.retained_as or ""),
        )
        for row in listed
    ]
    return table_markdown(plain_table(columns, rows))


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Of cells that are plain text, shown as it is."""
    return table_markdown(plain_table([(name, "") for name in head], rows))


def bullets(lines: Iterable[str]) -> str:
    """Markdown: a list of plain lines, shown as they are."""
    return "\n".join(f"- {text(line)}" for line in lines)
